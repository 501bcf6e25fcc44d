//! What stands between R and the engine and is no function that R calls: values across, engine
//! errors as R conditions, and the trait `Evaluate` on R functions. Everything unsafe is here.

pub mod condition;
pub mod config;
pub mod convert;
pub mod evaluate;
pub mod isolate;
mod plain;
#[allow(unsafe_code)] // R's C interface: calls that may jump
pub mod protect;
pub mod restart;
#[allow(unsafe_code)] // R's C interface: serialisation streams
pub mod serialize;
pub mod submission;
pub mod tasks;

pub use condition::{Failure, RResult};
pub use serialize::{serialize, unserialize};
