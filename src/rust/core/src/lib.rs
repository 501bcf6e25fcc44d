//! The engine of rrq: task queues on Redis, without R.
//!
//! The state of a queue is on the server; each state transition is one Lua script (`lua/`). The
//! modules `queue`, `task`, `message` and `worker` are the operations; they use `connection`,
//! `scripts` and `keys`. No file depends on another one in a circle.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod acl;
pub mod config;
pub mod connection;
pub mod error;
mod events;
pub mod files;
pub mod heartbeat;
mod keys;
pub mod message;
pub mod private;
mod process;
pub mod queue;
pub mod reply;
mod scripts;
pub mod server;
pub mod signals;
pub mod status;
pub mod store;
mod stored;
pub mod task;
mod value;
pub mod watch;
pub mod worker;

pub use connection::Connection;
pub use error::{Error, Result};
pub use keys::Keys;
pub use queue::Queue;
pub use status::Status;
