//! `civic call`: one call with the default client stack, for a shell.
//!
//! Prints the unwrapped payload on stdout, as one line of JSON, and exits 0. If the call fails, it
//! exits 1, and the last line on stderr is a JSON object with the members `kind`, `status`,
//! `attempts`, `elapsedMs`, `correlationId`, `retryAfterMs`, `notRetried` and `message`. A value
//! that is not known is `null`. A mistake in the arguments or the environment is exit code 2.

mod attempt_lines;
mod log;

use std::process::ExitCode;
use std::time::Duration;

use civic_auth::{CorrelationId, InvalidCorrelationId, TokenMinter};
use civic_client::{Error, NotRetried, RetryScope, ServiceClient, UrlTemplate};
use http::Method;
use http::method::InvalidMethod;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::log::Log;
use crate::start_error::{StartError, chain, secrets};
use crate::target::Target;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The method: GET, POST, PUT, PATCH, DELETE or any other. The names of the standard methods
    /// may be in lower case.
    #[arg(value_parser = method)]
    method: Method,
    /// An absolute http URL.
    url: Target,
    /// The request's body, as JSON.
    #[arg(value_parser = json, allow_negative_numbers = true)]
    body: Option<Box<RawValue>>,
    /// How long each attempt may take. Defaults to 10000.
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// How many times the call is retried at most. Defaults to 2.
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// How long the whole call may take. Defaults to no limit.
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u64>,
    /// The correlation id. Defaults to a new one.
    #[arg(long, value_name = "ID", value_parser = correlation_id)]
    correlation_id: Option<CorrelationId>,
    /// Declares that executing the call twice has the same effect as executing it once.
    #[arg(long)]
    idempotent: bool,
    /// The Idempotency-Key. Declares that the peer honours it.
    #[arg(long, value_name = "K")]
    idempotency_key: Option<String>,
    /// Retries POST and PATCH like all other methods, even if the peer may have done its work.
    #[arg(long)]
    all_methods: bool,
    /// Prints one line of JSON per attempt on stderr.
    #[arg(long)]
    verbose: bool,
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

/// Runs the command.
pub(crate) async fn run(args: Args) -> Result<ExitCode, StartError> {
    let minter = TokenMinter::new(secrets()?);
    let log = Log::to_stderr(args.verbose);
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
            // Connections are closed in the background and may log it; this line has to be the
            // last one.
            log.close();
            // Every member can be written as JSON.
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

/// Reads a method. Its name is case-sensitive (RFC 9110, section 9.1), and no peer has a `get`.
fn method(name: &str) -> Result<Method, InvalidMethod> {
    const STANDARD: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    let standard = STANDARD
        .into_iter()
        .find(|method| method.as_str().eq_ignore_ascii_case(name));
    standard.map_or_else(|| name.parse(), Ok)
}

fn json(text: &str) -> Result<Box<RawValue>, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn correlation_id(text: &str) -> Result<CorrelationId, InvalidCorrelationId> {
    CorrelationId::parse(text)
}

/// Writes JSON on one line: without the whitespace between its tokens, and with every number as it
/// was written.
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

    #[test]
    fn a_standard_method_may_be_in_lower_case_and_any_other_stays_as_it_is() {
        assert_eq!(method("get").unwrap(), Method::GET);
        assert_eq!(method("Patch").unwrap(), Method::PATCH);
        assert_eq!(method("purge").unwrap().as_str(), "purge");
        assert!(method("a b").is_err());
    }

    #[test]
    fn json_on_one_line_keeps_its_strings_and_numbers() {
        assert_eq!(
            compact("{ \"a b\" :\n [1e+21,\t\" \\\" x\\\\\" ] }\r\n"),
            r#"{"a b":[1e+21," \" x\\"]}"#
        );
    }
}
