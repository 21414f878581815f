//! The machine that was measured on.

use serde::Serialize;

/// The machine and the versions of the peers.
#[derive(Debug, Serialize)]
pub(in super::super) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    versions: Vec<String>,
}

impl Machine {
    /// This one; `versions` are the peers'.
    pub(in super::super) fn this(versions: Vec<String>) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or_else(String::new, |name| {
                name.trim_start_matches([' ', '\t', ':']).to_owned()
            });
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            versions,
        }
    }

    /// In one line.
    pub(in super::super) fn line(&self) -> String {
        format!(
            "{} cores, {}, Linux {}; {}",
            self.cores,
            self.processor,
            self.kernel,
            self.versions.join(", ")
        )
    }
}
