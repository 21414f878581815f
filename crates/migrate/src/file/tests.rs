use super::*;

fn wrong(sql: &str) -> (usize, String) {
    let error = File::parse(sql).expect_err("a wrong directive");
    (error.line, error.problem)
}

#[test]
fn a_file_without_directives_expands_in_a_transaction() {
    let file = File::parse("-- Users.\nCREATE TABLE users ()").expect("file");
    assert_eq!(file.header, Header::default());
    assert_eq!(file.header.phase, Phase::Expand);
}

#[test]
fn directives_before_the_first_statement_speak_of_the_file() {
    let sql = "-- Old names.\n-- migrate: contract\n--Migrate:no-transaction\n\
               -- migrate: lock-timeout 500ms\n-- migrate: statement-timeout 2h\nSELECT 1";
    let header = File::parse(sql).expect("file").header;
    assert_eq!(header.phase, Phase::Contract);
    assert!(header.no_transaction);
    assert_eq!(header.lock_timeout, Some(Period::milliseconds(500)));
    assert_eq!(header.statement_timeout, Some(Period::seconds(7200)));
}

#[test]
fn an_allowance_belongs_to_the_statement_behind_it() {
    let sql = "SELECT 1;\n-- migrate: allow drop-table: nobody reads it\nDROP TABLE a;";
    let allowed = File::parse(sql).expect("file").allowed;
    assert_eq!(
        allowed,
        [Allowed {
            rule: Rule::DropTable,
            reason: "nobody reads it".to_owned(),
            statement: 1,
            line: 2,
        }]
    );
}

#[test]
fn text_and_strings_are_no_directives() {
    for sql in [
        "SELECT '\n-- migrate: nonsense\n'",
        "/* -- migrate: nonsense */ SELECT 1",
    ] {
        assert!(File::parse(sql).is_ok(), "{sql}");
    }
}

#[test]
fn a_wrong_directive_is_told_with_its_line() {
    let (line, problem) = wrong("-- migrate: contrct\nSELECT 1");
    assert_eq!(line, 1);
    assert!(problem.contains("`contrct` is no directive"), "{problem}");
    let (line, problem) = wrong("SELECT 1;\n-- migrate: contract\nSELECT 2");
    assert_eq!(line, 2);
    assert!(problem.contains("before the first statement"), "{problem}");
    let (_, problem) = wrong("-- migrate: allow drop-tabel: x\nSELECT 1");
    assert!(problem.contains("did you mean `drop-table`?"), "{problem}");
    let (_, problem) = wrong("-- migrate: allow drop-table\nSELECT 1");
    assert!(problem.contains("needs a reason"), "{problem}");
    let (_, problem) = wrong("-- migrate: lock-timeout soon\nSELECT 1");
    assert!(problem.contains("`soon` is no time"), "{problem}");
}
