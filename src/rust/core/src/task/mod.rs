//! Tasks: what they carry, how they are queued, asked about and waited for.

mod header;
mod query;
mod submit;
mod wait;

pub use crate::value::random_id;
pub use header::{Body, Header, Kind, SharedRef};
pub use query::{
    Outcome, bodies, extra, headers, list, outcomes, overview, progress, set_progress, statuses,
};
pub use submit::{SharedObject, Submission, submit};
pub use wait::{Progress, Waiter};
