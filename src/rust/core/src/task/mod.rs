//! Tasks: what they carry, how they are queued, asked about, waited for, cancelled and deleted.

mod ask;
mod body;
mod chain;
mod check;
mod chunk;
mod confirm;
mod control;
mod delete;
mod deletion;
mod depend;
mod discard;
mod emit;
mod emitted;
mod fetch;
mod header;
pub(crate) mod log;
mod outcome;
mod post;
mod prune;
pub(crate) mod query;
mod result;
mod retry;
mod room;
mod rules;
mod seed;
mod set;
mod stream;
mod submission;
mod submit;
mod submitter;
mod table;
mod take;
mod wait;
mod waits_for;

pub use crate::value::random_id;
pub use ask::{Asked, ask};
pub use body::{Body, Isolation, Kind, Parent, SharedRef, Special};
pub use chain::{Move, earlier, following, later, moves, newest, outcomes, parent_results};
pub use control::{cancel, cancel_open, delete, resolve_dependents};
pub(crate) use delete::{CHUNK, delete_chains};
pub(crate) use deletion::Deletion;
pub use depend::{Deferred, Tree, ancestors, causes, deferred, dependents, descendants, graph};
pub use discard::discard;
pub use emit::{EVENT_BYTES, EVENTS, EVENTS_CHUNK, emit, events, events_after};
pub use emitted::Emitted;
pub use header::{Flag, Header};
pub use log::{Log, log};
pub use outcome::{Outcome, Output, outputs};
pub use post::post;
pub use prune::{Pruned, prune};
pub use query::{
    Attempt, Label, attempts, bodies, extra, headers, labels, list, overview, progress, results,
    set_progress, statuses,
};
pub use result::TaskResult;
pub use retry::retry;
pub use rules::{Cause, Retry, Rules};
pub use seed::Seed;
pub(crate) use stream::{Stream, WaitSet};
pub use submission::{SharedObject, Start, Submission};
pub use submit::{submit, submit_with};
pub(crate) use submitter::Submitter;
pub use table::{Filter, Row, table};
pub use take::{Taken, delete as delete_taken, read as take};
pub use wait::{WaitState, Waiter};
pub use waits_for::{WaitsFor, waits_for};
