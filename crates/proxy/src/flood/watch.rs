//! Judges the frames of one connection, both directions.

use std::net::IpAddr;
use std::sync::Arc;

use super::budget::{Abuse, Budget};
use super::follower::{Follower, Frame};
use super::windows::Windows;
use crate::clock;
use crate::meter::Meter;
use crate::pulse::Pulse;

/// CONTINUATION frames of one head: 16 KiB need one in frames of the usual size.
const MOST_CONTINUATIONS: u32 = 16;
/// Requests that may wait under a window that was never really opened.
const MOST_NEVER_OPENED: usize = 32;
/// One DATA frame of ours may be answered by so many `WINDOW_UPDATEs` (stream and connection).
const ANSWERS: u32 = 2;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
/// `SETTINGS_INITIAL_WINDOW_SIZE` (RFC 9113 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// The frames of one connection.
#[derive(Debug)]
pub struct Watch {
    theirs: Follower,
    ours: Follower,
    judge: Judge,
}

#[derive(Debug)]
struct Judge {
    budget: Budget,
    windows: Windows,
    continuations: u32,
    pulse: Arc<Pulse>,
    meter: Meter,
    peer: Option<IpAddr>,
}

impl Watch {
    /// Of a connection from `peer` that has just begun.
    #[must_use]
    pub fn new(pulse: &Arc<Pulse>, meter: &Meter, peer: Option<IpAddr>) -> Self {
        Self {
            theirs: Follower::of_visitor(),
            ours: Follower::of_ours(),
            judge: Judge {
                budget: Budget::new(),
                windows: Windows::new(),
                continuations: 0,
                pulse: Arc::clone(pulse),
                meter: meter.clone(),
                peer,
            },
        }
    }

    /// Bytes from the visitor.
    ///
    /// # Errors
    /// The visitor went too far.
    pub fn received(&mut self, bytes: &[u8]) -> Result<(), Abuse> {
        let judge = &mut self.judge;
        self.theirs
            .step(bytes, |frame| judge.theirs(&frame))
            .inspect_err(|abuse| judge.report(*abuse))
    }

    /// Bytes that were sent.
    ///
    /// # Errors
    /// The visitor made us send too much of what helps nobody.
    pub fn sent(&mut self, bytes: &[u8]) -> Result<(), Abuse> {
        let judge = &mut self.judge;
        self.ours
            .step(bytes, |frame| judge.ours(&frame))
            .inspect_err(|abuse| judge.report(*abuse))
    }

    /// True if a frame may be sent now: the last one is complete.
    #[must_use]
    pub fn may_speak(&self) -> bool {
        self.ours.is_at_boundary()
    }
}

impl Judge {
    fn theirs(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        match frame.kind {
            0 => self.data(frame),
            1 => self.headers(frame),
            2 => self.budget.note(Abuse::Priority),
            3 => {
                self.closed(frame.stream);
                self.budget.note(Abuse::RapidReset)
            }
            4 => self.settings(frame),
            6 => self.budget.note(Abuse::Ping),
            8 => self.window_update(frame),
            9 => self.continuation(frame),
            _ => self.budget.note(Abuse::Unknown),
        }
    }

    /// RFC 9113 6.1: padding is no data.
    fn data(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        let padding = match (frame.flags & PADDED, frame.payload.first()) {
            (0, _) | (_, None) => 0,
            (_, Some(length)) => usize::from(*length) + 1,
        };
        if frame.length <= padding && frame.flags & END_STREAM == 0 {
            return self.budget.note(Abuse::EmptyData);
        }
        Ok(())
    }

    fn headers(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        self.continuations = 0;
        self.windows.opened(frame.stream, clock::milliseconds());
        self.stamp();
        if self.windows.never_opened() > MOST_NEVER_OPENED {
            return self.budget.note(Abuse::ShutWindow);
        }
        Ok(())
    }

    fn continuation(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        self.continuations += 1;
        if self.continuations > MOST_CONTINUATIONS {
            return self.budget.note(Abuse::Continuation);
        }
        if frame.flags & END_HEADERS != 0 {
            self.continuations = 0;
        }
        Ok(())
    }

    fn settings(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        if frame.flags & ACK == 0 {
            for setting in frame.payload.chunks_exact(6) {
                if let [a, b, w, x, y, z] = *setting
                    && u16::from_be_bytes([a, b]) == INITIAL_WINDOW_SIZE
                {
                    let initial = u32::from_be_bytes([w, x, y, z]);
                    self.windows.set_initial(initial, clock::milliseconds());
                    self.stamp();
                }
            }
        }
        self.budget.note(Abuse::Settings)
    }

    fn window_update(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        if let [a, b, c, d] = *frame.payload {
            let increment = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
            let crack = self
                .windows
                .widened(frame.stream, increment, clock::milliseconds());
            self.stamp();
            if crack {
                // Worse than useless: it makes us send crumbs.
                self.budget.note(Abuse::WindowUpdate)?;
                self.budget.note(Abuse::WindowUpdate)?;
            }
        }
        self.budget.note(Abuse::WindowUpdate)
    }

    fn ours(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        match frame.kind {
            0 => {
                self.windows
                    .sent(frame.stream, frame.length, clock::milliseconds());
                self.budget
                    .forgive(Abuse::WindowUpdate, self.answers(frame));
                self.ended(frame);
                Ok(())
            }
            1 => {
                self.ended(frame);
                Ok(())
            }
            3 => {
                self.closed(frame.stream);
                self.reset(frame)
            }
            _ => Ok(()),
        }
    }

    /// Crumbs that a narrow window made us send earn no answers.
    fn answers(&self, frame: &Frame<'_>) -> u32 {
        let crumb = i64::try_from(frame.length).is_ok_and(|length| length < super::windows::CRACK);
        let last = frame.flags & END_STREAM != 0;
        if crumb && !last && self.windows.shut_since().is_some() {
            0
        } else {
            ANSWERS
        }
    }

    /// `NO_ERROR` after a complete answer is our own wish (RFC 9113 8.1); CANCEL is an application's
    /// failure.
    fn reset(&mut self, frame: &Frame<'_>) -> Result<(), Abuse> {
        match *frame.payload {
            [0, 0, 0, 0 | 2 | 8] => Ok(()),
            _ => self.budget.note(Abuse::ProvokedReset),
        }
    }

    fn ended(&mut self, frame: &Frame<'_>) {
        if frame.flags & END_STREAM != 0 {
            self.windows.closed(frame.stream);
        }
        self.stamp();
    }

    fn closed(&mut self, stream: u32) {
        self.windows.closed(stream);
        self.stamp();
    }

    /// The sweeper cuts whoever keeps a window shut for longer than a visitor may not read.
    fn stamp(&self) {
        self.pulse
            .windows_are(self.windows.shut_since(), self.windows.slowest());
    }

    fn report(&self, abuse: Abuse) {
        let name = abuse.name();
        self.meter.abused(name);
        tracing::warn!(
            http2.abuse = name,
            client.address = self.peer.map(tracing::field::display),
            "an HTTP/2 connection went too far ({name}) and is closed"
        );
    }
}
