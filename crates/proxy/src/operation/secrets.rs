//! The certificates in force, and what they were made from.

use std::sync::Arc;

use kiuas_common::Shutdown;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use crate::listeners::Front;
use crate::plan::Plan;
use crate::settings::{ProxySettings, TlsSettings};
use crate::tls::{Certificates, TlsError};

/// Certificates that are kept fresh while this lives.
pub(crate) struct Secrets {
    acceptor: TlsAcceptor,
    settings: TlsSettings,
    names: Vec<String>,
    /// Of the task that renews them.
    life: Shutdown,
}

impl Secrets {
    /// Reads or makes certificates; `None` if no front speaks HTTPS.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(crate) fn new<'a>(
        settings: &ProxySettings,
        plan: &Plan,
        fronts: impl IntoIterator<Item = &'a Front>,
    ) -> Result<Option<Self>, TlsError> {
        if !fronts.into_iter().any(|front| front.secure) {
            return Ok(None);
        }
        let names = plan.sites.names();
        let certificates = Certificates::new(&settings.tls, names)?;
        if let Some(file) = certificates.authority_file() {
            tracing::info!(
                tls.authority = %file.display(),
                "browsers trust this proxy once they trust `{}`",
                file.display()
            );
        }
        let acceptor = certificates.acceptor()?;
        let life = Shutdown::new();
        certificates.renew_in_background(&life);
        Ok(Some(Self {
            acceptor,
            settings: settings.tls.clone(),
            names: names.to_vec(),
            life,
        }))
    }

    /// What connections are accepted with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(self.acceptor.config())
    }

    /// True if these settings want the same certificates.
    pub(crate) fn are_for(&self, settings: &ProxySettings, plan: &Plan) -> bool {
        self.settings == settings.tls && self.names == plan.sites.names()
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.life.begin();
    }
}
