//! A broker in the memory of one process: for tests, and for trying things out.
//!
//! It keeps every promise of the others but one: what it holds is gone with the process.

mod consumer;
mod store;

pub use consumer::MemoryBroker;
pub(crate) use store::Store;
