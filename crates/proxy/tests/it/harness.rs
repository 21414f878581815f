//! What the tests are made of: a proxy, applications, visitors.

pub(crate) mod app;
pub(crate) mod load;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod visitor;

use std::time::Duration;

pub(crate) use app::App;
pub(crate) use proxy::Proxy;
pub(crate) use visitor::Visitor;

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
