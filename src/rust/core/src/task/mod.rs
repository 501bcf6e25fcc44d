//! Tasks: what they carry, how they are queued, asked about and waited for.

mod header;
mod query;
mod submit;
mod wait;

pub use header::{Body, Header, Kind, SharedRef};
pub use query::{Outcome, overview, list, headers, statuses, bodies, outcomes, extra, progress, set_progress};
pub use submit::{SharedObject, Submission, submit};
pub use crate::value::random_id;
pub use wait::{Progress, Waiter};
