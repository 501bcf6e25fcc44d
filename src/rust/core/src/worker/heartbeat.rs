//! The lease thread: it runs beside a worker's main thread and never touches R. It
//! 1. renews the worker's lease, also while R computes in C for hours;
//! 2. wakes the main thread, asleep in the server, when the user interrupts it;
//! 3. interrupts a task at its time limit, and ends one that ignores that (`limits`);
//! 4. hands back tasks that wait behind a long one, and reports those before it (`long_task`);
//! 5. ends the worker when the process that spawned it has gone (`orphan`).
//!
//! A failing server does not end it: it goes on until it is dropped.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::connection::{Connection, SLICE, never};
use crate::error::Result;
use crate::worker::context::Context;
use crate::worker::limits::{enforce_end, enforce_limit};
use crate::worker::long_task::{flush_finished, return_waiting};
use crate::worker::orphan::end_orphan;

/// The running thread; it ends when this is dropped.
pub struct LeaseThread {
    quit: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LeaseThread {
    /// Start the thread on a connection of its own.
    pub fn start(mut connection: Connection, context: Context) -> Self {
        // A server that does not answer must not keep the thread from its other duties.
        connection.set_retry_timeout(Duration::ZERO, never());
        let (quit, quitting) = bounded(0);
        let lease = Lease { renewed: Instant::now() };
        let mut lease_loop = LeaseLoop { connection, context, lease, orphan_since: None };
        let thread = std::thread::spawn(move || lease_loop.run(&quitting));
        LeaseThread { quit: Some(quit), thread: Some(thread) }
    }
}

impl Drop for LeaseThread {
    fn drop(&mut self) {
        drop(self.quit.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Lease {
    renewed: Instant,
}

impl Lease {
    fn renew_if_due(&mut self, connection: &mut Connection, context: &Context) -> Result<()> {
        if self.renewed.elapsed() >= context.period {
            connection.call(&context.registration.beat())?;
            self.renewed = Instant::now();
        }
        Ok(())
    }
}

struct LeaseLoop {
    connection: Connection,
    context: Context,
    lease: Lease,
    orphan_since: Option<Instant>,
}

impl LeaseLoop {
    fn run(&mut self, quit: &Receiver<()>) {
        while quit.recv_timeout(SLICE) == Err(RecvTimeoutError::Timeout) {
            // Errors pass: the next round tries again, and a lapsed lease shows in the main thread.
            let _ = self.round();
        }
    }

    fn round(&mut self) -> Result<()> {
        let LeaseLoop { connection, context, lease, orphan_since } = self;
        end_orphan(connection, context, orphan_since)?;
        if (context.stop)() {
            connection.command(&context.registration.wake())?;
        }
        enforce_limit(context);
        lease.renew_if_due(connection, context)?;
        return_waiting(connection, context, |connection| {
            let _ = lease.renew_if_due(connection, context);
        })?;
        flush_finished(connection, context)?;
        enforce_end(connection, context)
    }
}
