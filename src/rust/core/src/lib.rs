//! The engine of rrq: task queues on Redis, without R.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod error;
pub mod server;

pub use error::{Error, Result};
