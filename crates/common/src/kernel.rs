//! What safe interfaces of the kernel do not offer: descriptors by number, shared memory, the stack of
//! another thread.
//!
//! Architecture invariant: this is the one module of the workspace with `unsafe`; each block carries its
//! proof, and everything public here is safe to call.

pub mod descriptors;
pub mod memory;
pub mod poller;
pub mod stack;
