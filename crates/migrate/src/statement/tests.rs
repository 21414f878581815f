use proptest::prelude::*;

use super::*;

fn texts(sql: &str) -> Vec<&str> {
    split(sql)
        .into_iter()
        .map(|statement| statement.text)
        .collect()
}

#[test]
fn semicolons_end_statements_and_comments_belong_to_none() {
    let sql = "-- first; not here\nSELECT 1;\n/* a /* nested; */ b; */ SELECT 2 ;;\n\nSELECT 3";
    let found: Vec<(&str, usize)> = split(sql).iter().map(|s| (s.text, s.line)).collect();
    assert_eq!(found, [("SELECT 1", 2), ("SELECT 2", 3), ("SELECT 3", 5)]);
}

#[test]
fn semicolons_in_quotes_end_nothing() {
    for sql in [
        "SELECT 'a;''b;'",
        r"SELECT E'a\';b'",
        r#"SELECT "a;""b;""#,
        "DO $$ BEGIN PERFORM 1; END $$",
        "DO $body$ SELECT $$;$$; $body$",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END",
    ] {
        assert_eq!(
            texts(&format!("{sql};SELECT 2")),
            [sql, "SELECT 2"],
            "{sql}"
        );
    }
}

#[test]
fn a_backslash_escapes_nothing_in_a_plain_string() {
    assert_eq!(
        texts(r"SELECT 'a\'; SELECT 2"),
        [r"SELECT 'a\'", "SELECT 2"]
    );
}

#[test]
fn parameters_and_dollars_in_names_begin_no_quote() {
    assert_eq!(
        texts("SELECT $1; SELECT a$b; SELECT $2"),
        ["SELECT $1", "SELECT a$b", "SELECT $2"]
    );
}

#[test]
fn transaction_control_is_recognised() {
    for sql in [
        "begin",
        "COMMIT",
        "end",
        "rollback",
        "START  TRANSACTION",
        "Abort work",
    ] {
        assert!(
            split(sql).iter().all(Statement::controls_transaction),
            "{sql}"
        );
    }
    for sql in [
        "ROLLBACK TO here",
        "PREPARE x AS SELECT 1",
        "SAVEPOINT s",
        "SELECT 'commit'",
    ] {
        assert!(
            !split(sql).iter().any(Statement::controls_transaction),
            "{sql}"
        );
    }
}

#[test]
fn positions_count_characters_and_lines_bytes() {
    let sql = "SELECT 'ä';\nSELECT x";
    let offset = offset_at(sql, 20);
    assert_eq!(sql.get(offset..), Some("x"));
    assert_eq!(line_of(sql, offset), 2);
}

#[test]
fn semicolons_in_parentheses_end_nothing() {
    let rule = "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)";
    assert_eq!(texts(&format!("{rule}; SELECT 3")), [rule, "SELECT 3"]);
}

#[test]
fn only_a_routine_has_an_atomic_body() {
    assert_eq!(
        texts("SELECT a.begin atomic FROM a; DROP TABLE b"),
        ["SELECT a.begin atomic FROM a", "DROP TABLE b"]
    );
}

#[test]
fn a_long_statement_is_cut_between_characters() {
    let sql = "ä".repeat(LONGEST_EXCERPT + 1);
    let excerpt = split(&sql)
        .first()
        .map(Statement::excerpt)
        .unwrap_or_default();
    assert_eq!(excerpt.chars().count(), LONGEST_EXCERPT + 1);
    assert!(excerpt.ends_with('…'));
}

proptest! {
    #[test]
    fn any_text_splits_into_ordered_pieces(sql in "[ -~\n'\"$;/*()ä]{0,80}") {
        let mut rest = 0;
        for statement in split(&sql) {
            let end = statement.start + statement.text.len();
            prop_assert_eq!(sql.get(statement.start..end), Some(statement.text));
            prop_assert_eq!(statement.line, line_of(&sql, statement.start));
            prop_assert!(!statement.text.is_empty());
            prop_assert!(statement.start >= rest);
            rest = end;
        }
    }

    #[test]
    fn statements_put_together_are_found_again(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT 1", "SELECT 'a;b'", "DO $$ BEGIN; END $$", "SELECT E'\\';'", "SELECT \"a;b\"",
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END", "SELECT (1)",
            ]),
            0..8,
        ),
        gap in prop::sample::select(vec![";", " ;\n", "; -- ;\n", ";/* ; */;", ";;"]),
    ) {
        let sql = pieces.join(gap);
        prop_assert_eq!(texts(&sql), pieces);
    }
}
