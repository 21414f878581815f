use super::cost;
use super::load::{microseconds, parse_h2load, parse_handshakes, parse_wrk};
use super::report::block::block;
use super::report::{Goal, Row, Sample, Series, Summary, median};

const WRK: &str = "\
Running 1s test @ http://localhost:1/1k
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.04ms  310.00us   5.20ms   81.00%
    Req/Sec    61.20k     2.10k   66.00k    72.00%
  Latency Distribution
     50%    0.98ms
     99%    2.31ms
  61042 requests in 1.00s, 80.10MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 4
Requests/sec:  61040.11
";

#[test]
fn the_report_of_wrk_is_read_with_its_errors() {
    let outcome = parse_wrk(WRK).expect("report");
    assert_eq!(outcome.requests, 61_042);
    assert_eq!(outcome.failed, 7);
    assert!((outcome.p99_us - 2310.0).abs() < 0.01);
    assert!(parse_wrk("unable to connect").is_err());
}

#[test]
fn the_report_of_h2load_is_read() {
    let text = "\
requests: 80000 total, 80256 started, 80000 done, 79990 succeeded, 10 failed, 0 errored, 0 timeout
                     min         max         mean         sd        +/- sd
time for request:      211us      9.92ms      3.06ms       912us    71.00%
";
    let outcome = parse_h2load(text).expect("report");
    assert_eq!((outcome.requests, outcome.failed), (79_990, 10));
    assert!((outcome.p99_us - 9920.0).abs() < 0.01);
}

#[test]
fn handshakes_that_should_resume_and_do_not_are_an_error() {
    let text =
        |resumed| format!(r#"{{"done":100,"resumed":{resumed},"failed":1,"p50_us":1,"p99_us":9}}"#);
    assert_eq!(parse_handshakes(&text(90), true).expect("report").failed, 1);
    assert!(parse_handshakes(&text(10), true).is_err());
    assert!(parse_handshakes(&text(0), false).is_ok());
}

#[test]
fn times_are_read_in_every_unit() {
    for (text, expected) in [
        ("12.5us", 12.5),
        ("1.25ms", 1250.0),
        ("2s", 2e6),
        ("x", f64::NAN),
    ] {
        match microseconds(text) {
            Some(found) => assert!((found - expected).abs() < 0.01, "{text}"),
            None => assert!(expected.is_nan(), "{text}"),
        }
    }
}

#[test]
fn the_median_is_the_middle_or_between_the_two() {
    assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
}

#[test]
fn a_process_name_with_parentheses_does_not_hide_the_parent() {
    assert_eq!(cost::parent("12 (a) b) S 7 12 12 0"), Some(7));
}

#[test]
fn own_cost_is_found_in_proc() {
    let own = cost::tree(std::process::id()).expect("processes");
    assert!(own.contains(&std::process::id()));
    assert!(!cost::cpu(&own[..1]).is_zero());
    assert!(cost::private_kib(&own[..1]) > 0);
    assert!(cost::pss_kib(&own[..1]) >= cost::private_kib(&own[..1]));
    let smaps = "Pss:   50 kB\nPrivate_Dirty:       42 kB\n";
    assert_eq!(cost::kib(smaps, "Private_Dirty:"), Some(42));
}

fn row(goals: &[Goal], summary: Summary, series: &[(&str, &[f64])]) -> Row {
    let sample = |figure: &f64| Sample {
        figure: *figure,
        ..Sample::default()
    };
    Row {
        work: "work".to_owned(),
        unit: "ms",
        summary,
        goals: goals.to_vec(),
        series: series
            .iter()
            .map(|(server, figures)| Series {
                server: (*server).to_owned(),
                samples: figures.iter().map(sample).collect(),
            })
            .collect(),
    }
}

#[test]
fn a_ratio_is_the_median_of_the_rounds_and_not_of_the_figures() {
    let goal = Goal::Ratio {
        peer: "peer",
        least: 2.0,
    };
    let row = row(
        &[goal],
        Summary::Median,
        &[("kiuas", &[1.0, 10.0, 4.0]), ("peer", &[3.0, 10.0, 8.0])],
    );
    assert!((row.reached(goal).unwrap() - 2.0).abs() < 1e-9);
    assert_eq!(row.is_met(goal), Some(true));
}

#[test]
fn a_goal_about_a_peer_that_is_missing_is_neither_met_nor_missed() {
    let goals = [Goal::NotAbove("peer"), Goal::AtMost(3.0)];
    let row = row(&goals, Summary::Sum, &[("kiuas", &[1.0, 3.0])]);
    assert_eq!(row.is_met(goals[0]), None);
    assert_eq!(row.is_met(goals[1]), Some(false));
    let block = block(&row);
    assert!(block.contains("not above peer: 4, the peer was not measured"));
    assert!(block.contains("at most 3: 4, MISSED"), "{block}");
}

#[test]
fn the_worst_round_counts_where_one_is_too_many() {
    let goals = [Goal::NotAbove("peer")];
    let series: [(&str, &[f64]); 2] = [("kiuas", &[0.0, 2.0, 0.0]), ("peer", &[1.0, 1.0, 2.0])];
    let row = row(&goals, Summary::Maximum, &series);
    assert_eq!(row.is_met(goals[0]), Some(true));
}
