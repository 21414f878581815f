use proptest::prelude::*;

use super::*;

fn texts(sql: &str) -> Vec<&str> {
    lex(sql).into_iter().map(|token| token.text).collect()
}

#[test]
fn words_numbers_strings_and_symbols_are_told_apart() {
    let found: Vec<(Kind, &str)> = lex("ALTER \"Ta\"\"ble\" ö1 1.5e3 $1 'it''s' -- end\n;")
        .into_iter()
        .map(|token| (token.kind, token.text))
        .collect();
    assert_eq!(
        found,
        [
            (Kind::Word, "ALTER"),
            (Kind::Quoted, "\"Ta\"\"ble\""),
            (Kind::Word, "ö1"),
            (Kind::Number, "1.5e3"),
            (Kind::Number, "$1"),
            (Kind::Text, "'it''s'"),
            (Kind::Comment, "-- end"),
            (Kind::Symbol, ";"),
        ]
    );
}

#[test]
fn comments_nest_and_a_carriage_return_ends_a_line() {
    assert_eq!(texts("/* a /* b */ c */x"), ["/* a /* b */ c */", "x"]);
    assert_eq!(texts("-- a\rDROP"), ["-- a", "DROP"]);
    assert_eq!(texts("1+--x\n2"), ["1", "+", "--x", "2"]);
}

#[test]
fn only_strings_with_an_e_know_escapes_also_where_they_go_on() {
    assert_eq!(texts(r"'a\' x"), [r"'a\'", "x"]);
    assert_eq!(texts(r"e'a\'' x"), [r"e'a\''", "x"]);
    assert_eq!(texts("E'a' -- c\n 'b\\'c' x"), ["E'a' -- c\n 'b\\'c'", "x"]);
    assert_eq!(texts("E'a' 'b'"), ["E'a'", "'b'"]);
}

#[test]
fn dollar_quotes_have_tags_and_names_may_hold_dollars() {
    assert_eq!(texts("$a$ $$ $b$ $a$ x"), ["$a$ $$ $b$ $a$", "x"]);
    assert_eq!(texts("a$b$c $1$"), ["a$b$c", "$1", "$"]);
    let body = lex("$x$SELECT 1$x$")
        .first()
        .map(|token| token.content().into_owned());
    assert_eq!(body.as_deref(), Some("SELECT 1"));
}

#[test]
fn a_no_break_space_is_a_letter_as_it_is_to_postgresql() {
    assert_eq!(texts("a\u{a0}b"), ["a\u{a0}b"]);
}

#[test]
fn identifiers_are_folded_unless_quoted() {
    let names: Vec<Option<String>> = lex("Poll \"Po\"\"ll\" 'x'")
        .iter()
        .map(Token::identifier)
        .collect();
    assert_eq!(
        names,
        [Some("poll".to_owned()), Some("Po\"ll".to_owned()), None]
    );
}

proptest! {
    #[test]
    fn tokens_of_any_text_are_in_order_and_leave_out_white_space_alone(
        sql in "[ -~\n\r\t'\"$;/*\\\\äE-]{0,120}"
    ) {
        let mut at = 0;
        for token in lex(&sql) {
            prop_assert!(!token.text.is_empty());
            prop_assert!(sql.get(at..token.start).is_some_and(|gap| gap.chars().all(is_space)));
            prop_assert_eq!(sql.get(token.start..token.end()), Some(token.text));
            at = token.end();
        }
        prop_assert!(sql.get(at..).is_some_and(|gap| gap.chars().all(is_space)));
    }
}
