//! A thread beside a worker's main thread. It is told to end when its handle is dropped.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::connection::SLICE;
use crate::signals;

/// Dropping a handle waits this long for the thread to end. A thread that is in the middle of a request
/// to a server that does not respond ends by itself as soon as the request has failed.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The running thread.
pub struct SideThread {
    quit: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl SideThread {
    /// Start a thread that calls `round` again and again, with a slice of sleep before each.
    pub fn start(mut round: impl FnMut() + Send + 'static) -> Self {
        let (quit, quitting) = bounded::<()>(0);
        let (ending, ended) = bounded::<()>(0);
        signals::spawn(move || {
            while quitting.recv_timeout(SLICE) == Err(RecvTimeoutError::Timeout) {
                round();
            }
            drop(ending);
        });
        SideThread { quit: Some(quit), ended }
    }
}

impl Drop for SideThread {
    fn drop(&mut self) {
        drop(self.quit.take());
        let _ = self.ended.recv_timeout(END_TIMEOUT);
    }
}
