//! Listening sockets: opened by the pool or passed through.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;

use crate::client::get;
use crate::harness::{Orders, Pool};

#[test]
fn inherited_sockets_reach_the_children_with_their_names() {
    let orders = Orders::new("serve one");
    let sockets = ["first", "second"].map(|_| TcpListener::bind("127.0.0.1:0").expect("socket"));
    let addresses = sockets
        .each_ref()
        .map(|socket| socket.local_addr().expect("address"));
    let mappings: Vec<FdMapping> = sockets
        .into_iter()
        .zip(3..)
        .map(|(socket, child_fd)| FdMapping {
            parent_fd: OwnedFd::from(socket),
            child_fd,
        })
        .collect();

    // `--listen` gives way to what is inherited.
    let pool = Pool::start_prepared(&["--listen", "127.0.0.1:1"], &orders.command(), |command| {
        command
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", "public:private")
            .fd_mappings(mappings)
            .expect("mappings");
    });

    pool.wait_until_ready();
    for address in addresses {
        assert_eq!(
            get(address, "/").expect("answer").field("names"),
            "public,private"
        );
    }
    assert_eq!(pool.lines_with("listening web 127.0.0.1:").len(), 2);
}

#[test]
fn own_sockets_carry_the_name_of_the_pool() {
    let orders = Orders::new("serve one");
    let pool = Pool::start(
        &["--name", "api", "--listen", "127.0.0.1:0"],
        &orders.command(),
    );
    pool.wait_until_ready();
    assert_eq!(
        get(pool.address("api"), "/")
            .expect("answer")
            .field("names"),
        "api"
    );
}

#[test]
fn a_unix_socket_is_removed_as_soon_as_the_pool_stops() {
    let orders = Orders::new("serve one");
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("web.sock");
    let address = format!("unix:{}", path.display());
    let mut pool = Pool::start(&["--listen", &address], &orders.command());
    pool.wait_until_ready();
    UnixStream::connect(&path).expect("somebody listens");

    pool.signal(Signal::TERM);

    pool.wait_for_end();
    assert!(!path.exists());
}

#[test]
fn a_taken_address_is_one_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("socket");
    let address = taken.local_addr().expect("address").to_string();
    let mut pool = Pool::start(&["--listen", &address], &["true".to_owned()]);
    assert_eq!(pool.wait_for_end().code(), Some(1));
    pool.wait_for(
        &format!("error: cannot listen on {address}: another process already uses it"),
        1,
    );
}
