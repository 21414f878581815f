//! Content codings: which one a visitor gets, and the compression of answers on their way out.
//!
//! Phase compress has two halves. [`Wish::read`] looks at the request before anything answers it:
//! which coding the visitor likes, and which of the tags it sends are ours. [`Wish::apply`] compresses
//! the answer, wherever it came from. Files that lie compressed on the disk ([`crate::files`]) are
//! chosen by the same rules and pass untouched.
//!
//! An answer's tag (`"a"`) gets the coding's name and becomes weak (`W/"a-br"`): the bytes depend on
//! how the answer came in. Nobody behind this phase, neither cache nor application, ever sees such a
//! tag.

mod body;
mod coder;
mod negotiate;
mod rules;
mod tag;
mod wish;

pub use body::{Compressed, Compressor};
pub use coder::Levels;
pub use negotiate::{Encoding, choose};
pub use rules::Rules;
pub use wish::Wish;
