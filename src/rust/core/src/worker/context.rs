//! What the threads beside a worker's main thread know about it. It belongs to one registration: a
//! worker that rejoins starts new threads with a new context.

use std::time::{Duration, Instant};

use crate::connection::Stop;
use crate::worker::batch::SharedBatch;
use crate::worker::request::Registration;
use crate::worker::restart::Restart;

/// What the threads know.
#[derive(Clone)]
pub struct Context {
    /// Who the worker is.
    pub registration: Registration,
    /// When the worker's process began to work.
    pub started: Instant,
    /// How often to renew the lease.
    pub period: Duration,
    /// The process that spawned the worker, if the worker must not outlive it.
    pub parent: Option<u32>,
    /// How long a task may continue after its interrupt, in seconds.
    pub grace_s: f64,
    /// How to replace the process, if that is possible.
    pub restart: Option<Restart>,
    /// Whether the user wants the main thread to stop.
    pub stop: Stop,
    /// The claimed tasks.
    pub batch: SharedBatch,
}
