//! What a worker's main thread knows. The files that follow in the list of `worker` add the
//! methods.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use crate::config::WorkerConfig;
use crate::connection::Stop;
use crate::queue::Queue;
use crate::worker::batch::SharedBatch;
use crate::worker::control::ControlThread;
use crate::worker::evaluate::{Evaluate, Printed};
use crate::worker::heartbeat::LeaseThread;
use crate::worker::isolate::Isolate;
use crate::worker::limits::LimitThread;
use crate::worker::recorder::Recorder;
use crate::worker::request::Registration;
use crate::worker::restart::Restart;
use crate::worker::side_thread::SideThread;
use crate::worker::window::Window;

/// How a worker is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name.
    pub id: String,
    /// How it behaves.
    pub config: WorkerConfig,
    /// Its info for `rrq_worker_info()`, serialised.
    pub info: Vec<u8>,
    /// The process it must not outlive.
    pub parent: Option<u32>,
    /// The file it prints to, if that is its own.
    pub log_file: Option<PathBuf>,
    /// The token of its process, with which the nonces of all its registrations begin; empty if
    /// nobody watches the process.
    pub process: String,
    /// How to replace its process, if that is possible.
    pub restart: Option<Restart>,
    /// What it takes over from the process it replaces: the text of a `Handover`.
    pub resume: Option<String>,
}

/// A worker of this process.
pub struct Worker {
    pub(super) queue: Queue,
    pub(super) options: Options,
    pub(super) queues: Vec<String>,
    pub(super) registration: Registration,
    /// Whether it took over the registration of the process it replaces.
    pub(super) resumed: bool,
    /// How many tasks it has run.
    pub(super) n_run: u64,
    /// Whether it has slept since its last step, and may have taken a wake marker.
    pub(super) woken: bool,
    pub(super) batch: SharedBatch,
    pub(super) batch_size: usize,
    pub(super) window: Window,
    pub(super) lines: Vec<Printed>,
    pub(super) started: Instant,
    pub(super) idle_since: Instant,
    pub(super) stop: Stop,
    pub(super) lease_thread: Option<LeaseThread>,
    pub(super) log_thread: Option<SideThread>,
    pub(super) limit_thread: Option<LimitThread>,
    pub(super) control_thread: Option<ControlThread>,
    pub(super) isolate: Isolate,
    pub(super) recorder: Option<Recorder>,
    /// What it could not read when it last tried.
    pub(super) damage: Option<String>,
}

impl Worker {
    /// Its name.
    pub fn id(&self) -> &str {
        &self.options.id
    }

    /// The queue it works for.
    pub fn queue(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// How it behaves.
    pub fn config(&self) -> &WorkerConfig {
        &self.options.config
    }

    /// Add a line to the log that the worker prints; `flush_log` prints it.
    pub(super) fn log_line(&mut self, command: &str, message: &str) {
        if self.options.config.verbose {
            let (command, message) = (command.to_owned(), message.to_owned());
            self.lines.push(Printed { time: SystemTime::now(), command, message });
        }
    }

    pub(super) fn flush_log(&mut self, evaluate: &mut dyn Evaluate) {
        if !self.lines.is_empty() {
            evaluate.print_log(&self.lines);
            self.lines.clear();
        }
    }

    pub(super) fn dismiss_threads(&mut self) {
        (self.lease_thread, self.limit_thread, self.control_thread) = (None, None, None);
    }
}
