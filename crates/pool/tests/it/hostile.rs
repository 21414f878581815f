//! A child that writes rubbish over its scoreboard.

use crate::client::get;
use crate::harness::{Pool, eventually, say, signal};
use crate::load::{Client, Load};
use crate::trouble::Trouble;

#[test]
fn a_child_that_scribbles_over_its_board_harms_only_its_own_figures() {
    let trouble = Trouble::new().limits("1s", "500ms").set("processes = 3");
    let pool = trouble.start();
    let target = trouble.target(&pool);
    // One of the three turns into a vandal.
    trouble.version("VERSION=1\nSCRIBBLE=1");
    let victim = pool.children()[0];
    signal(victim, rustix::process::Signal::KILL);
    // And the line that every child is.
    pool.wait_for("is ready", 5);
    trouble.version("VERSION=1");
    let honest = pool.children()[..2].to_vec();
    let vandal = pool.children()[2];
    let load = Load::of(
        &target,
        [
            Client::keeping("/hello"),
            Client::fresh("/hello"),
            Client::keeping("/pid"),
        ],
    );
    for _ in 0..20 {
        for verb in ["status", "dump", "stats"] {
            pool.ctl(&[verb]);
        }
        figures_are_right(&pool, &honest);
        load.goes_on(20);
    }
    // What is stuck is found all the same, and nobody who is not.
    let mut stuck = eventually("an honest child is stuck", || {
        let connection = crate::client::Connection::asking(&target, "/spin");
        let line = pool.lines_with("is stuck in `GET /spin`");
        std::thread::sleep(std::time::Duration::from_millis(200));
        (!line.is_empty()).then_some(connection)
    });
    drop(stuck.answer());
    let outcome = load.finish();
    let log = pool.output();
    let ended = pool.lines_with("ended process");
    say(&format!("{ended:?}"));
    for line in ended
        .iter()
        .filter(|line| !line.contains(&format!("process {victim} ")))
    {
        let of_vandal = line.contains(&format!("process {vandal} "));
        assert!(
            of_vandal || line.contains("cause=\"stuck\""),
            "{line}\n{log}"
        );
    }
    drop(outcome);
    assert_eq!(get(&target, "/hello").expect("answer").status, 200);
}

fn figures_are_right(pool: &Pool, honest: &[i32]) {
    let status = pool.report("status");
    let all = status["processes"].as_array().expect("processes");
    for pid in honest {
        let one = all.iter().find(|one| one["pid"] == *pid).expect("it lives");
        assert_eq!(one["state"], "ready", "{one}");
        assert!(one["stuck"].is_null(), "{one}");
        assert!(one["connections"].as_u64() < Some(100), "{one}");
        assert!(one["requests"].as_u64() < Some(1_000_000), "{one}");
    }
}
