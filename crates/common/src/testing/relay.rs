//! A way to a server that a test can cut: what a network does.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

/// Passes connections on to a server until it is cut.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    is_cut: bool,
    is_over: bool,
    streams: Vec<TcpStream>,
}

impl Relay {
    /// A relay to `server` (`host:port`), on a port of its own.
    ///
    /// # Panics
    /// There is no port.
    #[must_use]
    pub fn to(server: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let state = Arc::new(Mutex::new(State {
            is_cut: false,
            is_over: false,
            streams: Vec::new(),
        }));
        let relay = Self {
            address: listener.local_addr().expect("an address"),
            state: Arc::clone(&state),
        };
        std::thread::spawn(move || {
            for visitor in listener.incoming() {
                let mut state = state.lock();
                if state.is_over {
                    return;
                }
                // Dropped at once while it is cut: the visitor is refused.
                if let (Ok(visitor), false) = (visitor, state.is_cut) {
                    let Ok(server) = TcpStream::connect(&server) else {
                        continue;
                    };
                    pass(&visitor, &server);
                    pass(&server, &visitor);
                    state.streams.extend([visitor, server]);
                }
            }
        });
        relay
    }

    /// `host:port` of the relay.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Ends every connection and takes no new one.
    pub fn cut(&self) {
        let mut state = self.state.lock();
        state.is_cut = true;
        for stream in state.streams.drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.state.lock().is_cut = false;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
        self.state.lock().is_over = true;
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let mut from = from.try_clone().expect("a stream");
    let mut to = to.try_clone().expect("a stream");
    std::thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Both));
    });
}
