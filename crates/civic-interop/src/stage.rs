//! The programs under test, and what a check needs of them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use civic_auth::{Secret, TokenMinter};
use civic_client::ServiceClient;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::attempts::Attempts;
use crate::process::{self, Process};
use crate::wire::{Answer, Request};

/// Where every route of the assessment roll is, on both sides.
pub(crate) const PREFIX: &str = "/api/assessment-roll";

/// What a child needs of the caller's environment to find its way about a machine. Nothing else is
/// passed on, so that a run is the same everywhere.
const PASSED_ON: [&str; 4] = ["HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR"];

/// The exception filters that the peer can have.
const DIALECTS: &str = "platform,default,documented,message,error,errors";

/// Where the programs under test are.
#[derive(clap::Args, Debug)]
pub(crate) struct Programs {
    /// A folder with the Node peers and their installed packages; several are run one after the
    /// other.
    #[arg(long, value_name = "FOLDER", required = true)]
    pub(crate) peers: Vec<PathBuf>,
    /// The `civic-fleet` executable.
    #[arg(long, value_name = "FILE")]
    pub(crate) fleet: PathBuf,
    /// The `civic` executable.
    #[arg(long, value_name = "FILE")]
    pub(crate) civic: PathBuf,
    /// The folder with the payloads of the Rust services.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) payloads: PathBuf,
    /// Where exchanges are recorded.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) recordings: PathBuf,
}

/// How long the long checks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// How long holders of both kinds contend for one lock.
    pub(crate) lock_time: Duration,
    /// How many processes are restarted under load.
    pub(crate) restarts: u32,
    /// The least time from one restart to the next.
    pub(crate) pace: Duration,
    /// How long the count of a key must stand still before the key is removed.
    pub(crate) silence: Duration,
}

/// One version of the Node peers, and the fleet beside it.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    programs: &'a Programs,
    extent: Extent,
    peers: &'a Path,
    label: String,
    secret: String,
    attempts: Attempts,
    company: Option<Company>,
}

/// The processes that most checks share.
#[derive(Debug)]
pub(crate) struct Company {
    /// A NestJS service, with an application for each exception filter.
    pub(crate) node: Peer,
    /// The fleet's `conformance` service.
    pub(crate) rust: Service,
    /// `civic-fleet billing`, which calls the NestJS service.
    pub(crate) billing: Service,
    /// A caller that uses `fetch`.
    pub(crate) caller: Process,
    /// Mints and verifies with npm `jsonwebtoken`.
    pub(crate) tokens: Process,
}

/// A NestJS service that listens.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) process: Process,
    /// By the name of the exception filter.
    pub(crate) addresses: BTreeMap<String, SocketAddr>,
}

/// A service of the fleet that listens. It is stopped when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

// ===== impl Stage =====

