//! The largest fence that was admitted.

use std::time::Duration;

use crate::name::LockName;
use crate::store::answer::Admission;
use crate::store::command::AdmitFence;
use crate::store::conformance::support::{acquire, fence_of, peek, release};
use crate::store::store::Store;

conformance! {
    a_fence_that_is_smaller_than_one_that_was_admitted_is_stale,
    a_fence_that_no_clock_has_reached_is_refused_and_not_remembered,
    fences_are_admitted_per_lock_and_without_holding_it,
}

fn name() -> LockName {
    LockName::new("account:R-1").expect("a valid name")
}

async fn admit(store: &Store, name: &LockName, fence: u64) -> Admission {
    let ahead = Duration::from_secs(24 * 60 * 60);
    let admit = AdmitFence { fence, ahead };
    store.run(name, admit).await.expect("admit")
}

async fn a_fence_that_is_smaller_than_one_that_was_admitted_is_stale(store: Store) {
    let name = name();
    let older = fence_of(&acquire(&store, &name, "a").await);
    release(&store, &name, "a", None).await;
    let newer = fence_of(&acquire(&store, &name, "b").await);
    // Until the newer holder has written, the older one harms no one.
    for fence in [older, older, newer, newer] {
        assert_eq!(admit(&store, &name, fence).await, Admission::Admitted);
    }
    let stale = Admission::Stale { largest: newer };
    for fence in [older, newer - 1, 1, 0] {
        assert_eq!(admit(&store, &name, fence).await, stale, "{fence}");
    }
    assert_eq!(admit(&store, &name, newer).await, Admission::Admitted);
}

async fn a_fence_that_no_clock_has_reached_is_refused_and_not_remembered(store: Store) {
    let name = name();
    let day = 24 * 60 * 60 * 1_000_000;
    let now = peek(&store, &name).await.now * 1000;
    let far = [9_000_000_000_000_000_000, u64::MAX, now + day + day / 24];
    for fence in far {
        let refused = admit(&store, &name, fence).await;
        assert_eq!(refused, Admission::AheadOfClock, "{fence}");
    }
    assert_eq!(admit(&store, &name, 1).await, Admission::Admitted);
    let almost = now + day - day / 24;
    assert_eq!(admit(&store, &name, almost).await, Admission::Admitted);
    let stale = Admission::Stale { largest: almost };
    assert_eq!(admit(&store, &name, now).await, stale);
}

async fn fences_are_admitted_per_lock_and_without_holding_it(store: Store) {
    let (name, other) = (name(), LockName::new("account:R-2").expect("a valid name"));
    assert_eq!(admit(&store, &name, 9).await, Admission::Admitted);
    assert_eq!(admit(&store, &other, 8).await, Admission::Admitted);
    assert_eq!(peek(&store, &name).await.holder, None);
    let fence = fence_of(&acquire(&store, &name, "a").await);
    assert!(fence > 9);
    let stale = Admission::Stale { largest: 9 };
    assert_eq!(admit(&store, &name, 8).await, stale);
}
