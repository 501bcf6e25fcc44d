//! How a worker joins its queue: it registers, starts the threads beside it, and counts as alive once
//! its environment is built. One that was declared lost rejoins the same way.

use std::time::{Duration, Instant};

use crate::config::duration;
use crate::connection::Stop;
use crate::error::{Error, Result};
use crate::keys::field::LAYOUT as LAYOUT_FIELD;
use crate::process::reap_children;
use crate::queue::{LAYOUT, Queue};
use crate::value;
use crate::worker::batch::{SharedBatch, lock};
use crate::worker::context::Context;
use crate::worker::control::ControlThread;
use crate::worker::heartbeat::LeaseThread;
use crate::worker::isolate::Isolate;
use crate::worker::limits::LimitThread;
use crate::worker::log_file::bound_output;
use crate::worker::request::Registration;
use crate::worker::restart::Handover;
use crate::worker::state::{Options, Worker};
use crate::worker::turn::{StopReason, Turn};
use crate::worker::window::Window;

/// The heartbeat period unless configured.
const PERIOD_S: f64 = 3.0;
/// The length of a lease in periods: a connection may be down for ten seconds before the worker counts
/// as lost.
const LEASE_PERIODS: u32 = 5;
/// A worker repeats a failing request until it succeeds or the user ends it.
const RETRY_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

impl Worker {
    /// Register a worker. It takes part once `ready` is called.
    pub fn register(mut queue: Queue, options: Options, stop: Stop) -> Result<Self> {
        queue.connection.set_retry_timeout(RETRY_TIMEOUT, stop.clone());
        let mut worker = Worker {
            queues: options.config.queues(),
            registration: Registration {
                keys: queue.keys.clone(),
                id: options.id.clone(),
                nonce: String::new(),
                incarnation: 0,
            },
            queue,
            options,
            resumed: false,
            n_run: 0,
            woken: false,
            batch: SharedBatch::default(),
            batch_size: 1,
            window: Window::default(),
            lines: Vec::new(),
            started: Instant::now(),
            idle_since: Instant::now(),
            stop,
            lease_thread: None,
            log_thread: None,
            limit_thread: None,
            control_thread: None,
            isolate: Isolate::default(),
            recorder: None,
            damage: None,
        };
        worker.join()?;
        Ok(worker)
    }

    fn join(&mut self) -> Result<()> {
        let handover = self.options.resume.take().and_then(|text| Handover::parse(&text));
        self.resumed = handover.is_some();
        self.registration.nonce = match &handover {
            Some(handover) => handover.nonce.clone(),
            None => format!("{}{}", self.options.process, value::random_id()?),
        };
        let period = duration(self.options.config.heartbeat_period.unwrap_or(PERIOD_S));
        let lease = period.saturating_mul(LEASE_PERIODS);
        let call = self.registration.register(lease, &self.options.info);
        self.registration.incarnation = value::integer(self.queue.connection.call(&call)?)?;
        match self.registration.incarnation {
            -1 => return Err(self.queue.missing()),
            0 => return Err(Error::WorkerExists { id: self.options.id.clone() }),
            _ => {}
        }
        if let Some(handover) = handover {
            lock(&self.batch).sequence = handover.sequence;
            // The server may not have answered the old process.
            self.queue.connection.call(&self.registration.restart(&handover))?;
        }
        self.start_threads(period);
        Ok(())
    }

    fn start_threads(&mut self, period: Duration) {
        let context = Context {
            registration: self.registration.clone(),
            started: self.started,
            period,
            parent: self.options.parent,
            grace_s: self.options.config.timeout_process_die,
            restart: self.options.restart.clone(),
            stop: self.stop.clone(),
            batch: self.batch.clone(),
        };
        if self.log_thread.is_none() {
            self.log_thread = self.options.log_file.as_deref().and_then(bound_output);
        }
        let connection = &self.queue.connection;
        self.control_thread = Some(ControlThread::start(connection.duplicate(), context.clone()));
        self.limit_thread = Some(LimitThread::start(connection.duplicate(), context.clone()));
        self.lease_thread = Some(LeaseThread::start(connection.duplicate(), context));
    }

    /// Count as alive: the environment is built.
    pub fn ready(&mut self) -> Result<()> {
        let call = self.registration.ready(&self.queues, lock(&self.batch).sequence);
        self.idle_since = Instant::now();
        if self.resumed {
            reap_children();
        }
        match value::integer(self.queue.connection.call(&call)?)? {
            1 => Ok(()),
            // The new process took too long to start: meanwhile the worker was declared lost.
            _ if std::mem::take(&mut self.resumed) => {
                self.dismiss_threads();
                self.batch = SharedBatch::default();
                self.join()?;
                self.log_alive()?;
                self.ready()
            }
            _ => Err(Error::WorkerGone { id: self.options.id.clone() }),
        }
    }

    /// A worker that was away longer than its lease has lost its tasks: it drops them and registers
    /// again. If the queue itself is gone, it leaves.
    pub(super) fn rejoin(&mut self) -> Result<Turn> {
        // A new batch rather than the old one emptied: a thread that was dismissed and waits for a
        // reply still has that.
        self.batch = SharedBatch::default();
        let layout = self.queue.connection.hash_get(self.queue.keys.config(), LAYOUT_FIELD)?;
        if layout.as_deref() != Some(LAYOUT.as_bytes()) {
            return Ok(Turn::Stop(StopReason::QueueGone));
        }
        self.dismiss_threads();
        match self.join() {
            Err(Error::QueueMissing { .. }) => return Ok(Turn::Stop(StopReason::QueueGone)),
            joined => joined?,
        }
        self.log_alive()?;
        self.ready()?;
        Ok(Turn::Idle)
    }

    /// A worker that rejoins has its environment; one that starts says more while it builds it.
    fn log_alive(&mut self) -> Result<()> {
        self.queue.connection.call(&self.registration.log("ALIVE", "")).map(|_| ())
    }
}
