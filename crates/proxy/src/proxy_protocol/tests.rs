use proptest::prelude::*;

use super::*;

fn visitor(text: &str) -> Said {
    Said::Visitor(text.parse().expect("address"))
}

async fn said(bytes: &[u8]) -> Result<(Said, Vec<u8>), HeaderError> {
    let mut rest = bytes;
    let said = read(&mut rest).await?;
    Ok((said, rest.to_vec()))
}

#[tokio::test]
async fn version_1_names_the_visitor_and_takes_no_byte_more() {
    let text = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET / HTTP/1.1\r\n";
    let (found, rest) = said(text).await.expect("header");
    assert_eq!(found, visitor("192.0.2.7:56324"));
    assert_eq!(rest, b"GET / HTTP/1.1\r\n");
    let text = b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n";
    assert_eq!(
        said(text).await.expect("header").0,
        visitor("[2001:db8::7]:1")
    );
    let text = b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n";
    assert_eq!(said(text).await.expect("header").0, Said::Nothing);
    assert_eq!(
        said(b"PROXY UNKNOWN\r\n").await.expect("header").0,
        Said::Nothing
    );
}

#[tokio::test]
async fn version_2_names_the_visitor_and_its_extensions_are_ignored() {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([0x21, 0x11, 0, 12 + 5]);
    bytes.extend([192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 1, 0xbb]);
    bytes.extend([0x04, 0, 2, 0, 0]);
    bytes.extend(b"rest");
    let (found, rest) = said(&bytes).await.expect("header");
    assert_eq!(found, visitor("192.0.2.7:56324"));
    assert_eq!(rest, b"rest");
}

#[tokio::test]
async fn version_2_local_and_unknown_families_leave_the_peer() {
    for (command, family) in [(0x20, 0x11), (0x21, 0x00), (0x21, 0x31), (0x21, 0x12)] {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family, 0, 2, 9, 9]);
        assert_eq!(said(&bytes).await.expect("header").0, Said::Nothing);
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 056324 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 70000 443\r\n",
        b"PROXY TCP4 2001:db8::7 198.51.100.1 1 443\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 443\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 1 443\r\n",
        long.as_bytes(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\x01\x02\x03\x04",
        b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"PROXY",
    ] {
        assert!(said(bytes).await.is_err(), "{}", bytes.escape_ascii());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line in proptest::collection::vec(any::<u8>(), 0..120), command: u8, family: u8) {
        drop(parse_line(&line));
        drop(parse_block(command, family, &line));
    }
}
