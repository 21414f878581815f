use super::cost;
use super::load::{microseconds, parse_h2load, parse_handshakes, parse_wrk};
use super::report::median;

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
    assert_eq!(
        cost::private_dirty("Private_Dirty:       42 kB\n"),
        Some(42)
    );
}
