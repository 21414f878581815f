//! The shared response cache (RFC 9111, 5861, 9211, 9213).
//!
//! Policy is pure ([`control`], [`targeted`], [`vary`], [`policy`]) and knows no store.

pub mod control;
pub mod date;
pub mod policy;
pub mod rules;
pub mod targeted;
pub mod vary;
