//! The processes of isolated tasks: the fork server, and in each fork the task.

use extendr_api::prelude::*;
use rrq_core::{Connection, Queue};

use crate::condition::RResult;
use crate::convert::stop;

#[cfg(unix)]
pub use unix::{run, serve, take_over};

/// The queue as these processes see it: no request is sent until it is used.
fn queue(url: &str, queue_id: &str) -> RResult<Queue> {
    Ok(Queue::handle(Connection::open_any(url, stop())?, queue_id))
}

#[cfg(unix)]
mod unix {
    use std::cell::RefCell;
    use std::path::Path;

    use rrq_core::worker::{Evaluate, WorkerLink, read_request, write_outcome};

    use super::{List, Queue, RResult, Robj, queue};
    use crate::convert::or_null;
    use crate::evaluate::REvaluate;
    use crate::protect::fork;

    thread_local! {
        /// The socket to the worker, from stdin.
        static LINK: RefCell<Option<WorkerLink>> = const { RefCell::new(None) };
    }

    /// Become a fork server.
    pub fn take_over(url: &str, queue_id: &str) -> RResult<Queue> {
        let control = WorkerLink::take_stdin()?;
        LINK.set(Some(control));
        queue(url, queue_id)
    }

    /// Fork a process for each task the worker sends. Returns in each of them with the directory of
    /// its task, and in the server with `NULL` when the worker has gone.
    pub fn serve(queue: &mut Queue) -> RResult<Robj> {
        queue.connection.close();
        let folder = match LINK.take() {
            Some(control) => control.serve(fork)?,
            None => None,
        };
        Ok(or_null(folder.map(|folder| folder.display().to_string())))
    }

    /// Run the task in a directory, and write there how it ended.
    pub fn run(queue: &mut Queue, functions: &List, folder: &str) -> RResult<()> {
        let folder = Path::new(folder);
        let task = read_request(folder)?;
        let evaluation = REvaluate::new(functions).evaluate(&task, queue);
        Ok(write_outcome(folder, evaluation)?)
    }
}

/// Elsewhere workers do not start such processes.
#[cfg(not(unix))]
mod elsewhere {
    use super::*;

    /// Opens the queue.
    pub fn take_over(url: &str, queue_id: &str) -> RResult<Queue> {
        queue(url, queue_id)
    }

    /// Serves nothing.
    pub fn serve(_queue: &mut Queue) -> RResult<Robj> {
        Ok(().into())
    }

    /// Runs nothing.
    pub fn run(_queue: &mut Queue, _functions: &List, _folder: &str) -> RResult<()> {
        Ok(())
    }
}
#[cfg(not(unix))]
pub use elsewhere::{run, serve, take_over};