impl<'a> Stage<'a> {
    /// Nothing is started yet.
    pub(crate) fn new(
        programs: &'a Programs,
        extent: Extent,
        peers: &'a Path,
        attempts: Attempts,
    ) -> Result<Self, String> {
        let manifest = peers.join("node_modules/@nestjs/core/package.json");
        let nest = fs::read_to_string(&manifest)
            .map_err(|error| format!("{}: {error}", manifest.display()))?;
        let nest: Value = serde_json::from_str(&nest)
            .map_err(|error| format!("{}: {error}", manifest.display()))?;
        let label = format!("NestJS {}", nest["version"].as_str().unwrap_or("?"));
        Ok(Self {
            programs,
            extent,
            peers,
            label,
            secret: format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
            attempts,
            company: None,
        })
    }

    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// Where exchanges are recorded.
    pub(crate) fn recordings(&self) -> &'a Path {
        &self.programs.recordings
    }

    /// What the peers are called in the report.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The platform's secret in this run.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// How many attempts the clients of this process have made so far.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.count()
    }

    /// The shared processes, started at the first call.
    pub(crate) async fn company(&mut self) -> Result<&mut Company, String> {
        let company = match self.company.take() {
            Some(company) => company,
            None => self.start_company().await?,
        };
        Ok(self.company.insert(company))
    }

    async fn start_company(&self) -> Result<Company, String> {
        let (node, rust) = tokio::try_join!(
            self.peer(&[("DIALECTS", DIALECTS), ("RATE_LIMIT_MAX", "1000000")]),
            self.service("conformance", &[]),
        )?;
        let roll = format!("http://{}", node.platform()?);
        Ok(Company {
            billing: self
                .service("billing", &[("ASSESSMENT_ROLL_URL", &roll)])
                .await?,
            caller: self.node("client.mjs", &[])?,
            tokens: self.node("tokens.mjs", &[])?,
            node,
            rust,
        })
    }

    /// Stops the shared processes.
    pub(crate) async fn close(self) {
        if let Some(company) = self.company {
            company.node.process.stop().await;
            company.caller.stop().await;
            company.tokens.stop().await;
            company.billing.process.stop().await;
            company.rust.process.stop().await;
        }
    }

    /// Starts a Node program.
    pub(crate) fn node(&self, script: &str, variables: &[(&str, &str)]) -> Result<Process, String> {
        Process::start(script, self.node_command(script, variables), None)
    }

    /// Starts a NestJS service on a free port and waits until it listens.
    pub(crate) async fn peer(&self, variables: &[(&str, &str)]) -> Result<Peer, String> {
        self.peer_copying(variables, None).await
    }

    /// Like [`peer`](Self::peer); a copy of each event of the process goes to `copies`.
    pub(crate) async fn peer_copying(
        &self,
        variables: &[(&str, &str)],
        copies: Option<mpsc::UnboundedSender<Value>>,
    ) -> Result<Peer, String> {
        let command = self.node_command("peer.mjs", variables);
        let mut process = Process::start("peer.mjs", command, copies)?;
        let listening = process.event("listening").await?;
        let addresses = listening["ports"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(dialect, port)| {
                let port = u16::try_from(port.as_u64()?).ok()?;
                Some((dialect.clone(), (Ipv4Addr::LOCALHOST, port).into()))
            })
            .collect();
        Ok(Peer { process, addresses })
    }

    /// Starts a service of the fleet on a free port and waits until it listens.
    pub(crate) async fn service(
        &self,
        name: &str,
        variables: &[(&str, &str)],
    ) -> Result<Service, String> {
        // Nothing is in front of it that has to notice when it stops.
        let variables = [&[("CIVIC_DRAIN_DELAY_MS", "0")], variables].concat();
        self.service_copying(name, &variables, None).await
    }

    /// Like [`service`](Self::service), with the drain delay that services have; a copy of each
    /// event of the process goes to `copies`.
    pub(crate) async fn service_copying(
        &self,
        name: &str,
        variables: &[(&str, &str)],
        copies: Option<mpsc::UnboundedSender<Value>>,
    ) -> Result<Service, String> {
        let mut command = self.command(&self.programs.fleet);
        command
            .arg(name)
            .arg("--stop-with-stdin")
            .env("PORT", "0")
            .envs(variables.iter().copied());
        let mut process = Process::start(name, command, copies)?;
        let listening = process.event("listening").await?;
        let port = listening["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .ok_or_else(|| format!("{name} printed {listening} and no port"))?;
        Ok(Service {
            process,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        })
    }

    /// Runs `civic` to its end.
    pub(crate) async fn civic(&self, arguments: &[&str]) -> Result<Output, String> {
        let mut command = self.command(&self.programs.civic);
        process::output("civic", command.args(arguments)).await
    }

    /// A client of the service at `address`, with the default stack.
    pub(crate) fn client(&self, address: SocketAddr) -> Result<ServiceClient, String> {
        let secret = Secret::new(&self.secret).map_err(|error| error.to_string())?;
        ServiceClient::builder(&format!("http://{address}{PREFIX}"))
            .minter(TokenMinter::new(secret))
            .build()
            .map_err(|error| error.to_string())
    }

    /// Prepares `civic`, which is not yet started.
    pub(crate) fn civic_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.programs.civic);
        command.args(arguments);
        command
    }

    fn node_command(&self, script: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = self.command(Path::new("node"));
        command
            .arg(script)
            .current_dir(self.peers)
            .env("CIVIC_PAYLOADS", absolute(&self.programs.payloads))
            .envs(variables.iter().copied());
        command
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("JWT_SECRET", &self.secret);
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

// ===== impl Company =====

impl Company {
    /// Mints a token in Node: the service account's, as the platform's services send it.
    pub(crate) async fn mint_in_node(
        &mut self,
        secret: &str,
        iat: Option<u64>,
    ) -> Result<String, String> {
        let mut members = json!({ "secret": secret });
        if let Some(iat) = iat {
            members["iat"] = iat.into();
        }
        self.mint_with(members).await
    }

    /// Mints a token in Node with other claims, and with another algorithm where `members` name
    /// one.
    pub(crate) async fn mint_with(&mut self, members: Value) -> Result<String, String> {
        let answer = self.tokens.ask("mint", members).await?;
        answer["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("no token: {answer}"))
    }

    /// Mints a transaction token in Node. `members` are the claims, and what is odd about the key.
    pub(crate) async fn mint_transaction(&mut self, members: Value) -> Result<String, String> {
        let answer = self.tokens.ask("mintTransaction", members).await?;
        answer["token"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("no token: {answer}"))
    }

    /// The same request to both sides: the answers of Node and of Rust.
    pub(crate) async fn ask_both(&self, request: &Request<'_>) -> Result<(Answer, Answer), String> {
        let node = self.node.platform()?;
        tokio::try_join!(
            crate::wire::send(node, request),
            crate::wire::send(self.rust.address, request),
        )
    }
}

// ===== impl Peer =====

impl Peer {
    /// Where the application with the platform's exception filter listens.
    pub(crate) fn platform(&self) -> Result<SocketAddr, String> {
        self.addresses
            .get("platform")
            .copied()
            .ok_or_else(|| "the peer has no application with the platform's filter".to_owned())
    }

    /// What it has counted.
    pub(crate) async fn stats(&mut self) -> Result<Value, String> {
        self.process.ask("stats", json!({})).await
    }
}
