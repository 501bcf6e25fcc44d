//! The functions that R calls: each converts its arguments, calls the engine once, and converts the
//! result.

pub mod config;
pub mod files;
pub mod heartbeat;
pub mod message;
pub mod queue;
pub mod redis;
pub mod server;
pub mod store;
pub mod task;
pub mod wait;
pub mod watch;
pub mod worker;
