//! An OTLP collector: receives the spans that the processes export, over gRPC.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Exported;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tonic::codegen::Service;

const PAUSE: Duration = Duration::from_millis(50);

/// A span as a test wants to see it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// `service.name` of the process.
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: Vec<u8>,
    pub(crate) id: Vec<u8>,
    /// Empty for a root.
    pub(crate) parent: Vec<u8>,
    /// Attributes as `key=value`, for the message of a failure and for matching.
    pub(crate) attributes: Vec<String>,
}

/// A collector on a port of its own.
pub(crate) struct Collector {
    spans: Spans,
    pub(crate) endpoint: String,
}

type Spans = Arc<Mutex<Vec<Span>>>;

struct Receiver(Spans);

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("address");
        let spans = Spans::default();
        #[expect(
            clippy::disallowed_methods,
            reason = "the collector ends with the test's runtime"
        )]
        tokio::spawn(accept(listener, spans.clone()));
        Self {
            spans,
            endpoint: format!("http://{address}"),
        }
    }

    /// Waits until `found` sees what it looks for in everything received so far.
    ///
    /// # Panics
    /// It does not within `patience`; the message lists what was received instead.
    pub(crate) async fn wait<T>(
        &self,
        what: &str,
        patience: Duration,
        mut found: impl FnMut(&[Span]) -> Option<T>,
    ) -> T {
        let begin = Instant::now();
        loop {
            let spans = self.spans.lock().await;
            if let Some(found) = found(&spans) {
                return found;
            }
            assert!(
                begin.elapsed() < patience,
                "waited in vain for {what}; received: {:#?}",
                spans.iter().map(Span::line).collect::<Vec<_>>()
            );
            drop(spans);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Span {
    fn line(&self) -> String {
        format!(
            "{} {} -> {}: {} {:?} `{}`",
            hex(&self.trace),
            hex(&self.parent),
            hex(&self.id),
            self.service,
            self.kind,
            self.name
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn accept(listener: TcpListener, spans: Spans) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = TraceServiceServer::new(Receiver(spans.clone()));
        let service = service_fn(move |request| service.clone().call(request));
        let connection = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the connection or the test's runtime"
        )]
        tokio::spawn(async move { drop(connection.await) });
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let mut spans = self.0.lock().await;
        for resource in request.into_inner().resource_spans {
            let attributes = resource
                .resource
                .map(|it| it.attributes)
                .unwrap_or_default();
            let service = text(&attributes, "service.name");
            let exported = resource.scope_spans.into_iter().flat_map(|it| it.spans);
            spans.extend(exported.map(|span| describe(&service, span)));
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

fn describe(service: &str, span: Exported) -> Span {
    Span {
        service: service.to_owned(),
        kind: span.kind(),
        name: span.name,
        trace: span.trace_id,
        id: span.span_id,
        parent: span.parent_span_id,
        attributes: span
            .attributes
            .iter()
            .map(|pair| format!("{}={}", pair.key, printed(pair.value.as_ref())))
            .collect(),
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    attributes
        .iter()
        .find(|pair| pair.key == key)
        .map(|pair| printed(pair.value.as_ref()))
        .unwrap_or_default()
}

fn printed(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}
