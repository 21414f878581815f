//! Waiting on a condition, with a deadline. No test waits any other way.

use std::time::{Duration, Instant};

/// Long enough for anything that should take seconds, on two slow cores that build at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(25);

/// What `probe` finds, as soon as it finds something.
///
/// # Panics
/// It found nothing within `patience`: `what` says what we waited for.
pub(crate) async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            begin.elapsed() < patience,
            "waited {} s in vain for {what}",
            patience.as_secs()
        );
        tokio::time::sleep(PAUSE).await;
    }
}
