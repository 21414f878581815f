//! Clients that ask without pause, and remember what was not answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::client::{Answer, Connection, Target};

/// Below the time that the proxy keeps an idle connection to an application.
const LONGEST_IDLE: Duration = Duration::from_secs(4);
/// Longer bodies than a buffer of either side.
const BODY: usize = 20_000;

/// What a client asks for, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// This path.
    Get(&'static str),
    /// `/echo`, with a body that must come back.
    Post,
    /// `/stream`, all parts of which must come.
    Stream,
}

/// One client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) asks: Ask,
    /// It keeps its connection as long as it may.
    pub(crate) keeps: bool,
    /// Between an answer and the next request.
    pub(crate) pause: Duration,
}

impl Client {
    /// One that asks for `path` and keeps its connection.
    pub(crate) fn keeping(path: &'static str) -> Self {
        Self {
            asks: Ask::Get(path),
            keeps: true,
            pause: Duration::from_millis(3),
        }
    }

    /// One that asks for `path` with a new connection each time.
    pub(crate) fn fresh(path: &'static str) -> Self {
        Self {
            keeps: false,
            ..Self::keeping(path)
        }
    }

    /// Eight of every kind that there is: short and long pauses, new and kept connections, bodies both
    /// ways.
    pub(crate) fn of_all_kinds() -> Vec<Self> {
        let long = Duration::from_millis(700);
        let kept = Self::keeping("/hello");
        let each = [
            kept,
            Self {
                pause: long,
                ..kept
            },
            Self::fresh("/hello"),
            Self::keeping("/sleep?ms=40"),
            Self {
                asks: Ask::Post,
                ..kept
            },
            Self {
                asks: Ask::Post,
                ..Self::fresh("/echo")
            },
            Self {
                asks: Ask::Stream,
                ..kept
            },
            Self {
                asks: Ask::Stream,
                ..Self::fresh("/stream")
            },
        ];
        each.repeat(2)
    }
}

/// A request without an answer, or with a wrong one.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// When its connection began to be opened, or its request to be written.
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    /// The process that its connection belonged to, if that had answered before.
    pub(crate) owner: Option<i32>,
    pub(crate) why: String,
}

#[derive(Debug, Default)]
struct Score {
    stop: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<Failure>>,
    longest: Mutex<Duration>,
}

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answered: usize,
    pub(crate) failures: Vec<Failure>,
    /// The longest request.
    pub(crate) longest: Duration,
}

impl Outcome {
    /// Every request was answered.
    #[track_caller]
    pub(crate) fn is_flawless(&self, log: &str) {
        let (failures, answered) = (&self.failures, self.answered);
        assert!(
            failures.is_empty(),
            "{} of {answered} failed: {failures:?}\n{log}",
            failures.len()
        );
        assert!(answered > 0, "nobody was answered");
    }
}

/// Clients at work.
pub(crate) struct Load {
    score: Arc<Score>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many that ask the pool's own test child, half of them over connections that they keep.
    pub(crate) fn start(target: impl Into<Target>, clients: usize) -> Self {
        let pair = [Client::keeping("/"), Client::fresh("/")];
        Self::of(target, pair.into_iter().cycle().take(clients))
    }

    /// These.
    pub(crate) fn of(target: impl Into<Target>, clients: impl IntoIterator<Item = Client>) -> Self {
        let score = Arc::<Score>::default();
        let target = target.into();
        let start = |client: Client| {
            let (score, target) = (Arc::clone(&score), target.clone());
            std::thread::spawn(move || run(client, &target, &score))
        };
        let clients = clients.into_iter().map(start).collect();
        Self { score, clients }
    }

    pub(crate) fn answered(&self) -> usize {
        self.score.answered.load(Ordering::Relaxed)
    }

    /// Waits for `more` answers.
    pub(crate) fn goes_on(&self, more: usize) {
        let before = self.answered();
        crate::harness::eventually("more answers", || {
            (self.answered() >= before + more).then_some(())
        });
    }

    /// Ends the load.
    pub(crate) fn finish(self) -> Outcome {
        self.score.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("client");
        }
        Outcome {
            answered: self.score.answered.load(Ordering::Relaxed),
            failures: self.score.failures.lock().clone(),
            longest: *self.score.longest.lock(),
        }
    }
}

struct Kept {
    connection: Connection,
    owner: Option<i32>,
    since: Instant,
}

fn run(client: Client, target: &Target, score: &Score) {
    let mut kept: Option<Kept> = None;
    let body: String = "0123456789".chars().cycle().take(BODY).collect();
    while !score.stop.load(Ordering::Relaxed) {
        kept = kept.filter(|kept| kept.since.elapsed() < LONGEST_IDLE);
        let begun = Instant::now();
        let owner = kept.as_ref().and_then(|kept| kept.owner);
        match ask(client.asks, kept.take(), target, &body) {
            Ok((connection, answer)) => {
                score.answered.fetch_add(1, Ordering::Relaxed);
                let mut longest = score.longest.lock();
                *longest = longest.max(begun.elapsed());
                drop(longest);
                kept = (client.keeps && !answer.closes).then(|| Kept {
                    connection,
                    owner: answer.body.parse().ok(),
                    since: Instant::now(),
                });
            }
            Err(error) => score.failures.lock().push(Failure {
                begun,
                ended: Instant::now(),
                owner,
                why: format!("{:?}: {error}", client.asks),
            }),
        }
        std::thread::sleep(client.pause);
    }
}

fn ask(
    what: Ask,
    kept: Option<Kept>,
    target: &Target,
    body: &str,
) -> std::io::Result<(Connection, Answer)> {
    let mut connection = match kept {
        Some(kept) => kept.connection,
        None => Connection::open(target)?,
    };
    let answer = match what {
        Ask::Get(path) => connection.get(path)?,
        Ask::Post => connection.post("/echo", body)?,
        Ask::Stream => connection.get("/stream?parts=5&ms=100")?,
    };
    let whole = match what {
        Ask::Get(_) => true,
        Ask::Post => answer.body == body,
        Ask::Stream => answer.body.ends_with("part 4\n"),
    };
    if answer.status == 200 && whole {
        Ok((connection, answer))
    } else {
        let (status, length) = (answer.status, answer.body.len());
        Err(std::io::Error::other(format!(
            "status {status} with {length} bytes"
        )))
    }
}
