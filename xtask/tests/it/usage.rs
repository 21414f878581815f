//! Wrong usage and help.

use super::bench::Bench;

#[test]
fn wrong_usage_exits_with_64() {
    let ended = Bench::new().xtask(&["dev", "--nonsense"], &[]).end();
    assert_eq!(ended.status.code(), Some(64), "{}", ended.log);
    let ended = Bench::new().xtask(&["dev", "--http", "nowhere"], &[]).end();
    assert_eq!(ended.status.code(), Some(64), "{}", ended.log);
}

#[test]
fn help_has_examples_and_exit_codes() {
    for command in ["dev", "test", "tidy", "smoke"] {
        let ended = Bench::new().xtask(&[command, "--help"], &[]).end();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        for part in ["Examples:", "cargo xtask", "Exit codes:"] {
            assert!(ended.log.contains(part), "{command}: {}", ended.log);
        }
    }
}
