//! What only files can get wrong. The rest is in the conformance suite and the process tests.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::name::LockName;
use crate::namespace::Namespace;
use crate::store::answer::{Acquired, Ownership};
use crate::store::command::{Acquire, Peek, Release, Renew};
use crate::store::holder::Holder;
use crate::store::host::HostStore;
use crate::store::settings::Settings;
use crate::timing::Ttl;

fn settings(timeout: Duration) -> Settings {
    Settings {
        command_timeout: timeout,
        replica_acks: 0,
        namespace: Namespace::default(),
    }
}

struct Here {
    _temporary: tempfile::TempDir,
    folder: PathBuf,
    name: LockName,
}

impl Here {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        Self {
            folder: temporary.path().join("locks"),
            _temporary: temporary,
            name: LockName::new("nightly").expect("a valid name"),
        }
    }

    fn store(&self) -> HostStore {
        self.impatient(Duration::from_secs(10))
    }

    fn impatient(&self, timeout: Duration) -> HostStore {
        HostStore::open(Some(self.folder.clone()), settings(timeout)).expect("a private folder")
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state/nightly")
    }

    /// Changes one member of the state.
    fn edit(&self, member: &str, value: serde_json::Value) {
        let text = fs::read(self.state()).expect("there is a state");
        let mut state: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
        state[member] = value;
        fs::write(self.state(), state.to_string()).expect("it is writable");
    }
}

fn ttl() -> Ttl {
    Ttl::new(Duration::from_secs(3600)).expect("a valid ttl")
}

async fn acquire(store: &HostStore, name: &LockName, who: &str) -> Result<Acquired<u64>, Error> {
    let command = Acquire {
        holder: Holder::new(who),
        ttl: ttl(),
        orphans: Vec::new(),
    };
    store.run(store.command_timeout(), name, command).await
}

async fn release(store: &HostStore, name: &LockName, who: &str, hold: Option<Duration>) {
    let command = Release {
        holder: Holder::new(who),
        hold,
    };
    let released = store.run(store.command_timeout(), name, command).await;
    assert_eq!(released.expect("release"), Ownership::Ours);
}

#[track_caller]
fn fence(acquired: Result<Acquired<u64>, Error>) -> u64 {
    match acquired {
        Ok(Acquired::Granted(fence)) => fence,
        other => panic!("not acquired: {other:?}"),
    }
}

#[test]
fn a_folder_that_others_can_reach_is_refused() {
    let here = Here::new();
    for mode in [0o777, 0o755, 0o710, 0o701] {
        let _ = fs::remove_dir_all(&here.folder);
        fs::create_dir(&here.folder).expect("a folder");
        fs::set_permissions(&here.folder, fs::Permissions::from_mode(mode)).expect("its mode");
        let error = HostStore::open(Some(here.folder.clone()), settings(Duration::from_secs(1)))
            .expect_err("open to others");
        assert_eq!(error.kind(), ErrorKind::Config, "{mode:o}");
    }
}

#[test]
fn a_link_to_a_folder_is_refused() {
    let here = Here::new();
    let elsewhere = here.folder.with_file_name("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).expect("its mode");
    symlink(&elsewhere, &here.folder).expect("a link");
    let error =
        HostStore::open(Some(here.folder), settings(Duration::from_secs(1))).expect_err("a link");
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_folder_that_it_creates_is_closed_to_others() {
    let here = Here::new();
    let store = here.store();
    fence(acquire(&store, &here.name, "a").await);
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    for folder in ["", "state", "alive"] {
        assert_eq!(mode(&here.folder.join(folder)), 0o700, "{folder}");
    }
    assert_eq!(mode(&here.state()), 0o600);
}

#[tokio::test]
async fn a_guard_that_is_held_makes_others_time_out_and_take_nothing() {
    let here = Here::new();
    let store = here.impatient(Duration::from_millis(50));
    let deadline = Instant::now() + Duration::from_secs(10);
    let folder = &store.shared.folder;
    let guard = folder.guard(&here.name, deadline).expect("no error");
    let late = acquire(&store, &here.name, "a")
        .await
        .expect_err("it is held");
    assert_eq!(late.kind(), ErrorKind::Timeout);
    drop(guard);
    // What gave up must not take it later.
    let patient = here.store();
    let peeked = patient
        .run(patient.command_timeout(), &here.name, Peek)
        .await;
    assert_eq!(peeked.expect("peek").holder, None);
}

#[tokio::test]
async fn a_guard_that_was_removed_excludes_all_the_same() {
    let here = Here::new();
    let (first, second) = (here.store(), here.store());
    fence(acquire(&first, &here.name, "a").await);
    let guards = || {
        fs::read_dir(&here.folder)
            .expect("a folder")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().contains("guard-"))
    };
    let removed = guards().map(fs::remove_file).filter(Result::is_ok).count();
    assert_eq!(removed, 1);
    let busy = acquire(&second, &here.name, "b").await;
    assert!(matches!(busy, Ok(Acquired::Busy { .. })), "{busy:?}");
}

/// Linux only: it has to see that the waiter has opened the old file.
#[cfg(target_os = "linux")]
#[test]
fn a_guard_that_is_removed_while_it_is_waited_for_is_not_the_guard() {
    let here = Here::new();
    let store = here.store();
    let folder = &store.shared.folder;
    let guard = |patience: u64| {
        let deadline = Instant::now() + Duration::from_secs(patience);
        folder.guard(&here.name, deadline).expect("no error")
    };
    let prefix = here.folder.join("guard-").display().to_string();
    let open_guards = || {
        fs::read_dir("/proc/self/fd")
            .expect("Linux has it")
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|path| path.to_string_lossy().starts_with(&prefix))
            .count()
    };
    let old = guard(60).expect("it is free");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| guard(3));
        while open_guards() < 2 {
            std::thread::yield_now();
        }
        for entry in fs::read_dir(&here.folder).expect("a folder").flatten() {
            if entry.path().display().to_string().starts_with(&prefix) {
                fs::remove_file(entry.path()).expect("it was there");
            }
        }
        let new = guard(60).expect("the new one is free");
        drop(old);
        let waited = waits.join().expect("no panic");
        assert!(waited.is_none(), "the file at its path is held");
        drop(new);
    });
}

