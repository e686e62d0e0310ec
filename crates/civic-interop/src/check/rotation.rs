//! Keys are changed under load, in the steps of `docs/security.md`: from the shared secret to a key
//! for each service, and to the next key. No call is refused, and what was removed is dead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use civic_auth::{
    Algorithm, AuthLayer, KeyFile, KeySource, Principal, Secret, SigningKey, TokenMinter,
    TokenVerifier, VerifyingKey,
};
use civic_client::ServiceClient;
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::findings::Findings;
use crate::local::Local;
use crate::stage::{PREFIX, Stage};
use crate::text::describe;
use crate::wire::{Request, send};

/// The services that call each other.
const NAMES: [&str; 3] = ["desk", "billing", "assessment-roll"];

/// The time between two calls: 200 per second.
const PACE: Duration = Duration::from_millis(5);

/// The most calls that are under way at a time.
const MAX_IN_FLIGHT: usize = 32;

/// How often a service looks at its file.
const WATCH: Duration = Duration::from_millis(100);

/// Longer than a service takes to see its file, however busy the machine is.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The time from one service to the next in each step.
const ROLL: Duration = Duration::from_millis(300);

/// A service of the fleet: it calls, and it is called.
struct Member {
    minter: TokenMinter,
    file: PathBuf,
    keys: KeyFile,
    local: Local,
    watch: JoinHandle<()>,
}

/// What became of the calls.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<String, usize>>>);

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let silence = stage.extent().silence;
    let secret = Secret::new(stage.secret()).map_err(|error| error.to_string())?;
    let shared = format!(
        r#"{{"kty":"oct","kid":"shared","k":"{}"}}"#,
        URL_SAFE_NO_PAD.encode(stage.secret())
    );
    let node = format!("http://{}{PREFIX}", stage.company().await?.node.platform()?);

    let folder = TempDir::new().map_err(|error| error.to_string())?;
    let mut fleet = Vec::new();
    for name in NAMES {
        fleet.push(Member::start(folder.path(), name, &secret, &shared).await?);
    }
    let tally = Tally::default();
    let started = Instant::now();
    let load = spawn_load(&fleet, &secret, &node, &tally)?;
    let first = keys("1")?;
    let second = keys("2")?;
    sleep(Duration::from_secs(1)).await;

    let mut both = jwks(&first)?;
    both.push(shared);
    publish(&fleet, &both).await?;
    sign_with(&fleet, &first).await;
    unused(&fleet, "shared", silence).await?;
    publish(&fleet, &jwks(&first)?).await?;
    let old = TokenMinter::new(secret.clone()).mint();
    let dead = whoami(&fleet[0], old.as_str()).await?;

    publish(&fleet, &[jwks(&first)?, jwks(&second)?].concat()).await?;
    sign_with(&fleet, &second).await;
    for name in NAMES {
        unused(&fleet, &format!("{name}-1"), silence).await?;
    }
    publish(&fleet, &jwks(&second)?).await?;
    let mut removed = Vec::new();
    for (name, key) in NAMES.iter().zip(&first) {
        let token = TokenMinter::new(key.clone()).with_issuer(*name).mint();
        removed.push(whoami(&fleet[0], token.as_str()).await?);
    }
    sleep(Duration::from_secs(1)).await;
    load.abort();
    let seconds = started.elapsed().as_secs_f64();

    let seen = tally.sorted();
    let calls: usize = seen.iter().map(|(_, count)| count).sum();
    let refused: Vec<_> = seen.iter().filter(|(what, _)| what != "200").collect();
    findings.promise(
        "From HS256 to EdDSA to a new key, under up to 200 calls per second: no call is refused",
        refused.is_empty() && calls > 100,
        format_args!(
            "{calls} calls, {:.0} per second, of which not answered with 200: {refused:?}",
            calls as f64 / seconds
        ),
    );
    findings.promise(
        "After its removal the shared secret is dead, while calls to Node still use it",
        dead == 401,
        dead,
    );
    findings.promise(
        "After their removal the first keys are dead",
        removed == [401; NAMES.len()],
        format_args!("{removed:?}"),
    );
    Ok(())
}

// ===== impl Member =====

impl Member {
    async fn start(
        folder: &Path,
        name: &'static str,
        secret: &Secret,
        key: &str,
    ) -> Result<Self, String> {
        let file = folder.join(format!("{name}.json"));
        write(&file, std::slice::from_ref(&key.to_owned()))?;
        let keys = KeyFile::open(&file).map_err(|error| error.to_string())?;
        let watch = tokio::spawn(keys.clone().watch(WATCH));
        let verifier = TokenVerifier::from_source(keys.clone()).with_service_name(name);
        let routes = Router::new().route(
            "/whoami",
            get(|caller: Principal| async move { caller.issuer().unwrap_or("-").to_owned() }),
        );
        Ok(Self {
            // Names itself from the start: Node and older verifiers ignore it.
            minter: TokenMinter::new(secret.clone()).with_issuer(name),
            file,
            keys,
            local: Local::serve(AuthLayer::new(verifier), routes).await?,
            watch,
        })
    }

