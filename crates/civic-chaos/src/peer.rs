//! A Node peer of a lock: `SET NX EX`, later a compare-and-delete. It has its own connection, and
//! uses no code of the lock under test.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const COMPARE_AND_DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

#[derive(Debug)]
pub(crate) struct Peer(BufReader<TcpStream>);

impl Peer {
    pub(crate) async fn connect(server: SocketAddr, db: u8) -> io::Result<Self> {
        let mut peer = Self(BufReader::new(TcpStream::connect(server).await?));
        peer.ask(&["SELECT", &db.to_string()]).await?;
        Ok(peer)
    }

    /// Acquires the lock. Returns whether the peer has it now.
    pub(crate) async fn take(&mut self, key: &str, value: &str, seconds: u64) -> io::Result<bool> {
        let seconds = seconds.to_string();
        let answer = self.ask(&["SET", key, value, "NX", "EX", &seconds]).await?;
        Ok(answer.is_some())
    }

    /// Releases the lock. Returns whether the peer still had it.
    pub(crate) async fn give_back(&mut self, key: &str, value: &str) -> io::Result<bool> {
        let answer = self
            .ask(&["EVAL", COMPARE_AND_DELETE, "1", key, value])
            .await?;
        Ok(answer.as_deref() == Some("1"))
    }

    /// Deletes a key, whatever it holds.
    pub(crate) async fn delete(&mut self, key: &str) -> io::Result<()> {
        self.ask(&["DEL", key]).await?;
        Ok(())
    }

    /// Returns the value of the key and the rest of its ttl, in milliseconds.
    pub(crate) async fn look(&mut self, key: &str) -> io::Result<(Option<String>, i64)> {
        let value = self.ask(&["GET", key]).await?;
        let left = self.ask(&["PTTL", key]).await?;
        Ok((value, left.and_then(|left| left.parse().ok()).unwrap_or(-2)))
    }

    /// Sends one command whose reply is nil, a number, or a text of one line.
    async fn ask(&mut self, words: &[&str]) -> io::Result<Option<String>> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.write_all(request.as_bytes()).await?;
        let line = self.line().await?;
        match line.split_at_checked(1) {
            Some(("$", "-1")) => Ok(None),
            Some(("$", _)) => self.line().await.map(Some),
            Some(("+" | ":", rest)) => Ok(Some(rest.to_owned())),
            _ => Err(io::Error::other(line)),
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}
