//! POSTs with keys, while everything between the caller and the effect is killed at random.
//!
//! Two callers, each with two proxies in front of two services. A caller that is killed goes on
//! where it was: with the same keys. A proxy drops replies, resets connections and delays them by
//! itself. A service notes each effect in a file, and waits until it is on the disk.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use civic_testkit::redis::free_port;
use tokio::time::Instant;

use crate::history::millis;
use crate::once::backend::{Backend, Fsync};
use crate::once::facts::posts::Posts;
use crate::once::lane::Lane;
use crate::once::notes;
use crate::once::process::Recipe;
use crate::once::role::{LISTENING, STARTED};
use crate::once::site::Site;
use crate::once::store::Store;
use crate::random::Random;

const CALLERS: u64 = 2;
const SERVICES: u64 = 2;
/// How long a caller asks for an answer before it ends with the last error.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long a service is stopped: shorter and longer than the ttl of an execution.
const STOPS_MS: (u64, u64) = (500, 8000);
/// How long callers may need for the rest, once nothing is killed any more.
const REST: Duration = Duration::from_secs(240);
/// What a service warns of, if the store may lose what it has acknowledged.
const WARNING: &str = "may_lose";

pub(super) async fn run(site: &Site<'_>) -> io::Result<Posts> {
    let Site {
        options,
        backend,
        folder,
    } = site;
    let mut store = Store::start(*backend, options.fsync).await?;
    let environment = store.environment();
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut random = Random::new(options.seed);
    let mut seed = || Random::new(random.next());

    let (mut services, mut proxies, mut urls) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..SERVICES {
        let (service, proxy) = (free_port(), free_port());
        services.push(
            Recipe::new("effects", folder, &format!("service-{n}"))
                .with(&service)
                .with(&folder.join(format!("effects-{n}.jsonl")).display())
                .with_environment(&environment),
        );
        proxies.push(
            Recipe::new("proxy", folder, &format!("proxy-{n}"))
                .with(&proxy)
                .with(&local(service))
                .with(&(options.seed + n)),
        );
        urls.push(format!("http://{}", local(proxy)));
    }
    // The last fifth of the time is for what was late.
    let every = options.length.mul_f64(0.8) * u32::try_from(CALLERS).unwrap_or(1);
    let every_ms = millis(every) / options.posts.max(1);
    let caller = |caller: u64, file: &str, every_ms: u64| {
        Recipe::new("caller", folder, &format!("caller-{caller}"))
            .with(&urls.join(","))
            .with(&folder.join(format!("{file}-{caller}.jsonl")).display())
            .with(&(options.posts * caller / CALLERS))
            .with(&(options.posts * (caller + 1) / CALLERS))
            .with(&every_ms)
            .with(&millis(PATIENCE))
    };

    let end = Instant::now() + options.length;
    let stops = Some(STOPS_MS);
    let mut services = Lane::start(services, seed(), Some(LISTENING), stops).await?;
    let mut proxies = Lane::start(proxies, seed(), Some(LISTENING), None).await?;
    let first = (0..CALLERS).map(|n| caller(n, "ends", every_ms)).collect();
    let mut callers = Lane::start(first, seed(), None, None).await?;
    let (of_services, of_proxies, of_callers, of_server) = tokio::try_join!(
        services.hit_until(end),
        proxies.hit_until(end),
        callers.hit_until(end),
        store.kill_until(end, seed())
    )?;
    callers.ended(REST).await?;
    let again = (0..CALLERS).map(|n| caller(n, "again", 1)).collect();
    Lane::start(again, seed(), None, None)
        .await?
        .ended(REST)
        .await?;

    let (warned, silent) = warnings(folder)?;
    let mut posts = Posts {
        posts: options.posts,
        loses: *backend == Backend::Redis && options.fsync == Fsync::EverySecond,
        warned,
        silent,
        callers: of_callers,
        proxies: of_proxies,
        services: of_services,
        server_kills: of_server,
        ..Posts::default()
    };
    for n in 0..SERVICES {
        let effects = folder.join(format!("effects-{n}.jsonl"));
        posts.effects.extend(notes::read(&effects)?);
    }
    for n in 0..CALLERS {
        let file = |name: &str| folder.join(format!("{name}-{n}.jsonl"));
        posts.ends.extend(notes::read(&file("ends"))?);
        posts.again.extend(notes::read(&file("again"))?);
    }
    Ok(posts)
}

/// Counts the starts of services that have warned of the store, and those that have not.
fn warnings(folder: &Path) -> io::Result<(u64, u64)> {
    let (mut warned, mut silent) = (0, 0);
    for n in 0..SERVICES {
        let log = std::fs::read_to_string(folder.join(format!("service-{n}.log")))?;
        for life in log.split(STARTED).skip(1) {
            if life.contains(WARNING) {
                warned += 1;
            } else {
                silent += 1;
            }
        }
    }
    Ok((warned, silent))
}
