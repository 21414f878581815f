//! The environment layer: `KIUAS__SECTION__KEY` and `KIUAS__SECTION__KEY_FILE`.

use std::collections::BTreeMap;
use std::io::Read;

use super::SettingsError;

const PREFIX: &str = "KIUAS__";
const FILE_SUFFIX: &str = "_FILE";
/// A secret is a line, not a document.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Dotted key, value and the name of the variable (or file) that it came from.
pub(super) fn variables(
    all: &BTreeMap<String, String>,
) -> Result<Vec<(String, String, String)>, SettingsError> {
    all.iter()
        .filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)))
        .map(|(name, key, value)| match key.strip_suffix(FILE_SUFFIX) {
            Some(key) => Ok((
                dotted(key),
                read_secret(name, value)?,
                format!("{value} (named by {name})"),
            )),
            None => Ok((dotted(key), value.clone(), format!("the variable {name}"))),
        })
        .collect()
}

fn dotted(key: &str) -> String {
    key.to_ascii_lowercase().replace("__", ".")
}

fn read_secret(variable: &str, path: &str) -> Result<String, SettingsError> {
    let error = |source| SettingsError::Secret {
        variable: variable.to_owned(),
        path: path.into(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_SECRET).read_to_string(&mut text))
        .map_err(error)?;
    // Editors and `echo` end a file with a newline that is not part of the secret.
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
