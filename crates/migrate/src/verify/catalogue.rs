//! What a database consists of, as text that can be compared: everything a migration can make, but for
//! rows, owners and rights.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::Difference;
use crate::error::{MigrateError, SqlError};

/// Definitions by kind and name.
pub(super) type Catalogue = BTreeMap<(String, String), String>;

/// Reads the catalogue.
pub(super) async fn read(client: &Client) -> Result<Catalogue, MigrateError> {
    let failed = |error| MigrateError::Session {
        action: "read the catalogue",
        source: SqlError::new(None, error),
    };
    // With nothing on the path, PostgreSQL writes every name out.
    client
        .batch_execute("SET search_path = pg_catalog")
        .await
        .map_err(failed)?;
    let mut catalogue = Catalogue::new();
    for row in client
        .query(include_str!("catalogue.sql"), &[])
        .await
        .map_err(failed)?
    {
        let definition: Option<String> = row.try_get("definition").map_err(failed)?;
        catalogue.insert(
            (
                row.try_get("kind").map_err(failed)?,
                row.try_get("name").map_err(failed)?,
            ),
            definition.unwrap_or_default(),
        );
    }
    client
        .batch_execute("RESET search_path")
        .await
        .map_err(failed)?;
    Ok(catalogue)
}

/// What differs. Of a table that only one of the two has, its columns and indexes are not told too.
pub(super) fn compare(
    expected: &Catalogue,
    found: &Catalogue,
    is_ignored: impl Fn(&str) -> bool,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for key in expected
        .keys()
        .chain(found.keys().filter(|key| !expected.contains_key(*key)))
    {
        let (one, other) = (expected.get(key), found.get(key));
        let (kind, name) = key;
        if one != other && !is_ignored(name) && !goes_with_its_table(name, expected, found) {
            differences.push(Difference {
                kind: kind.clone(),
                name: name.clone(),
                expected: one.cloned(),
                found: other.cloned(),
            });
        }
    }
    differences.sort();
    differences
}

/// `schema.table.column`, of a table that is missing on one side.
fn goes_with_its_table(name: &str, expected: &Catalogue, found: &Catalogue) -> bool {
    let Some((table, _)) = name
        .rsplit_once('.')
        .filter(|(table, _)| table.contains('.'))
    else {
        return false;
    };
    let key = ("table".to_owned(), table.to_owned());
    expected.contains_key(&key) != found.contains_key(&key)
}