#[tokio::test]
async fn a_state_that_is_not_one_is_refused_and_left_alone() {
    let here = Here::new();
    let store = here.store();
    fence(acquire(&store, &here.name, "a").await);
    let own = fs::read_to_string(here.state()).expect("it is there");
    let other = own.replace("nightly", "hourly");
    for text in ["{", "[]", "{}", "{\"fence\":\"x\"}", other.as_str()] {
        fs::write(here.state(), text).expect("it is writable");
        let error = acquire(&store, &here.name, "b").await.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::WrongType, "{text}");
        assert_eq!(fs::read_to_string(here.state()).expect("it is there"), text);
    }
}

#[tokio::test]
async fn a_lease_of_another_boot_has_ended() {
    let here = Here::new();
    let (first, second) = (here.store(), here.store());
    let before = fence(acquire(&first, &here.name, "a").await);
    here.edit("boot", "another".into());
    // No process lives on over a boot.
    drop(first);
    assert!(fence(acquire(&second, &here.name, "b").await) > before);
}

#[tokio::test]
async fn a_lease_whose_process_has_ended_is_free_at_once() {
    let here = Here::new();
    let (first, second) = (here.store(), here.store());
    let before = fence(acquire(&first, &here.name, "a").await);
    let busy = acquire(&second, &here.name, "b").await;
    assert!(matches!(busy, Ok(Acquired::Busy { .. })), "{busy:?}");
    // Its end gives the alive file back, as the end of its process would.
    drop(first);
    assert!(fence(acquire(&second, &here.name, "b").await) > before);
}

#[tokio::test]
async fn a_minimum_hold_outlives_its_process() {
    let here = Here::new();
    let (first, second) = (here.store(), here.store());
    fence(acquire(&first, &here.name, "a").await);
    let hold = Some(Duration::from_secs(60));
    release(&first, &here.name, "a", hold).await;
    drop(first);
    let busy = acquire(&second, &here.name, "b").await;
    assert!(matches!(busy, Ok(Acquired::Busy { .. })), "{busy:?}");
}

#[tokio::test]
async fn fences_grow_after_the_state_was_lost() {
    let here = Here::new();
    let store = here.store();
    let before = fence(acquire(&store, &here.name, "a").await);
    fs::remove_file(here.state()).expect("it was there");
    assert!(fence(acquire(&store, &here.name, "b").await) > before);
}

#[tokio::test]
async fn what_nobody_has_used_for_a_week_is_swept_and_nothing_else() {
    let here = Here::new();
    let store = here.store();
    fence(acquire(&store, &here.name, "a").await);
    here.edit("retain_until", 0.into());
    here.store();
    assert!(here.state().exists(), "it is held");
    release(&store, &here.name, "a", None).await;
    here.edit("retain_until", u64::MAX.into());
    here.store();
    assert!(here.state().exists(), "its week is not over");
    here.edit("retain_until", 0.into());
    here.store();
    assert!(!here.state().exists());
    let alive = fs::read_dir(here.folder.join("alive")).expect("a folder");
    assert_eq!(alive.count(), 1, "the traces of the stores that are gone");
}

