//! The processes of isolated tasks: the fork server, and in each fork the task; or a new process
//! for each task.

use std::path::Path;

use extendr_api::prelude::*;
use rrq_core::worker::{Evaluate, end_with_worker, read_request, write_outcome};
use rrq_core::{Connection, Queue};

use crate::condition::RResult;
use crate::convert::stop;
use crate::evaluate::REvaluate;

#[cfg(unix)]
pub use unix::{become_server, serve};

/// The queue as these processes see it: no request is sent until it is used.
fn queue(url: &str, queue_id: &str) -> RResult<Queue> {
    Ok(Queue::handle(Connection::open_any(url, stop())?, queue_id))
}

/// Become the process of one task: it ends when the worker has gone.
pub fn become_task(url: &str, queue_id: &str) -> RResult<Queue> {
    end_with_worker()?;
    queue(url, queue_id)
}

/// Run the task in a directory, and write there how it ended.
pub fn run(queue: &mut Queue, functions: &List, folder: &str) -> RResult<()> {
    let folder = Path::new(folder);
    let (task, storage) = read_request(folder)?;
    queue.storage = storage;
    let evaluation = REvaluate::new(functions).evaluate(&task, queue);
    Ok(write_outcome(folder, evaluation)?)
}

#[cfg(unix)]
mod unix {
    use std::cell::RefCell;

    use rrq_core::worker::WorkerLink;

    use super::{List, Queue, REvaluate, RResult, Robj, queue, read_request};
    use crate::convert::or_null;
    use crate::protect::fork;

    thread_local! {
        /// The socket to the worker, from stdin.
        static LINK: RefCell<Option<WorkerLink>> = const { RefCell::new(None) };
    }

    /// Become a fork server.
    pub fn become_server(url: &str, queue_id: &str) -> RResult<Queue> {
        LINK.set(Some(WorkerLink::take_stdin()?));
        queue(url, queue_id)
    }

    /// Fork a process for each task the worker sends. Returns in each of them with the directory of
    /// its task, and in the server with `NULL` when the worker has gone. With functions to evaluate
    /// tasks, the server first reads what a task shares with others, so that forks need not.
    pub fn serve(queue: &mut Queue, functions: Option<&List>) -> RResult<Robj> {
        let evaluate = functions.map(REvaluate::new);
        queue.connection.close();
        let folder = match LINK.take() {
            Some(control) => control.serve(|folder| {
                if let (Some(evaluate), Ok((task, storage))) = (&evaluate, read_request(folder)) {
                    queue.storage = storage;
                    // What fails here fails in the task as well, which reports it.
                    let _ = evaluate.preload(&task, queue);
                    // A fork must not have the connection of its parent.
                    queue.connection.close();
                }
                fork()
            })?,
            None => None,
        };
        Ok(or_null(folder.map(|folder| folder.display().to_string())))
    }
}

/// Elsewhere processes cannot fork, and no worker asks for a fork server.
#[cfg(not(unix))]
mod elsewhere {
    use super::{List, Queue, RResult, Robj, become_task};

    /// Opens the queue.
    pub fn become_server(url: &str, queue_id: &str) -> RResult<Queue> {
        become_task(url, queue_id)
    }

    /// Serves nothing.
    pub fn serve(_queue: &mut Queue, _functions: Option<&List>) -> RResult<Robj> {
        Ok(().into())
    }
}
#[cfg(not(unix))]
pub use elsewhere::{become_server, serve};
