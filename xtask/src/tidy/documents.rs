//! Rules of the documents.

use std::path::{Component, Path, PathBuf};

use super::{Breach, Source};

/// Links of one document to files of this repository lead somewhere.
pub(super) fn links(file: &Source, root: &Path) -> Vec<Breach> {
    if !file.has_extension("md") {
        return Vec::new();
    }
    let directory = file.path.parent().unwrap_or(Path::new(""));
    let mut breaches = Vec::new();
    let mut code = false;
    for (number, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            for target in targets(line) {
                let there = resolve(directory, target).is_some_and(|path| root.join(path).exists());
                if !there {
                    breaches.push(file.breach(number, &format!("`{target}` leads nowhere")));
                }
            }
        }
    }
    breaches
}

/// The targets of inline links in `line` that name files, without their anchors.
pub(super) fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ']).next()?;
        let target = target.split('#').next()?;
        let elsewhere = target.contains("://") || target.starts_with("mailto:");
        (!target.is_empty() && !elsewhere).then_some(target)
    })
}

/// `target` as seen from `directory`, relative to the checkout; `None` if it leads out of it.
fn resolve(directory: &Path, target: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in directory.join(target).components() {
        match component {
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    Some(path)
}

/// There is always a place for the next change.
pub(super) fn changelog(files: &[Source]) -> Option<Breach> {
    let there = files
        .iter()
        .find(|file| file.path == Path::new("CHANGELOG.md"))
        .is_some_and(|file| {
            file.text
                .lines()
                .any(|line| line.starts_with("## ") && line.contains("Unreleased"))
        });
    (!there).then(|| "CHANGELOG.md: there is no `## [Unreleased]` section".to_owned())
}
