//! Who leads: the beat whose connection holds an advisory lock. It ends with the connection, so that a
//! killed leader is followed at once. Leading decides nothing: a tick that two beats claim is enqueued
//! once.

use std::time::{Duration, Instant};

use kiuas_common::postgres::{Dedicated, Postgres};

use crate::error::BeatError;

/// `kiuas` and `bea` in ASCII: the same for every beat of a database.
const KEY: i64 = 0x6b69_7561_7362_6561;

/// This beat's claim to lead.
#[derive(Debug)]
pub(crate) struct Leader {
    postgres: Postgres,
    session: Option<Dedicated>,
    leads: bool,
    /// When the connection answered last.
    answered: Instant,
    /// How long an idle connection is trusted.
    trust: Duration,
}

impl Leader {
    pub(crate) fn new(postgres: Postgres, trust: Duration) -> Self {
        Self {
            postgres,
            session: None,
            leads: false,
            answered: Instant::now(),
            trust,
        }
    }

    /// True if this beat leads.
    ///
    /// # Errors
    /// PostgreSQL is not usable; this beat does not lead then.
    pub(crate) async fn ask(&mut self) -> Result<bool, BeatError> {
        let trusted = self.answered.elapsed() < self.trust;
        match &self.session {
            Some(session) if self.leads && trusted && !session.client.is_closed() => Ok(true),
            _ => self.ask_again().await,
        }
    }

    /// Gives up the lead and the connection.
    pub(crate) fn leave(&mut self) {
        self.session = None;
        self.leads = false;
    }

    async fn ask_again(&mut self) -> Result<bool, BeatError> {
        let before = self.leads;
        let session = match self.session.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => {
                self.leads = false;
                self.postgres.dedicated().await?
            }
        };
        // Taken again and again it would count: asked as leader, it only has to answer.
        let text = if self.leads {
            "SELECT true FROM (SELECT $1::bigint) lock"
        } else {
            "SELECT pg_try_advisory_lock($1)"
        };
        self.leads = false;
        let answer = session.client.query_one(text, &[&KEY]).await;
        let leads = answer
            .and_then(|row| row.try_get(0))
            .map_err(BeatError::Leader)?;
        self.session = Some(session);
        self.leads = leads;
        self.answered = Instant::now();
        if leads != before {
            tracing::info!(beat.leads = leads, "this beat {}", verb(leads));
        }
        Ok(leads)
    }
}

fn verb(leads: bool) -> &'static str {
    if leads { "leads" } else { "follows" }
}
