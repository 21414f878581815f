use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// More than a socket's buffer holds.
const LARGE: usize = 4 << 20;

fn pair() -> (Wire, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("sockets");
    ours.set_nonblocking(true).expect("socket");
    (Wire::fresh(ours.into(), false), theirs)
}

fn bytes() -> Vec<u8> {
    (0..LARGE)
        .map(|at| u8::try_from(at % 251).unwrap_or(0))
        .collect()
}

#[tokio::test]
async fn what_fits_no_buffer_arrives_whole() {
    let (mut wire, mut peer) = pair();
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        peer.read_to_end(&mut read).map(|_| read)
    });
    wire.write_all(&bytes()).await.expect("written");
    assert!(matches!(wire, Wire::Open(_)), "it had to wait");
    wire.shutdown().await.expect("shutdown");
    let read = reader.join().expect("reader").expect("read");
    assert!(read == bytes());
}

#[tokio::test]
async fn several_buffers_are_written_in_order() {
    let (mut wire, mut peer) = pair();
    let parts = [
        IoSlice::new(b"head "),
        IoSlice::new(b""),
        IoSlice::new(b"body"),
    ];
    assert_eq!(wire.write_vectored(&parts).await.expect("written"), 9);
    assert!(matches!(wire, Wire::Fresh(_)), "it had not to wait");
    wire.shutdown().await.expect("shutdown");
    let mut read = String::new();
    peer.read_to_string(&mut read).expect("read");
    assert_eq!(read, "head body");
}

#[tokio::test]
async fn who_has_closed_one_side_is_still_answered() {
    let (mut wire, mut peer) = pair();
    peer.write_all(b"asked").expect("written");
    peer.shutdown(Shutdown::Write).expect("shutdown");
    let mut read = String::new();
    wire.read_to_string(&mut read).await.expect("read");
    assert_eq!(read, "asked");
    wire.write_all(b"answered").await.expect("written");
    drop(wire);
    read.clear();
    peer.read_to_string(&mut read).expect("read");
    assert_eq!(read, "answered");
}

#[tokio::test]
async fn bytes_that_come_later_are_waited_for() {
    let (mut wire, mut peer) = pair();
    let mut read = [0; 4];
    let (asked, is_asked) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        is_asked.recv().expect("asked");
        peer.write_all(b"late").map(|()| peer)
    });
    asked.send(()).expect("writer");
    wire.read_exact(&mut read).await.expect("read");
    assert_eq!(&read, b"late");
    drop(writer.join());
}

#[tokio::test]
async fn a_peer_that_is_gone_is_an_error_and_no_signal() {
    let (mut wire, peer) = pair();
    drop(peer);
    let error = wire.write_all(b"for nobody").await.expect_err("gone");
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
