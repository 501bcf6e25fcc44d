//! The lease thread: it runs beside a worker's main thread and never touches R. It
//! 1. renews the worker's lease, even while R computes in C for hours;
//! 2. wakes the main thread, asleep in the server, when the user interrupts it;
//! 3. hands back tasks that wait behind a long one, and reports those before it (`long_task`);
//! 4. ends the worker when the process that spawned it has gone (`orphan`).
//!
//! All of this takes requests, so a server that does not respond delays it. Time limits must not be
//! delayed: another thread enforces them (`limits`). A failing server does not end the thread, which
//! continues until it is dropped.

use std::time::{Duration, Instant};

use crate::connection::{Connection, never};
use crate::error::Result;
use crate::worker::context::Context;
use crate::worker::long_task::{flush_finished, return_waiting};
use crate::worker::orphan::end_orphan;
use crate::worker::side_thread::SideThread;

/// Replies may take this long at least.
const REPLY_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// The running thread; it ends when this is dropped.
pub struct LeaseThread {
    _thread: SideThread,
}

impl LeaseThread {
    /// Start the thread on a connection of its own.
    pub fn start(mut connection: Connection, context: Context) -> Self {
        connection.set_retry_timeout(Duration::ZERO, never());
        // One lost packet must not cost the lease, which is several periods long.
        connection.set_reply_timeout(context.period.max(REPLY_TIMEOUT_MIN));
        let renewed = Instant::now();
        let mut lease_loop = LeaseLoop { connection, context, renewed, orphan_since: None };
        // Errors are ignored: the next round tries again, and the main thread notices an expired lease.
        let round = move || drop(lease_loop.round());
        LeaseThread { _thread: SideThread::start(round) }
    }
}

struct LeaseLoop {
    connection: Connection,
    context: Context,
    renewed: Instant,
    orphan_since: Option<Instant>,
}

impl LeaseLoop {
    fn round(&mut self) -> Result<()> {
        // First: the server often goes with the parent, and then every request fails.
        end_orphan(&mut self.connection, &self.context, &mut self.orphan_since);
        self.renew_if_due()?;
        let LeaseLoop { connection, context, .. } = self;
        if (context.stop)() {
            connection.call(&context.registration.wake())?;
        }
        return_waiting(connection, context)?;
        flush_finished(connection, context)
    }

    fn renew_if_due(&mut self) -> Result<()> {
        if self.renewed.elapsed() >= self.context.period {
            self.connection.call(&self.context.registration.beat())?;
            self.renewed = Instant::now();
        }
        Ok(())
    }
}
