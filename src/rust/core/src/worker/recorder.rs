//! Captures the output of tasks. A worker has one outlet for its whole life: processes of isolated
//! tasks print to it, and it becomes stdout and stderr while the worker runs a captured
//! task itself. A thread reads it and stores the output while the task runs. At the end of
//! the task the main thread stores the rest before it reports the end, so that a session that sees the
//! end can read all output.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::connection::{Connection, never};
use crate::error::Result;
use crate::keys::Keys;
use crate::private;
use crate::signals;
use crate::task::Log;
use crate::task::log::store;
use crate::worker::evaluate::Task;
use crate::worker::log_file::LogFile;
use crate::worker::outlet::{self, Watch, Writer};

/// Output is stored at most this much later.
const DELAY: Duration = Duration::from_millis(200);
/// How much output is kept while no task runs: it explains why a process did not start.
const STRAY: usize = 4096;
/// How many reads are made at once, so that a task that prints endlessly does not hold the lock for
/// ever.
const READS: usize = 64;

/// The task whose output is read.
struct Current {
    id: String,
    log: Log,
    file: Option<LogFile>,
    /// When the oldest output that is not stored was read.
    unstored: Option<Instant>,
}

struct State {
    reader: File,
    current: Option<Current>,
    stray: Vec<u8>,
}

/// Where logs are stored.
#[derive(Clone)]
pub struct LogTarget {
    /// The names of the queue's keys.
    pub keys: Keys,
    /// The worker.
    pub worker: String,
    /// A directory for files with more of the output.
    pub folder: Option<String>,
}

/// The recorder of a worker.
pub struct Recorder {
    writer: Writer,
    state: Arc<Mutex<State>>,
    target: LogTarget,
}

impl Recorder {
    /// Start one, with a connection of its own.
    pub fn start(mut connection: Connection, target: LogTarget) -> io::Result<Self> {
        let (writer, reader, watch) = outlet::open()?;
        let state = State { reader, current: None, stray: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        // A server that does not respond must not keep the pipe from being read.
        connection.set_retry_timeout(Duration::ZERO, never());
        let (shared, to) = (state.clone(), target.clone());
        signals::spawn(move || read_on(&shared, &watch, &mut connection, &to));
        Ok(Recorder { writer, state, target })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Where processes print to.
    pub fn stdio(&self) -> io::Result<Stdio> {
        self.writer.stdio()
    }

    /// Where this process prints to while its output is redirected.
    #[cfg(unix)]
    pub fn writer(&self) -> &impl std::os::fd::AsFd {
        self.writer.output()
    }

    /// Output belongs to this task from now on.
    pub fn begin(&self, task: &Task) {
        let mut state = self.lock();
        state.read();
        let log = Log::new(task.attempt.unsigned_abs(), 0);
        let file = self.target.folder.as_ref().and_then(|folder| {
            let folder = Path::new(folder);
            private::create_dir_all(folder).ok()?;
            LogFile::open(&folder.join(format!("{}.log", task.id))).ok()
        });
        state.current = Some(Current { id: task.id.clone(), log, file, unstored: None });
    }

    /// The task runs in the process `pid`. The thread stores the pid, unless the task ends first.
    pub fn started(&self, pid: u32) {
        if let Some(current) = &mut self.lock().current {
            current.log.pid = pid;
            current.unstored.get_or_insert_with(Instant::now);
        }
        self.writer.ring();
    }

    /// The task has ended: store the rest over the worker's own connection.
    pub fn end(&self, connection: &mut Connection) -> Result<()> {
        let current = {
            let mut state = self.lock();
            while state.read() == READS {}
            state.current.take()
        };
        match current {
            Some(current) if current.unstored.is_some() && current.log.total > 0 => {
                let LogTarget { keys, worker, .. } = &self.target;
                store(connection, keys, worker, &current.id, &current.log)
            }
            _ => Ok(()),
        }
    }

    /// The last output from when no task ran.
    pub fn stray(&self) -> String {
        let mut state = self.lock();
        state.read();
        String::from_utf8_lossy(&state.stray).into_owned()
    }

    /// Drop that output.
    #[cfg_attr(not(unix), allow(dead_code))] // of fork servers only
    pub fn clear_stray(&self) {
        let mut state = self.lock();
        state.read();
        state.stray.clear();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Read what has been printed; returns the number of reads.
    fn read(&mut self) -> usize {
        let mut buffer = vec![0; 16 * 1024];
        for n in 0..READS {
            match self.reader.read(&mut buffer) {
                Ok(0) => return n,
                Ok(size) => self.keep(&buffer[..size]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return n,
            }
        }
        READS
    }

    fn keep(&mut self, bytes: &[u8]) {
        let Some(current) = &mut self.current else {
            self.stray.extend_from_slice(bytes);
            let surplus = self.stray.len().saturating_sub(STRAY);
            self.stray.drain(..surplus);
            return;
        };
        current.log.push(bytes);
        current.unstored.get_or_insert_with(Instant::now);
        if let Some(file) = &mut current.file {
            let _ = file.write(bytes);
        }
    }

    /// How long until something must be stored.
    fn left(&self) -> Option<Duration> {
        let unstored = self.current.as_ref()?.unstored?;
        Some(DELAY.saturating_sub(unstored.elapsed()))
    }

    fn take_due(&mut self) -> Option<(String, Log)> {
        if !self.left()?.is_zero() {
            return None;
        }
        let current = self.current.as_mut()?;
        current.unstored = None;
        Some((current.id.clone(), current.log.clone()))
    }

    /// Store it again later, unless the task has ended.
    fn retry(&mut self, id: &str) {
        if let Some(current) = self.current.as_mut().filter(|current| current.id == id) {
            current.unstored.get_or_insert_with(Instant::now);
        }
    }
}

/// The thread: it ends when the recorder is dropped.
fn read_on(state: &Mutex<State>, watch: &Watch, connection: &mut Connection, to: &LogTarget) {
    loop {
        let left = lock(state).left();
        if !watch.wait(left) {
            return;
        }
        let due = {
            let mut state = lock(state);
            state.read();
            state.take_due()
        };
        if let Some((id, log)) = due {
            if store(connection, &to.keys, &to.worker, &id, &log).is_err() {
                lock(state).retry(&id);
            }
        }
    }
}
