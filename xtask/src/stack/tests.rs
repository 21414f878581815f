use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;

use super::holder;
use super::readiness::{Readiness, says_ready};
use super::*;

const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000  1000        0 111 1
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 48213 1
";

#[test]
fn the_listening_socket_is_found_among_connections() {
    assert_eq!(holder::inode(TABLE, 8080), Some(48213));
    assert_eq!(holder::inode(TABLE, 8081), None);
    assert_eq!(holder::inode("", 8080), None);
}

#[test]
fn a_taken_port_is_named_with_its_holder_and_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let error = Sockets::open(free, address, directory.path()).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains(&format!("port {} is taken", address.port())));
    assert!(
        message.contains(&format!("process {}", std::process::id())),
        "{message}"
    );
    assert!(message.contains("--https 127.0.0.1:PORT"), "{message}");
}

#[test]
fn readiness_is_a_whole_line() {
    assert!(says_ready(b"READY=1"));
    assert!(says_ready(b"STATUS=warm\nREADY=1\n"));
    assert!(!says_ready(b"READY=0"));
    assert!(!says_ready(b"STATUS=READY=1"));
    assert!(!says_ready(b""));
}

#[test]
fn other_messages_before_readiness_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let readiness = Readiness::listen(directory.path(), "web").unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    assert!(!readiness.is_ready().unwrap());
    sender
        .send_to(b"STATUS=starting", readiness.path())
        .unwrap();
    assert!(!readiness.is_ready().unwrap());
    sender.send_to(b"STATUS=warm", readiness.path()).unwrap();
    sender.send_to(b"READY=1", readiness.path()).unwrap();
    assert!(readiness.is_ready().unwrap());
}
