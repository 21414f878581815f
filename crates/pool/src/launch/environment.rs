//! Environment files: lines of `NAME=VALUE`, as systemd and Docker read them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// A larger file is no list of variables.
const LARGEST: u64 = 1 << 20;

/// Reads `files` in their order; later ones win. One whose path begins with `-` may be missing.
///
/// # Errors
/// Which file, and what is wrong with it.
pub(crate) fn read(files: &[String]) -> io::Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for name in files {
        let (optional, path) = match name.strip_prefix('-') {
            Some(path) => (true, path),
            None => (false, name.as_str()),
        };
        match file(Path::new(path)) {
            Ok(text) => all.extend(parse(&text).map_err(|problem| {
                io::Error::new(io::ErrorKind::InvalidData, format!("`{path}`: {problem}"))
            })?),
            Err(error) if optional && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let text = format!("cannot read the environment file `{path}`: {error}");
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(all)
}

fn file(path: &Path) -> io::Result<String> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    std::fs::read_to_string(path)
}

/// Empty lines and those that begin with `#` or `;` say nothing; `export ` before a name is left out; one
/// pair of quotes around a value goes.
fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let pair = line.split_once('=').filter(|(name, value)| {
            !name.is_empty() && !name.contains(char::is_whitespace) && !value.contains('\0')
        });
        // Not the line itself: it may hold a secret.
        let (name, value) = pair.ok_or_else(|| format!("line {} is not NAME=VALUE", number + 1))?;
        all.push((name.to_owned(), unquoted(value).to_owned()));
    }
    Ok(all)
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).expect("pairs")
    }

    #[test]
    fn names_values_quotes_and_comments() {
        let text = "# comment\n; another\n\nA=1\nexport B='x y'\nC=\"=\"\nD=\n  E = no\n";
        assert_eq!(
            parse(text),
            Err("line 8 is not NAME=VALUE".to_owned()),
            "a name has no space"
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            pairs("# comment\nA=1\nexport B='x y'\nC=\"=\"\nD=\nE='"),
            [
                pair("A", "1"),
                pair("B", "x y"),
                pair("C", "="),
                pair("D", ""),
                pair("E", "'")
            ]
        );
    }

    #[test]
    fn a_secret_is_not_quoted_in_an_error() {
        let problem = parse("hunter2").expect_err("no pair");
        assert!(!problem.contains("hunter2"));
    }

    #[test]
    fn later_files_win_and_only_optional_ones_may_be_missing() {
        let directory = tempfile::tempdir().expect("directory");
        let path = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("file");
            path.to_str().expect("UTF-8").to_owned()
        };
        let files = [
            path("one", "A=1\nB=1"),
            path("two", "B=2"),
            "-/no/file".to_owned(),
        ];
        let all = read(&files).expect("variables");
        assert_eq!((all["A"].as_str(), all["B"].as_str()), ("1", "2"));
        let error = read(&["/no/file".to_owned()]).expect_err("missing");
        assert!(error.to_string().contains("`/no/file`"), "{error}");
    }

    proptest! {
        #[test]
        fn no_file_is_too_strange(text in ".*") {
            drop(parse(&text));
        }
    }
}
