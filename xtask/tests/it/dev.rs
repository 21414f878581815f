//! `cargo xtask dev` with real databases.

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;

use super::bench::Bench;

/// Counts the runs in PostgreSQL and in Redis, then fails as wrong settings do.
const COUNT: &str = r#"
[ "$1" = migrate ] || exit 0
psql --quiet "$KIUAS__POSTGRES__URL" --command \
    'CREATE TABLE IF NOT EXISTS run (id serial); INSERT INTO run DEFAULT VALUES'
runs=$(psql --quiet --tuples-only --no-align "$KIUAS__POSTGRES__URL" --command 'SELECT count(*) FROM run')
kept=$(redis-cli -s "${KIUAS__REDIS__URL#redis+unix://}" incr runs)
echo "run $runs in PostgreSQL, run $kept in Redis"
echo 'error: the migration does not hold' >&2
exit 64
"#;

#[test]
fn a_missing_postgres_is_one_line_that_says_what_to_install() {
    let bench = Bench::new();
    let nowhere = [("KIUAS_POSTGRES_BIN", "/nonexistent")];
    let ended = bench.xtask(&["dev", "--no-install"], &nowhere).end();
    assert_eq!(ended.status.code(), Some(1));
    let [error] = ended.errors()[..] else {
        panic!("{}", ended.log);
    };
    assert!(error.contains("PostgreSQL is missing"), "{error}");
    assert!(error.contains("apt-get install postgresql"), "{error}");
    assert_eq!(ended.log.lines().count(), 1, "{}", ended.log);
}

#[test]
fn a_taken_port_is_named_with_its_holder_before_anything_starts() {
    let bench = Bench::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = address.to_string();
    let ended = bench
        .xtask(&["dev", "--no-install", "--http", &text], &[])
        .end();
    assert_eq!(ended.status.code(), Some(1));
    let expected = format!("port {} is taken by", address.port());
    assert!(ended.errors()[0].contains(&expected), "{}", ended.log);
    assert!(ended.errors()[0].contains("--http 127.0.0.1:PORT"));
    assert_eq!(ended.log.lines().count(), 1, "{}", ended.log);
}

#[test]
fn data_survive_a_second_start_and_a_failed_migration_leaves_nothing_running() {
    let bench = Bench::new();
    bench.program("site", COUNT);
    for run in 1..=2 {
        let ended = bench.dev().end();
        // The component's own exit code for wrong settings.
        assert_eq!(ended.status.code(), Some(64), "{}", ended.log);
        let counted = format!("run {run} in PostgreSQL, run {run} in Redis");
        assert!(ended.log.contains(&counted), "{}", ended.log);
        assert!(ended.log.contains("error: the migration does not hold"));
        bench.assert_nothing_runs();
    }
}

#[test]
fn a_checkout_that_the_database_may_not_enter_keeps_its_data_elsewhere() {
    let bench = Bench::private();
    bench.program("site", COUNT);
    for run in 1..=2 {
        let ended = bench.dev().end();
        let counted = format!("run {run} in PostgreSQL");
        assert!(ended.log.contains(&counted), "{}", ended.log);
        bench.assert_nothing_runs();
    }
    // Only root's PostgreSQL runs as another account.
    if let Ok(elsewhere) = fs::read_link(bench.state().join("dev/postgres")) {
        assert!(elsewhere.starts_with("/var/tmp"), "{elsewhere:?}");
        fs::remove_dir_all(elsewhere.parent().unwrap()).unwrap();
    }
}

#[test]
fn a_second_dev_in_one_checkout_is_refused_and_in_another_it_is_not() {
    let (one, other) = (Bench::new(), Bench::new());
    let slow = "[ \"$1\" = migrate ] || exit 0\necho migrating; exec sleep 60";
    one.program("site", slow);
    other.program("site", slow);
    let (first, second) = (one.dev(), other.dev());
    first.says("migrating");
    second.says("migrating");
    let refused = one.dev().end();
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.log.contains("already runs in this checkout"));
    for (bench, run) in [(&one, first), (&other, second)] {
        run.signal(Signal::INT);
        assert_eq!(run.end().status.code(), Some(130));
        bench.assert_nothing_runs();
    }
}

#[test]
fn a_killed_xtask_takes_its_databases_with_it_and_the_next_one_starts() {
    let bench = Bench::new();
    bench.program(
        "site",
        "[ \"$1\" = migrate ] || exit 0\necho migrating; exec sleep 5",
    );
    let run = bench.dev();
    run.says("migrating");
    run.signal(Signal::KILL);
    run.end();
    bench.program("site", COUNT);
    let ended = bench.dev().end();
    assert!(ended.log.contains("run 1 in PostgreSQL"), "{}", ended.log);
    bench.assert_nothing_runs();
}

#[test]
fn a_component_that_ends_before_it_is_ready_stops_everything() {
    let bench = Bench::new();
    bench.program("kiuas-pool", "echo 'error: no such key' >&2; exit 64");
    let ended = bench.dev().end();
    assert_eq!(ended.status.code(), Some(64), "{}", ended.log);
    assert!(
        ended.log.contains("web | error: no such key"),
        "{}",
        ended.log
    );
    let stopped = "stopped: web ended before it was ready";
    assert!(ended.log.contains(stopped), "{}", ended.log);
    assert_eq!(ended.errors().len(), 0, "{}", ended.log);
    bench.assert_nothing_runs();
}
