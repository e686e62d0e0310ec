//! The part of the Redis protocol that a test needs to ask a server without the client under test.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The reply of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// The reply is nil.
    Nil,
    /// The reply is an integer.
    Int(i64),
    /// The reply is a simple or bulk string.
    Text(String),
    /// The reply is an error, with its prefix.
    Error(String),
    /// The reply is an array.
    Array(Vec<Self>),
}

impl Reply {
    /// Returns the text of a string, "" for nil.
    ///
    /// # Panics
    ///
    /// Panics if the reply is something else.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Nil => "",
            other => panic!("not a text: {other:?}"),
        }
    }

    /// Returns the integer.
    ///
    /// # Panics
    ///
    /// Panics if the reply is something else.
    #[must_use]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(int) => *int,
            other => panic!("not an integer: {other:?}"),
        }
    }
}

/// Sends one command on a new connection.
///
/// # Errors
///
/// Fails if the server cannot be reached or does not speak the protocol.
pub async fn command(server: SocketAddr, words: &[&str]) -> io::Result<Reply> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes()).await?;
    read(&mut stream).await
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, line.to_owned());
    let (kind, rest) = line.split_at_checked(1).ok_or_else(invalid)?;
    let number = || rest.parse::<i64>().map_err(|_| invalid());
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Int(number()?),
        "$" => match usize::try_from(number()?) {
            Err(_) => Reply::Nil,
            Ok(length) => {
                let mut text = vec![0; length + 2];
                stream.read_exact(&mut text).await?;
                text.truncate(length);
                Reply::Text(String::from_utf8_lossy(&text).into_owned())
            }
        },
        "*" => match usize::try_from(number()?) {
            Err(_) => Reply::Nil,
            Ok(length) => {
                let mut items = Vec::with_capacity(length);
                for _ in 0..length {
                    items.push(Box::pin(read(stream)).await?);
                }
                Reply::Array(items)
            }
        },
        _ => return Err(invalid()),
    })
}
