//! The object store: values under the hash of their content, small ones in a hash of the server, larger
//! ones in chunks, and above a limit in files outside it. What refers to an object keeps it: tasks by a
//! count, other users by tags. One that nothing refers to yet is pinned for an hour.
//!
//! A queue has a store for what tasks share, for large arguments and for large results. A store of its
//! own has another prefix for its keys.
//!
//! Invariant: an object is complete before it has a name, and has a name before anything refers to it.
//! A process that ends half-way leaves a draft, which expires with its pin; or a file without an
//! object, which `orphans` finds; or an object that nothing refers to, which goes when its pin ends.

mod chunks;
mod disk;
mod files;
mod location;
mod object;
mod offload;
mod progress;
mod read;
mod storage;
mod tags;
mod write;

pub use location::{Encoding, Location, Place};
pub(crate) use object::{AGAIN, new_mark};
pub use object::{Naming, Store};
pub use offload::{Draft, Entry, Offload};
pub use progress::{Watch, set_watch};
pub use read::Reader;
pub use storage::{Opener, Storage, open, register};
pub use tags::ObjectStore;
pub(crate) use write::SMALL;
pub use write::{Writer, Written};
