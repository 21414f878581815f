//! What an operator, or the load, makes of the number of children.

use rustix::process::Signal;

use crate::client::{Connection, Target, get};
use crate::harness::{Pool, eventually};
use crate::load::{Client, Load};
use crate::trouble::{Trouble, said};

fn wait_for_children(pool: &Pool, count: usize) {
    eventually("so many children are ready", || {
        let status = pool.report("status");
        let all = status["processes"].as_array()?;
        let ready = all.iter().filter(|one| one["state"] == "ready").count();
        (ready == count && all.len() == count).then_some(())
    });
}

#[test]
fn children_are_added_and_removed_without_a_loss() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(&target, Client::of_all_kinds());
    pool.ctl(&["add", "2"]);
    wait_for_children(&pool, 4);
    pool.ctl(&["remove", "3"]);
    wait_for_children(&pool, 1);
    pool.signal(Signal::TTIN);
    wait_for_children(&pool, 2);
    pool.signal(Signal::TTOU);
    wait_for_children(&pool, 1);
    // One stays, whatever is asked.
    pool.ctl(&["remove", "5"]);
    wait_for_children(&pool, 1);
    load.finish().is_flawless(&pool.output());
}

#[test]
fn a_paused_pool_lets_connections_wait_and_a_resumed_one_answers_them() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let mut open = Connection::open(&target).expect("connection");
    open.get("/hello").expect("answer");
    pool.ctl(&["pause"]);
    wait_for_state(&pool, "paused");
    // What is open goes on; what is new waits in the kernel's queue.
    assert_eq!(open.get("/hello").expect("answer").status, 200);
    let mut waiting: Vec<Connection> = (0..10)
        .map(|_| Connection::asking(&target, "/hello"))
        .collect();
    eventually("they wait", || {
        let status = pool.report("status");
        (status["queues"][0]["waiting"].as_u64()? >= 10).then_some(())
    });
    pool.ctl(&["resume"]);
    for connection in &mut waiting {
        assert_eq!(connection.answer().expect("answer").status, 200);
    }
}

#[test]
fn a_paused_child_takes_nothing_and_is_rolled_all_the_same() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let paused = pool.children()[0];
    pool.ctl(&["pause", &paused.to_string()]);
    eventually("it takes nothing", || {
        let one = pid(&target);
        (one != paused).then_some(())
    });
    wait_for_state(&pool, "paused");
    for _ in 0..20 {
        assert_ne!(pid(&target), paused);
    }
    pool.ctl(&["roll"]);
    assert!(!pool.children().contains(&paused), "{}", pool.output());
    wait_for_children(&pool, 2);
}

fn pid(target: &Target) -> i32 {
    let body = get(target, "/pid").expect("answer").body;
    body.parse().expect("pid")
}

fn wait_for_state(pool: &Pool, state: &str) {
    eventually("a state", || {
        let status = pool.report("status");
        let all = status["processes"].as_array()?;
        all.iter().any(|one| one["state"] == state).then_some(())
    });
}

#[test]
fn a_child_can_be_asked_to_finish_or_killed_by_its_number_alone() {
    let trouble = Trouble::new();
    let pool = trouble.start();
    let [first, second] = pool.children()[..] else {
        panic!("two children");
    };
    pool.ctl(&["terminate", &first.to_string()]);
    let line = pool
        .wait_for(&format!("ended process {first} "), 1)
        .remove(0);
    assert!(line.contains("cause=\"operator\""), "{line}");
    pool.ctl(&["kill", &second.to_string()]);
    let line = pool
        .wait_for(&format!("ended process {second} "), 1)
        .remove(0);
    assert!(line.contains("signal 9"), "{line}");
    wait_for_children(&pool, 2);
    // Nobody else's process can be hit.
    let bystander = std::process::id().to_string();
    for verb in ["terminate", "kill", "pause"] {
        let told = pool.try_ctl(&[verb, &bystander]);
        assert_eq!(told.status.code(), Some(1));
        assert!(said(&told).contains("is no child"), "{}", said(&told));
    }
}

fn adaptive() -> Trouble {
    Trouble::new()
        .set("processes = 1")
        .set("processes_min = 1")
        .set("processes_max = 3")
        .set("threads = 1")
        .set("scale = { up_after = '300ms', down_after = '1s' }")
}

#[test]
fn an_adaptive_pool_grows_while_its_loops_are_busy_and_shrinks_afterwards() {
    let trouble = adaptive();
    let pool = trouble.start();
    let target = trouble.target(&pool);
    let load = Load::of(&target, [Client::fresh("/block?ms=50"); 6]);
    wait_for_children(&pool, 3);
    pool.wait_for("keeps 2 instead of 1", 1);
    load.goes_on(20);
    load.finish().is_flawless(&pool.output());
    wait_for_children(&pool, 1);
    let ends = pool.wait_for("fewer children were needed", 2);
    assert!(
        ends.iter().all(|line| line.contains("exit status 0")),
        "{ends:?}"
    );
}

#[test]
fn an_adaptive_pool_grows_while_connections_wait() {
    // Its loops would have to be busier than they can be.
    let trouble = adaptive()
        .set("backlog = 100")
        .variable("KIUAS__WEB__CONNECTIONS", "2");
    let trouble = trouble.variable("KIUAS__POOL__WEB__SCALE__BUSY_ABOVE", "100");
    let pool = trouble.start();
    let target = trouble.target(&pool);
    // Those that are open hold the places; the others wait.
    let _held: Vec<Connection> = (0..24)
        .map(|_| Connection::asking(&target, "/sleep?ms=20000"))
        .collect();
    let line = pool.wait_for("keeps 2 instead of 1", 1).remove(0);
    assert!(line.contains("backlog="), "{line}");
    wait_for_children(&pool, 3);
}
