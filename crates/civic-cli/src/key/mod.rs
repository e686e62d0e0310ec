//! `civic key`: keys that cannot be minted with by those who verify.
//!
//! `key generate` prints a new private key in PEM and nothing else. `key public` reads a private
//! key from standard input and prints its public half, as a JSON Web Key or in PEM. A private key
//! is never an argument: arguments are in the list of processes and in the shell's history.
//!
//! `key jwks` prints the public halves of several keys as a JSON Web Key Set, which others fetch.
//! With `--check URL` it fetches one as they do, and prints what they find in it.

mod check;
mod jwks;

use std::io::{self, Read as _};
use std::process::ExitCode;

use civic_auth::{Algorithm, SigningKey};
use clap::{Subcommand, ValueEnum};
use zeroize::Zeroizing;

use crate::start_error::StartError;
use crate::target::Target;

/// The most bytes of a private key that are read.
const MAX_PEM_BYTES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a new private key in PEM. Write it where only the service can read it.
    Generate {
        /// The kind of key.
        #[arg(long, value_enum, default_value_t = Kind::Ed25519)]
        algorithm: Kind,
    },
    /// Read a private key in PEM from standard input, and print its public half.
    Public {
        /// The id of the key, which its tokens carry as `kid`.
        #[arg(long)]
        id: Option<String>,
        /// Print PEM. Without it, the key is printed as a JSON Web Key.
        #[arg(long)]
        pem: bool,
    },
    /// Print the public keys of files and variables as a JSON Web Key Set. Secrets are left out.
    ///
    /// A file has a private or a public key in PEM, or a JSON Web Key Set. A variable has a private
    /// key in PEM.
    Jwks {
        /// A file, as FILE or as ID=FILE. Without ID, a key in PEM has the name of its file, up to
        /// the first dot, as its id.
        #[arg(value_name = "[ID=]FILE", required_unless_present_any = ["env", "check"])]
        files: Vec<String>,
        /// An environment variable with a private key in PEM. ID is the id of the key.
        #[arg(long, value_name = "ID=VARIABLE")]
        env: Vec<String>,
        /// Fetch the set that is published here, as a service would, and print each key that it can
        /// use. Exit code 1 if there is none.
        #[arg(long, value_name = "URL", conflicts_with_all = ["files", "env"])]
        check: Option<Target>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Ed25519, for tokens with EdDSA.
    Ed25519,
    /// P-256, for tokens with ES256.
    P256,
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::Generate { algorithm } => {
            let algorithm = match algorithm {
                Kind::Ed25519 => Algorithm::EdDsa,
                Kind::P256 => Algorithm::Es256,
            };
            let pem =
                SigningKey::generate_pem(algorithm).map_err(|error| StartError::refused(&error))?;
            print!("{}", pem.as_str());
        }
        Command::Public { id, pem } => {
            let mut text = Zeroizing::new(String::new());
            io::stdin()
                .lock()
                .take(MAX_PEM_BYTES)
                .read_to_string(&mut text)?;
            let mut key =
                SigningKey::from_pem(&text).map_err(|error| StartError::refused(&error))?;
            if let Some(id) = id {
                key = key
                    .with_id(&id)
                    .map_err(|error| StartError::refused(&error))?;
            }
            let public = key.public_key().and_then(|public| match pem {
                true => public.to_pem(),
                false => public.to_jwk().map(|jwk| jwk + "\n"),
            });
            print!("{}", public.unwrap_or_default());
        }
        Command::Jwks {
            check: Some(target),
            ..
        } => check::run(&target).await?,
        Command::Jwks { files, env, .. } => {
            println!("{}", jwks::read(&files, &env)?.to_jwks_json());
        }
    }
    Ok(ExitCode::SUCCESS)
}
