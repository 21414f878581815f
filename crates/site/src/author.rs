//! Authors: who asks questions. They sign up with an e-mail and a password.

mod form;
pub(crate) mod handlers;
pub(crate) mod password;
mod store;
