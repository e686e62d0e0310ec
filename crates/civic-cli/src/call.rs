//! `civic call`: one call with the default client stack, for a shell.
//!
//! Prints the unwrapped payload on stdout, as one line of JSON, and exits 0. On failure it exits 1, and the last
//! line on stderr is `{"kind","status","attempts","elapsedMs","correlationId","retryAfterMs","notRetried","message"}`
//! with `null` for what is not known. A mistake in the arguments or the environment is exit code 2.

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use civic_auth::{CorrelationId, InvalidCorrelationId, TokenMinter};
use civic_client::{Error, NotRetried, RetryScope, ServiceClient, UrlTemplate};
use http::Method;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::value::RawValue;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::attempt_lines::AttemptLines;
use crate::start_error::{StartError, chain, secret};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// GET, POST, PUT, PATCH, DELETE or any other
    method: Method,
    /// An absolute http URL
    url: Target,
    /// The request's body, as JSON
    #[arg(value_parser = json)]
    body: Option<Box<RawValue>>,
    /// How long each attempt may take. Defaults to 10000
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// How often the call is tried again at most. Defaults to 2
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// How long the whole call may take. Defaults to no limit
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u64>,
    /// The correlation id. Defaults to a new one
    #[arg(long, value_name = "ID", value_parser = correlation_id)]
    correlation_id: Option<CorrelationId>,
    /// Say that executing the call twice does the same as executing it once
    #[arg(long)]
    idempotent: bool,
    /// The Idempotency-Key; says that the peer honours it
    #[arg(long, value_name = "K")]
    idempotency_key: Option<String>,
    /// Retry POST and PATCH like the rest, even where the peer may have done its work
    #[arg(long)]
    all_methods: bool,
    /// Print one line of JSON an attempt on stderr
    #[arg(long)]
    verbose: bool,
}

/// A URL in the parts that a client takes: where, what path, which query.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Target {
    origin: String,
    path: String,
    query: Vec<(String, String)>,
}

/// The last line on stderr of a call that failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    kind: &'static str,
    status: Option<u16>,
    attempts: u32,
    elapsed_ms: u64,
    correlation_id: Option<&'a str>,
    retry_after_ms: Option<u64>,
    not_retried: Option<&'static str>,
    message: String,
}

