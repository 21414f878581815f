//! Rules of the Cargo.toml files: versions, lints and reasons are written once, in the root manifest.

use std::path::Path;

use toml::{Table, Value};

use super::{Breach, Source};

const INHERITED: &[&str] = &["edition", "license", "publish", "rust-version", "version"];
const DEPENDENCIES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Members inherit everything that the workspace says once.
pub(super) fn members(files: &[Source]) -> Vec<Breach> {
    files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml") && file.path != Path::new("Cargo.toml"))
        .flat_map(member)
        .collect()
}

/// One member.
pub(super) fn member(file: &Source) -> Vec<Breach> {
    let manifest: Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{}: {error}", file.path.display())],
    };
    // A workspace of its own has nothing to inherit from.
    if manifest.contains_key("workspace") {
        return Vec::new();
    }
    let breach = |what: String| format!("{}: {what}", file.path.display());
    let mut breaches = Vec::new();
    let package = manifest.get("package").and_then(Value::as_table);
    for key in INHERITED {
        if !inherits(package.and_then(|package| package.get(*key))) {
            breaches.push(breach(format!("write `{key}.workspace = true`")));
        }
    }
    if !inherits(manifest.get("lints")) {
        breaches.push(breach("write `[lints]` with `workspace = true`".to_owned()));
    }
    for section in DEPENDENCIES {
        let Some(table) = manifest.get(*section).and_then(Value::as_table) else {
            continue;
        };
        for (name, dependency) in table {
            if !inherits(Some(dependency)) {
                breaches.push(breach(format!(
                    "{name} in [{section}] must say `workspace = true`; its version belongs in the root manifest"
                )));
            }
        }
    }
    breaches
}

fn inherits(value: Option<&Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(Value::as_bool)
        == Some(true)
}

/// Every dependency in the root manifest stands under a comment that says what it is for. A path inside
/// the workspace needs none.
pub(super) fn reasons(files: &[Source]) -> Vec<Breach> {
    let Some(root) = files
        .iter()
        .find(|file| file.path == Path::new("Cargo.toml"))
    else {
        return vec!["Cargo.toml: there is no root manifest".to_owned()];
    };
    let mut breaches = Vec::new();
    let mut inside = false;
    let mut reason = false;
    for (number, line) in root.text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside
            && line.contains('=')
            && !line.starts_with('#')
            && !line.contains("path = ")
            && !reason
        {
            let name = line.split(['=', '.']).next().unwrap_or(line).trim();
            breaches.push(root.breach(
                number,
                &format!("{name} needs a comment line above it that says what it is for"),
            ));
        }
        // A heading such as `# --- data ---` is no reason.
        reason = line.starts_with("# ") && !line.starts_with("# ---");
    }
    breaches
}
