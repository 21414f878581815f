//! Bodies on their way through, both ways; only small ones are ever whole in memory.

mod inbound;
mod outbound;
mod spool;

pub use inbound::{BodyFault, BodyPace, Inbound, InboundState};
pub use outbound::Outbound;
pub use spool::{SpoolError, spool};

/// The error of a body, as hyper takes it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
