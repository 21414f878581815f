//! Keeps certificates fresh in the background, on the main thread: files that change, the local
//! authority's own that expire.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiuas_common::Shutdown;

use super::door::Doors;
use super::{Tls, TlsError, acme, ocsp};
use crate::meter::Meter;
use crate::plan::TlsSource;

/// How often the local authority's certificate is looked at.
const AUTHORITY_EVERY: Duration = Duration::from_secs(3600);

impl Tls {
    /// Looks after the certificates until the drain begins. Open connections keep the old ones.
    pub fn keep(self: &Arc<Self>, shutdown: &Shutdown, meter: &Meter) {
        let tls = Arc::clone(self);
        let until = shutdown.clone();
        let meter = meter.clone();
        shutdown.spawn(async move { tls.keep_files(until, meter).await });
        let tls = Arc::clone(self);
        let until = shutdown.clone();
        shutdown.spawn(async move {
            tokio::select! {
                () = tls.keep_staples() => {}
                () = tls.keep_orders() => {}
                () = until.draining() => {}
            }
        });
    }

    async fn keep_files(&self, until: Shutdown, meter: Meter) {
        let mut authority_at = Instant::now() + AUTHORITY_EVERY;
        let mut told = HashSet::new();
        loop {
            self.tell(&meter, &mut told);
            let pause = self.plan.lock().watch;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = until.draining() => return,
            }
            self.look_again();
            if Instant::now() >= authority_at {
                authority_at = Instant::now() + AUTHORITY_EVERY;
                self.renew_own();
            }
        }
    }

    /// Expiry of every certificate, by its first name; those that are gone are forgotten.
    fn tell(&self, meter: &Meter, told: &mut HashSet<String>) {
        let mut now = HashSet::new();
        for set in &self.table.load().sets {
            for one in set.current.load().iter() {
                let name = one.facts.names.first().cloned().unwrap_or_default();
                meter.certificate_expires(&name, one.facts.not_after.as_second());
                now.insert(name);
            }
        }
        for gone in told.difference(&now) {
            meter.certificate_gone(gone);
        }
        *told = now;
    }

    async fn keep_staples(&self) {
        loop {
            let (wanted, pause) = {
                let plan = self.plan.lock();
                (plan.ocsp, plan.watch)
            };
            if wanted {
                ocsp::refresh(&self.table.load_full()).await;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn keep_orders(&self) {
        loop {
            let pause = self.plan.lock().watch;
            acme::round(self).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn look_again(&self) {
        for set in &self.table.load().sets {
            set.look_again();
        }
        let plan = Arc::clone(&self.plan.lock());
        if !self.doors.load().are_stale(&plan) {
            return;
        }
        match Doors::new(&plan, &self.resolver, &self.tickets) {
            Ok(doors) => {
                self.doors.store(Arc::new(doors));
                tracing::info!("the authorities of visitors' certificates were read again");
            }
            Err(error) => {
                self.doors.rcu(|doors| doors.as_seen_now(&plan));
                failed("the authorities of visitors' certificates", &error);
            }
        }
    }

    fn renew_own(&self) {
        let Some(authority) = self.authority.lock().clone() else {
            return;
        };
        if authority.is_current() {
            return;
        }
        for set in &self.table.load().sets {
            if set.source != TlsSource::Authority {
                continue;
            }
            match authority.certificate() {
                Ok(credential) => set.replace(vec![credential]),
                Err(error) => failed("the local authority's certificate", &error),
            }
        }
    }
}

fn failed(what: &str, error: &TlsError) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "{what} cannot be renewed, the old one stays in use"
    );
}
