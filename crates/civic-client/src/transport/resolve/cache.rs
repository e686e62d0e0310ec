//! The names that are known, and the look-ups under way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::transport::resolve::addresses::Addresses;
use crate::transport::resolve::resolver::DynResolve;

/// How many names are remembered; beyond it the least recently used one is forgotten.
const MAX_NAMES: usize = 1024;
/// The longest time for which an answer is used without asking again.
const MAX_TTL: Duration = Duration::from_secs(300);
/// How long after its TTL an answer is still used at once, while another one is fetched.
const GRACE: Duration = Duration::from_secs(1);
/// How long a look-up is waited for where there is an old answer.
const STALE_AFTER: Duration = Duration::from_millis(500);
/// How long an old answer is used if no new one can be had: RFC 8767, section 5, asks for one to
/// three days.
const MAX_STALE: Duration = Duration::from_secs(86_400);
/// How long a failure is remembered: shorter than the wait before the first retry.
const FAILURE_TTL: Duration = Duration::from_millis(200);
/// How long one look-up may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);

/// The names that are known, and the look-ups under way: at most one per name.
#[derive(Clone)]
pub(in crate::transport) struct NameCache {
    shared: Arc<Shared>,
}

struct Shared {
    resolver: Arc<dyn DynResolve>,
    /// For answers that come without one.
    ttl: Duration,
    names: Mutex<HashMap<String, Name>>,
}

struct Name {
    used: Instant,
    known: Option<Known>,
    /// `None` after a success.
    failure: Option<Failure>,
    lookup: Option<Lookup>,
}

#[derive(Clone)]
struct Known {
    ips: Arc<[IpAddr]>,
    expires: Instant,
}

#[derive(Clone)]
struct Failure {
    until: Instant,
    error: Arc<io::Error>,
}

#[derive(Clone)]
struct Lookup {
    began: Instant,
    /// `None` until it has ended.
    outcome: watch::Receiver<Option<Result<Arc<[IpAddr]>, Arc<io::Error>>>>,
}

/// What is to be done for an answer.
enum Step {
    Known(Arc<[IpAddr]>),
    Failed(Arc<io::Error>),
    Wait(Lookup, Option<Known>),
}

// ===== impl NameCache =====

impl NameCache {
    pub(in crate::transport) fn new(resolver: Arc<dyn DynResolve>, ttl: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                resolver,
                ttl,
                names: Mutex::default(),
            }),
        }
    }

    /// Returns the addresses of `host` if they are known and need not be asked for.
    pub(in crate::transport) fn fresh(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        self.shared.fresh(host)
    }

    /// Returns the addresses of `host`.
    ///
    /// An answer is used for its TTL, and for a second more while the next one is fetched. If that
    /// fails or takes longer than half a second, the old answer is used.
    ///
    /// A look-up that was begun is finished even if its callers have given up: the next call needs
    /// it. It ends after 10 s at the latest.
    pub(in crate::transport) async fn addresses(
        &self,
        host: &str,
    ) -> Result<Arc<[IpAddr]>, Arc<io::Error>> {
        // More than once only if a look-up's runtime ends.
        for _ in 0..3 {
            let (mut lookup, known) = match self.shared.step(host) {
                Step::Known(ips) => return Ok(ips),
                Step::Failed(error) => return Err(error),
                Step::Wait(lookup, known) => (lookup, known),
            };
            let outcome = lookup.outcome.wait_for(Option::is_some);
            let outcome = match &known {
                Some(known) => match timeout_at(lookup.began + STALE_AFTER, outcome).await {
                    Ok(outcome) => outcome,
                    Err(_) => return Ok(Arc::clone(&known.ips)),
                },
                None => outcome.await,
            };
            match (outcome.map(|outcome| outcome.clone()), known) {
                (Ok(Some(Ok(ips))), _) => return Ok(ips),
                (Ok(Some(Err(_))), Some(known)) => return Ok(known.ips),
                (Ok(Some(Err(error))), None) => return Err(error),
                (Ok(None) | Err(_), _) => {}
            }
        }
        Err(Arc::new(io::Error::other(
            "the look-up broke off: its runtime has shut down or the resolver panicked",
        )))
    }
}

