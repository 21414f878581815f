//! Section `[beat]`.

use kiuas_common::{Address, Period};
use serde::{Deserialize, Serialize};

/// Section `[beat]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeatSettings {
    /// Address of the admin listener; absent: none.
    pub admin: Option<Address>,
    /// How long the leading beat may be silent before the others do its work. Ticks are that late when
    /// a leader hangs; when one ends or is killed, another leads within a second.
    pub lease: Period,
}

impl Default for BeatSettings {
    fn default() -> Self {
        Self {
            admin: None,
            lease: Period::seconds(10),
        }
    }
}
