//! Watches: the ends of tasks and the events they emit, told while the main thread does something
//! else. A thread with its own connection and its own event stream reads them for all watches of a
//! controller, and does what is due in the queue, so that lost workers are noticed in an idle session.
//!
//! - `ledger`: what one watch knows; the thread writes it, the main thread reads it.
//! - `hub`: what the watches of one controller have in common with the thread.
//! - `reader`: the thread.
//! - `handle`: what the main thread does with a watch.

mod handle;
mod hub;
mod ledger;
mod reader;

pub use handle::{Watch, WatchState, end_capture};
pub(crate) use hub::Hub;
pub(crate) use ledger::Book;
pub use ledger::{News, Wake};
