//! What R can call: convert, one call into the engine, convert.

pub mod config;
pub mod files;
pub mod heartbeat;
pub mod message;
pub mod queue;
pub mod redis;
pub mod server;
pub mod task;
pub mod wait;
pub mod worker;