    /// How many tokens the key of this id has verified; `None` if there is no such key.
    fn uses(&self, id: &str) -> Option<u64> {
        let keys = self.keys.current()?;
        keys.iter()
            .find(|key| key.id() == Some(id))
            .map(VerifyingKey::uses)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

// ===== impl Tally =====

impl Tally {
    fn count(&self, outcome: String) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tally.entry(outcome).or_default() += 1;
    }

    fn sorted(&self) -> Vec<(String, usize)> {
        let tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.clone().into_iter().collect()
    }
}

/// Calls from each service to each other one and to Node, in turn, until it is aborted.
fn spawn_load(
    fleet: &[Member],
    secret: &Secret,
    node: &str,
    tally: &Tally,
) -> Result<JoinHandle<()>, String> {
    let mut clients = Vec::new();
    for (caller, name) in fleet.iter().zip(NAMES) {
        for (callee, target) in fleet.iter().zip(NAMES) {
            if name != target {
                // No retry: a refused call must not hide behind another attempt.
                clients.push(client(
                    &callee.local.url(),
                    caller.minter.for_audience(target),
                )?);
            }
        }
        // Node verifies HS256 only.
        let minter = TokenMinter::new(secret.clone()).with_issuer(name);
        clients.push(client(node, minter)?);
    }
    let tally = tally.clone();
    Ok(tokio::spawn(async move {
        let next = AtomicUsize::new(0);
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut calls = JoinSet::new();
        loop {
            ticks.tick().await;
            while calls.try_join_next().is_some() {}
            // A machine that cannot keep up is not what is checked here.
            if calls.len() >= MAX_IN_FLIGHT {
                continue;
            }
            let client = clients[next.fetch_add(1, Ordering::Relaxed) % clients.len()].clone();
            let tally = tally.clone();
            calls.spawn(async move {
                let outcome = match client.get("/whoami").send_raw().await {
                    Ok(response) => response.status().as_u16().to_string(),
                    Err(error) => describe(&error),
                };
                tally.count(outcome);
            });
        }
    }))
}

fn client(url: &str, minter: TokenMinter) -> Result<ServiceClient, String> {
    ServiceClient::builder(url)
        .minter(minter)
        .retries(0)
        .build()
        .map_err(|error| error.to_string())
}

/// A key for each service.
fn keys(number: &str) -> Result<Vec<SigningKey>, String> {
    NAMES
        .iter()
        .map(|name| {
            let pem = SigningKey::generate_pem(Algorithm::EdDsa)?;
            SigningKey::from_pem(pem.as_str())?.with_id(&format!("{name}-{number}"))
        })
        .collect::<Result<_, civic_auth::ConfigError>>()
        .map_err(|error| error.to_string())
}

/// The public keys, each bound to its service.
fn jwks(keys: &[SigningKey]) -> Result<Vec<String>, String> {
    keys.iter()
        .zip(NAMES)
        .map(|(key, name)| {
            let jwk = key.public_key().and_then(|key| key.to_jwk());
            let jwk = jwk.ok_or("a secret has no public half")?;
            let bound = format!(r#","issuer":"{name}","profile":"service"}}"#);
            Ok(jwk.replacen('}', &bound, 1))
        })
        .collect()
}

/// Gives each service these keys, one after the other.
async fn publish(fleet: &[Member], keys: &[String]) -> Result<(), String> {
    for member in fleet {
        write(&member.file, keys)?;
        let started = Instant::now();
        while member
            .keys
            .current()
            .is_none_or(|set| set.iter().count() != keys.len())
        {
            if started.elapsed() > TIMEOUT {
                return Err(format!("{} is not read", member.file.display()));
            }
            sleep(WATCH).await;
        }
        sleep(ROLL).await;
    }
    Ok(())
}

/// Lets each service mint with its own key, one after the other.
async fn sign_with(fleet: &[Member], keys: &[SigningKey]) {
    for (member, key) in fleet.iter().zip(keys) {
        member.minter.replace_key(key.clone());
        sleep(ROLL).await;
    }
}

/// Waits until no service has verified a token of this key for as long as `silence`.
async fn unused(fleet: &[Member], id: &str, silence: Duration) -> Result<(), String> {
    let count = || -> Vec<_> { fleet.iter().map(|member| member.uses(id)).collect() };
    let started = Instant::now();
    let mut last = (count(), Instant::now());
    while last.1.elapsed() < silence {
        if started.elapsed() > silence * 4 + Duration::from_secs(10) {
            return Err(format!("the key {id} is still used: {:?}", last.0));
        }
        sleep(WATCH).await;
        let now = count();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    Ok(())
}

/// Writes the keys next to the old ones and renames the file, so that no one reads half of it.
fn write(file: &Path, keys: &[String]) -> Result<(), String> {
    let new = file.with_extension("new");
    std::fs::write(&new, format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
        .and_then(|()| std::fs::rename(&new, file))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// What a service answers to this token.
async fn whoami(member: &Member, token: &str) -> Result<u16, String> {
    let authorization = format!("Bearer {token}");
    let request = Request {
        method: "GET",
        path: "/whoami",
        headers: &[("authorization", &authorization)],
        json: None,
    };
    Ok(send(member.local.address, &request).await?.status)
}
