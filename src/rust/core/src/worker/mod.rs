//! Workers: their loop, their heartbeat, what becomes of lost ones, and how to ask about them.

mod answer;
mod control;
mod enter;
mod evaluate;
mod heartbeat;
#[cfg(unix)]
mod isolate;
mod leave;
mod lost;
mod objects;
mod ping;
mod query;
#[cfg(unix)]
mod recorder;
mod restart;
mod run;
mod special;
mod step;

pub use evaluate::{Answer, Effect, Evaluate, Fetch, Idle, Launcher, Task, Verdict};
#[cfg(unix)]
pub use isolate::{Control, read_request, write_outcome};
pub use lost::{Lost, sweep};
pub use objects::fetch as fetch_object;
pub use ping::{Pong, kill, ping};
pub use query::{
    LogLine, WorkerState, all_ids, delete_exited, info, log, set_info, states, write_log,
};
pub use restart::Restart;
pub use run::{Options, Turn, Worker};
