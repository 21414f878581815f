//! htpasswd files: `user:hash` lines, as Apache and nginx read them.

use std::collections::HashMap;

use super::hash::Hash;

/// Largest file in bytes.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct LineError {
    /// From 1 on.
    pub line: usize,
    /// What is wrong and what to do; names the user, never the hash.
    pub problem: String,
}

/// Users with their hashes.
#[derive(Debug, Clone)]
pub struct Users {
    users: HashMap<String, Hash>,
    /// Compared with when there is no such user, so that it takes as long.
    decoy: Hash,
}

impl Users {
    /// Reads the text of a file. Empty lines and those that begin with `#` are skipped; what follows a
    /// second colon is a comment; of two lines with one name the first counts.
    ///
    /// # Errors
    /// Every line that cannot be used; also a file without any user.
    pub fn parse(text: &str) -> Result<Self, Vec<LineError>> {
        let mut users = HashMap::new();
        let mut errors = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match entry(line) {
                Ok((user, hash)) => {
                    users.entry(user).or_insert(hash);
                }
                Err(problem) => errors.push(LineError {
                    line: line_number,
                    problem,
                }),
            }
        }
        let decoy = users
            .values()
            .max_by_key(|hash: &&Hash| hash.weight())
            .cloned();
        match decoy {
            Some(decoy) if errors.is_empty() => Ok(Self { users, decoy }),
            None if errors.is_empty() => Err(vec![LineError {
                line: 1,
                problem: "no user: add one with `htpasswd -B FILE USER`".to_owned(),
            }]),
            _ => Err(errors),
        }
    }

    /// What a password of `user` is compared with, and whether there is such a user.
    #[must_use]
    pub fn of(&self, user: &str) -> (&Hash, bool) {
        match self.users.get(user) {
            Some(hash) => (hash, true),
            None => (&self.decoy, false),
        }
    }
}

fn entry(line: &str) -> Result<(String, Hash), String> {
    let Some((user, rest)) = line.split_once(':') else {
        return Err("no colon: a line is `user:hash`".to_owned());
    };
    if user.is_empty() {
        return Err("no user in front of the colon".to_owned());
    }
    let hash = rest.split(':').next().unwrap_or_default();
    Hash::parse(hash)
        .map(|hash| (user.to_owned(), hash))
        .map_err(|problem| format!("user `{}`: {problem}", user.escape_debug()))
}
