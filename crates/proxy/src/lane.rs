//! The fast lane: serves the plain majority of HTTP/1.1 requests (GET and HEAD without a body, in
//! canonical form) without hyper. It reads into a buffer of the thread, so that an idle connection has
//! none; it runs the same [`crate::exchange`] and writes the answer itself.
//!
//! Whatever is not recognised goes with its bytes to hyper, which keeps the connection to its end: the
//! screen before it refuses what must be refused, and its upgrades and request bodies work as ever. So
//! the lane never refuses anything, and never has to be lenient.

mod answer;
mod head;
mod io;
mod kept;
mod pending;
mod request;
mod scratch;
mod send;
#[cfg(test)]
mod tests;
mod write;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

pub use io::LaneIo;
pub use request::{map, recycle};

use crate::body::Inbound;
use crate::exchange::{Connection, Work};
use crate::linger::Linger;
use crate::pulse::Order;
use answer::Asked;
use kept::{Kept, Step};
use write::{WriteError, Writing};

/// How the lane's part of a connection ends.
#[derive(Debug)]
pub enum Exit<S> {
    /// With the connection.
    Closed,
    /// With something that is not for the lane.
    Odd {
        /// The connection.
        io: S,
        /// What was read of it.
        read: BytesMut,
        /// It is a head that took too long.
        late: bool,
    },
}

enum State {
    /// Between requests, or in a head.
    Head,
    /// A request is at work.
    Work(Work, Asked),
    /// Its answer is being written.
    Write(Box<Writing>, Asked),
    /// The end: said, and waited for.
    Linger(Box<Linger>),
    /// The end: said to a visitor who knows that it comes.
    Farewell,
}

/// One connection in the lane.
pub struct Lane<S> {
    /// Taken when the lane ends.
    io: Option<S>,
    connection: Rc<Connection>,
    state: State,
    kept: Kept,
    /// The drain: the answer at work is the last one.
    last: bool,
    /// The sweeper knows whom to wake.
    registered: bool,
}

impl<S: LaneIo> Lane<S> {
    /// Nothing is read yet.
    pub fn new(io: S, connection: Rc<Connection>) -> Self {
        Self {
            io: Some(io),
            connection,
            state: State::Head,
            kept: Kept::default(),
            last: false,
            registered: false,
        }
    }

    /// Obeys the sweeper; something if the lane ends.
    fn obey(&mut self, cx: &Context<'_>) -> Option<Exit<S>> {
        // Always the same task, and the sweeper is on its thread: to register once is enough.
        if self.registered && !self.connection.pulse.has_orders() {
            return None;
        }
        self.registered = true;
        while let Poll::Ready(order) = self.connection.pulse.poll_order(cx) {
            match (order, &self.state) {
                (Order::Cut, _) => return Some(Exit::Closed),
                (Order::Stalled, _) => {
                    tracing::debug!("a visitor does not read, the connection is cut");
                    return Some(Exit::Closed);
                }
                // The screen knows how to answer a head that is late.
                (Order::Late, State::Head) if !self.kept.is_empty() => {
                    return Some(self.leave(true));
                }
                (Order::Late | Order::Idle | Order::Finish, State::Head) => {
                    self.state = State::Linger(Box::default());
                }
                (Order::Finish, _) => self.last = true,
                (Order::Late | Order::Idle, _) => {}
            }
        }
        None
    }

    fn leave(&mut self, late: bool) -> Exit<S> {
        let read = self.kept.take();
        match self.io.take() {
            Some(io) => Exit::Odd { io, read, late },
            None => Exit::Closed,
        }
    }

    /// One step; something if the lane ends.
    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Option<Exit<S>>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Some(Exit::Closed));
        };
        let pulse = &self.connection.pulse;
        match &mut self.state {
            State::Head => {
                let step = ready!(self.kept.poll_head(io, pulse, cx));
                Poll::Ready(self.begin(step))
            }
            State::Work(work, asked) => match Pin::new(work).poll(cx) {
                Poll::Ready(answer) => {
                    let asked = *asked;
                    // Gives the request's memory back before the answer needs some.
                    self.state = State::Head;
                    match Writing::begin(answer, asked, &self.connection.hints, io, pulse, cx) {
                        Ok(writing) => self.poll_write(writing, asked, cx),
                        Err(error) => Poll::Ready(Some(broken(&error))),
                    }
                }
                Poll::Pending => {
                    if self.connection.hints.write(io, cx).is_err() {
                        return Poll::Ready(Some(Exit::Closed));
                    }
                    self.kept.poll_left(io, cx).map(|()| Some(Exit::Closed))
                }
            },
            State::Write(writing, asked) => match writing.poll(io, pulse, cx) {
                Poll::Ready(Ok(())) => {
                    let (close, asked) = (writing.close, *asked);
                    Poll::Ready(self.written(close, asked))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Some(broken(&error))),
                Poll::Pending => self.kept.poll_left(io, cx).map(|()| Some(Exit::Closed)),
            },
            State::Linger(linger) => {
                drop(ready!(linger.poll_close(io, cx)));
                Poll::Ready(Some(Exit::Closed))
            }
            State::Farewell => {
                drop(ready!(Pin::new(io).poll_shutdown(cx)));
                Poll::Ready(Some(Exit::Closed))
            }
        }
    }

    fn begin(&mut self, step: Step) -> Option<Exit<S>> {
        match step {
            Step::Begin(parts, asked) => {
                self.connection.pulse.head_ends();
                let work = Work::begin(Rc::clone(&self.connection), parts, Inbound::empty());
                self.state = State::Work(work, asked);
                None
            }
            Step::Odd => Some(self.leave(false)),
            Step::More | Step::End => Some(Exit::Closed),
        }
    }

    /// Most answers are written at once, and need no place of their own.
    fn poll_write(
        &mut self,
        mut writing: Writing,
        asked: Asked,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Exit<S>>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Some(Exit::Closed));
        };
        match writing.poll(io, &self.connection.pulse, cx) {
            Poll::Ready(Ok(())) => Poll::Ready(self.written(writing.close, asked)),
            Poll::Ready(Err(error)) => Poll::Ready(Some(broken(&error))),
            Poll::Pending => {
                self.state = State::Write(Box::new(writing), asked);
                self.kept.poll_left(io, cx).map(|()| Some(Exit::Closed))
            }
        }
    }

    fn written(&mut self, close: bool, asked: Asked) -> Option<Exit<S>> {
        if !close && !self.last {
            self.state = State::Head;
            return None;
        }
        // Who asked for the end sends nothing more (RFC 9112 9.6): nothing can be destroyed by a reset.
        if !asked.close || !self.kept.is_empty() {
            self.state = State::Linger(Box::default());
            return None;
        }
        if self.io.as_ref().is_some_and(LaneIo::has_farewell) {
            self.state = State::Farewell;
            return None;
        }
        Some(Exit::Closed)
    }
}

fn broken<S>(error: &WriteError) -> Exit<S> {
    tracing::debug!(
        error = error as &dyn std::error::Error,
        "an answer broke off"
    );
    Exit::Closed
}

impl<S: LaneIo> Future for Lane<S> {
    type Output = Exit<S>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit<S>> {
        let this = self.get_mut();
        if let Some(exit) = this.obey(cx) {
            return Poll::Ready(exit);
        }
        loop {
            if let Some(exit) = ready!(this.poll_state(cx)) {
                return Poll::Ready(exit);
            }
        }
    }
}
