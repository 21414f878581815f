//! The application's part of a request: under a deadline, with panics caught, and shown on the
//! scoreboard while the thread works on it.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use futures_util::FutureExt;
use kiuas_common::scoreboard::now;
use tokio::time::{Instant, Sleep, sleep_until};

use super::admission::Refusal;
use crate::load::Slot;

/// How the application's part went.
pub(super) enum Outcome<B> {
    Answered(ServiceResponse<B>),
    Refused(Error),
    TimedOut,
    Panicked,
    /// It was not begun.
    TurnedAway(Refusal),
}

/// Runs it; nothing that it does, short of blocking the thread, gets past this.
pub(super) async fn run<S, B>(service: Rc<S>, request: ServiceRequest, slot: &Slot) -> Outcome<B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    // The call itself may panic too, so it happens inside the caught future.
    let work = AssertUnwindSafe(async move { service.call(request).await }).catch_unwind();
    let mut work = pin!(work);
    // Most handlers answer without waiting, and need no timer.
    let mut timer = pin!(None::<Sleep>);
    let mut armed_for = 0;
    poll_fn(|cx| {
        let mark = slot.polling();
        let polled = work.as_mut().poll(cx);
        drop(mark);
        match polled {
            Poll::Ready(Ok(Ok(response))) => return Poll::Ready(Outcome::Answered(response)),
            Poll::Ready(Ok(Err(error))) => return Poll::Ready(Outcome::Refused(error)),
            // What panicked was logged by the panic hook, inside this span.
            Poll::Ready(Err(_)) => return Poll::Ready(Outcome::Panicked),
            Poll::Pending => {}
        }
        // The handler may have moved its deadline.
        let deadline = slot.pulse().soft_deadline();
        if armed_for != deadline {
            armed_for = deadline;
            let rest = Duration::from_nanos(deadline.saturating_sub(now()));
            let due = Instant::now() + rest;
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.reset(due),
                None => timer.set(Some(sleep_until(due))),
            }
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Outcome::TimedOut),
            None => Poll::Pending,
        }
    })
    .await
}
