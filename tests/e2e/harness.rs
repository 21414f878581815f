//! What the promises are checked with: a stack of real processes and the clients that talk to it.

pub(crate) mod checkout;
pub(crate) mod chromium;
pub(crate) mod collector;
pub(crate) mod eventually;
pub(crate) mod form;
pub(crate) mod ground;
pub(crate) mod live;
pub(crate) mod message;
pub(crate) mod polls;
pub(crate) mod process;
pub(crate) mod run;
pub(crate) mod stack;
pub(crate) mod tree;
pub(crate) mod visitor;
