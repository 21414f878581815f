//! How a failed command ends: one block on standard error, and an exit code that says whose fault it
//! was.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

/// It could not start, or could not go on.
pub const FAILED: u8 = 1;
/// Wrong settings or usage: `EX_USAGE` of sysexits(3).
pub const USAGE: u8 = 64;

/// Prints `error:` and a `caused by:` line for each cause, and returns `code` for `main` to return.
pub fn report(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    // Nothing can be said about a closed standard error.
    drop(std::io::stderr().lock().write_all(block(error).as_bytes()));
    ExitCode::from(code)
}

fn block(error: &(dyn Error + 'static)) -> String {
    let mut block = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        block.push_str(&format!("caused by: {error}\n"));
        cause = error.source();
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the letter")]
    struct Letter(#[source] std::io::Error);

    #[test]
    fn an_error_is_one_block_with_its_causes() {
        let error = Letter(std::io::Error::other("disk full"));
        assert_eq!(
            block(&error),
            "error: cannot write the letter\ncaused by: disk full\n"
        );
    }
}
