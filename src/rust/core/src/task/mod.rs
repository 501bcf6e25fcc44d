//! Tasks: what they carry, how they are queued, asked about and waited for.

mod depend;
mod header;
mod query;
mod stream;
mod submit;
mod wait;

pub use crate::value::random_id;
pub use depend::{Deferred, deferred, dependents};
pub use header::{Body, Header, Kind, Parent, SharedRef};
pub use query::{
    Outcome, bodies, extra, headers, list, outcomes, overview, progress, set_progress, statuses,
};
pub(crate) use stream::Stream;
pub use submit::{SharedObject, Submission, submit};
pub use wait::{Progress, Waiter};
