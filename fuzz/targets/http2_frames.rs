//! The frames of an HTTP/2 connection in both directions: no bytes make the counting panic.
#![no_main]

use std::sync::Arc;

use kiuas_common::metrics::Metrics;
use kiuas_proxy::flood::Watch;
use kiuas_proxy::meter::Meter;
use kiuas_proxy::pulse::Pulse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: (&[u8], &[u8])| {
    let mut watch = Watch::new(&Arc::new(Pulse::new()), &Meter::new(&Metrics::new()), None);
    let preface = watch.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(preface.is_ok());
    watch.received(bytes.0).ok();
    watch.sent(bytes.1).ok();
});
