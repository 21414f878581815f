//! How request bodies are spooled.

use std::path::PathBuf;

use super::check::Problems;
use crate::settings::SpoolSettings;

/// [`SpoolSettings`], checked.
#[derive(Debug, Clone)]
pub struct Spool {
    /// Bytes of one body in memory.
    pub memory: usize,
    /// Bytes of all bodies in memory.
    pub memory_total: u64,
    /// Where files are made.
    pub directory: PathBuf,
    /// Bytes of all files.
    pub total: u64,
}

impl Spool {
    pub(super) fn new(settings: &SpoolSettings, problems: &mut Problems) -> Self {
        const MOST_MEMORY: u64 = 16 << 20;
        if settings.memory.0 > MOST_MEMORY {
            problems.add(
                "spool.memory",
                "more than 16MiB for each request: what is larger belongs in a file",
            );
        }
        if let Some(directory) = &settings.directory
            && !directory.is_dir()
        {
            problems.add(
                "spool.directory",
                format!("`{}` is no directory", directory.display()),
            );
        }
        Self {
            memory: usize::try_from(settings.memory.0).unwrap_or(usize::MAX),
            memory_total: settings.memory_total.0,
            directory: settings
                .directory
                .clone()
                .unwrap_or_else(std::env::temp_dir),
            total: settings.total.0,
        }
    }
}
