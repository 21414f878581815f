//! Listening sockets on their way from one process of the proxy to the next (an upgrade): descriptors by
//! `LISTEN_FDS`, and what is known about each beside them.

use std::io;
use std::os::fd::OwnedFd;

use kiuas_common::listener::Inherited;
use kiuas_common::{Address, Listener};
use serde::{Deserialize, Serialize};

use super::{Front, ListenersError, apply, change, front};
use crate::settings::ProxySettings;

const ADMIN: &str = "admin";
const CONTROL: &str = "control";

/// What is known about a socket that is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// `http`, `https`, `admin` or `control`.
    pub name: String,
    /// What the settings said; none for a supervisor's socket.
    pub asked: Option<Address>,
    /// Nobody but the proxy accepts from it.
    pub owned: bool,
}

/// The listeners that are not for visitors, if they are open.
#[derive(Debug, Default)]
pub struct Private {
    /// Of `proxy.admin`.
    pub admin: Option<Listener>,
    /// Of `proxy.control`.
    pub control: Option<Listener>,
}

/// Handles for the next process, each with what it must know.
///
/// # Errors
/// No descriptor is left.
pub fn hand_over(
    fronts: &[Front],
    private: &Private,
    settings: &ProxySettings,
) -> io::Result<Vec<(Handed, OwnedFd)>> {
    let mut all = Vec::new();
    for front in fronts {
        let handed = Handed {
            name: front.name().to_owned(),
            asked: front.asked.clone(),
            owned: front.owned,
        };
        all.push((handed, front.listener.try_clone()?.into()));
    }
    for (name, asked, listener) in [
        (ADMIN, &settings.admin, &private.admin),
        (CONTROL, &settings.control, &private.control),
    ] {
        if let Some(listener) = listener {
            let handed = Handed {
                name: name.to_owned(),
                asked: asked.clone(),
                owned: true,
            };
            all.push((handed, listener.try_clone()?.into()));
        }
    }
    Ok(all)
}

/// The next process's side: what the settings still name is kept, the rest is opened or closed.
pub(super) fn take_over(
    inherited: Vec<Inherited>,
    handed: &[Handed],
    settings: &ProxySettings,
) -> Result<(Vec<Front>, Private), ListenersError> {
    if inherited.len() != handed.len() {
        return Err(ListenersError::Handed {
            announced: handed.len(),
            given: inherited.len(),
        });
    }
    let mut fronts = Vec::new();
    let mut private = Private::default();
    for (Inherited { listener, .. }, known) in inherited.into_iter().zip(handed) {
        match known.name.as_str() {
            ADMIN if known.asked == settings.admin => private.admin = Some(listener),
            CONTROL if known.asked == settings.control => private.control = Some(listener),
            // The settings moved it: the one at the old address ends with the older process.
            ADMIN | CONTROL => {}
            name => {
                let secure = name == super::HTTPS;
                fronts.push(front(listener, known.asked.clone(), secure, known.owned)?);
            }
        }
    }
    let changes = change(&fronts, settings)?;
    apply(&mut fronts, changes);
    Ok((fronts, private))
}
