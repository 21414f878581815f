//! Content codings: which one a visitor gets.
//!
//! Files that lie compressed on the disk ([`crate::files`]) are chosen by the same rules.

mod negotiate;

pub use negotiate::{Encoding, choose};
