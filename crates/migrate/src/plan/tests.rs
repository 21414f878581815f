use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Name, what is expected of it, and text of each file of a part of the corpus.
fn corpus(part: &str) -> Vec<(String, Vec<String>, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(part);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("corpus") {
        let path = entry.expect("file").path();
        let sql = std::fs::read_to_string(&path).expect("text");
        let name = path
            .file_name()
            .expect("name")
            .to_string_lossy()
            .into_owned();
        let expected = sql
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("-- expect: "));
        let expected = expected
            .unwrap_or_default()
            .split(", ")
            .map(str::to_owned)
            .collect();
        files.push((name, expected, sql));
    }
    files.sort();
    files
}

fn refused(sql: &str) -> Vec<String> {
    let findings = judge_text(sql).expect("directives");
    let refused = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Refused);
    refused.map(|finding| finding.rule.to_string()).collect()
}

fn found(sql: &str) -> Vec<(usize, &'static str)> {
    let findings = judge_text(sql).expect("directives");
    findings
        .iter()
        .map(|finding| (finding.line, finding.rule.name()))
        .collect()
}

#[test]
fn every_dangerous_file_of_the_corpus_is_refused_for_its_reason() {
    let files = corpus("dangerous");
    assert!(files.len() >= 40, "{}", files.len());
    for (name, expected, sql) in files {
        assert_eq!(refused(&sql), expected, "{name}");
    }
}

#[test]
fn no_harmless_file_of_the_corpus_is_refused() {
    let files = corpus("harmless");
    assert!(files.len() >= 40, "{}", files.len());
    for (name, _, sql) in files {
        assert_eq!(refused(&sql), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_finding_names_the_line_of_its_action() {
    let sql = "-- One.\nSELECT 1;\n\nALTER TABLE poll\n    ADD COLUMN a int,\n    DROP COLUMN b,\n    \
               ALTER COLUMN c SET NOT NULL;\nDROP TABLE d";
    assert_eq!(
        found(sql),
        [(6, "drop-column"), (7, "set-not-null"), (8, "drop-table")]
    );
}

#[test]
fn a_table_is_new_only_to_the_file_that_certainly_makes_it() {
    let maybe = "CREATE TABLE IF NOT EXISTS a (id int); CREATE INDEX i ON a (id)";
    assert_eq!(refused(maybe), ["index-not-concurrent"]);
    let other = "CREATE TABLE s.a (id int); CREATE INDEX i ON a (id)";
    assert_eq!(refused(other), ["index-not-concurrent"]);
    let same = "CREATE TABLE \"A\" (id int); CREATE INDEX i ON \"A\" (id); DROP INDEX i";
    assert_eq!(refused(same), Vec::<String>::new());
}

#[test]
fn an_allowance_speaks_of_one_rule_of_one_statement() {
    let sql = "-- migrate: allow drop-table: unused\nDROP TABLE a; DROP TABLE b;";
    assert_eq!(refused(sql), ["drop-table"]);
    let sql = "-- migrate: allow drop-column: unused\nDROP TABLE a;";
    assert_eq!(refused(sql), ["drop-table"]);
}

#[test]
fn what_cannot_work_is_refused_in_every_phase() {
    let sql = "-- migrate: contract\nDROP INDEX CONCURRENTLY i";
    assert_eq!(refused(sql), ["needs-no-transaction"]);
}

#[test]
fn every_rule_has_its_own_words() {
    let mut names: Vec<&str> = Rule::all().map(Rule::name).collect();
    for rule in Rule::all() {
        assert_eq!(Rule::named(rule.name()), Some(rule));
        assert!(
            !rule.why().is_empty() && !rule.instead().is_empty(),
            "{rule}"
        );
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_manual_tells_every_rule_as_the_plan_does() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/migrations/plan.md");
    let manual = std::fs::read_to_string(manual).expect("manual");
    for rule in Rule::all() {
        let line = format!(
            "| `{rule}` | {}",
            rule.harm()
                .to_string()
                .split(' ')
                .next()
                .unwrap_or_default()
        );
        assert!(manual.contains(&line), "{line}");
        assert!(
            manual.contains(&format!("| {} | {} |\n", rule.why(), rule.instead())),
            "{rule}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_judged(sql in "([ -~\n'\"$;/*()ä]|ALTER TABLE |DROP |CREATE |INDEX |DO \\$\\$|BEGIN |ADD ){0,40}") {
        let findings = judge_text(&sql).unwrap_or_default();
        let lines = 1 + sql.matches('\n').count();
        for finding in findings {
            prop_assert!((1..=lines).contains(&finding.line), "{finding:?}");
        }
    }

    #[test]
    fn comments_and_spaces_hide_nothing(
        gaps in prop::collection::vec(
            prop::sample::select(vec![" ", "\n", "\t", "/* ; */", "-- DROP\n", " /* /* */ */ "]), 5,
        ),
    ) {
        let words = ["ALTER", "TABLE", "poll", "DROP", "COLUMN", "x"];
        let mut sql = String::new();
        for (word, gap) in words.iter().zip(gaps.iter().chain([&""])) {
            sql.push_str(word);
            sql.push_str(gap);
        }
        prop_assert_eq!(refused(&sql), ["drop-column"]);
    }
}
