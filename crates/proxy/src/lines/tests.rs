use http::header::{DATE, SERVER, SET_COOKIE};
use proptest::prelude::*;

use super::*;

fn written(lines: &Lines) -> String {
    let mut out = Vec::new();
    lines.write(&mut out, |_, _| true);
    String::from_utf8(out).expect("text")
}

fn lines(fields: &[(&str, &str)]) -> Lines {
    let mut lines = Lines::new();
    for (name, value) in fields {
        lines.push(name.as_bytes(), value.as_bytes());
    }
    lines
}

#[test]
fn fields_are_written_in_order_and_lower_case() {
    let mut all = lines(&[
        ("Server", "x"),
        ("X-A", "1"),
        ("Set-Cookie", "a"),
        ("X-B", ""),
    ]);
    assert_eq!(
        written(&all),
        "server: x\r\nx-a: 1\r\nset-cookie: a\r\nx-b: \r\n"
    );
    all.take_out(&SET_COOKIE);
    all.add(&DATE, &HeaderValue::from_static("now"));
    assert_eq!(
        written(&all),
        "server: x\r\nx-a: 1\r\nx-b: \r\ndate: now\r\n"
    );
    let mut out = Vec::new();
    all.write(&mut out, |name, value| name != b"x-a" && value != b"now");
    assert_eq!(out, b"server: x\r\nx-b: \r\n");
}

#[test]
fn the_last_field_can_be_taken_back() {
    let mut all = lines(&[("a", "1"), ("TE", "x")]);
    assert_eq!(all.last_name(), b"te");
    all.pop();
    all.push_line(b"B: 2\r\n", 1);
    assert_eq!(written(&all), "a: 1\r\nb: 2\r\n");
}

#[test]
fn memory_used_again_holds_nothing_of_before() {
    drop(lines(&[("secret", "x"), ("other", "y")]));
    let mut all = Lines::new();
    assert_eq!(written(&all), "");
    all.push(b"a", b"1");
    assert_eq!(written(&all), "a: 1\r\n");
    assert_eq!(all.to_map().len(), 1);
}

/// One change, to a map and to lines.
fn change(fields: &mut impl Fields, what: u8, name: &HeaderName, value: &str) {
    match what {
        0 => fields.take_out(name),
        1 => fields.set(name, &HeaderValue::from_str(value).expect("value")),
        2 => fields.add(name, &HeaderValue::from_str(value).expect("value")),
        _ => fields.set_text(name, value.as_bytes()),
    }
}

proptest! {
    #[test]
    fn lines_are_changed_as_a_map_is(changes in prop::collection::vec((0_u8..4, 0_usize..4, "[!-~]{0,6}"), 0..12)) {
        let names = [SERVER, DATE, SET_COOKIE, HeaderName::from_static("x-own")];
        let (mut map, mut lines) = (HeaderMap::new(), Lines::new());
        for (what, name, value) in &changes {
            let name = names.get(*name).expect("a name");
            change(&mut map, *what, name, value);
            change(&mut lines, *what, name, value);
            for name in &names {
                prop_assert_eq!(map.has(name), lines.has(name));
            }
        }
        prop_assert_eq!(lines.to_map(), map.clone());
        prop_assert_eq!(Lines::of(&map).to_map(), map);
    }
}
