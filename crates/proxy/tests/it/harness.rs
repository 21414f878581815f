//! What the tests are made of: a proxy, applications, visitors.

pub(crate) mod app;
pub(crate) mod frames;
pub(crate) mod load;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod steady;
pub(crate) mod visitor;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use app::App;
pub(crate) use proxy::Proxy;
pub(crate) use visitor::{Answer, Visitor};

/// Nothing in a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// Takes one of what is there as soon as there is any.
async fn until_released(left: &AtomicUsize) {
    let take = || {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    };
    until("it is released", take).await;
}
