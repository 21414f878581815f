//! The listening sockets: inherited by name, or bound; opened and closed by a reload, handed to the next
//! process by an upgrade.

mod handed;

use std::io;

use kiuas_common::listener::{self, Inherited, ListenerError};
use kiuas_common::{Address, Listener};
use tokio_util::sync::CancellationToken;

use crate::settings::ProxySettings;
pub use handed::{Handed, Private, hand_over};

const HTTP: &str = "http";
const HTTPS: &str = "https";

/// Why there are no listening sockets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenersError {
    /// One cannot be bound or taken over.
    #[error("cannot open the listening sockets")]
    Open(#[source] ListenerError),
    /// An inherited socket's name says nothing to us.
    #[error("an inherited listening socket is called `{name}`: `http` or `https` is expected")]
    Name {
        /// From `LISTEN_FDNAMES`.
        name: String,
    },
    /// What an older process handed over does not fit what it says about it.
    #[error("the older process announced {announced} listening sockets and handed over {given}")]
    Handed {
        /// In its description.
        announced: usize,
        /// As descriptors.
        given: usize,
    },
    /// The kernel does not say where it listens, or no descriptor is left.
    #[error("cannot use a listening socket")]
    Use(#[source] io::Error),
}

/// A listening socket and what is spoken on it.
#[derive(Debug)]
pub struct Front {
    /// The socket; each thread accepts from a clone.
    pub listener: Listener,
    /// Where it is.
    pub address: Address,
    /// What the settings say; none for a socket that a supervisor handed down.
    pub asked: Option<Address>,
    /// HTTPS.
    pub secure: bool,
    /// Nobody else accepts from it: what waits in its queue at the end is ours to answer.
    pub owned: bool,
    /// The settings do not name it any more. Its connections stay.
    pub closed: CancellationToken,
}

impl Front {
    /// Another handle on the same socket.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            listener: self.listener.try_clone()?,
            address: self.address.clone(),
            asked: self.asked.clone(),
            secure: self.secure,
            owned: self.owned,
            closed: self.closed.clone(),
        })
    }

    /// What announces it: `http` or `https`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.secure { HTTPS } else { HTTP }
    }

    fn is_at(&self, address: &Address, secure: bool) -> bool {
        self.asked.as_ref() == Some(address) && self.secure == secure
    }
}

/// Takes over what was inherited, or binds what the settings say. `handed` describes what was inherited if
/// an older process of the proxy handed it over.
///
/// # Errors
/// [`ListenersError`].
pub fn open(
    settings: &ProxySettings,
    handed: Option<&[Handed]>,
) -> Result<(Vec<Front>, Private), ListenersError> {
    let inherited = listener::inherited().map_err(ListenersError::Open)?;
    if let Some(handed) = handed {
        return handed::take_over(inherited, handed, settings);
    }
    let fronts = if inherited.is_empty() {
        wanted(settings)
            .map(|(address, secure)| bind(address, secure))
            .collect::<Result<_, _>>()?
    } else {
        inherited
            .into_iter()
            .map(take_over)
            .collect::<Result<_, _>>()?
    };
    Ok((fronts, Private::default()))
}

/// Brings `fronts` to what was found to differ.
pub fn apply(fronts: &mut Vec<Front>, changes: Changes) {
    let mut index = 0;
    fronts.retain(|front| {
        let gone = changes.removed.contains(&index);
        index += 1;
        if gone {
            front.closed.cancel();
        }
        !gone
    });
    fronts.extend(changes.added);
}

/// What differs between the listeners that are open and those that the settings name.
#[derive(Debug, Default)]
pub struct Changes {
    /// Open already.
    pub added: Vec<Front>,
    /// To be closed: indices among the open ones.
    pub removed: Vec<usize>,
}

/// Opens what `settings` name and is not open yet. Sockets that a supervisor handed down are its own
/// affair: with them nothing changes.
///
/// # Errors
/// An address cannot be bound; then nothing has changed.
pub fn change(open: &[Front], settings: &ProxySettings) -> Result<Changes, ListenersError> {
    if open.iter().any(|front| front.asked.is_none()) {
        return Ok(Changes::default());
    }
    let mut added = Vec::new();
    for (address, secure) in wanted(settings) {
        if open.iter().any(|front| front.is_at(address, secure)) {
            continue;
        }
        // The same address with or without TLS from now on: the socket stays.
        let same = open.iter().find(|front| front.is_at(address, !secure));
        added.push(match same {
            Some(same) => Front {
                secure,
                closed: CancellationToken::new(),
                ..same.try_clone().map_err(ListenersError::Use)?
            },
            None => bind(address, secure)?,
        });
    }
    let is_wanted = |front: &Front| wanted(settings).any(|(at, secure)| front.is_at(at, secure));
    let removed = (0..open.len())
        .filter(|index| open.get(*index).is_some_and(|front| !is_wanted(front)))
        .collect();
    Ok(Changes { added, removed })
}

fn wanted(settings: &ProxySettings) -> impl Iterator<Item = (&Address, bool)> {
    let plain = settings.http.0.iter().map(|address| (address, false));
    let secure = settings.https.0.iter().map(|address| (address, true));
    plain.chain(secure)
}

fn bind(asked: &Address, secure: bool) -> Result<Front, ListenersError> {
    let listener = Listener::bind(asked).map_err(ListenersError::Open)?;
    front(listener, Some(asked.clone()), secure, true)
}

/// A number after the name is allowed: systemd wants names to differ.
fn take_over(inherited: Inherited) -> Result<Front, ListenersError> {
    let secure = match inherited
        .name
        .trim_end_matches(|c: char| c.is_ascii_digit())
    {
        HTTP => false,
        HTTPS => true,
        _ => {
            return Err(ListenersError::Name {
                name: inherited.name,
            });
        }
    };
    front(inherited.listener, None, secure, false)
}

fn front(
    listener: Listener,
    asked: Option<Address>,
    secure: bool,
    owned: bool,
) -> Result<Front, ListenersError> {
    let address = listener.local_address().map_err(ListenersError::Use)?;
    Ok(Front {
        listener,
        address,
        asked,
        secure,
        owned,
        closed: CancellationToken::new(),
    })
}

/// Says where we listen, one line a socket.
pub fn announce<'a>(fronts: impl IntoIterator<Item = &'a Front>) {
    for front in fronts {
        listener::announce(front.name(), &front.address);
    }
}

/// Port of the first HTTPS listener.
#[must_use]
pub fn https_port<'a>(fronts: impl IntoIterator<Item = &'a Front>) -> Option<u16> {
    fronts
        .into_iter()
        .filter(|front| front.secure)
        .find_map(|front| match &front.address {
            Address::Tcp(address) => Some(address.port()),
            Address::Unix(_) => None,
        })
}
