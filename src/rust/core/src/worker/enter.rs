//! How a worker comes to its queue: it registers, starts the threads beside it, and counts as alive
//! once its environment is built. One that was declared lost comes back the same way.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::queue::LAYOUT;
use crate::scripts::{Call, WORKER_READY, WORKER_REGISTER};
use crate::value;
use crate::worker::control::Control;
use crate::worker::heartbeat::{Batch, Charge, Heartbeat, lock};
use crate::worker::run::{Turn, Worker, seconds};
use crate::worker::special::reap_left_behind;

/// The heartbeat period unless configured, and how many of them make a lease.
const PERIOD_S: f64 = 3.0;
/// A connection may be away for ten seconds without the worker being taken for lost.
const LEASE_PERIODS: f64 = 5.0;

impl Worker {
    fn period(&self) -> Duration {
        seconds(self.options.config.heartbeat_period.unwrap_or(PERIOD_S))
    }

    pub(super) fn enter(&mut self) -> Result<()> {
        let (keys, id) = (&self.queue.keys, &self.options.id);
        let own = keys.worker(id);
        let names = vec![
            keys.workers(),
            keys.worker_infos(),
            keys.counters(),
            keys.due(),
            own.log(),
            keys.tasks(),
            own.heartbeat(),
        ];
        let resume = self.options.resume.take();
        self.resumed = resume.is_some();
        self.nonce = resume.map_or_else(value::random_id, Ok)?;
        let lease_ms = (self.period().as_secs_f64() * LEASE_PERIODS * 1000.0) as u64;
        let call = Call::new(&WORKER_REGISTER, names)
            .arg(id)
            .arg(&self.nonce)
            .arg(lease_ms)
            .arg(self.options.info.as_slice())
            .arg(keys.prefix());
        self.incarnation = value::integer(self.queue.connection.call(&call)?)?;
        lock(&self.batch).sequence = 0;
        if self.incarnation == 0 {
            return Err(Error::WorkerExists { id: self.options.id.clone() });
        }
        let charge = Charge {
            id: self.options.id.clone(),
            incarnation: self.incarnation,
            started: self.started,
            keys: self.queue.keys.clone(),
            period: self.period(),
            parent: self.options.parent,
            nonce: self.nonce.clone(),
            grace_s: self.options.config.timeout_process_die,
            restart: self.options.restart.clone(),
            stop: self.stop.clone(),
            batch: self.batch.clone(),
        };
        let connection = self.queue.connection.duplicate();
        self.control = Some(Control::start(connection, &charge));
        self.heartbeat = Some(Heartbeat::start(self.queue.connection.duplicate(), charge));
        Ok(())
    }

    /// Count as alive: the environment is built.
    pub fn ready(&mut self) -> Result<()> {
        let own = self.queue.keys.worker(&self.options.id);
        let call = Call::new(&WORKER_READY, vec![self.queue.keys.workers(), own.log()])
            .arg(&self.options.id)
            .arg(self.incarnation)
            .arg(self.queues.join(" "));
        self.idle_since = Instant::now();
        if self.resumed {
            reap_left_behind();
        }
        match value::integer(self.queue.connection.call(&call)?)? {
            1 => Ok(()),
            // It took too long to start: meanwhile it was declared lost.
            _ if std::mem::take(&mut self.resumed) => {
                self.dismiss_threads();
                self.enter()?;
                self.ready()
            }
            _ => Err(Error::WorkerGone { id: self.options.id.clone() }),
        }
    }

    /// A worker that was away longer than its lease has lost its tasks: it drops them and starts
    /// anew. If the queue itself is gone, it leaves.
    pub(super) fn come_back(&mut self) -> Result<Turn> {
        *lock(&self.batch) = Batch::default();
        let mut command = redis::cmd("HGET");
        command.arg(self.queue.keys.config()).arg("layout");
        let layout = value::maybe_bytes(self.queue.connection.command(&command)?)?;
        if layout.as_deref() != Some(LAYOUT.as_bytes()) {
            return Ok(Turn::Stop("the queue no longer exists".into()));
        }
        self.dismiss_threads();
        self.enter()?;
        self.ready()?;
        Ok(Turn::Idle)
    }

    fn dismiss_threads(&mut self) {
        (self.heartbeat, self.control) = (None, None);
    }
}
