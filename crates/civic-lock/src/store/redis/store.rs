//! The operations: which script, with which keys and arguments, and what its reply means.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind};
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed, Completed, Missed, Peek, Released, Renewed};
use crate::store::hints::Hints;
use crate::store::holder::Holder;
use crate::store::redis::config::builder;
use crate::store::redis::connection::Link;
use crate::store::redis::reply::Reply;
use crate::store::redis::script::{self as scripts, Script};
use crate::store::redis::subscriber::Hub;
use crate::store::request::ClaimRequest;
use crate::store::settings::Settings;
use crate::timing::Ttl;

/// The keys of fence and watermark live at least this long.
const RETAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Locks in Redis or Valkey.
pub(crate) struct RedisStore {
    settings: Settings,
    link: Link,
    /// A connection for acquire and `WAIT`, one pair at a time: on any other connection, `WAIT`
    /// answers for writes that are not ours.
    acknowledged: tokio::sync::Mutex<Link>,
    /// Echoes of the operations that have no holder.
    serial: AtomicU64,
    hub: Mutex<Option<Hub>>,
}

// ===== impl RedisStore =====

impl RedisStore {
    pub(crate) fn new(url: &str, settings: Settings) -> Result<Self, Error> {
        let builder = builder(url, settings.command_timeout)?;
        Ok(Self {
            settings,
            link: Link::new(builder.clone(), settings.command_timeout),
            acknowledged: tokio::sync::Mutex::new(Link::new(builder, settings.command_timeout)),
            serial: AtomicU64::new(1),
            hub: Mutex::new(None),
        })
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.settings.command_timeout
    }

    pub(crate) async fn acquire(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        abandoned: &[Holder],
    ) -> Result<Acquired, Error> {
        let mut arguments = vec![ttl.as_millis().to_string(), retain(ttl, Duration::ZERO)];
        arguments.extend(abandoned.iter().map(|value| value.as_str().to_owned()));
        let reply = self
            .take(
                &scripts::ACQUIRE,
                name,
                &[name.key(), name.fence_key()],
                holder,
                &arguments,
            )
            .await?;
        match reply.what() {
            "acquired" => Ok(Acquired::Acquired {
                fence: reply.number(0)?,
            }),
            "busy" => Ok(Acquired::Busy {
                holder: reply.text(0)?.to_owned(),
                ttl: reply.duration(1)?,
            }),
            _ => Err(reply.corrupt()),
        }
    }

    pub(crate) async fn renew(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        within: Duration,
    ) -> Result<Renewed, Error> {
        let reply = self
            .link
            .run(
                &scripts::RENEW,
                name,
                &[name.key()],
                holder.as_str(),
                &[ttl.as_millis().to_string()],
                within,
            )
            .await?;
        match reply.what() {
            "renewed" => Ok(Renewed::Renewed),
            "not_owner" => Ok(Renewed::NotOwner),
            _ => Err(reply.corrupt()),
        }
    }

    pub(crate) async fn release(
        &self,
        name: &LockName,
        holder: &Holder,
        hold: Option<Duration>,
    ) -> Result<Released, Error> {
        let arguments = [millis(hold.unwrap_or_default()), name.hint_channel()];
        let reply = self
            .run(
                &scripts::RELEASE,
                name,
                &[name.key()],
                holder.as_str(),
                &arguments,
            )
            .await?;
        reply.released()
    }

    pub(crate) async fn peek(&self, name: &LockName) -> Result<Peek, Error> {
        let keys = [name.key(), name.tick_key()];
        let reply = self
            .run(&scripts::PEEK, name, &keys, &self.serial(), &[])
            .await?;
        Ok(Peek {
            done: reply.optional(0)?,
            claimed: reply.optional(1)?,
            attempt: reply.attempt(2)?,
            holder: Some(reply.text(3)?.to_owned()).filter(|holder| !holder.is_empty()),
            now: reply.now()?,
        })
    }

    pub(crate) async fn register(
        &self,
        name: &LockName,
        done: u64,
        retain: Duration,
    ) -> Result<u64, Error> {
        let arguments = [done.to_string(), millis(retain.max(RETAIN))];
        let keys = [name.tick_key()];
        let reply = self
            .run(&scripts::REGISTER, name, &keys, &self.serial(), &arguments)
            .await?;
        reply.number(0)
    }

    pub(crate) async fn claim(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        request: ClaimRequest,
        abandoned: &[Holder],
    ) -> Result<Claimed, Error> {
        let mut arguments = vec![
            ttl.as_millis().to_string(),
            request.tick.to_string(),
            millis(request.grace),
            millis(request.max_skew),
            match request.delivery {
                Delivery::AtLeastOnce => "at_least_once",
                Delivery::AtMostOnce => "at_most_once",
            }
            .to_owned(),
            retain(ttl, request.retain),
        ];
        arguments.extend(abandoned.iter().map(|value| value.as_str().to_owned()));
        let keys = [name.key(), name.fence_key(), name.tick_key()];
        let reply = self
            .take(&scripts::CLAIM, name, &keys, holder, &arguments)
            .await?;
        match reply.what() {
            "claimed" => Ok(Claimed::Claimed {
                tick: reply.number(0)?,
                fence: reply.number(1)?,
                attempt: reply.attempt(2)?,
                done: reply.number(3)?,
            }),
            "already_done" => Ok(Claimed::AlreadyDone {
                done: reply.number(0)?,
            }),
            "running" => Ok(Claimed::Running {
                holder: reply.text(0)?.to_owned(),
                ttl: reply.duration(1)?,
                tick: reply.optional(2)?,
            }),
            "clock_ahead" => Ok(Claimed::ClockAhead { now: reply.now()? }),
            "too_late" => Ok(Claimed::TooLate {
                tick: reply.number(0)?,
                done: reply.number(1)?,
            }),
            "unregistered" => Ok(Claimed::Unregistered { now: reply.now()? }),
            _ => Err(reply.corrupt()),
        }
    }

