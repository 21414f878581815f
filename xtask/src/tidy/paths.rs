//! No tracked file knows the machine it was written on.

use std::path::Path;

use super::{Breach, Source};

/// Home directories, wherever they are.
const HOMES: &[&str] = &["/home/", "/root/", "/Users/"];

/// Absolute paths of people's homes and of this checkout itself.
pub(super) fn check(file: &Source, root: &Path) -> Vec<Breach> {
    // The rule itself and its tests have to name what they look for.
    if file.path.starts_with("xtask/src/tidy") {
        return Vec::new();
    }
    let checkout = own_path(root);
    let places: Vec<&str> = HOMES.iter().copied().chain(checkout.as_deref()).collect();
    file.text
        .lines()
        .enumerate()
        .filter_map(|(number, line)| {
            let place = places.iter().find(|place| names(line, place))?;
            Some(file.breach(
                number,
                &format!("`{place}` is a path of one machine; say it relative to the checkout"),
            ))
        })
        .collect()
}

/// The checkout's own path, unless it is so short that it means something everywhere (`/app`).
fn own_path(root: &Path) -> Option<String> {
    (root.components().count() > 2).then(|| format!("{}/", root.display()))
}

/// True when `place` begins a path in `line`, rather than being the middle of a longer one or of a URL.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(|before| !before.is_alphanumeric() && !"._-~/}*".contains(before))
    })
}
