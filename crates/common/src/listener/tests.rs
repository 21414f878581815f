use super::*;

#[test]
fn addresses_survive_a_round_trip() {
    for text in ["127.0.0.1:80", "[::1]:8443", "unix:/run/app.sock"] {
        assert_eq!(
            text.parse::<Address>()
                .map(|address| address.to_string())
                .ok()
                .as_deref(),
            Some(text)
        );
    }
}

#[test]
fn nonsense_is_no_address() {
    for text in ["", "unix:", "80", "127.0.0.1:99999", "nowhere.invalid:80"] {
        assert!(text.parse::<Address>().is_err(), "{text} was accepted");
    }
}

#[test]
fn a_dead_unix_socket_is_replaced_and_a_living_one_is_not() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let address = Address::Unix(directory.path().join("a.sock"));
    drop(Listener::bind(&address).expect("first bind"));
    let living = Listener::bind(&address).expect("bind over the dead socket");
    let error = Listener::bind(&address).expect_err("bind over a living socket");
    assert!(
        error
            .to_string()
            .contains("another process already uses it"),
        "{error}"
    );
    drop(living);
}

#[test]
fn a_file_in_the_way_is_kept() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("precious");
    std::fs::write(&path, "data").expect("write");
    assert!(Listener::bind(&Address::Unix(path.clone())).is_err());
    assert_eq!(std::fs::read_to_string(path).ok().as_deref(), Some("data"));
}

#[test]
fn port_zero_is_replaced_by_the_real_port() {
    let listener = Listener::bind(&"127.0.0.1:0".parse().expect("address")).expect("bind");
    let Address::Tcp(address) = listener.local_address().expect("address") else {
        panic!("not TCP")
    };
    assert_ne!(address.port(), 0);
}
