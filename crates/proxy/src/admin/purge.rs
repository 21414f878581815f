//! `ctl purge`: the cache forgets answers.

use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError};
use crate::cache::{Key, Purge as What};

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[group(skip)]
#[command(after_help = "\
Examples:
  kiuas-proxy ctl purge --url https://example.org/page?a=b
  kiuas-proxy ctl purge --prefix https://example.org/blog/
  kiuas-proxy ctl purge --tag article-17 --soft
  kiuas-proxy ctl purge --all")]
pub struct Purge {
    /// All answers under this URL
    #[arg(long, group = "what")]
    #[serde(default)]
    pub url: Option<String>,
    /// All answers whose URL begins like this
    #[arg(long, value_name = "URL", group = "what")]
    #[serde(default)]
    pub prefix: Option<String>,
    /// All answers with this word in `Surrogate-Key`
    #[arg(long, group = "what")]
    #[serde(default)]
    pub tag: Option<String>,
    /// All answers
    #[arg(long, group = "what")]
    #[serde(default)]
    pub all: bool,
    /// Marks answers in memory stale instead: they are validated before their next use
    #[arg(long)]
    #[serde(default)]
    pub soft: bool,
}

/// What was done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Answers in memory that were forgotten, or marked stale.
    pub memory: usize,
    /// Answers on the disk that were forgotten; most of them were in memory as well.
    pub disk: usize,
    /// They were marked stale.
    pub soft: bool,
}

impl Purge {
    fn what(&self) -> Result<What, VerbError> {
        match (&self.url, &self.prefix, &self.tag, self.all) {
            (Some(url), None, None, false) => Key::parse(url).map(What::Url).ok_or_else(|| {
                VerbError::usage(format!("`{url}` is no URL: write `https://HOST/PATH`"))
            }),
            (None, Some(prefix), None, false) => What::prefix(prefix).map_err(VerbError::Usage),
            (None, None, Some(tag), false) => Ok(What::Tag(tag.clone())),
            (None, None, None, true) => Ok(What::All),
            _ => Err(VerbError::usage(
                "write exactly one of `url`, `prefix`, `tag` and `all`",
            )),
        }
    }
}

impl Run for Purge {
    const NAME: &'static str = "purge";
    type Answer = Answer;

    async fn run(self, context: &Context) -> Result<Answer, VerbError> {
        let what = self.what()?;
        let purged = context.shared.cache.purge(&what, self.soft);
        Ok(Answer {
            memory: purged.answers,
            disk: purged.on_disk,
            soft: self.soft,
        })
    }

    fn human(answer: &Answer) -> String {
        let done = if answer.soft {
            "marked stale"
        } else {
            "forgotten"
        };
        format!(
            "{} answers in memory {done}, {} on the disk forgotten\n",
            answer.memory, answer.disk
        )
    }
}
