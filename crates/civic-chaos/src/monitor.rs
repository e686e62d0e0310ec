//! Records every write of the server, as the server reports it.
//!
//! MONITOR reports each command that is executed, including those inside of scripts, in their order
//! and with the server's clock. Its connection does not go through a proxy.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::history::{ServerState, What};
use crate::log::Log;

/// The commands that change a key of a lock.
const WRITES: [&str; 8] = [
    "SET", "PEXPIRE", "DEL", "HSET", "HSETNX", "HDEL", "EXPIRE", "UNLINK",
];

/// A line of MONITOR.
#[derive(Debug, Eq, PartialEq)]
struct Line {
    /// The instant of the server, in microseconds since the epoch.
    at: u64,
    db: u8,
    /// Whether a script executed it.
    lua: bool,
    words: Vec<String>,
}

/// Watches until it is aborted, and records when it sees all writes.
pub(crate) async fn watch(
    server: SocketAddr,
    wall_offset: u64,
    log: Log,
    watching: watch::Sender<bool>,
) {
    loop {
        if let Err(error) = watch_once(server, wall_offset, &log, &watching).await {
            // The server was killed, as the plan wants it.
            let _ = error;
        }
        if watching.send_replace(false) {
            log.now(What::server(ServerState::Unwatched));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn watch_once(
    server: SocketAddr,
    wall_offset: u64,
    log: &Log,
    watching: &watch::Sender<bool>,
) -> io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(server).await?);
    stream.write_all(b"MONITOR\r\n").await?;
    let mut text = Vec::new();
    let mut script = Vec::new();
    loop {
        text.clear();
        if stream.read_until(b'\n', &mut text).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_end();
        if text == "+OK" {
            watching.send_replace(true);
            log.now(What::server(ServerState::Watched));
            continue;
        }
        let Some(line) = parse(text) else {
            // Such as LOADING: it does not watch yet.
            if text.starts_with('-') {
                return Err(io::Error::other(text.to_owned()));
            }
            continue;
        };
        let Some(command) = line.words.first().map(|word| word.to_ascii_uppercase()) else {
            continue;
        };
        if matches!(command.as_str(), "EVALSHA" | "EVAL" | "FCALL") {
            script = arguments(&line.words);
        } else if WRITES.contains(&command.as_str()) {
            let at = (line.at * 1000).saturating_sub(wall_offset);
            log.at(
                at,
                What::Write {
                    db: line.db,
                    words: line.words,
                    script: line.lua.then(|| script.clone()),
                },
            );
        }
    }
}

/// Returns the arguments after the keys: `EVALSHA sha numkeys key… argument…`.
fn arguments(words: &[String]) -> Vec<String> {
    let keys = words.get(2).and_then(|count| count.parse().ok());
    words.get(3 + keys.unwrap_or(0)..).unwrap_or(&[]).to_vec()
}

/// Parses a line such as `+1339518083.107412 [0 lua] "set" "k" "v"`, in which quotes, backslashes
/// and bytes are escaped.
fn parse(text: &str) -> Option<Line> {
    let (at, rest) = text.strip_prefix('+')?.split_once(" [")?;
    let (seconds, micros) = at.split_once('.')?;
    let (source, words) = rest.split_once("] ")?;
    let (db, client) = source.split_once(' ')?;
    Some(Line {
        at: seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?,
        db: db.parse().ok()?,
        lua: client == "lua",
        words: unquote(words)?,
    })
}

fn unquote(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    while characters.peek().is_some() {
        if characters.next()? != '"' {
            return None;
        }
        let mut word = String::new();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    'n' => word.push('\n'),
                    'r' => word.push('\r'),
                    't' => word.push('\t'),
                    'a' => word.push('\u{7}'),
                    'b' => word.push('\u{8}'),
                    'x' => {
                        let digits: String = characters.by_ref().take(2).collect();
                        word.push(char::from(u8::from_str_radix(&digits, 16).ok()?));
                    }
                    other => word.push(other),
                },
                other => word.push(other),
            }
        }
        words.push(word);
        // The space between two words.
        characters.next();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_script_names_its_database_and_its_words() {
        let line = parse(r#"+1339518083.107412 [2 lua] "SET" "{lock:it}:fence" "17" "PX" "9""#);
        assert_eq!(
            line,
            Some(Line {
                at: 1_339_518_083_107_412,
                db: 2,
                lua: true,
                words: ["SET", "{lock:it}:fence", "17", "PX", "9"]
                    .map(str::to_owned)
                    .into(),
            })
        );
    }

    #[test]
    fn escapes_are_undone() {
        let words = unquote(r#""a \"b\" \\ c" "\x41\n" "]""#);
        assert_eq!(
            words,
            Some(["a \"b\" \\ c", "A\n", "]"].map(str::to_owned).into())
        );
    }

    #[test]
    fn the_arguments_of_a_script_follow_its_keys() {
        let line = parse(
            r#"+1.000002 [0 127.0.0.1:60866] "EVALSHA" "abc" "2" "lock:it" "{lock:it}:fence" "me" "0" "2000""#,
        )
        .expect("a line");
        assert!(!line.lua);
        assert_eq!(arguments(&line.words), ["me", "0", "2000"]);
    }

    #[test]
    fn what_is_no_line_is_none() {
        for text in [
            "+OK",
            "-LOADING Redis is loading",
            "",
            "+1.5 [x lua] \"a\"",
            "+1.5 [0 lua] \"a",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
