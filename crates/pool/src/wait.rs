//! Waits for what must be there before the first child is started.

use std::path::Path;
use std::time::Duration;

use kiuas_common::Address;
use kiuas_common::listener::Stream;
use tokio::time::Instant;

use crate::probe::http_answers;
use crate::settings::WaitFor;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// For one try to connect.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits until all of `wanted` are there.
///
/// # Errors
/// Which of them was not there within `timeout`.
pub(crate) async fn until_there(wanted: &[WaitFor], timeout: Duration) -> Result<(), String> {
    let end = Instant::now() + timeout;
    for one in wanted {
        let begin = Instant::now();
        while !is_there(one).await {
            if Instant::now() >= end {
                let time = crate::report::time(timeout);
                return Err(format!("`{one}` was not there within {time}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        let waited = crate::report::time(begin.elapsed());
        tracing::info!(waited, "`{one}` is there");
    }
    Ok(())
}

async fn is_there(wanted: &WaitFor) -> bool {
    match wanted {
        WaitFor::File(path) => tokio::fs::try_exists(path).await.unwrap_or(false),
        WaitFor::Unix(path) => accepts_unix(path).await,
        WaitFor::Tcp(authority) => {
            let connect = tokio::net::TcpStream::connect(authority.as_str());
            matches!(tokio::time::timeout(PATIENCE, connect).await, Ok(Ok(_)))
        }
        WaitFor::Http { authority, path } => {
            let found = tokio::net::lookup_host(authority.as_str()).await;
            match found.ok().and_then(|mut found| found.next()) {
                Some(address) => http_answers(&Address::Tcp(address), path).await,
                None => false,
            }
        }
    }
}

async fn accepts_unix(path: &Path) -> bool {
    let address = Address::Unix(path.to_owned());
    let connect = Stream::connect(&address);
    matches!(tokio::time::timeout(PATIENCE, connect).await, Ok(Ok(_)))
}
