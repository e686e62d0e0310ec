//! Which requests are replayed.

use std::fmt;

use crate::stage::PREFIX;

/// The id of the reads that send one: a UUID, which both sides keep as it is.
pub(super) const CORRELATION_ID: &str = "3e8f0a52-6b1d-4c97-a0d4-71f5e2c9b836";

/// The reads of the example fleet's assessment roll, below its prefix.
const ROLL: [&str; 12] = [
    "/properties/prop-001/assessment",
    "/properties/missing/assessment",
    "/null",
    "/array",
    "/string",
    "/number",
    "/boolean",
    "/looks-like-envelope",
    "/unwrapped",
    "/soft-failure",
    "/whoami",
    "/no/such/route",
];

/// A method without an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    Get,
    Head,
}

/// What a read says of its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Credential {
    Good,
    Missing,
    /// What has the form of a token and is none.
    Bad,
    /// A token that was good once.
    Expired,
    /// A token that another secret has signed.
    Foreign,
    /// A token of a user with the lowest role.
    LowestRole,
}

/// A request that is replayed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Read {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) credential: Credential,
    /// Whether it has a correlation id, which the answer has to keep. Otherwise the answer has a
    /// made-up one.
    pub(super) sends_id: bool,
}

/// The reads that every service with the routes of the assessment roll answers.
pub(crate) fn roll_reads() -> Vec<Read> {
    ROLL.into_iter().map(Read::of_roll).collect()
}

/// The reads that a file names: a path per line, or `GET` or `HEAD` and a path. `#` begins a
/// comment.
pub(super) fn reads_of(text: &str) -> Result<Vec<Read>, String> {
    let mut reads = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => {
                return Err(format!(
                    "line {}: {method} is no read: only GET and HEAD are replayed",
                    index + 1
                ));
            }
        };
        let path = path.trim();
        if !path.starts_with('/') || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "line {}: a path begins with `/` and has no spaces",
                index + 1
            ));
        }
        reads.push(Read::of(method, path.to_owned()));
    }
    match reads.is_empty() {
        true => Err("it names no read".into()),
        false => Ok(reads),
    }
}

/// Each read as several callers would send it.
pub(crate) fn variants(reads: &[Read]) -> Vec<Read> {
    let mut all = Vec::new();
    for read in reads {
        all.push(read.clone());
        all.push(Read {
            sends_id: false,
            ..read.clone()
        });
        for credential in Credential::ALL {
            if credential != read.credential {
                all.push(Read {
                    credential,
                    ..read.clone()
                });
            }
        }
    }
    all
}

// ===== impl Credential =====

impl Credential {
    pub(super) const ALL: [Self; 6] = [
        Self::Good,
        Self::Missing,
        Self::Bad,
        Self::Expired,
        Self::Foreign,
        Self::LowestRole,
    ];

    /// What is said of it behind a path.
    fn said(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::Missing => ", without a token",
            Self::Bad => ", with a bad token",
            Self::Expired => ", with an expired token",
            Self::Foreign => ", with a token of another secret",
            Self::LowestRole => ", with a token of the lowest role",
        }
    }
}

// ===== impl Read =====

impl Read {
    /// A GET of the route below the prefix of the example fleet's assessment roll.
    pub(crate) fn of_roll(route: &str) -> Self {
        Self::of(Method::Get, format!("{PREFIX}{route}"))
    }

    fn of(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            credential: Credential::Good,
            sends_id: true,
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.path)?;
        f.write_str(self.credential.said())?;
        match self.sends_id {
            true => Ok(()),
            false => f.write_str(", without a correlation id"),
        }
    }
}

// ===== impl Method =====

impl Method {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_a_path_per_line_and_no_writes() {
        let reads = reads_of("# the roll\n/a?b=1\n\nHEAD /c\n").expect("valid");
        assert_eq!(
            reads.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["GET /a?b=1", "HEAD /c"]
        );
        for (text, words) in [
            ("POST /a", "line 1: POST is no read"),
            ("/ok\nrelative", "line 2: a path begins with `/`"),
            ("GET /a b", "no spaces"),
            ("# nothing", "it names no read"),
        ] {
            let error = reads_of(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn each_read_is_sent_with_a_token_and_without() {
        let reads = reads_of("/a").expect("valid");
        assert_eq!(
            variants(&reads)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            [
                "GET /a",
                "GET /a, without a correlation id",
                "GET /a, without a token",
                "GET /a, with a bad token",
                "GET /a, with an expired token",
                "GET /a, with a token of another secret",
                "GET /a, with a token of the lowest role",
            ]
        );
    }
}
