//! Who the children are: user, group and supplementary groups by name or number.

use std::ffi::CString;

use nix::unistd::{Gid, Group, User, getgrouplist};
use serde::{Deserialize, Serialize};

use crate::settings::PoolSettings;

/// Numbers that a child takes on before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) groups: Option<Vec<u32>>,
    /// `HOME`, `USER`, `LOGNAME` and `SHELL` of the user.
    #[serde(skip)]
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Identity {
    /// Looks up what the settings name.
    ///
    /// # Errors
    /// Key, and why its value names nobody.
    pub(crate) fn of(settings: &PoolSettings) -> Result<Self, (&'static str, String)> {
        let mut identity = Self::default();
        if let Some(name) = &settings.user {
            let user = user(name).ok_or_else(|| ("user", format!("there is no user `{name}`")))?;
            identity.uid = Some(user.uid.as_raw());
            identity.gid = Some(user.gid.as_raw());
            identity.groups = Some(groups_of(&user));
            identity.variables = vec![
                ("HOME", user.dir.to_string_lossy().into_owned()),
                ("SHELL", user.shell.to_string_lossy().into_owned()),
                ("USER", user.name.clone()),
                ("LOGNAME", user.name),
            ];
        }
        if let Some(name) = &settings.group {
            identity.gid = Some(group_number("group", name)?);
        }
        if let Some(names) = &settings.groups {
            let numbers: Result<Vec<u32>, _> = names
                .iter()
                .map(|name| group_number("groups", name))
                .collect();
            identity.groups = Some(numbers?);
        }
        Ok(identity)
    }
}

/// The number of the user `name`.
///
/// # Errors
/// There is no such user.
pub(crate) fn user_number(key: &'static str, name: &str) -> Result<u32, (&'static str, String)> {
    user(name)
        .map(|user| user.uid.as_raw())
        .ok_or_else(|| (key, format!("there is no user `{name}`")))
}

/// The number of the group `name`.
///
/// # Errors
/// There is no such group.
pub(crate) fn group_number(key: &'static str, name: &str) -> Result<u32, (&'static str, String)> {
    let by_name = Group::from_name(name).ok().flatten();
    by_name
        .map(|group| group.gid.as_raw())
        .or_else(|| name.parse().ok())
        .ok_or_else(|| (key, format!("there is no group `{name}`")))
}

/// By name, or by number where the number has an entry.
fn user(name: &str) -> Option<User> {
    let by_name = User::from_name(name).ok().flatten();
    by_name.or_else(|| {
        let number: u32 = name.parse().ok()?;
        User::from_uid(number.into()).ok().flatten()
    })
}

fn groups_of(user: &User) -> Vec<u32> {
    let all = CString::new(user.name.as_str())
        .ok()
        .and_then(|name| getgrouplist(&name, user.gid).ok());
    let all = all.unwrap_or_else(|| vec![user.gid]);
    all.into_iter().map(Gid::as_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_number() {
        for name in ["root", "0"] {
            let settings = PoolSettings {
                user: Some(name.to_owned()),
                ..PoolSettings::default()
            };
            let identity = Identity::of(&settings).expect("root");
            assert_eq!((identity.uid, identity.gid), (Some(0), Some(0)));
            assert!(identity.groups.is_some_and(|groups| groups.contains(&0)));
        }
    }

    #[test]
    fn nobody_of_that_name_is_told_with_its_key() {
        let settings = PoolSettings {
            groups: Some(vec!["no-such-group".to_owned()]),
            ..PoolSettings::default()
        };
        let error = Identity::of(&settings).expect_err("refused");
        assert_eq!(
            error,
            ("groups", "there is no group `no-such-group`".to_owned())
        );
    }
}
