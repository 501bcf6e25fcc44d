//! Tasks: what they carry, how they are queued, asked about, waited for, cancelled and deleted.

mod control;
mod depend;
mod header;
pub(crate) mod query;
mod rules;
mod stream;
mod submit;
mod wait;

pub use crate::value::random_id;
pub use control::{cancel, delete};
pub use depend::{Deferred, deferred, dependents};
pub use header::{Body, Header, Isolation, Kind, Parent, Seed, SharedRef, Special};
pub use query::{
    Outcome, bodies, extra, headers, list, outcomes, overview, progress, set_progress, statuses,
};
pub use rules::{Cause, Retry, Rules};
pub(crate) use stream::Stream;
pub use submit::{SharedObject, Start, Submission, submit};
pub use wait::{Progress, Waiter};
