//! Whether a request is begun at all: how long it has waited, whether its client still waits, and how
//! many others run.
//!
//! The proxy writes `X-Request-Start: t=SECONDS.MILLISECONDS` (of the Unix epoch) when it sends a
//! request; only the proxy is believed. What has waited longer than `web.queue_timeout` since then, in
//! the kernel's queue or here for one of `web.concurrency` places, is refused: its visitor has mostly
//! given up, and work for nobody keeps those waiting who have not.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::visitor::Peer;
use crate::load::Pulse;
use crate::settings::WebSettings;

const REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");
/// Who has waited less has a client: it has just sent the request.
const SHORT: Duration = Duration::from_millis(100);
/// nginx's status for a client that closed its connection; nobody reads it.
const CLIENT_GONE: u16 = 499;

/// Why a request was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has waited too long.
    QueueTime,
    /// Nobody waits for the answer.
    ClientGone,
    /// Too many run, and too many wait or it has waited too long for a place.
    Concurrency,
}

impl Refusal {
    /// Of its answer.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::QueueTime | Self::Concurrency => StatusCode::SERVICE_UNAVAILABLE,
            Self::ClientGone => {
                StatusCode::from_u16(CLIENT_GONE).unwrap_or(StatusCode::BAD_REQUEST)
            }
        }
    }

    /// The label in metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::QueueTime => "queue_time",
            Self::ClientGone => "client_gone",
            Self::Concurrency => "concurrency",
        }
    }
}

/// Places of a process for requests that run; its threads share them.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    wait: Duration,
}

impl Places {
    /// As many as the settings say; `None`: as many as there are connections.
    pub(crate) fn of(settings: &WebSettings) -> Option<Arc<Self>> {
        let count = settings.concurrency?;
        Some(Arc::new(Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            most_waiting: settings.concurrency_waiters,
            wait: settings.concurrency_wait.duration(),
        }))
    }

    /// A place, at once or after a bounded wait.
    async fn take(&self, pulse: &Pulse) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = self.wait_in_line().ok_or(Refusal::Concurrency)?;
        let mut turn = pin!(Arc::clone(&self.free).acquire_owned());
        let mut end = pin!(sleep(self.wait));
        // The end of the connection wakes the same task.
        poll_fn(|cx| {
            if pulse.is_gone() {
                return Poll::Ready(Err(Refusal::ClientGone));
            }
            if let Poll::Ready(place) = turn.as_mut().poll(cx) {
                return Poll::Ready(place.map_err(|_| Refusal::Concurrency));
            }
            end.as_mut().poll(cx).map(|()| Err(Refusal::Concurrency))
        })
        .await
    }

    fn wait_in_line(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting(&self.waiting);
        (self.waiting.fetch_add(1, Relaxed) < self.most_waiting).then_some(waiting)
    }
}

/// One that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What decides in one thread.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) queue_timeout: Duration,
    pub(super) places: Option<Arc<Places>>,
}

/// A request may begin.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Held while it runs.
    pub(super) place: Option<OwnedSemaphorePermit>,
    /// How long it waited, if that is known.
    pub(super) waited: Option<Duration>,
}

impl Admission {
    /// Lets a request in that had waited for `waited` when it arrived, or says why not.
    pub(super) async fn admit(
        &self,
        waited: Option<Duration>,
        pulse: &Pulse,
    ) -> Result<Admitted, Refusal> {
        self.judge(waited, pulse)?;
        let Some(places) = &self.places else {
            return Ok(Admitted {
                place: None,
                waited,
            });
        };
        let since = Instant::now();
        let place = places.take(pulse).await?;
        let waited = waited.unwrap_or_default() + since.elapsed();
        self.judge(Some(waited), pulse)?;
        Ok(Admitted {
            place: Some(place),
            waited: Some(waited),
        })
    }

    /// Whether a request is still worth its while.
    fn judge(&self, waited: Option<Duration>, pulse: &Pulse) -> Result<(), Refusal> {
        match waited {
            Some(waited) if waited > self.queue_timeout => Err(Refusal::QueueTime),
            Some(waited) if waited > SHORT && pulse.is_gone() => Err(Refusal::ClientGone),
            _ => Ok(()),
        }
    }
}

/// How long ago the proxy sent the request; `None` if no proxy says so.
pub(super) fn queue_time(request: &ServiceRequest) -> Option<Duration> {
    let value = request.headers().get(REQUEST_START)?;
    let peer = request.conn_data::<Peer>()?;
    let sent = peer.is_trusted().then(|| value.to_str().ok())??;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A clock that was set back in the meantime counts as no time.
    Some(now.ok()?.saturating_sub(moment(sent)?))
}

/// `t=SECONDS.FRACTION`.
fn moment(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.strip_prefix("t=")?.split_once('.')?;
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.is_empty() || fraction.len() > 9 || !are_digits(fraction) || !are_digits(seconds) {
        return None;
    }
    let scale = 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?);
    let nanoseconds = fraction.parse::<u32>().ok()? * scale;
    Some(Duration::new(seconds.parse().ok()?, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_seconds_and_a_fraction() {
        let of = |text| moment(text).map(|it| it.as_millis());
        assert_eq!(of("t=1700000000.123"), Some(1_700_000_000_123));
        assert_eq!(of("t=5.5"), Some(5_500));
        assert_eq!(of("t=5.000000001"), Some(5_000));
        for wrong in [
            "",
            "t=",
            "t=.",
            "t=5.",
            "5.1",
            "t=5",
            "t=-5.1",
            "t=+5.1",
            "t=5.+1",
            "t=5.1e3",
            "t=5.1234567890",
            "t=99999999999999999999.1",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
