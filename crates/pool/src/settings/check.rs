//! What the types of a pool's settings cannot say.

use std::time::Duration;

use kiuas_common::{Address, Period};

use super::{Inherit, PoolSettings, PoolSettingsError, Ready, WaitFor};

/// More children than this are a typing mistake.
const MOST_PROCESSES: usize = 1024;
/// More threads of a child than this are one.
const MOST_THREADS: usize = 64;

type Problem = (&'static str, String);

impl PoolSettings {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self, name: &str) -> Result<(), PoolSettingsError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err(PoolSettingsError::Name {
                name: name.to_owned(),
            });
        }
        let program = self.command.first();
        if program.is_none_or(String::is_empty) {
            return Err(PoolSettingsError::NoCommand {
                name: name.to_owned(),
            });
        }
        let checks = [
            Self::numbers,
            Self::spans,
            Self::readiness_problem,
            Self::limits,
            Self::surroundings,
        ];
        match checks.iter().find_map(|check| check(self)) {
            None => Ok(()),
            Some((key, problem)) => Err(PoolSettingsError::Value {
                name: name.to_owned(),
                key,
                problem,
                place: None,
            }),
        }
    }

    fn numbers(&self) -> Option<Problem> {
        let (fewest, most) = self.bounds();
        let problem = |key, problem: String| Some((key, problem));
        if !(1..=MOST_PROCESSES).contains(&self.processes) {
            return problem("processes", format!("must be 1 to {MOST_PROCESSES}"));
        }
        if !(1..=self.processes).contains(&fewest) {
            let text = format!("must be 1 to processes, {}", self.processes);
            return problem("processes_min", text);
        }
        if !(self.processes..=MOST_PROCESSES).contains(&most) {
            let text = format!("must be processes, {}, to {MOST_PROCESSES}", self.processes);
            return problem("processes_max", text);
        }
        if self
            .threads
            .is_some_and(|threads| !(1..=MOST_THREADS).contains(&threads))
        {
            return problem("threads", format!("must be 1 to {MOST_THREADS}"));
        }
        if !(1..=MOST_PROCESSES).contains(&self.surge) {
            return problem("surge", format!("must be 1 to {MOST_PROCESSES}"));
        }
        if !(1..=65_535).contains(&self.backlog) {
            return problem("backlog", "must be 1 to 65535".to_owned());
        }
        if self.jitter > 100 {
            return problem("jitter", "must be 0 to 100 (percent)".to_owned());
        }
        let scale = &self.scale;
        if !(1..=100).contains(&scale.busy_above) || scale.busy_below >= scale.busy_above {
            let text = "busy_above must be 1 to 100 (percent), busy_below smaller".to_owned();
            return problem("scale", text);
        }
        None
    }

    fn spans(&self) -> Option<Problem> {
        let spans = [
            ("start_timeout", Some(self.start_timeout)),
            ("drain_timeout", Some(self.drain_timeout)),
            ("backoff_min", Some(self.backoff_min)),
            ("ready_after", self.ready_after),
            ("max_lifetime", self.max_lifetime),
            ("cpu_time", self.cpu_time),
            ("hooks.timeout", Some(self.hooks.timeout)),
            ("wait_timeout", Some(self.wait_timeout)),
            ("scale.up_after", Some(self.scale.up_after)),
            ("scale.down_after", Some(self.scale.down_after)),
            ("idle", self.idle),
        ];
        let zero = |span: &Period| span.duration() == Duration::ZERO;
        if let Some((key, _)) = spans
            .iter()
            .find(|(_, span)| span.as_ref().is_some_and(zero))
        {
            return Some((key, "must not be zero".to_owned()));
        }
        (self.backoff_max < self.backoff_min).then(|| {
            (
                "backoff_max",
                format!("must not be shorter than backoff_min, {}", self.backoff_min),
            )
        })
    }

    fn readiness_problem(&self) -> Option<Problem> {
        if self
            .ready_after
            .is_some_and(|after| after >= self.start_timeout)
        {
            let problem = format!("must be shorter than start_timeout, {}", self.start_timeout);
            return Some(("ready_after", problem));
        }
        match (self.readiness(), &self.ready_probe) {
            (Ready::After, _) if self.ready_after.is_none() => {
                Some(("ready_after", "is needed for ready = \"after\"".to_owned()))
            }
            (Ready::Http, None) => {
                let problem = "is needed for ready = \"http\", such as /healthz";
                Some(("ready_probe", problem.to_owned()))
            }
            (Ready::Http, Some(probe)) => self.probe_problem(probe),
            (Ready::Notify | Ready::After, Some(_)) => {
                Some(("ready_probe", "is for ready = \"http\" alone".to_owned()))
            }
            (Ready::Notify | Ready::After, None) => None,
        }
    }

    fn probe_problem(&self, probe: &str) -> Option<Problem> {
        let is_address = matches!(probe.parse(), Ok(WaitFor::Http { .. }));
        let problem = match self.inherit {
            Inherit::ListenFds if probe.starts_with('/') => return None,
            Inherit::None if is_address => return None,
            Inherit::ListenFds => {
                "must be a path such as /healthz: it is asked on a private socket"
            }
            Inherit::BareFd => {
                "cannot be used with inherit = \"bare_fd\": any child would answer, use ready_after"
            }
            Inherit::None => "must be http://HOST:PORT/path: the child inherits no socket",
        };
        Some(("ready_probe", problem.to_owned()))
    }

    fn limits(&self) -> Option<Problem> {
        if self.max_requests == Some(0) {
            return Some(("max_requests", "must not be 0".to_owned()));
        }
        if self.files == Some(0) {
            return Some(("files", "must not be 0".to_owned()));
        }
        if self.max_panics == Some(0) {
            return Some(("max_panics", "must not be 0".to_owned()));
        }
        if let (Some(soft), Some(hard)) = (self.rss_soft, self.rss_hard)
            && hard <= soft
        {
            return Some(("rss_hard", format!("must be more than rss_soft, {soft}")));
        }
        if let Some(lifetime) = self.max_lifetime
            && lifetime < self.min_lifetime
        {
            let problem = format!(
                "must not be shorter than min_lifetime, {}",
                self.min_lifetime
            );
            return Some(("max_lifetime", problem));
        }
        let adjustment = self.oom_score_adj.unwrap_or(0);
        if !(-1000..=1000).contains(&adjustment) {
            return Some(("oom_score_adj", "must be -1000 to 1000".to_owned()));
        }
        if self.cgroup.cpu == Some(0) || self.cgroup.pids == Some(0) {
            return Some(("cgroup", "cpu and pids must not be 0".to_owned()));
        }
        None
    }

    fn surroundings(&self) -> Option<Problem> {
        if self.idle.is_some() && self.inherit == Inherit::None {
            let problem = "needs sockets of the pool: nothing would wake it";
            return Some(("idle", problem.to_owned()));
        }
        let unusable = |name: &String| name.is_empty() || name.contains('\0');
        if self.process_name.as_ref().is_some_and(unusable) {
            let problem = "must be text without a zero byte";
            return Some(("process_name", problem.to_owned()));
        }
        let bad_name = |name: &&String| name.is_empty() || name.contains(['=', '\0']);
        if let Some(name) = self.environment.keys().find(bad_name) {
            return Some(("environment", format!("`{name}` is no name of a variable")));
        }
        let hooks = [
            &self.hooks.before_start,
            &self.hooks.ready,
            &self.hooks.drain,
            &self.hooks.stopped,
            &self.hooks.alarm,
        ];
        let empty = |hook: &&Vec<String>| hook.first().is_some_and(String::is_empty);
        if hooks.iter().any(empty) {
            return Some(("hooks", "a program must not be empty".to_owned()));
        }
        if let Some(Address::Tcp(address)) = &self.control {
            let problem = format!("{address} can be reached by anybody: write unix:/path");
            return Some(("control", problem));
        }
        if let Some(Address::Tcp(address)) = &self.stats
            && !address.ip().is_loopback()
            && !self.stats_public
        {
            let problem =
                format!("{address} can be reached from elsewhere: set stats_public to allow it");
            return Some(("stats", problem));
        }
        None
    }
}
