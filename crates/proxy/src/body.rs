//! Bodies on their way through, both ways, never whole in memory.

mod inbound;
mod outbound;

pub use inbound::{BodyFault, Inbound, InboundState};
pub use outbound::Outbound;

/// The error of a body, as hyper takes it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
