//! The first bytes of a connection from a balancer: no bytes make the reader panic, and an address that
//! is believed stood there in its canonical form.
#![no_main]

use kiuas_proxy::proxy_protocol::{Said, parse_block, parse_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Said::Visitor(visitor)) = parse_line(bytes) {
        let text = String::from_utf8_lossy(bytes);
        assert!(text.starts_with("PROXY TCP"));
        assert!(text.contains(&format!(" {} ", visitor.port())));
    }
    if let [command, family, block @ ..] = bytes {
        drop(parse_block(*command, *family, block));
    }
});
