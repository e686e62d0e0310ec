//! `civic token`: what an operator needs when a call is refused.
//!
//! `token mint` prints a token and nothing else, so that it can be used in place:
//!
//! ```sh
//! curl -H "Authorization: Bearer $(civic token mint --role TAX_CLERK)" http://localhost:3020/api/assessment-roll/whoami
//! ```
//!
//! `token inspect` prints one JSON object for each rule of the guard, kept or broken, and a
//! verdict. Neither prints the secret, nor a signature that it did not make.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use civic_auth::{KeyFile, Role, Token, TokenMinter, TokenVerifier, UserClaims};
use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::output::print;
use crate::start_error::{StartError, secrets};

/// The most bytes that are read from standard input. A token has at most 4096.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// How long a user token lives by default.
const USER_LIFETIME_SECONDS: u64 = 3600;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a new token: the service's, or with --role a user's.
    Mint(MintArgs),
    /// Print which rules of the guard a token keeps and which it breaks. The exit code is 1 if it
    /// would be refused.
    Inspect {
        /// The token, with or without `Bearer ` before it. Without it, or as `-`, it is read from
        /// standard input: an argument is in the list of processes and in the shell's history.
        token: Option<String>,
        /// A file with keys (a JSON Web Key Set), as the services read it. Defaults to the secrets
        /// of the environment, the previous ones included.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
}

#[derive(clap::Args, Debug)]
pub(crate) struct MintArgs {
    /// A role of the platform, for a user token. Without it the token is the service account's.
    #[arg(long)]
    role: Option<Role>,
    /// The user's id.
    #[arg(
        long,
        requires = "role",
        default_value = "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11"
    )]
    user_id: String,
    /// The user's email address.
    #[arg(long, requires = "role", default_value = "clerk@town.example")]
    email: String,
    /// The user's municipality.
    #[arg(long, requires = "role", default_value = "town-1")]
    municipality_id: String,
    /// The user's name.
    #[arg(long, requires = "role", default_value = "Example User")]
    name: String,
    /// How long the token lives, in seconds. Defaults to 3600, and to 30 for the service account.
    /// No guard accepts more than 30 for that one: ask for 31 to see it refused.
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::Mint(args) => {
            println!("{}", mint(args, &TokenMinter::new(secrets()?)).as_str());
            Ok(ExitCode::SUCCESS)
        }
        Command::Inspect { token, keys } => {
            let verifier = match keys {
                Some(path) => {
                    let keys = KeyFile::open(path).map_err(|error| StartError::refused(&error))?;
                    TokenVerifier::from_source(keys)
                }
                None => TokenVerifier::new(secrets()?),
            };
            let token = match token.filter(|token| token != "-") {
                Some(token) => Zeroizing::new(token),
                None => from_stdin()?,
            };
            let token = token.trim();
            Ok(inspect(
                token.strip_prefix("Bearer ").unwrap_or(token),
                &verifier,
            )?)
        }
    }
}

fn from_stdin() -> io::Result<Zeroizing<String>> {
    let mut token = Zeroizing::new(String::new());
    io::stdin()
        .lock()
        .take(MAX_INPUT_BYTES)
        .read_to_string(&mut token)?;
    Ok(token)
}

fn mint(args: MintArgs, minter: &TokenMinter) -> Token {
    let Some(role) = args.role.filter(|role| *role != Role::ServiceAccount) else {
        return mint_service(args.lifetime, minter);
    };
    let user = UserClaims::new(args.user_id, args.email, role)
        .with_municipality(args.municipality_id)
        .with_name(args.name);
    let lifetime = args.lifetime.unwrap_or(USER_LIFETIME_SECONDS);
    minter.mint_for(&user, Duration::from_secs(lifetime))
}

fn mint_service(lifetime: Option<u64>, minter: &TokenMinter) -> Token {
    let Some(lifetime) = lifetime else {
        return minter.mint();
    };
    // The library mints no service token with another lifetime. As the token of a user with the
    // service account's name, it can be minted to see it refused.
    let service = UserClaims::new(
        Uuid::nil().to_string(),
        "service@internal",
        Role::ServiceAccount,
    )
    .with_municipality("internal")
    .with_name("Internal Service");
    minter.mint_for(&service, Duration::from_secs(lifetime))
}

fn inspect(token: &str, verifier: &TokenVerifier) -> io::Result<ExitCode> {
    let inspection = verifier.inspect(token);
    for rule in inspection.rules() {
        print(&json!({
            "rule": rule.name(),
            "outcome": rule.outcome(),
            "detail": rule.detail(),
        }))?;
    }
    let (verdict, code) = if inspection.is_accepted() {
        ("accepted", ExitCode::SUCCESS)
    } else {
        ("refused", ExitCode::FAILURE)
    };
    print(&json!({
        "verdict": verdict,
        "header": inspection.header(),
        "claims": inspection.claims(),
    }))?;
    Ok(code)
}
