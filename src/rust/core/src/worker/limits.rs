//! How long a task may run. A thread of its own keeps time, since the main thread is busy with the
//! task, and the other threads may be waiting for a server that does not respond. At the limit the task
//! is interrupted, and if it ignores that, its process is replaced.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::connection::{Connection, never};
use crate::error::Result;
use crate::process;
use crate::status::Status;
use crate::worker::batch::{Running, lock};
use crate::worker::context::Context;
use crate::worker::redirect::restore_output;
use crate::worker::restart::Restart;
use crate::worker::side_thread::SideThread;
use crate::worker::sign_off::report_finished;

/// The server has this long to reply when a task is ended.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The running thread; it ends when this is dropped.
pub struct LimitThread {
    _thread: SideThread,
}

impl LimitThread {
    /// Start the thread, with a connection that it uses only to end a task.
    pub fn start(mut connection: Connection, context: Context) -> Self {
        connection.set_retry_timeout(Duration::ZERO, never());
        connection.set_reply_timeout(REPLY_TIMEOUT);
        let round = move || {
            enforce_limit(&context);
            // An error passes: the next round tries again.
            let _ = enforce_end(&mut connection, &context);
        };
        LimitThread { _thread: SideThread::start(round) }
    }
}

/// Interrupt a task that has reached its limit. The main thread does this for isolated tasks.
fn enforce_limit(context: &Context) {
    if let Some(running) = &mut lock(&context.batch).running {
        let is_late = running.limit.is_some_and(|limit| running.since.elapsed() >= limit);
        if is_late && !running.isolated {
            running.interrupt(false, context.grace_s);
        }
    }
}

/// End a task that has ignored its interrupt, and replace the process. In this order:
///
/// 1. The lock is taken and held until the process ends. If the task ends after all meanwhile, the
///    main thread cannot report it as well or start the next one.
/// 2. What ended before the task is reported.
/// 3. The server records how the task ended, and that the worker is about to restart. It hands back
///    the tasks that wait behind this one.
/// 4. The process is replaced, also if the server did not answer: the new process sends the request
///    of 3 again. If it does not get that far either, the worker is declared lost.
///
/// Where a process cannot be replaced, a line in the log says that the task continues: the process
/// may be an interactive session.
fn enforce_end(connection: &mut Connection, context: &Context) -> Result<()> {
    let mut batch = lock(&context.batch);
    let Some(running) = batch.running.as_mut().filter(|running| is_overdue(running)) else {
        return Ok(());
    };
    let registration = &context.registration;
    let (status, command) = match running.cancelled {
        true => (Status::Cancelled, "CANCEL"),
        false => (Status::Timeout, Status::Timeout.word()),
    };
    let id = running.id.clone();
    let reason = format!("task {id} ignored its interrupt for {} s", context.grace_s);
    let Some(Restart(restart)) = &context.restart else {
        running.end_at = None;
        drop(batch);
        let message =
            format!("{reason}; its process was not ended because it may be an interactive session");
        return connection.call(&registration.log(command, &message)).map(|_| ());
    };
    restore_output();
    print_line(&format!("RESTART {reason}"));
    let reported = report_finished(connection, registration, &mut batch);
    let handover = batch.hand_over(&registration.nonce, reason, Some((id, status)));
    let _ = reported.and_then(|()| connection.call(&registration.restart(&handover)));
    let error = restart(&handover.text());
    print_line(&format!("RESTART failed: {error}"));
    process::end()
}

/// stderr may be a pipe that nobody reads, and a panic would end this thread alone.
fn print_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn is_overdue(running: &Running) -> bool {
    running.end_at.is_some_and(|at| Instant::now() >= at)
}
