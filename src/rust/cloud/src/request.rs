//! Requests on a thread of their own, and waiting for their replies.

use std::future::Future;
use std::io;
use std::mem;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rrq_core::connection::Stop;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::AbortHandle;

/// How often a wait looks whether to stop.
const SLICE: Duration = Duration::from_millis(100);

/// The runtime, and the process that has its thread.
static RUNTIME: Mutex<Option<(u32, Runtime)>> = Mutex::new(None);

/// The runtime of this process. A forked child has not its parent's thread and needs another one.
fn runtime() -> io::Result<Handle> {
    let mut current = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, runtime)) = &*current {
        if *owner == process {
            return Ok(runtime.handle().clone());
        }
    }
    // All threads of the runtime descend from the one that is started here.
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).max_blocking_threads(4).thread_name("rrq-cloud").enable_all();
    let runtime = rrq_core::signals::unsignalled(|| builder.build())?;
    let handle = runtime.handle().clone();
    // Dropping the parent's would wait for threads that this process has not.
    mem::forget(current.replace((process, runtime)));
    Ok(handle)
}

/// A request whose reply is awaited. It ends if this is dropped.
pub struct Request<T> {
    reply: Receiver<T>,
    task: AbortHandle,
}

/// Why there is no reply.
pub enum Failure {
    /// The user has interrupted the wait.
    Interrupted,
    /// The request has failed.
    Failed(io::Error),
}

impl<T: Send + 'static> Request<T> {
    /// Begin a request.
    pub fn start(request: impl Future<Output = T> + Send + 'static) -> io::Result<Self> {
        let (sender, reply) = sync_channel(1);
        let task = runtime()?.spawn(async move {
            let _ = sender.send(request.await);
        });
        Ok(Request { reply, task: task.abort_handle() })
    }

    /// Wait for the reply.
    pub fn wait(self, stop: &Stop) -> Result<T, Failure> {
        loop {
            match self.reply.recv_timeout(SLICE) {
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::Failed(io::Error::other("the request has ended")));
                }
                Err(RecvTimeoutError::Timeout) if stop() => return Err(Failure::Interrupted),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Wait for the reply for so long, even if the user interrupts.
    pub fn wait_at_most(self, limit: Duration) {
        let _ = self.reply.recv_timeout(limit);
    }
}

impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Make a request and wait for its reply.
pub fn ask<T: Send + 'static>(
    request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    stop: &Stop,
) -> Result<T, Failure> {
    let reply = Request::start(request).map_err(Failure::Failed)?.wait(stop)?;
    reply.map_err(|error| Failure::Failed(reason(&error)))
}

/// Why a request has failed.
pub fn reason(error: &object_store::Error) -> io::Error {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    let kind = match error {
        NotFound { .. } => io::ErrorKind::NotFound,
        PermissionDenied { .. } | Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, plain(error.to_string()))
}

/// An error text without the markup of the service's reply.
fn plain(text: String) -> String {
    let shorter = || {
        let (before, reply) = text.split_once("<?xml")?;
        let part = |tag: &str| {
            let rest = reply.split_once(&format!("<{tag}>"))?.1;
            rest.split_once(&format!("</{tag}>")).map(|(part, _)| part)
        };
        Some(format!("{before}{}: {}", part("Code")?, part("Message")?))
    };
    shorter().unwrap_or(text)
}
