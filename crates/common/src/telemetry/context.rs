//! W3C trace context (<https://www.w3.org/TR/trace-context/>): which span in another process this work
//! belongs to. Travels as HTTP headers, as headers of a task's message and in the outbox.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Name of the header that carries trace id, parent span id and the sampling decision.
pub const TRACEPARENT: &str = "traceparent";
/// Name of the header that carries vendors' own state.
pub const TRACESTATE: &str = "tracestate";

/// Length of a version-00 `traceparent`, section 3.2.2.
const TRACEPARENT_LENGTH: usize = 55;
/// Longest `tracestate` we pass on, section 3.3.1.5.
const LONGEST_TRACESTATE: usize = 512;

/// A trace context in its text form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// `00-<trace id>-<span id>-<flags>`.
    pub traceparent: String,
    /// Vendors' state, if any.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// The current span's context; `None` outside a recorded span or without export.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::of(&Span::current())
    }

    /// The context of `span`.
    #[must_use]
    pub fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        if !context.span().span_context().is_valid() {
            return None;
        }
        let mut carrier = HashMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut carrier);
        Some(Self {
            traceparent: carrier.remove(TRACEPARENT)?,
            tracestate: carrier.remove(TRACESTATE).filter(|state| !state.is_empty()),
        })
    }

    /// What arrived from outside; `None` if it is not well formed, which the specification says to
    /// treat as absent (section 4.3).
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        is_traceparent(traceparent).then(|| Self {
            traceparent: traceparent.to_owned(),
            tracestate: tracestate
                .filter(|state| state.len() <= LONGEST_TRACESTATE)
                .map(str::to_owned),
        })
    }

    /// Makes `span` a child of this context. Call it before the span is entered for the first time.
    pub fn adopt(&self, span: &Span) {
        if let Err(error) = span.set_parent(self.extract()) {
            tracing::debug!(%error, "the span keeps its local parent");
        }
    }

    /// The 32 hexadecimal digits of the trace id.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }

    fn extract(&self) -> opentelemetry::Context {
        let mut carrier = HashMap::from([(TRACEPARENT.to_owned(), self.traceparent.clone())]);
        if let Some(state) = &self.tracestate {
            carrier.insert(TRACESTATE.to_owned(), state.clone());
        }
        TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carrier)
    }
}

/// Section 3.2.2, and 4.3 for versions to come, which may go on after what version 00 has. The
/// propagator is more lenient: it takes fields of other lengths, and signs before digits.
fn is_traceparent(text: &str) -> bool {
    let Some((known, rest)) = text.split_at_checked(TRACEPARENT_LENGTH) else {
        return false;
    };
    let fields: Vec<&str> = known.split('-').collect();
    let [version, trace, span, flags] = fields[..] else {
        return false;
    };
    let is_hex = |field: &str, length: usize| {
        let mut digits = field.bytes();
        field.len() == length && digits.all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id =
        |field: &str, length: usize| is_hex(field, length) && field.bytes().any(|d| d != b'0');
    let rest_fits = match version {
        "00" => rest.is_empty(),
        _ => rest.is_empty() || (rest.starts_with('-') && rest.len() <= TRACEPARENT_LENGTH),
    };
    is_hex(version, 2)
        && version != "ff"
        && is_id(trace, 32)
        && is_id(span, 16)
        && is_hex(flags, 2)
        && rest_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_well_formed_context_is_kept() {
        let context = TraceContext::parse(VALID, Some("vendor=1")).expect("context");
        assert_eq!(
            (context.trace_id(), context.tracestate.as_deref()),
            ("0af7651916cd43dd8448eb211c80319c", Some("vendor=1"))
        );
    }

    #[test]
    fn a_version_to_come_may_go_on_after_what_we_know() {
        let longer = format!("cc{}-what-the-future-brings", &VALID[2..]);
        assert!(TraceContext::parse(&longer, None).is_some());
    }

    #[test]
    fn an_ill_formed_context_counts_as_absent() {
        let zeros = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        for text in [
            "",
            "00",
            "00-xyz-b7ad6b7169203331-01",
            &VALID[..54],
            &zeros,
            &VALID.repeat(40),
            &VALID.to_uppercase(),
            &format!("{VALID}-"),
            &format!("ff{}", &VALID[2..]),
            &format!("cc{}.more", &VALID[2..]),
            &format!("00-{}-{}-01", "0af7", "+".repeat(44)),
            &"é".repeat(30),
        ] {
            assert_eq!(TraceContext::parse(text, None), None, "{text}");
        }
    }
}
