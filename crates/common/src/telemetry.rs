//! Logs and traces of a process, and the W3C trace context that ties processes together.
//!
//! Logs go to standard error, as JSON or for human eyes. Spans go to an OTLP collector when
//! `telemetry.otlp_endpoint` is set. OpenTelemetry's types stay in this module.

mod context;
mod late;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

pub use context::{TRACEPARENT, TRACESTATE, TraceContext};
use late::Waker;
pub use late::{Describe, Instrumented, LateSpan};

/// How long the last spans may take to leave when a process ends.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// Section `[telemetry]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// `pretty` for eyes, `json` for machines.
    pub format: LogFormat,
    /// What to log: `info`, or directives such as `info,kiuas_proxy=debug`.
    pub level: String,
    /// Colours in pretty logs.
    pub colour: bool,
    /// gRPC endpoint of an OTLP collector, such as `http://127.0.0.1:4317`. Empty: no export.
    pub otlp_endpoint: String,
    /// Share of new traces that are recorded, 0 to 1. A trace begun elsewhere keeps its decision.
    pub sample_ratio: f64,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Pretty,
            level: "info".to_owned(),
            colour: false,
            otlp_endpoint: String::new(),
            sample_ratio: 1.0,
        }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Pretty,
    /// One JSON object an event.
    Json,
}

/// What can go wrong when telemetry starts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// `telemetry.level` is no filter.
    #[error(
        "`telemetry.level` = `{level}` is no log filter: write `info` or `info,kiuas_proxy=debug`"
    )]
    Level {
        /// The value.
        level: String,
        /// What the parser says.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The exporter could not be built.
    #[error("cannot export traces to `telemetry.otlp_endpoint` = `{endpoint}`")]
    Exporter {
        /// The value.
        endpoint: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Telemetry was started before in this process.
    #[error("telemetry was started twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Keeps the export alive; the end of it flushes the last spans.
#[derive(Debug)]
#[must_use = "dropping it ends the export of traces"]
pub struct Telemetry {
    export: Option<Export>,
}

#[derive(Debug)]
struct Export {
    provider: SdkTracerProvider,
    // The gRPC connection's tasks live here, away from the component's own runtimes, so that an
    // exporter in trouble never takes time from requests.
    runtime: Option<tokio::runtime::Runtime>,
}

/// Starts logging and, when configured, the export of spans. `service` is the `service.name` of every
/// span (`kiuas-proxy`, `site-web`, …).
///
/// # Errors
/// The level is no filter, the endpoint no URL, or telemetry runs already.
pub fn start(
    settings: &TelemetrySettings,
    service: &'static str,
) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|source| TelemetryError::Level {
        level: settings.level.clone(),
        source,
    })?;
    let level = filter.max_level_hint();
    let logs = log_layer(settings).with_filter(filter);
    let export = Export::new(settings, service)?;
    let traces = export.as_ref().map(|export| {
        // The exporter's own transport must not trace itself.
        let filter = EnvFilter::new("info,h2=off,hyper=off,tonic=off,opentelemetry=off");
        tracing_opentelemetry::layer()
            .with_tracer(export.provider.tracer(service))
            .with_location(false)
            .with_threads(false)
            .with_filter(filter)
    });
    // Where spans leave the process, all of them are needed.
    let waker = export.is_none().then(|| Waker::new(level));
    let is_late = waker.is_some();
    tracing_subscriber::registry()
        .with(traces)
        .with(logs)
        .with(waker)
        .try_init()
        .map_err(TelemetryError::Twice)?;
    if is_late {
        Waker::installed();
    }
    Ok(Telemetry { export })
}

fn log_layer<S>(settings: &TelemetrySettings) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Pretty => layer.compact().with_ansi(settings.colour).boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed(),
    }
}

impl Export {
    fn new(
        settings: &TelemetrySettings,
        service: &'static str,
    ) -> Result<Option<Self>, TelemetryError> {
        if settings.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| TelemetryError::Exporter {
            endpoint: settings.otlp_endpoint.clone(),
            source,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(|error| failed(error.into()))?;
        let exporter = {
            let _entered = runtime.enter();
            SpanExporter::builder()
                .with_tonic()
                .with_endpoint(&settings.otlp_endpoint)
                .build()
                .map_err(|error| failed(error.into()))?
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                settings.sample_ratio,
            ))))
            .with_resource(Resource::builder().with_service_name(service).build())
            .build();
        Ok(Some(Self {
            provider,
            runtime: Some(runtime),
        }))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_DEADLINE) {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Telemetry {
    /// True when spans leave the process.
    #[must_use]
    pub fn exports(&self) -> bool {
        self.export.is_some()
    }
}

/// For tests of crates that log: the subscriber type that layers build on.
pub type Subscriber = Registry;
