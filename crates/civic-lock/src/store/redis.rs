//! Redis.
use super::{
    Acquired, ClaimRequest, Claimed, Completed, Hints, Holder, Missed, Peek, Released, Renewed,
};
use crate::{Error, LockName, service::Settings, timing::Ttl};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct RedisStore {
    settings: Settings,
}
impl RedisStore {
    pub(crate) fn new(_url: &str, settings: Settings) -> Result<Self, Error> {
        Ok(Self { settings })
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.settings.command_timeout
    }
    pub(crate) async fn acquire(
        &self,
        _n: &LockName,
        _h: &Holder,
        _t: Ttl,
        _a: &[Holder],
    ) -> Result<Acquired, Error> {
        no()
    }
    pub(crate) async fn renew(
        &self,
        _n: &LockName,
        _h: &Holder,
        _t: Ttl,
        _w: Duration,
    ) -> Result<Renewed, Error> {
        no()
    }
    pub(crate) async fn release(
        &self,
        _n: &LockName,
        _h: &Holder,
        _o: Option<Duration>,
    ) -> Result<Released, Error> {
        no()
    }
    pub(crate) async fn peek(&self, _n: &LockName) -> Result<Peek, Error> {
        no()
    }
    pub(crate) async fn register(
        &self,
        _n: &LockName,
        _d: u64,
        _r: Duration,
    ) -> Result<u64, Error> {
        no()
    }
    pub(crate) async fn claim(
        &self,
        _n: &LockName,
        _h: &Holder,
        _t: Ttl,
        _r: ClaimRequest,
        _a: &[Holder],
    ) -> Result<Claimed, Error> {
        no()
    }
    pub(crate) async fn complete(
        &self,
        _n: &LockName,
        _h: &Holder,
        _t: u64,
        _o: Option<Duration>,
    ) -> Result<Completed, Error> {
        no()
    }
    pub(crate) async fn abandon(&self, _n: &LockName, _h: &Holder) -> Result<Released, Error> {
        no()
    }
    pub(crate) async fn unclaim(&self, _n: &LockName, _h: &Holder) -> Result<Released, Error> {
        no()
    }
    pub(crate) async fn miss(&self, _n: &LockName, _f: u64, _t: u64) -> Result<Missed, Error> {
        no()
    }
    pub(crate) fn hints(&self, _n: &LockName) -> Hints {
        let (_s, received) = tokio::sync::watch::channel(0);
        Hints {
            received,
            _subscription: std::sync::Arc::new(()),
        }
    }
}
fn no<T>() -> Result<T, Error> {
    Err(Error::new(crate::ErrorKind::Refused, "not built in"))
}
