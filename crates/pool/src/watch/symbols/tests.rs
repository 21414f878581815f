use super::*;

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

#[inline(never)]
fn a_function_of_this_test() -> u64 {
    std::hint::black_box(42)
}

#[test]
fn a_function_of_this_program_has_its_name_file_and_line() {
    let address = a_function_of_this_test as *const () as usize as u64;
    assert_eq!(a_function_of_this_test(), 42);
    let frames = Symbols::default().name(own_pid(), &[address]);
    let text = frames[0].to_string();
    assert!(text.contains("a_function_of_this_test"), "{text}");
    assert!(text.contains("symbols/tests.rs:"), "{text}");
}

#[test]
fn an_address_in_no_file_stays_a_number() {
    let frames = Symbols::default().name(own_pid(), &[0x10, u64::MAX]);
    assert_eq!(frames[0].to_string(), "0x10");
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_process_that_is_gone_has_numbers_only() {
    let frames = Symbols::default().name(i32::MAX, &[0x1000]);
    assert_eq!(frames[0].to_string(), "0x1000");
}

#[test]
fn paths_and_names_are_as_short_as_they_can_be_told_apart() {
    assert_eq!(
        brief("/srv/a/site/src/page/show.rs"),
        "site/src/page/show.rs"
    );
    assert_eq!(brief("src/main.rs"), "src/main.rs");
    assert_eq!(
        brief("/rustc/1234/library/std/src/thread/mod.rs"),
        "std/src/thread/mod.rs"
    );
    assert_eq!(brief("x.rs"), "x.rs");
    assert_eq!(
        shortened("site::page::show::h0123456789abcdef"),
        "site::page::show"
    );
    assert_eq!(shortened("a\nb"), "ab");
}
