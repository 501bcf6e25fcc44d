//! Workers: their loop, their heartbeat, what becomes of lost ones, and how to ask about them.

mod answer;
mod control;
mod enter;
mod evaluate;
mod heartbeat;
mod leave;
mod lost;
mod objects;
mod ping;
mod query;
mod restart;
mod run;
mod step;

pub use evaluate::{Answer, Effect, Evaluate, Fetch, Idle, Task, Verdict};
pub use lost::{Lost, sweep};
pub use objects::fetch as fetch_object;
pub use ping::{Pong, kill, ping};
pub use query::{
    LogLine, WorkerState, all_ids, delete_exited, info, log, set_info, states, write_log,
};
pub use restart::Restart;
pub use run::{Options, Turn, Worker};
