//! `cargo xtask bench pool`, with one short work and without peers.

use std::fs;
use std::path::Path;

use crate::bench::Bench;

/// What cargo has built beside xtask; none, loudly, where this package is built alone.
#[expect(clippy::print_stderr, reason = "nobody may miss what was not tested")]
fn programs() -> Option<&'static str> {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let directory = xtask.parent()?;
    let needed = ["kiuas-pool", "examples/callers", "examples/measured"];
    if let Some(missing) = needed.iter().find(|it| !directory.join(it).exists()) {
        eprintln!("SKIPPING the measurement of the pool: {missing} is not built");
        return None;
    }
    directory.to_str()
}

#[test]
fn the_spread_of_connections_is_measured_and_kept() {
    let Some(programs) = programs() else {
        return;
    };
    let bench = Bench::new();
    let arguments = ["bench", "pool", "--only", "one by one", "--rounds", "1"];
    let which = ["--peers", "none", "--no-install", "--programs", programs];
    let ended = bench.xtask(&[&arguments[..], &which].concat(), &[]).end();
    assert!(ended.status.success(), "{}", ended.log);
    assert!(ended.log.contains("farthest from 16"), "{}", ended.log);
    let kept = fs::read(bench.state().join("bench/pool.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let series = &kept["works"][0]["series"][0];
    assert_eq!(series["server"], "kiuas");
    let children = series["samples"][0]["details"].as_object().unwrap();
    let connections: f64 = children.values().filter_map(|it| it.as_f64()).sum();
    assert!((connections - 64.0).abs() < 1e-9, "{children:?}");
    bench.assert_nothing_runs();
}
