//! Rules of the Rust files.

use std::path::Path;

use super::{Breach, Source};

/// More is two files.
const LONGEST_FILE: usize = 500;
/// The folder whose files may hold `unsafe`, each block with its proof.
const UNSAFE_FOLDER: &str = "crates/common/src/kernel";

/// All rules for one file; files in other languages follow them all.
pub(super) fn check(file: &Source) -> Vec<Breach> {
    if !file.has_extension("rs") {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    breaches.extend(no_mod_rs(file));
    breaches.extend(length(file));
    breaches.extend(module_doc(file));
    breaches.extend(unfinished(file));
    breaches.extend(confined_unsafe(file));
    breaches
}

/// `cache.rs` beside `cache/`: then an editor's tabs are told apart.
pub(super) fn no_mod_rs(file: &Source) -> Option<Breach> {
    file.path
        .ends_with("mod.rs")
        .then(|| file.breach(0, "call the file after its module, one level up"))
}

/// Files stay short enough to be read at once.
pub(super) fn length(file: &Source) -> Option<Breach> {
    let lines = file.text.lines().count();
    (lines > LONGEST_FILE).then(|| {
        file.breach(
            LONGEST_FILE,
            &format!("{lines} lines, at most {LONGEST_FILE}: split it by responsibility"),
        )
    })
}

/// A module begins with what it owns. Files of unit tests are explained by the module beside them.
pub(super) fn module_doc(file: &Source) -> Option<Breach> {
    let is_unit_tests = file.path.ends_with("tests.rs");
    (!is_unit_tests && !file.text.starts_with("//!"))
        .then(|| file.breach(0, "begin the module with `//!` and what it owns"))
}

/// Nothing half done is committed.
pub(super) fn unfinished(file: &Source) -> Vec<Breach> {
    // Put together here, so that this file does not break its own rule.
    let marks = [
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
        concat!("db", "g!("),
        concat!("#[", "ignore"),
    ];
    code_lines(file)
        .flat_map(|(number, code)| {
            marks
                .iter()
                .filter(move |mark| code.contains(**mark))
                .map(move |mark| file.breach(number, &format!("`{mark}` is unfinished work")))
        })
        .collect()
}

/// `unsafe` stays where it can be reviewed.
pub(super) fn confined_unsafe(file: &Source) -> Vec<Breach> {
    if file.path.starts_with(Path::new(UNSAFE_FOLDER)) {
        return Vec::new();
    }
    code_lines(file)
        .filter(|(_, code)| has_unsafe(code))
        .map(|(number, _)| {
            file.breach(
                number,
                &format!("unsafe code belongs in {UNSAFE_FOLDER} alone"),
            )
        })
        .collect()
}

fn has_unsafe(code: &str) -> bool {
    const OPENINGS: [&str; 4] = ["{", "fn ", "impl ", "extern "];
    code.match_indices(concat!("un", "safe")).any(|(at, word)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].trim_start();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"')
            && (after.is_empty() || OPENINGS.iter().any(|opening| after.starts_with(opening)))
    })
}

/// Lines without what follows `//`, with zero-based numbers. A `//` inside a string only hides code
/// from these rules that nobody writes there.
fn code_lines(file: &Source) -> impl Iterator<Item = (usize, &str)> {
    file.text
        .lines()
        .enumerate()
        .map(|(number, line)| (number, line.split("//").next().unwrap_or(line)))
}
