//! What every request passes on its way in and every answer on its way out.

mod visitor;

pub use visitor::Visitor;

/// Put into the extensions of a response whose body has no end (WebSocket, event stream): it does not
/// hold up a drain. The handler must watch [`kiuas_common::Shutdown`] and end the body.
#[derive(Debug, Clone, Copy)]
pub struct Endless;
