//! Queues. The rest of the engine works on the `Queue` in `handle`; the other files are operations
//! on a queue as a whole.

mod await_durable;
mod destroy;
mod doctor;
mod durable;
mod handle;
mod list;
mod memory;
mod pause;
mod remove;
mod settings;

pub use doctor::Finding;
pub use handle::{DEFAULT_QUEUE, LAYOUT, Queue};
pub(crate) use memory::stored_bytes;
pub use memory::{Item, Memory, Part};
pub use settings::Settings;
