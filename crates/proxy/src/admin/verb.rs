//! The table of verbs. To add one: a file beside this one with a type that is [`Run`], and one line in
//! the table below.

use std::future::Future;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Context, certs, deploy, drain, maintenance, pause, purge, reload, status, targets, upgrade, why,
};

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerbError {
    /// What was asked makes no sense: an unknown name, a wrong argument. Exit status 64.
    #[error("{0}")]
    Usage(String),
    /// It makes sense and did not work. Exit status 1.
    #[error("{problem}")]
    Failed {
        /// What went wrong.
        problem: String,
        /// What is known about it beside.
        report: Option<Value>,
    },
}

impl VerbError {
    /// Asked for something that makes no sense.
    pub fn usage(problem: impl Into<String>) -> Self {
        Self::Usage(problem.into())
    }

    /// Did not work.
    pub fn failed(problem: impl Into<String>) -> Self {
        Self::Failed {
            problem: problem.into(),
            report: None,
        }
    }
}

/// A verb: the type itself is its arguments, on the command line and in the request's body.
pub trait Run: clap::Args + Serialize + DeserializeOwned + Send + 'static {
    /// Last part of the path, and the subcommand.
    const NAME: &'static str;

    /// What it answers.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Does it, in the proxy. It must end by itself within a bounded time; it is dropped when the
    /// asker goes away, so every await must leave the proxy in order.
    fn run(self, context: &Context)
    -> impl Future<Output = Result<Self::Answer, VerbError>> + Send;

    /// The answer as people read it, with an end of line.
    fn human(answer: &Self::Answer) -> String;

    /// How long the command line waits for an answer.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// What the command line sends, and for how long it waits.
#[derive(Debug)]
pub struct Request {
    /// The verb's name.
    pub name: &'static str,
    /// Its arguments.
    pub arguments: Value,
    /// For the answer.
    pub patience: Duration,
}

fn request<V: Run>(verb: &V) -> Result<Request, serde_json::Error> {
    Ok(Request {
        name: V::NAME,
        arguments: serde_json::to_value(verb)?,
        patience: verb.patience(),
    })
}

async fn run<V: Run>(body: &[u8], context: &Context) -> Result<Value, VerbError> {
    let body = if body.is_empty() { b"{}" } else { body };
    let verb: V = serde_json::from_slice(body)
        .map_err(|error| VerbError::Usage(format!("the arguments of `{}`: {error}", V::NAME)))?;
    let answer = verb.run(context).await?;
    serde_json::to_value(&answer)
        .map_err(|error| VerbError::failed(format!("cannot write the answer: {error}")))
}

fn human<V: Run>(answer: &Value) -> Result<String, serde_json::Error> {
    V::Answer::deserialize(answer).map(|answer| V::human(&answer))
}

macro_rules! verbs {
    ($($(#[$about:meta])* $name:ident($arguments:ty),)*) => {
        /// What can be asked of a running proxy.
        #[derive(Debug, clap::Subcommand)]
        pub enum Verb {
            $($(#[$about])* $name($arguments),)*
        }

        impl Verb {
            /// What is sent.
            ///
            /// # Errors
            /// An argument has no JSON form.
            pub fn request(&self) -> Result<Request, serde_json::Error> {
                match self {
                    $(Self::$name(verb) => request(verb),)*
                }
            }

            /// The answer as people read it.
            ///
            /// # Errors
            /// It is another version's.
            pub fn human(&self, answer: &Value) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$name(_) => human::<$arguments>(answer),)*
                }
            }
        }

        /// All names, in the table's order.
        pub(super) const NAMES: &[&str] = &[$(<$arguments as Run>::NAME),*];

        /// Runs the verb called `name`; `None` if there is none.
        pub(super) async fn dispatch(
            name: &str,
            body: &[u8],
            context: &Context,
        ) -> Option<Result<Value, VerbError>> {
            $(if name == <$arguments as Run>::NAME {
                return Some(Box::pin(run::<$arguments>(body, context)).await);
            })*
            None
        }
    };
}

verbs! {
    /// Show what the proxy is doing: sites, upstreams, targets
    Status(status::Status),
    /// Send an upstream's requests to new targets once they are healthy, and drain the old ones
    Deploy(deploy::Deploy),
    /// Hold an upstream's requests back, each for a bounded time
    Pause(pause::Pause),
    /// Let the requests of a paused upstream pass
    Resume(pause::Resume),
    /// Send no more requests to a target, and wait until it has finished
    Drain(drain::Drain),
    /// Answer for a site or an upstream that it is being worked on
    Maintenance(maintenance::Work),
    /// Add a target to an upstream once it is healthy
    Add(targets::Add),
    /// Remove a target from an upstream, and wait until it has finished
    Remove(targets::Remove),
    /// Undo what was changed by hand: an upstream is again as its settings say
    Reset(targets::Reset),
    /// Read the settings anew; connections are never touched
    Reload(reload::Reload),
    /// Show the certificates: names, source, expiry, OCSP, next renewal, last error
    Certs(certs::Certs),
    /// Make the cache forget answers: a URL, a prefix, a tag, all
    Purge(purge::Purge),
    /// Explain what the cache has for a URL and what it would do
    Why(why::Why),
    /// Let a new process take the running one's place
    Upgrade(upgrade::Upgrade),
}