    pub(crate) async fn complete(
        &self,
        name: &LockName,
        holder: &Holder,
        tick: u64,
        hold: Option<Duration>,
    ) -> Result<Completed, Error> {
        let arguments = [
            tick.to_string(),
            millis(hold.unwrap_or_default()),
            name.hint_channel(),
            millis(RETAIN),
        ];
        let keys = [name.key(), name.tick_key()];
        let reply = self
            .run(&scripts::COMPLETE, name, &keys, holder.as_str(), &arguments)
            .await?;
        match reply.what() {
            "completed" => Ok(Completed::Completed),
            "not_owner" => Ok(Completed::NotOwner),
            _ => Err(reply.corrupt()),
        }
    }

    pub(crate) async fn abandon(
        &self,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Released, Error> {
        let arguments = [name.hint_channel()];
        let keys = [name.key()];
        self.run(&scripts::ABANDON, name, &keys, holder.as_str(), &arguments)
            .await?
            .released()
    }

    pub(crate) async fn unclaim(
        &self,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Released, Error> {
        let arguments = [name.hint_channel()];
        let keys = [name.key(), name.tick_key()];
        self.run(&scripts::UNCLAIM, name, &keys, holder.as_str(), &arguments)
            .await?
            .released()
    }

    pub(crate) async fn miss(
        &self,
        name: &LockName,
        by: &Holder,
        from: u64,
        to: u64,
    ) -> Result<Missed, Error> {
        let arguments = [from.to_string(), to.to_string()];
        let keys = [name.key(), name.tick_key()];
        let reply = self
            .run(&scripts::MISS, name, &keys, by.as_str(), &arguments)
            .await?;
        match reply.what() {
            "marked" => Ok(Missed::Marked),
            "changed" => Ok(Missed::Changed {
                done: reply.optional(0)?,
                certain: reply.number(1)? == 1,
            }),
            _ => Err(reply.corrupt()),
        }
    }

    pub(crate) fn hints(&self, name: &LockName) -> Hints {
        let mut hub = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        hub.get_or_insert_with(|| Hub::start(&self.link.builder))
            .subscribe(name.hint_channel())
    }

    fn serial(&self) -> String {
        format!("#{}", self.serial.fetch_add(1, Ordering::Relaxed))
    }

    async fn run(
        &self,
        script: &Script,
        name: &LockName,
        keys: &[String],
        echo: &str,
        arguments: &[String],
    ) -> Result<Reply, Error> {
        let within = self.settings.command_timeout;
        self.link
            .run(script, name, keys, echo, arguments, within)
            .await
    }

    /// Runs a script that takes the key, and waits for the replicas if there are to be some.
    async fn take(
        &self,
        script: &Script,
        name: &LockName,
        keys: &[String],
        holder: &Holder,
        arguments: &[String],
    ) -> Result<Reply, Error> {
        if self.settings.replica_acks == 0 {
            return self
                .run(script, name, keys, holder.as_str(), arguments)
                .await;
        }
        let within = self.settings.command_timeout;
        let deadline = Instant::now() + within;
        let Ok(link) = timeout_at(deadline, self.acknowledged.lock()).await else {
            return Err(Error::timeout(within));
        };
        let live = link.live()?;
        // Before and after: the two differ if the connection was replaced in between, and then WAIT
        // has answered for a connection that has written nothing.
        let before = link.ask(&live, name, "CLIENT", ids(), deadline).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        let reply = link
            .run(script, name, keys, holder.as_str(), arguments, left)
            .await?;
        if !matches!(reply.what(), "acquired" | "claimed") {
            return Ok(reply);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = vec![
            self.settings.replica_acks.to_string(),
            // WAIT has to give up before its caller does; 0 would wait for ever.
            (left.mul_f32(0.75).as_millis() as u64).max(1).to_string(),
        ];
        let acknowledged = link
            .ask(&live, name, "WAIT", wait, deadline)
            .await
            .map_err(unacknowledged)?;
        let after = link
            .ask(&live, name, "CLIENT", ids(), deadline)
            .await
            .map_err(unacknowledged)?;
        let acknowledged = acknowledged.as_u64().unwrap_or_default();
        if before != after || acknowledged < u64::from(self.settings.replica_acks) {
            return Err(Error::new(
                ErrorKind::NotReplicated,
                format!("{acknowledged} of {} replicas", self.settings.replica_acks),
            ));
        }
        Ok(reply)
    }
}

/// The key is taken by now: of this refusal it is not true that nothing was done.
fn unacknowledged(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Refused => Error::new(ErrorKind::NotReplicated, error.detail()),
        _ => error,
    }
}

fn ids() -> Vec<String> {
    vec!["ID".to_owned()]
}

/// The configuration may hold a password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Milliseconds, rounded up: a hold may be longer than asked for, not shorter.
fn millis(duration: Duration) -> String {
    duration.as_nanos().div_ceil(1_000_000).to_string()
}

/// How long fence and watermark stay.
fn retain(ttl: Ttl, intervals: Duration) -> String {
    millis(RETAIN.max(ttl.get() * 2).max(intervals))
}
