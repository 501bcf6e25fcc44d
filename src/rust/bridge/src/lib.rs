//! The glue between R and the engine, apart from the functions that R calls: converting values,
//! turning errors of the engine into R conditions, and implementing the trait `Evaluate` with R
//! functions. All unsafe code is here.

pub mod cache;
pub mod condition;
pub mod config;
pub mod convert;
pub mod evaluate;
pub mod isolate;
#[allow(unsafe_code)] // a function of another package's C interface
pub mod later;
mod log_line;
#[allow(unsafe_code)] // an allocator
pub mod memory;
mod plain;
#[allow(unsafe_code)] // R's C interface: calls that may jump
pub mod protect;
pub mod restart;
#[allow(unsafe_code)] // R's C interface: serialisation streams
pub mod serialize;
pub mod storage;
pub mod submission;
pub mod tasks;
pub mod transfer;

pub use condition::{Failure, RResult};
pub use serialize::{serialize, unserialize};