#[tokio::test]
async fn an_open_store_sweeps_what_has_ended_and_goes_on_where_it_was() {
    let here = Here::new();
    let store = here.store();
    fence(acquire(&store, &here.name, "a").await);
    release(&store, &here.name, "a", None).await;
    let dead = LockName::new("dead").expect("a valid name");
    let gone = here.store();
    fence(acquire(&gone, &dead, "b").await);
    // More than one part of a sweep looks at, of both. No store is opened from here on.
    let (in_use, ended) = (1500, 2500);
    let write = |name: String| {
        let path = here.folder.join("state").join(&name);
        let text = fs::read_to_string(here.state()).expect("a state");
        let text = text.replace("\"nightly\"", &format!("\"{name}\""));
        fs::write(path, text).expect("it is writable");
    };
    for number in 0..in_use {
        write(format!("in-use-{number}"));
    }
    here.edit("retain_until", 0.into());
    for number in 0..ended {
        write(format!("ended-{number}"));
    }
    // Its process has died, and no one has asked for it since.
    drop(gone);
    let path = here.folder.join("state/dead");
    let text = fs::read_to_string(&path).expect("a state");
    let mut state: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    state["retain_until"] = 0.into();
    fs::write(&path, state.to_string()).expect("it is writable");

    let left = || {
        let left = fs::read_dir(here.folder.join("state")).expect("a folder");
        left.map(|entry| entry.expect("an entry").file_name())
            .filter(|name| !name.as_encoded_bytes().starts_with(b"in-use-"))
            .count()
    };
    let other = LockName::new("in-use-0").expect("a valid name");
    let mut parts = 0;
    while left() > 0 {
        for _ in 0..500 {
            let peeked = store.run(store.command_timeout(), &other, Peek).await;
            peeked.expect("an answer");
        }
        parts += 1;
        assert!(left() + parts * 1000 >= ended, "too much at a time");
        assert!(parts < 100, "{} files are left", left());
    }
    let all = fs::read_dir(here.folder.join("state")).expect("a folder");
    assert_eq!(all.count(), in_use);
}

#[tokio::test]
async fn a_live_holder_of_another_machine_keeps_its_lock_in_a_shared_folder() {
    let here = Here::new();
    let (ours, theirs) = (here.store(), here.store());
    acquire(&ours, &here.name, "ours").await.expect("acquire");
    here.edit("boot", "another machine".into());
    let answer = acquire(&theirs, &here.name, "theirs")
        .await
        .expect("acquire");
    assert!(
        matches!(&answer, Acquired::Busy { holder, .. } if holder == "ours"),
        "{answer:?}"
    );
    drop(ours);
    let answer = acquire(&theirs, &here.name, "theirs")
        .await
        .expect("acquire");
    assert!(matches!(answer, Acquired::Granted(_)), "{answer:?}");
}

#[tokio::test]
async fn a_holder_whose_liveness_file_was_removed_is_alive_from_its_next_command_on() {
    let here = Here::new();
    let (ours, theirs) = (here.store(), here.store());
    acquire(&ours, &here.name, "ours").await.expect("acquire");
    for file in fs::read_dir(here.folder.join("alive")).expect("a folder") {
        fs::remove_file(file.expect("a file").path()).expect("removed");
    }
    let renew = Renew {
        holder: Holder::new("ours"),
        ttl: ttl(),
    };
    let renewed = ours.run(ours.command_timeout(), &here.name, renew).await;
    assert_eq!(renewed.expect("renew"), Ownership::Ours);
    let answer = acquire(&theirs, &here.name, "theirs")
        .await
        .expect("acquire");
    assert!(matches!(answer, Acquired::Busy { .. }), "{answer:?}");
}

#[tokio::test]
async fn an_empty_state_is_none_and_the_fences_go_on() {
    let here = Here::new();
    let store = here.store();
    let before = acquire(&store, &here.name, "ours").await.expect("acquire");
    fs::write(here.state(), "").expect("it is writable");
    let after = acquire(&store, &here.name, "theirs")
        .await
        .expect("acquire");
    match (before, after) {
        (Acquired::Granted(before), Acquired::Granted(after)) => assert!(after > before),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_empty_state_of_an_execution_is_refused_and_does_not_count_as_never_begun() {
    let here = Here::new();
    let store = here.store();
    for stored in ["once:payment", "staging:once:payment"] {
        let name = LockName::new(stored).expect("a valid name");
        acquire(&store, &name, "ours").await.expect("acquire");
        let path = here.folder.join("state").join(stored.replace(':', "%3a"));
        assert!(path.exists(), "{path:?}");
        fs::write(&path, "").expect("it is writable");
        let error = acquire(&store, &name, "theirs").await.expect_err("empty");
        assert_eq!(error.kind(), ErrorKind::WrongType);
        assert!(error.to_string().contains("is empty"), "{error}");
        fs::remove_file(&path).expect("it can be removed");
        acquire(&store, &name, "theirs").await.expect("acquire");
    }
}
