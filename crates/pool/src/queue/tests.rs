use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;

use super::*;

fn depth_of(listener: &Listener) -> Depth {
    Gauge::new(listener).unwrap().read().unwrap()
}

#[test]
fn connections_that_nobody_accepts_are_counted_on_tcp() {
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
        let listener = Listener::bind(&address.parse().unwrap()).unwrap();
        let Address::Tcp(bound) = listener.local_address().unwrap() else {
            panic!("TCP was asked for");
        };
        assert_eq!(depth_of(&listener).waiting, 0);
        let target = if bound.is_ipv4() { "127.0.0.1" } else { "::1" };
        let target = (target, bound.port());
        let _waiting = [
            TcpStream::connect(target).unwrap(),
            TcpStream::connect(target).unwrap(),
        ];
        let depth = depth_of(&listener);
        assert_eq!(depth.waiting, 2, "{address}");
        assert!(depth.limit >= 128, "{depth:?}");
    }
}

#[test]
fn connections_that_nobody_accepts_are_counted_on_unix_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = Listener::bind(&Address::Unix(path.clone())).unwrap();
    assert_eq!(depth_of(&listener).waiting, 0);
    let _waiting = [
        UnixStream::connect(&path).unwrap(),
        UnixStream::connect(&path).unwrap(),
    ];
    let depth = depth_of(&listener);
    assert_eq!(depth.waiting, 2);
    assert!(depth.limit >= 128, "{depth:?}");
}

proptest! {
    #[test]
    fn any_answer_is_survived(answer in prop::collection::vec(any::<u8>(), 0..200)) {
        let _seen = tcp_answer(&answer);
        let _seen = unix_answer(&answer);
    }
}
