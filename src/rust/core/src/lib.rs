//! The engine of rrq: task queues on Redis, without R.
//!
//! A queue's state lives in the server; every change of it is one Lua script (`lua/`). `queue`,
//! `task`, `message` and `worker` are what one does with a queue; `connection`, `scripts` and
//! `keys` are how they reach it.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod config;
pub mod connection;
pub mod error;
mod events;
pub mod files;
pub mod heartbeat;
mod keys;
pub mod message;
mod process;
pub mod queue;
pub mod reply;
mod scripts;
pub mod server;
pub mod status;
pub mod task;
mod value;
pub mod worker;

pub use connection::Connection;
pub use error::{Error, Result};
pub use queue::Queue;
pub use status::Status;
