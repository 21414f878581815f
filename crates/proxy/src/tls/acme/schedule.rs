//! When a certificate is due (RFC 9773, else two thirds of its life), and how long to wait after a
//! failure. Arithmetic alone: the moment and the dice come in.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::tls::facts::Facts;

/// After the first failure; each further one waits twice as long.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Well below what authorities allow in a week.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);
/// Bounds of what a server may ask for between two questions (RFC 9773 4.3).
const SHORTEST_ARI: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_ARI: SignedDuration = SignedDuration::from_hours(24);
/// After a server without ARI, or one that did not answer.
const ARI_FAILED: SignedDuration = SignedDuration::from_hours(6);

/// What is remembered about one certificate, across restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::tls) struct Memory {
    /// Orders that failed, one after the other.
    pub(super) failures: u32,
    /// No new order before.
    pub(super) next_try: Option<Timestamp>,
    /// Why the newest order failed.
    pub(super) last_error: Option<String>,
    /// When the current certificate is to be replaced.
    pub(super) renew_at: Option<Timestamp>,
    /// The server's window that this was chosen from.
    pub(super) window: Option<(Timestamp, Timestamp)>,
    /// When the server is asked for its window again.
    pub(super) ask_at: Option<Timestamp>,
}

impl Memory {
    /// A new certificate arrived: nothing before counts.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// An order failed. `dice` is uniform in 0..1.
    pub(super) fn failed(&mut self, why: String, now: Timestamp, dice: f64) {
        self.next_try = Some(now + pause(self.failures, dice));
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(why);
    }

    /// True if an order may be made now. `current` is what is served, unless that stands in only.
    pub(super) fn is_due(&mut self, current: Option<&Facts>, now: Timestamp, dice: f64) -> bool {
        if self.next_try.is_some_and(|next_try| now < next_try) {
            return false;
        }
        match current {
            None => true,
            Some(facts) => now >= self.renewal(facts, dice),
        }
    }

    /// When `facts` is to be replaced; chosen once.
    pub(super) fn renewal(&mut self, facts: &Facts, dice: f64) -> Timestamp {
        *self.renew_at.get_or_insert_with(|| two_thirds(facts, dice))
    }

    /// True if the server is to be asked for its window.
    pub(super) fn asks(&self, now: Timestamp) -> bool {
        self.ask_at.is_none_or(|ask_at| ask_at <= now)
    }

    /// The server's window (RFC 9773 4.2): a moment in it, chosen anew only if it moved.
    pub(super) fn told(
        &mut self,
        window: (Timestamp, Timestamp),
        retry_after: SignedDuration,
        now: Timestamp,
        dice: f64,
    ) {
        self.ask_at = Some(now + retry_after.clamp(SHORTEST_ARI, LONGEST_ARI));
        let (start, end) = window;
        if end <= start || self.window == Some(window) {
            return;
        }
        self.window = Some(window);
        self.renew_at = Some(start + part(end.duration_since(start), dice));
    }

    /// The server has no window.
    pub(super) fn not_told(&mut self, now: Timestamp) {
        self.ask_at = Some(now + ARI_FAILED);
    }
}

/// Two thirds of its life, and up to a twentieth of it later: not all certificates in one night.
fn two_thirds(facts: &Facts, dice: f64) -> Timestamp {
    let life = facts.not_after.duration_since(facts.not_before);
    facts.not_before + life * 2 / 3 + part(life / 20, dice)
}

fn pause(failures: u32, dice: f64) -> SignedDuration {
    let pause = (FIRST_PAUSE * (1_i32 << failures.min(10))).min(LONGEST_PAUSE);
    pause + part(pause / 4, dice)
}

fn part(span: SignedDuration, dice: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(span.as_secs_f64() * dice.clamp(0.0, 1.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::facts::KeyKind;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    fn facts() -> Facts {
        Facts {
            names: vec!["one.example".to_owned()],
            issuer: "CN=test".to_owned(),
            not_before: at("2026-01-01T00:00:00Z"),
            not_after: at("2026-04-01T00:00:00Z"),
            key: KeyKind::Ecdsa,
            ocsp_url: None,
            must_staple: false,
        }
    }

    #[test]
    fn without_ari_it_is_due_after_two_thirds_of_its_life() {
        let mut memory = Memory::default();
        assert!(
            memory.is_due(None, at("2026-01-01T00:00:00Z"), 0.0),
            "none yet"
        );
        assert!(!memory.is_due(Some(&facts()), at("2026-03-01T23:00:00Z"), 0.0));
        assert!(memory.is_due(Some(&facts()), at("2026-03-02T01:00:00Z"), 0.9));
        let mut unlucky = Memory::default();
        let late = unlucky.renewal(&facts(), 1.0);
        assert!(late > at("2026-03-05T00:00:00Z") && late < at("2026-03-07T00:00:00Z"));
        assert_eq!(unlucky.renewal(&facts(), 0.0), late, "chosen once");
    }

    #[test]
    fn the_servers_window_wins_and_is_chosen_from_once() {
        let mut memory = Memory::default();
        let window = (at("2026-02-01T00:00:00Z"), at("2026-02-03T00:00:00Z"));
        let now = at("2026-01-10T00:00:00Z");
        memory.told(window, SignedDuration::from_hours(6), now, 0.5);
        assert_eq!(memory.renew_at, Some(at("2026-02-02T00:00:00Z")));
        assert!(
            !memory.asks(at("2026-01-10T05:00:00Z")) && memory.asks(at("2026-01-10T07:00:00Z"))
        );
        memory.told(window, SignedDuration::from_hours(6), now, 0.1);
        assert_eq!(memory.renew_at, Some(at("2026-02-02T00:00:00Z")));
        // A window in the past (the certificate will be revoked): now.
        let past = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
        memory.told(past, SignedDuration::ZERO, now, 0.5);
        assert!(memory.is_due(Some(&facts()), now, 0.5));
        assert!(
            !memory.asks(now),
            "a server cannot make us ask all the time"
        );
        // Nonsense changes nothing.
        memory.told((window.1, window.0), SignedDuration::ZERO, now, 0.5);
        assert_eq!(memory.window, Some(past));
    }

    #[test]
    fn failures_wait_longer_and_longer() {
        let mut memory = Memory::default();
        let now = at("2026-01-01T00:00:00Z");
        let mut last = SignedDuration::ZERO;
        for round in 0..20 {
            memory.failed("why".to_owned(), now, 0.0);
            let wait = memory.next_try.expect("next try").duration_since(now);
            assert!(wait >= last, "round {round}");
            last = wait;
        }
        assert_eq!(last, LONGEST_PAUSE);
        assert!(!memory.is_due(None, now + SignedDuration::from_hours(5), 0.0));
        assert!(memory.is_due(None, now + SignedDuration::from_hours(7), 0.0));
        memory.succeeded();
        assert_eq!(memory, Memory::default());
    }
}
