//! A visitor: curl with cookies, because it checks certificates and speaks HTTP/2.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::output;

/// Longest wait for one answer, in seconds.
const PATIENCE: &str = "10";

/// One browser's worth of cookies.
#[derive(Debug)]
pub(super) struct Visitor {
    base: String,
    cookies: PathBuf,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// Head and body, as curl shows them.
    pub(super) text: String,
}

impl Visitor {
    /// A new visitor of the site at `base`, whose cookies lie in `directory`.
    pub(super) fn new(base: &str, directory: &Path) -> Self {
        Self {
            base: base.to_owned(),
            cookies: directory.join("cookies"),
        }
    }

    /// Reads a page.
    pub(super) fn get(&self, path: &str) -> Result<Answer> {
        let mut command = curl();
        self.remember(&mut command);
        fetch(command.arg(format!("{}{path}", self.base)))
    }

    /// Fills in the form on `page` and sends it to `action`.
    pub(super) fn submit(
        &self,
        page: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Result<Answer> {
        let token = self.get(page)?.input("csrf_token")?;
        let mut command = curl();
        self.remember(&mut command);
        for (name, value) in fields.iter().chain(&[("csrf_token", token.as_str())]) {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        fetch(command.arg(format!("{}{action}", self.base)))
    }

    /// The `Cookie` header that this visitor sends.
    pub(super) fn cookie_header(&self) -> Result<String> {
        let jar = std::fs::read_to_string(&self.cookies).context("there are no cookies")?;
        Ok(cookies(&jar))
    }

    fn remember(&self, command: &mut Command) {
        command.arg("--cookie").arg(&self.cookies);
        command.arg("--cookie-jar").arg(&self.cookies);
    }
}

impl Answer {
    /// The answer, if its status is `expected`.
    pub(super) fn expect(self, expected: u16) -> Result<Self> {
        if self.status != expected {
            let head = self.text.lines().next().unwrap_or_default();
            bail!("expected status {expected}, got {head}");
        }
        Ok(self)
    }

    /// The value of the first input called `name`.
    pub(super) fn input(&self, name: &str) -> Result<String> {
        self.text
            .split("<input")
            .skip(1)
            .filter_map(|rest| rest.split('>').next())
            .find(|tag| attribute(tag, "name") == Some(name))
            .and_then(|tag| attribute(tag, "value"))
            .map(ToOwned::to_owned)
            .with_context(|| format!("the page has no input `{name}`"))
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Result<&str> {
        self.text
            .lines()
            .take_while(|line| !line.trim().is_empty())
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .with_context(|| format!("the answer has no header `{name}`"))
    }
}

/// The value of `name` in an HTML tag.
pub(super) fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

/// The cookies of curl's jar, as a header has them.
pub(super) fn cookies(jar: &str) -> String {
    jar.lines()
        .map(|line| line.strip_prefix("#HttpOnly_").unwrap_or(line))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            Some(format!("{}={}", fields.get(5)?, fields.get(6)?))
        })
        .collect::<Vec<_>>()
        .join("; ")
}

/// curl without the user's own settings, with a deadline, showing heads.
pub(super) fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--show-error", "--include"]);
    command.args(["--noproxy", "*", "--max-time", PATIENCE]);
    command
}

/// Runs curl.
pub(super) fn fetch(command: &mut Command) -> Result<Answer> {
    let text = output(command)?;
    let status = text
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the answer has no status")?;
    Ok(Answer { status, text })
}
