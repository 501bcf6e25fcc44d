//! A queue as a controller sees it. `handle` is what everything else in the engine works on; the
//! other files are what one does with a queue as a whole.

mod destroy;
mod handle;
mod list;
mod pause;
mod remove;

pub use handle::{DEFAULT_QUEUE, LAYOUT, Queue};
