//! Where a verifier gets its keys from: a set that never changes, a file that may, or another
//! source.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use std::{fmt, fs, io};

use zeroize::Zeroizing;

use super::refresh::KeyRefresh;
use super::set::KeySet;
use crate::error::{ConfigError, ConfigErrorKind};

/// Where a verifier gets its keys from.
///
/// A set that never changes is a source. [`KeyFile`] follows a file, [`SharedKeySet`] is replaced
/// by the program, and [`KeySources`] makes one source of several. `JwksSource` of `civic-client`
/// fetches the keys of another service over HTTP.
///
/// [`KeySources`]: crate::KeySources
/// [`SharedKeySet`]: crate::SharedKeySet
pub trait KeySource: Send + Sync {
    /// Returns the present keys. It is called for each request, so it must not wait.
    ///
    /// `None` if there are none that could be used, because they were not fetched yet or are too
    /// old: every request is then answered with 503 and `Retry-After`, because the fault is not the
    /// caller's.
    fn current(&self) -> Option<Arc<KeySet>>;

    /// Looks for newer keys, because a token names one that is not among the
    /// [present ones](Self::current), or because there are none.
    ///
    /// The returned future ends when the newer keys are there, or could not be had. `None` says
    /// that waiting does not help: the keys do not change, or they were looked for a moment ago. A
    /// stranger's token is enough for a call of this method, so a source that asks others for its
    /// keys must limit how often it does, and let all callers share one answer. Unless it is
    /// implemented, it returns `None`.
    fn refresh(&self) -> Option<KeyRefresh> {
        None
    }
}

impl KeySource for Arc<KeySet> {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(Self::clone(self))
    }
}

impl<S: KeySource + ?Sized> KeySource for Arc<S> {
    fn current(&self) -> Option<Arc<KeySet>> {
        (**self).current()
    }

    fn refresh(&self) -> Option<KeyRefresh> {
        (**self).refresh()
    }
}

/// Keys in a file, which can change without a restart of the process.
///
/// The file is a JSON Web Key Set (RFC 7517 section 5). A key may be a shared secret, with
/// `"kty":"oct"` and the bytes as `"k"` in base64url. The members `"issuer"` and `"profile"`
/// (`service` or `user`) bind a key. A new file replaces the whole set, so that a key that was
/// removed is dead; a file that cannot be read or has a fault changes nothing, and the log says so.
#[derive(Clone)]
pub struct KeyFile {
    path: Arc<Path>,
    state: Arc<RwLock<State>>,
}

struct State {
    text: Zeroizing<Vec<u8>>,
    keys: Arc<KeySet>,
}

/// What a look at the file has found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reload {
    /// The file has other keys than before, and they are used from now on.
    Changed,
    /// The file is as it was.
    Unchanged,
}

impl KeyFile {
    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::UnreadableFile`], and the errors of [`KeySet::from_jwks`] and of
    /// [`Secret::new`](crate::Secret::new).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let path: PathBuf = path.into();
        let text = read(&path)?;
        let keys = Arc::new(KeySet::from_file(&text)?);
        Ok(Self {
            path: path.into(),
            state: Arc::new(RwLock::new(State { text, keys })),
        })
    }

    /// Looks at the file again. It reads on this thread, which takes a moment.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open). The keys then stay as they were.
    pub fn reload(&self) -> Result<Reload, ConfigError> {
        let text = read(&self.path)?;
        if self.read_state(|state| *state.text == *text) {
            return Ok(Reload::Unchanged);
        }
        let keys = Arc::new(KeySet::from_file(&text)?);
        let ids: Vec<&str> = keys.iter().map(|key| key.id().unwrap_or("-")).collect();
        tracing::info!(keys = ?ids, "the keys have changed");
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State {
            text,
            keys: Arc::clone(&keys),
        };
        Ok(Reload::Changed)
    }

    /// Looks at the file again and again, `every` so often, until it is dropped. Spawn it.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    pub async fn watch(self, every: Duration) {
        // A period of zero is a fault of the caller's, and no reason to spin.
        let every = every.max(Duration::from_millis(100));
        let mut failing = false;
        loop {
            tokio::time::sleep(every).await;
            let file = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || file.reload()).await;
            match reloaded {
                Ok(Ok(_)) => failing = false,
                Ok(Err(error)) if !failing => {
                    failing = true;
                    tracing::error!(%error, "the key file cannot be used: the keys stay as they were");
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    fn read_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl KeySource for KeyFile {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(self.read_state(|state| Arc::clone(&state.keys)))
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    fs::read(path)
        .map(Zeroizing::new)
        .map_err(|_: io::Error| ConfigError::new(ConfigErrorKind::UnreadableFile))
}