/// The log on stderr, until it is closed.
#[derive(Debug)]
struct Log {
    open: Mutex<bool>,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> Result<ExitCode, StartError> {
    let minter = TokenMinter::new(secret()?);
    let log = log_to_stderr(args.verbose);
    let mut client = ServiceClient::builder(&args.url.origin).minter(minter);
    if args.all_methods {
        client = client.retry_scope(RetryScope::AllMethods);
    }
    let result = match client.build() {
        Ok(client) => call(&client, args).await,
        Err(error) => Err(error),
    };
    Ok(match result {
        Ok(payload) => {
            println!("{}", compact(payload.get()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let failed = Failed::from(&error);
            // Connections are closed in the background and may log it: the last line has to be this one.
            log.close();
            // Nothing in it can fail to be JSON.
            eprintln!("{}", serde_json::to_string(&failed).unwrap_or_default());
            ExitCode::FAILURE
        }
    })
}

async fn call(client: &ServiceClient, args: Args) -> Result<Box<RawValue>, Error> {
    let mut request = client.request(args.method, UrlTemplate::dynamic(args.url.path));
    for (name, value) in &args.url.query {
        request = request.query(name, value);
    }
    if let Some(body) = &args.body {
        request = request.json(body);
    }
    if let Some(timeout) = args.timeout_ms {
        request = request.timeout(Duration::from_millis(timeout));
    }
    if let Some(retries) = args.retries {
        request = request.retries(retries);
    }
    if let Some(deadline) = args.deadline_ms {
        request = request.deadline(Duration::from_millis(deadline));
    }
    if let Some(id) = args.correlation_id {
        request = request.correlation_id(id);
    }
    if args.idempotent {
        request = request.idempotent(true);
    }
    if let Some(key) = &args.idempotency_key {
        request = request.idempotency_key(key);
    }
    request.fetch().await
}

/// Attempts where they are asked for, and logs where `RUST_LOG` asks for them: none of it on stdout. Returns
/// where the logs go.
fn log_to_stderr(verbose: bool) -> Arc<Log> {
    let log = Arc::new(Log {
        open: Mutex::new(true),
    });
    let logs = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::registry()
        .with(verbose.then(AttemptLines::default))
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(Arc::clone(&log))
                .with_ansi(false)
                .with_filter(logs),
        )
        .init();
    log
}

fn json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn correlation_id(text: &str) -> Result<CorrelationId, InvalidCorrelationId> {
    CorrelationId::parse(text)
}

/// JSON on one line: without the whitespace between its tokens, and with every number as it was written.
fn compact(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        line.push(c);
    }
    line
}

// ===== impl Log =====

impl Log {
    /// Waits for a line that is being written; none is written after it.
    fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl io::Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if *open {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

// ===== impl Target =====

impl std::str::FromStr for Target {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected an absolute URL, such as http://localhost:3020/api/x";
        let authority = url.find("://").ok_or(EXPECTED)? + "://".len();
        // A fragment is the caller's own business and never sent.
        let url = url.split('#').next().unwrap_or_default();
        let end = url[authority..]
            .find(['/', '?'])
            .map_or(url.len(), |at| authority + at);
        let (origin, rest) = url.split_at(end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Self {
            origin: origin.to_owned(),
            path: as_path(path),
            query: query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
        })
    }
}

/// The path as it was given, but with what may not be in one percent-encoded: braces, spaces, other alphabets.
fn as_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len().max(1));
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    if encoded.is_empty() {
        encoded.push('/');
    }
    encoded
}

/// The client encodes what it is given, so what is encoded already is decoded first.
fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

// ===== impl Failed =====

impl<'a> From<&'a Error> for Failed<'a> {
    fn from(error: &'a Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            status: error.status().map(|status| status.as_u16()),
            attempts: error.attempts(),
            elapsed_ms: milliseconds(error.elapsed()),
            correlation_id: error.correlation_id().map(CorrelationId::as_str),
            retry_after_ms: error.retry_after().map(milliseconds),
            not_retried: error.not_retried().map(NotRetried::as_str),
            message: error.message().map_or_else(|| chain(error), str::to_owned),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> (String, String, Vec<(String, String)>) {
        let target: Target = url.parse().unwrap();
        (target.origin, target.path, target.query)
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_url_is_taken_apart_and_its_path_stays_as_given() {
        let origin = "http://localhost:3020".to_owned();
        assert_eq!(
            target("http://localhost:3020"),
            (origin.clone(), "/".to_owned(), vec![])
        );
        assert_eq!(
            target("http://localhost:3020/a/b%2Fc/?page=2&q=x%20y+z&flag#end"),
            (
                origin.clone(),
                "/a/b%2Fc/".to_owned(),
                vec![pair("page", "2"), pair("q", "x y z"), pair("flag", "")]
            )
        );
        assert_eq!(
            target("http://localhost:3020?x=1"),
            (origin.clone(), "/".to_owned(), vec![pair("x", "1")])
        );
        assert_eq!(
            target("http://localhost:3020/{id}/é"),
            (origin, "/%7Bid%7D/%C3%A9".to_owned(), vec![])
        );
        assert!("/api/x".parse::<Target>().is_err());
    }

    #[test]
    fn json_on_one_line_keeps_its_strings_and_numbers() {
        assert_eq!(
            compact("{ \"a b\" :\n [1e+21,\t\" \\\" x\\\\\" ] }\r\n"),
            r#"{"a b":[1e+21," \" x\\"]}"#
        );
    }
}
