//! Values of settings and of trace headers: no text makes a parser panic, and what is accepted says the
//! same after a round trip.
#![no_main]

use kiuas_common::telemetry::TraceContext;
use kiuas_common::{Bytes, Period};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(period) = text.parse::<Period>() {
        assert_eq!(period.to_string().parse(), Ok(period));
    }
    if let Ok(size) = text.parse::<Bytes>() {
        assert_eq!(size.to_string().parse(), Ok(size));
    }
    if let Some(context) = TraceContext::parse(text, None) {
        assert_eq!(context.trace_id().len(), 32);
    }
});
