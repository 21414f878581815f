//! Authors in PostgreSQL.

use kiuas::common::postgres::{Connection, PostgresError};
use uuid::Uuid;

const UNIQUE_EMAIL: &str = "author_email_unique";

/// Who signs in, with the stored hash.
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) password_hash: String,
}

/// Adds an author; `None` if the e-mail has one already.
pub(crate) async fn insert(
    connection: &Connection,
    name: &str,
    email: &str,
    password_hash: &str,
) -> Result<Option<Uuid>, PostgresError> {
    let id = Uuid::now_v7();
    let inserted = connection
        .execute(
            "INSERT INTO author (id, name, email, password_hash) VALUES ($1, $2, $3, $4)",
            &[&id, &name, &email, &password_hash],
        )
        .await;
    match inserted {
        Ok(_) => Ok(Some(id)),
        Err(error) if error.constraint() == Some(UNIQUE_EMAIL) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The author with this e-mail, written as the application stores it.
pub(crate) async fn by_email(
    connection: &Connection,
    email: &str,
) -> Result<Option<Account>, PostgresError> {
    let row = connection
        .query_opt(
            "SELECT id, name, password_hash FROM author WHERE email = $1",
            &[&email],
        )
        .await?;
    Ok(row.map(|row| Account {
        id: row.get(0),
        name: row.get(1),
        password_hash: row.get(2),
    }))
}
