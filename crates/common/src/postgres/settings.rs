//! Section `[postgres]`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PostgresError;
use crate::settings::Period;

/// Section `[postgres]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresSettings {
    /// `postgres://user[:password]@host[:port]/database`; for a Unix socket
    /// `postgres:///database?host=/directory&user=name`.
    pub url: String,
    /// Password, if it is not part of the URL: `KIUAS__POSTGRES__PASSWORD_FILE`.
    pub password: String,
    /// Pooled connections a process.
    pub max_connections: usize,
    /// Longest wait for a free connection.
    pub acquire_timeout: Period,
    /// Longest wait for a new connection.
    pub connect_timeout: Period,
    /// Longest run of one statement; the server ends it.
    pub statement_timeout: Period,
    /// Longest wait at start for PostgreSQL to answer.
    pub wait_timeout: Period,
    /// TLS towards the server. Unix sockets never use it.
    pub tls: TlsMode,
    /// PEM file of the certificate authorities for `verify`.
    pub ca_path: String,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            url: "postgres://kiuas@127.0.0.1/kiuas".to_owned(),
            password: String::new(),
            max_connections: 10,
            acquire_timeout: Period::seconds(3),
            connect_timeout: Period::seconds(5),
            statement_timeout: Period::seconds(30),
            wait_timeout: Period::seconds(30),
            tls: TlsMode::Disable,
            ca_path: String::new(),
        }
    }
}

/// How much TLS protects a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// None.
    #[default]
    Disable,
    /// Certificate and host name are checked against `postgres.ca_path`.
    Verify,
}

impl PostgresSettings {
    pub(super) fn configuration(
        &self,
        application: &str,
    ) -> Result<tokio_postgres::Config, PostgresError> {
        let mut configuration =
            tokio_postgres::Config::from_str(&self.url).map_err(PostgresError::Url)?;
        if !self.password.is_empty() {
            configuration.password(&self.password);
        }
        configuration
            .application_name(application)
            .connect_timeout(self.connect_timeout.duration())
            .options(format!(
                "-c statement_timeout={}",
                self.statement_timeout.duration().as_millis()
            ))
            .ssl_mode(match self.tls {
                TlsMode::Disable => tokio_postgres::config::SslMode::Disable,
                TlsMode::Verify => tokio_postgres::config::SslMode::Require,
            });
        Ok(configuration)
    }
}
