use super::*;

#[test]
fn plain_prefixes_line_up() {
    assert_eq!(
        Prefix::new("web", false).line("hello"),
        "     web | hello\n"
    );
    assert_eq!(
        Prefix::new("postgres", false).line("hello"),
        "postgres | hello\n"
    );
}

#[test]
fn each_service_has_its_own_colour_and_the_text_keeps_its_own() {
    let web = Prefix::new("web", true).line("hello");
    assert_eq!(web, "\u{1b}[32m     web |\u{1b}[0m hello\n");
    assert_ne!(
        Prefix::new("proxy", true).line(""),
        Prefix::new("beat", true).line("")
    );
}

#[test]
fn lines_are_split_at_their_ends_and_not_lost_without_one() {
    let mut source = BufReader::new("one\r\ntwo\n\nlast".as_bytes());
    let lines: Vec<_> = std::iter::from_fn(|| next_line(&mut source)).collect();
    assert_eq!(lines, ["one", "two", "", "last"]);
}

#[test]
fn an_endless_line_comes_in_bounded_pieces() {
    let text = "x".repeat(40 * 1024);
    let mut source = BufReader::new(text.as_bytes());
    let lines: Vec<_> = std::iter::from_fn(|| next_line(&mut source)).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines.concat(), text);
}

#[test]
fn bytes_that_are_no_text_do_not_end_the_log() {
    let mut source = BufReader::new(&b"\xff\xfe\nnext\n"[..]);
    assert_eq!(next_line(&mut source).unwrap(), "\u{fffd}\u{fffd}");
    assert_eq!(next_line(&mut source).unwrap(), "next");
}
