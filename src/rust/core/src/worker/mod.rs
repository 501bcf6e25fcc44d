//! Workers: the loop of their main thread, the threads beside it, and what others can ask and tell
//! them.
//!
//! Each file uses only files above it. To read a worker from top to bottom:
//!
//! **What all threads of a worker know**
//! - `evaluate`: the interface to user code, and the types it uses.
//! - `restart`: how a process replaces itself, and what it leaves to the next one.
//! - `batch`: the claimed tasks, and which thread may change them when.
//! - `request`: every request a worker sends under its registration, and the replies.
//! - `context`: all of these, as the threads beside the main thread get them.
//! - `sign_off`: what is sent for a worker before it leaves or its process ends.
//! - `turn`: what a turn of the main thread did, and why a worker stops.
//!
//! **What tasks print**
//! - `side_thread`: a thread beside the main thread, and how it ends.
//! - `log_file`: a file that does not grow without bound.
//! - `outlet`: where tasks print to, and how to wait for their output.
//! - `recorder`: keeps what tasks print.
//! - `redirect`: sends the output of this process to the recorder.
//!
//! **The thread that enforces limits**
//! - `limits`: interrupts a task that runs too long, ends one that ignores its interrupt.
//!
//! **The lease thread**
//! - `long_task`: frees what waits behind a task that takes long.
//! - `orphan`: ends a worker whose parent process has gone.
//! - `heartbeat`: the thread; renews the lease and calls the two above.
//!
//! **The control thread**
//! - `order`: commands that a worker obeys whatever it is doing.
//! - `ping`: one such order and its answer.
//! - `control`: the thread; interrupts cancelled tasks, answers pings, ends the process.
//!
//! **The main thread**
//! - `isolate`: runs a task in a separate process; `isolate/fork` and `isolate/serve` are the
//!   two ends of the connection to the process that forks, `isolate/lines` what goes over it;
//!   `isolate/spawn` does without forks, and `isolate/runner` is what both have in common.
//! - `window`: how many tasks of a batch may begin before the server knows.
//! - `state`: what the main thread knows; the files below add what it does.
//! - `step`: reports ended tasks and asks for more.
//! - `join`: registers and starts the threads, again after the worker was declared lost.
//! - `placement`: runs a task in this process or another, as its options say.
//! - `value`: stores a large value before its task is reported.
//! - `execute`: runs the claimed tasks one by one.
//! - `answer`: answers a message.
//! - `recycle`: replaces the process when it has done enough.
//! - `leave`: reports, hands back, signs off.
//! - `sweep`: does what is due in the queue, for lost workers and waiting tasks.
//! - `run`: the loop; one turn calls `step`, then what the reply asks for.
//!
//! **From outside**
//! - `query`: states and logs of workers, and deleting those that have left.

mod answer;
mod batch;
mod context;
mod control;
mod evaluate;
mod execute;
mod heartbeat;
mod isolate;
mod join;
mod leave;
mod limits;
mod log_file;
mod long_task;
mod order;
mod orphan;
mod outlet;
mod ping;
mod placement;
mod query;
mod record;
mod recorder;
mod recycle;
mod redirect;
mod request;
mod restart;
mod run;
mod side_thread;
mod sign_off;
mod state;
mod step;
mod sweep;
mod turn;
mod value;
mod window;

pub use evaluate::{Answer, Effect, Evaluate, Evaluation, Fetch, Idle, Launcher, Printed, Task};
#[cfg(unix)]
pub use isolate::WorkerLink;
pub use isolate::{end_with_worker, read_request, write_outcome};
pub use order::kill;
pub use ping::{Pong, ping};
pub use query::{
    LogLine, WorkerState, all_ids, delete_exited, info, log, set_info, states, write_log,
};
pub use record::Record;
pub use restart::Restart;
pub use state::{Options, Worker};
pub(crate) use sweep::sweep_dependents;
pub use sweep::{Lost, lose, sweep, sweep_within};
pub use turn::{StopReason, Turn};
