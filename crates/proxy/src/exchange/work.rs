//! The places where requests are at work. Such a future is large, and memory that was just used is in
//! the processor's cache while the allocator's next piece is not: a thread uses its places again, the
//! last one first.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::request::Parts;

use super::{Connection, run};
use crate::answer::Answer;
use crate::body::Inbound;
use crate::record::Recorded;

/// Places that a thread keeps. More requests at a time get new ones.
const MOST_PLACES: usize = 256;

thread_local! {
    static PLACES: RefCell<Vec<Box<dyn Place>>> = const { RefCell::new(Vec::new()) };
}

/// Somewhere a request can be at work.
trait Place {
    fn begin(&mut self, connection: Rc<Connection>, parts: Parts, body: Inbound);
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer<Recorded>>;
    fn clear(&mut self);
}

struct Made<M, F> {
    make: M,
    future: Pin<Box<Option<F>>>,
}

impl<M, F> Place for Made<M, F>
where
    M: Fn(Rc<Connection>, Parts, Inbound) -> F,
    F: Future<Output = Answer<Recorded>>,
{
    fn begin(&mut self, connection: Rc<Connection>, parts: Parts, body: Inbound) {
        self.future.set(Some((self.make)(connection, parts, body)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer<Recorded>> {
        match self.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }

    fn clear(&mut self) {
        self.future.set(None);
    }
}

fn place<M, F>(make: M) -> Box<dyn Place>
where
    M: Fn(Rc<Connection>, Parts, Inbound) -> F + 'static,
    F: Future<Output = Answer<Recorded>> + 'static,
{
    Box::new(Made {
        make,
        future: Box::pin(None),
    })
}

/// A request at work; dropped, it ends.
pub struct Work(Option<Box<dyn Place>>);

impl Work {
    /// Begins with a request, whichever way it came: the head as [`Parts`], the body beside it.
    #[must_use]
    pub fn begin(connection: Rc<Connection>, parts: Parts, body: Inbound) -> Self {
        let place = PLACES.with_borrow_mut(Vec::pop);
        let mut place = place.unwrap_or_else(|| self::place(run));
        place.begin(connection, parts, body);
        Self(Some(place))
    }
}

impl Future for Work {
    type Output = Answer<Recorded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<Recorded>> {
        match &mut self.get_mut().0 {
            Some(place) => place.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let Some(mut place) = self.0.take() else {
            return;
        };
        place.clear();
        // The thread may be ending, and its places with it.
        PLACES
            .try_with(|places| {
                let mut places = places.borrow_mut();
                if places.len() < MOST_PLACES {
                    places.push(place);
                }
            })
            .unwrap_or_default();
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}
