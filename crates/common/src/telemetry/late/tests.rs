use std::cell::Cell;
use std::io::Write;
use std::sync::{Arc, Once};

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The subscriber of this process: a span can only be made by one that is everybody's. Tests tell
/// their lines apart by their numbers.
fn log() -> Lines {
    static LINES: Mutex<Option<Lines>> = Mutex::new(None);
    static START: Once = Once::new();
    START.call_once(|| {
        let lines = Lines::default();
        let written = lines.clone();
        let filter = EnvFilter::new("info,quiet=off");
        let waker = Waker::new(filter.max_level_hint());
        let layer = fmt::layer()
            .with_ansi(false)
            .with_writer(move || written.clone());
        tracing_subscriber::registry()
            .with(layer.with_filter(filter))
            .with(waker)
            .try_init()
            .expect("the only subscriber");
        Waker::installed();
        *LINES.lock() = Some(lines);
    });
    LINES.lock().clone().expect("started")
}

impl Lines {
    fn with(&self, text: &str) -> Vec<String> {
        let written = String::from_utf8(self.0.lock().clone()).expect("UTF-8");
        written
            .lines()
            .filter(|line| line.contains(text))
            .map(str::to_owned)
            .collect()
    }
}

struct Request {
    number: u32,
    described: Cell<u32>,
}

impl Describe for Request {
    fn describe(&self) -> Span {
        self.described.set(self.described.get() + 1);
        tracing::info_span!("request", number = self.number)
    }
}

fn request(number: u32) -> (Rc<Request>, LateSpan) {
    let request = Rc::new(Request {
        number,
        described: Cell::new(0),
    });
    let span = LateSpan::new(Rc::clone(&request) as Rc<dyn Describe>);
    (request, span)
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime")
        .block_on(future)
}

#[test]
fn a_span_in_which_nothing_is_logged_is_never_made() {
    log();
    let (request, span) = request(1);
    let future = Box::pin(async {
        tracing::debug!("below the level");
    });
    run(span.instrument(future));
    assert_eq!((request.described.get(), span.made().is_none()), (0, true));
}

#[test]
fn every_line_in_it_has_its_fields_and_no_line_after_it() {
    let log = log();
    let (request, span) = request(2);
    let future = Box::pin(async {
        tracing::info!("first of two");
        tokio::task::yield_now().await;
        tracing::info_span!("inner").in_scope(|| tracing::info!("second of two"));
    });
    run(span.instrument(future));
    tracing::info!("outside of two");

    assert_eq!(request.described.get(), 1);
    assert!(log.with("first of two")[0].contains("request{number=2}"));
    assert!(log.with("second of two")[0].contains("request{number=2}:inner"));
    assert!(!log.with("outside of two")[0].contains("request"));
}

#[test]
fn what_a_filter_has_refused_stays_refused() {
    let log = log();
    let (_, span) = request(3);
    let future = Box::pin(async {
        tracing::info!(target: "quiet", "never seen");
        tracing::info!("seen");
    });
    run(span.instrument(future));
    assert_eq!(log.with("never seen"), Vec::<String>::new());
    assert_eq!(log.with("number=3").len(), 1);
}

#[test]
fn two_that_take_turns_keep_their_own_fields() {
    let log = log();
    let (one, two) = (request(4).1, request(5).1);
    let work = |text: &'static str| async move {
        tracing::info!("{text} begins");
        tokio::task::yield_now().await;
        tracing::info!("{text} ends");
    };
    run(async {
        tokio::join!(
            one.instrument(Box::pin(work("four"))),
            two.instrument(Box::pin(work("five"))),
        )
    });
    for (text, number) in [("four", "number=4"), ("five", "number=5")] {
        for line in log.with(text) {
            assert!(line.contains(number), "{line}");
        }
        assert_eq!(log.with(number).len(), 2);
    }
}