impl fmt::Debug for NameCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameCache").finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl Shared {
    fn names(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the answer that is used without asking again, if there is one.
    fn fresh(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let now = Instant::now();
        let mut names = self.names();
        let name = names.get_mut(host)?;
        let known = name.known.as_ref().filter(|known| now < known.expires)?;
        name.used = now;
        Some(Arc::clone(&known.ips))
    }

    fn step(self: &Arc<Self>, host: &str) -> Step {
        let now = Instant::now();
        let mut names = self.names();
        if !names.contains_key(host) {
            make_room(&mut names);
        }
        let name = names.entry(host.to_owned()).or_insert_with(|| Name {
            used: now,
            known: None,
            failure: None,
            lookup: None,
        });
        name.used = now;
        let known = name
            .known
            .clone()
            .filter(|known| now < known.expires + MAX_STALE);
        if let Some(known) = &known
            && now < known.expires
        {
            return Step::Known(Arc::clone(&known.ips));
        }
        if let Some(failure) = &name.failure
            && now < failure.until
        {
            return match known {
                Some(known) => Step::Known(known.ips),
                None => Step::Failed(Arc::clone(&failure.error)),
            };
        }
        // One whose runtime has shut down never ends.
        let running = name
            .lookup
            .clone()
            .filter(|lookup| lookup.outcome.has_changed().is_ok());
        let lookup = running.unwrap_or_else(|| self.begin(host, now));
        name.lookup = Some(lookup.clone());
        match known {
            // While the resolver fails or is slow, no call waits for it.
            Some(known)
                if now < known.expires + GRACE
                    || name.failure.is_some()
                    || now >= lookup.began + STALE_AFTER =>
            {
                Step::Known(known.ips)
            }
            known => Step::Wait(lookup, known),
        }
    }

    fn begin(self: &Arc<Self>, host: &str, began: Instant) -> Lookup {
        let (sender, outcome) = watch::channel(None);
        let shared = Arc::clone(self);
        let host = host.to_owned();
        tokio::spawn(async move {
            let lookup = timeout(LOOKUP_LIMIT, shared.resolver.resolve_boxed(&host));
            let answer = match lookup.await {
                Ok(Ok(found)) if found.ips.is_empty() => Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the name has no address",
                )),
                Ok(answer) => answer,
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the name server has not answered for 10 s",
                )),
            };
            sender.send_replace(Some(shared.note(&host, answer)));
        });
        Lookup { began, outcome }
    }

    fn note(
        &self,
        host: &str,
        answer: io::Result<Addresses>,
    ) -> Result<Arc<[IpAddr]>, Arc<io::Error>> {
        let now = Instant::now();
        let mut names = self.names();
        let Some(name) = names.get_mut(host) else {
            // Forgotten in the meantime, because there was no room.
            return answer.map(|found| found.ips.into()).map_err(Arc::new);
        };
        name.lookup = None;
        match answer {
            Ok(found) => {
                let ips: Arc<[IpAddr]> = found.ips.into();
                name.known = Some(Known {
                    ips: Arc::clone(&ips),
                    expires: now + found.ttl.unwrap_or(self.ttl).min(MAX_TTL),
                });
                name.failure = None;
                Ok(ips)
            }
            Err(error) => {
                let error = Arc::new(error);
                name.failure = Some(Failure {
                    until: now + FAILURE_TTL,
                    error: Arc::clone(&error),
                });
                Err(error)
            }
        }
    }
}

fn make_room(names: &mut HashMap<String, Name>) {
    while names.len() >= MAX_NAMES {
        let oldest = names.iter().min_by_key(|(_, name)| name.used);
        let Some(oldest) = oldest.map(|(host, _)| host.clone()) else {
            return;
        };
        names.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::transport::resolve::resolver::Resolve;

    struct Local;

    impl Resolve for Local {
        async fn resolve(&self, _: &str) -> io::Result<Addresses> {
            Ok(Addresses::new([Ipv4Addr::LOCALHOST.into()]))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn at_most_1024_names_are_remembered_and_the_least_recently_used_one_is_forgotten() {
        let names = NameCache::new(Arc::new(Local), Duration::from_secs(10));
        for number in 0..3000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            names.addresses(&format!("host-{number}")).await.unwrap();
            names.addresses("always").await.unwrap();
        }
        let remembered = names.shared.names();
        assert_eq!(remembered.len(), MAX_NAMES);
        assert!(remembered.contains_key("always"));
        assert!(remembered.contains_key("host-2999"));
        assert!(!remembered.contains_key("host-0"));
    }
}
