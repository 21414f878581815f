//! The names of `async` functions. Line tables call each of them `{async_fn#0}`; who it is stands in the
//! type arguments of a caller: `{async_block#0}<fn() -> site::page::vote::{async_fn_env#0}, ()>`.

use super::Frame;

/// How many calls outwards the type is looked for: a handler, and what polls it.
const NEAR: usize = 4;

/// Gives those of `frames`, innermost first, that are nameless `async` functions the path of the function
/// where a caller close by tells it.
pub(super) fn name(frames: &mut [Frame]) {
    for at in 0..frames.len() {
        let (inner, callers) = frames.split_at_mut(at + 1);
        let Some(function) = inner.last_mut().and_then(|frame| frame.function.as_mut()) else {
            continue;
        };
        if let Some(path) = marker(function).and_then(|marker| told(&marker, callers)) {
            *function = path;
        }
    }
}

/// The type of the future of a nameless `async` function.
fn marker(function: &str) -> Option<String> {
    let (number, _) = function.strip_prefix("{async_fn#")?.split_once('}')?;
    Some(format!("::{{async_fn_env#{number}}}"))
}

fn told(marker: &str, callers: &[Frame]) -> Option<String> {
    callers
        .iter()
        .take(NEAR)
        .filter_map(|frame| frame.function.as_deref())
        // What is outside of another one of them is about that one.
        .take_while(|function| !function.starts_with("{async_fn#"))
        .find_map(|function| {
            let (before, _) = function.split_once(marker)?;
            let is_path = |c: char| c.is_alphanumeric() || "_:{}#".contains(c);
            let path = before.rsplit(|c| !is_path(c)).next()?;
            (!path.is_empty()).then(|| path.to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(functions: &[&str]) -> Vec<Frame> {
        let frame = |function: &&str| Frame {
            address: 1,
            function: Some((*function).to_owned()),
            place: None,
            library: false,
        };
        functions.iter().map(frame).collect()
    }

    fn named(functions: &[&str]) -> Vec<String> {
        let mut frames = frames(functions);
        name(&mut frames);
        frames
            .into_iter()
            .filter_map(|frame| frame.function)
            .collect()
    }

    #[test]
    fn an_async_function_has_the_name_that_its_caller_was_made_for() {
        let caller = "{async_block#0}<fn(u8) -> site::page::vote::{async_fn_env#0}, ()>";
        assert_eq!(
            named(&["lock", "{async_fn#0}", caller, "poll"]),
            ["lock", "site::page::vote", caller, "poll"]
        );
        assert_eq!(named(&["{async_fn#1}", caller])[0], "{async_fn#1}");
    }

    #[test]
    fn a_caller_of_another_async_function_names_only_that() {
        let caller = "poll<site::page::vote::{async_fn_env#0}>";
        assert_eq!(
            named(&["{async_fn#0}", "{async_fn#0}<u8>", caller]),
            ["{async_fn#0}", "site::page::vote", caller]
        );
    }

    #[test]
    fn odd_names_are_left_alone() {
        for odd in ["{async_fn#", "{async_fn#0", "", "::{async_fn_env#0}"] {
            assert_eq!(named(&[odd, "::{async_fn_env#0}"])[0], odd);
        }
    }
}
