//! Tasks: what they carry, how they are queued, asked about, waited for, cancelled and deleted.

mod control;
mod depend;
mod header;
pub(crate) mod log;
pub(crate) mod query;
mod retry;
mod rules;
mod seed;
mod stream;
mod submit;
mod table;
mod wait;

pub use crate::value::random_id;
pub(crate) use control::{CHUNK, forget};
pub use control::{cancel, delete};
pub use depend::{Deferred, deferred, dependents};
pub use header::{Body, Header, Isolation, Kind, Parent, SharedRef, Special};
pub use log::{Log, log};
pub use query::{
    Attempt, Label, Outcome, attempts, bodies, extra, headers, labels, list, outcomes, overview,
    parent_outcomes, progress, set_progress, statuses,
};
pub use retry::{Move, following, moves, newest, outcomes_of, retry, was};
pub use rules::{Cause, Retry, Rules};
pub use seed::Seed;
pub(crate) use stream::Stream;
pub use submit::{SharedObject, Start, Submission, submit};
pub use table::{Filter, Row, table};
pub use wait::{Progress, Waiter};
