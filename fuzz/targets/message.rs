//! Messages of tasks: whatever lies in a queue, parsing it and its body never panics.
#![no_main]

use kiuas_queue::message::Envelope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(envelope) = Envelope::parse(bytes) {
        drop(envelope.body());
    }
});
