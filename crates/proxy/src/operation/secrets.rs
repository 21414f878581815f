//! The certificates in force.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use kiuas_common::Shutdown;

use super::Predecessor;
use crate::listeners::Front;
use crate::meter::Meter;
use crate::plan::Plan;
use crate::tls::{Prepared, Tls, TlsError};

/// Certificates that are kept fresh while this lives.
pub(crate) struct Secrets {
    tls: Arc<Tls>,
    /// Of the tasks that keep them.
    life: Shutdown,
}

/// What a reload does about certificates.
pub(super) enum Change {
    /// Nobody speaks HTTPS.
    Nothing,
    /// Somebody does from now on.
    First(Secrets),
    /// Others, or the same read again.
    Other(Box<Prepared>),
}

impl Secrets {
    /// Reads or makes certificates; `None` if no front speaks HTTPS.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn new<'a>(
        plan: &Plan,
        fronts: impl IntoIterator<Item = &'a Front>,
        meter: &Meter,
    ) -> Result<Option<Self>, TlsError> {
        if !fronts.into_iter().any(|front| front.secure) {
            return Ok(None);
        }
        let tls = Tls::new(&plan.tls)?;
        if let Some(file) = tls.authority_file() {
            tracing::info!(
                tls.authority = %file.display(),
                "browsers trust this proxy once they trust `{}`",
                file.display()
            );
        }
        let life = Shutdown::new();
        tls.keep(&life, meter);
        Ok(Some(Self { tls, life }))
    }

    /// What connections are accepted with.
    pub(crate) fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// Keys of session tickets for the process that takes over, in base64.
    pub(super) fn tickets(&self) -> String {
        BASE64_STANDARD.encode(self.tls.tickets().export())
    }

    /// Takes over the keys of the process before.
    pub(crate) fn resume(&self, predecessor: &Predecessor) {
        let taken = predecessor
            .tickets()
            .is_none_or(|state| self.tls.tickets().import(&state));
        if !taken {
            tracing::warn!("the older process's session keys cannot be used: sessions begin anew");
        }
    }

    /// Gets ready for another plan.
    ///
    /// # Errors
    /// A certificate cannot be used.
    pub(super) fn prepare(&self, plan: &Plan) -> Result<Change, TlsError> {
        self.tls.prepare(&plan.tls).map(Box::new).map(Change::Other)
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.life.begin();
    }
}
