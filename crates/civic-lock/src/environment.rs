//! Where the locks live, as the environment says.
//!
//! | `CIVIC_LOCK_STORE` | `REDIS_URL` | in production | elsewhere |
//! |---|---|---|---|
//! | `redis` | set | Redis | Redis |
//! | `redis` | not set | refused | refused |
//! | `host` | is not read | files of this machine, one warning | files of this machine |
//! | not set | set | Redis | Redis |
//! | not set | not set | refused | files of this machine, one warning |
//!
//! It is production if `NODE_ENV` is `production` or `KUBERNETES_SERVICE_HOST` is set. A variable
//! that is set and empty, or that is not Unicode, is refused: it was meant to be something.

use std::ffi::OsString;

use crate::error::Error;

/// What is read of the environment.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    read: &'a dyn Fn(&str) -> Option<OsString>,
}

/// Where the locks live.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Redis(String),
    /// Files of this machine, because they were asked for.
    Host,
    /// Files of this machine, because nothing was asked for.
    HostByDefault,
}

impl<'a> Environment<'a> {
    pub(crate) fn new(read: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { read }
    }

    /// Where the locks live.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        let choice = self.text(
            "CIVIC_LOCK_STORE",
            "Set it to redis or to host, or remove it",
        )?;
        match choice.as_deref() {
            Some("host") => return Ok(Place::Host),
            None | Some("redis") => {}
            Some(_) => {
                return Err(Error::config(
                    "CIVIC_LOCK_STORE is neither redis nor host: set it to one of them, or remove it",
                ));
            }
        }
        let url = self.text(
            "REDIS_URL",
            "Set it, for example: export REDIS_URL=redis://localhost:6379. For locks of this machine \
             only, remove it and set CIVIC_LOCK_STORE=host",
        )?;
        match url {
            Some(url) => Ok(Place::Redis(url)),
            None if choice.is_some() => Err(Error::config(
                "CIVIC_LOCK_STORE is redis, and REDIS_URL is not set. Set it, for example: export \
                 REDIS_URL=redis://localhost:6379",
            )),
            None if self.is_production() => Err(Error::config(
                "REDIS_URL is not set, and in production each replica would have locks of its own. \
                 Set it, for example: export REDIS_URL=redis://localhost:6379. If one machine is \
                 all there is, set CIVIC_LOCK_STORE=host",
            )),
            None => Ok(Place::HostByDefault),
        }
    }

    /// What stands before each name.
    pub(crate) fn namespace(&self) -> Result<Option<String>, Error> {
        self.text(
            "CIVIC_LOCK_NAMESPACE",
            "Set it to a name such as staging, or remove it",
        )
    }

    pub(crate) fn is_production(&self) -> bool {
        (self.read)("NODE_ENV").is_some_and(|environment| environment == "production")
            || (self.read)("KUBERNETES_SERVICE_HOST").is_some()
    }

    fn text(&self, variable: &str, remedy: &str) -> Result<Option<String>, Error> {
        let Some(value) = (self.read)(variable) else {
            return Ok(None);
        };
        let refuse = |why: &str| Err(Error::config(format!("{variable} is {why}. {remedy}")));
        match value.into_string() {
            Err(_) => refuse("not Unicode"),
            Ok(text) if text.trim().is_empty() => refuse("set, but empty"),
            Ok(text) => Ok(Some(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn place(variables: &[(&str, &str)]) -> Result<Place, String> {
        let read = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Environment::new(&read)
            .place()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_variable_is_refused_and_never_taken_for_one_that_is_not_set() {
        for value in ["", " ", "\t"] {
            for variable in ["REDIS_URL", "CIVIC_LOCK_STORE"] {
                let error = place(&[(variable, value)]).expect_err(variable);
                let says = format!("{variable} is set, but empty");
                assert!(error.contains(&says), "{error}");
            }
        }
        let read = |name: &str| (name == "REDIS_URL").then(|| OsString::from_vec(vec![0xff]));
        let error = Environment::new(&read).place().expect_err("no Unicode");
        assert!(error.to_string().contains("REDIS_URL is not Unicode"));
    }

    #[test]
    fn production_without_redis_is_refused_unless_the_host_was_chosen() {
        for production in [
            ("NODE_ENV", "production"),
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ] {
            let error = place(&[production]).expect_err("each replica would be alone");
            assert!(error.contains("CIVIC_LOCK_STORE=host"), "{error}");
            let chosen = place(&[production, ("CIVIC_LOCK_STORE", "host")]);
            assert_eq!(chosen, Ok(Place::Host));
            let url = ("REDIS_URL", "redis://r");
            assert_eq!(
                place(&[production, url]),
                Ok(Place::Redis("redis://r".into()))
            );
        }
        assert_eq!(place(&[]), Ok(Place::HostByDefault));
        assert_eq!(place(&[("NODE_ENV", "test")]), Ok(Place::HostByDefault));
    }

    #[test]
    fn the_store_that_was_chosen_is_used_or_refused_and_never_replaced() {
        let redis = ("CIVIC_LOCK_STORE", "redis");
        assert!(place(&[redis]).is_err());
        let url = ("REDIS_URL", "redis://r");
        assert_eq!(place(&[redis, url]), Ok(Place::Redis("redis://r".into())));
        assert_eq!(place(&[("CIVIC_LOCK_STORE", "host"), url]), Ok(Place::Host));
        let error = place(&[("CIVIC_LOCK_STORE", "Redis")]).expect_err("another word");
        assert!(error.contains("neither redis nor host"), "{error}");
    }
}
