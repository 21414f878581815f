//! The listening sockets: inherited by name, or bound.

use std::io;

use kiuas_common::listener::{self, Inherited, ListenerError};
use kiuas_common::{Address, Listener};

use crate::settings::ProxySettings;

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
    /// HTTPS.
    pub secure: bool,
    /// Nobody else accepts from it: what waits in its queue at the end is ours to answer.
    pub owned: bool,
}

/// Takes over what was inherited, or binds what the settings say.
///
/// # Errors
/// [`ListenersError`].
pub fn open(settings: &ProxySettings) -> Result<Vec<Front>, ListenersError> {
    let inherited = listener::inherited().map_err(ListenersError::Open)?;
    if !inherited.is_empty() {
        return inherited.into_iter().map(take_over).collect();
    }
    let plain = settings.http.0.iter().map(|address| (address, false));
    let secure = settings.https.0.iter().map(|address| (address, true));
    plain
        .chain(secure)
        .map(|(address, secure)| {
            let listener = Listener::bind(address).map_err(ListenersError::Open)?;
            front(listener, secure, true)
        })
        .collect()
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
    front(inherited.listener, secure, false)
}

fn front(listener: Listener, secure: bool, owned: bool) -> Result<Front, ListenersError> {
    let address = listener.local_address().map_err(ListenersError::Use)?;
    Ok(Front {
        listener,
        address,
        secure,
        owned,
    })
}

/// Says where we listen, one line a socket.
pub fn announce(fronts: &[Front]) {
    for front in fronts {
        listener::announce(if front.secure { HTTPS } else { HTTP }, &front.address);
    }
}

/// Port of the first HTTPS listener.
#[must_use]
pub fn https_port(fronts: &[Front]) -> Option<u16> {
    fronts
        .iter()
        .filter(|front| front.secure)
        .find_map(|front| match &front.address {
            Address::Tcp(address) => Some(address.port()),
            Address::Unix(_) => None,
        })
}
