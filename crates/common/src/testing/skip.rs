//! What a test cannot check on this machine must not look like something it checked.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Names the directory where `cargo xtask test` keeps what tests leave: logs, and the file `skipped`.
pub const STATE_VARIABLE: &str = "KIUAS_TEST_DIR";

/// Says loudly what this machine could not check; `cargo xtask test` repeats it at its end.
///
/// # Panics
/// The list of skipped tests cannot be written.
pub fn skip(why: &str) {
    drop(writeln!(std::io::stderr().lock(), "SKIPPED {why}"));
    if let Some(state) = std::env::var_os(STATE_VARIABLE) {
        let file = File::options()
            .create(true)
            .append(true)
            .open(Path::new(&state).join("skipped"));
        let written = file.and_then(|mut file| writeln!(file, "{why}"));
        written.expect("the list of skipped tests");
    }
}
