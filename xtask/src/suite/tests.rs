use super::report::Count;
use super::*;

fn arguments(quick: bool, filter: Option<&str>) -> Arguments {
    Arguments {
        quick,
        filter: filter.map(ToOwned::to_owned),
        no_install: true,
    }
}

#[test]
fn quick_leaves_out_the_end_to_end_tests_whatever_the_filter() {
    assert_eq!(filter(&arguments(false, None)), None);
    assert_eq!(
        filter(&arguments(true, None)).as_deref(),
        Some("not package(e2e)")
    );
    assert_eq!(
        filter(&arguments(true, Some("test(a) or test(b)"))).as_deref(),
        Some("(test(a) or test(b)) and not package(e2e)")
    );
}

#[test]
fn the_count_is_what_nextest_reports() {
    let junit = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="41" failures="2" errors="1" uuid="x" time="1.5">
    <testsuite name="site" tests="2" failures="0" errors="0">
        <testcase name="steady" classname="site" time="0.1"></testcase>
        <testcase name="shaky" classname="site" time="0.1"><flakyFailure message="no"/></testcase>
    </testsuite>
</testsuites>"#;
    assert_eq!(
        Count::parse(junit),
        Some(Count {
            tests: 41,
            failed: 3,
            unsteady: vec!["shaky".to_owned()]
        })
    );
    assert_eq!(Count::parse("<testsuites name=\"cut"), None);
    assert_eq!(Count::parse(""), None);
}

#[test]
fn a_failed_check_is_named_at_the_end_and_the_others_still_ran() {
    let mut report = Report::default();
    assert!(report.step("format", || Ok(())));
    assert!(!report.step("lints", || bail!("two warnings")));
    assert!(report.step("build", || Ok(())));
    let error = report
        .conclude(std::time::Duration::from_secs(61))
        .unwrap_err()
        .to_string();
    assert_eq!(error, "failed after 1 min 1 s: lints");
}
