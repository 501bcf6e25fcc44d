//! Tasks in separate processes. A *fork server*, a process without threads, forks one process
//! for each task; where processes cannot or must not fork, each task gets a new process instead.
//! `Evaluate::launcher` says how to start either. The worker's main thread writes the
//! task to a directory, tells this *runner* to start it, and supervises the task until it has ended: it
//! stops a task that was cancelled or ran too long, or when the worker must leave. The task writes
//! its result to the directory; without a result it has died.

#[cfg(unix)]
mod fork;
#[cfg(unix)]
mod lines;
mod runner;
#[cfg(unix)]
mod serve;
mod spawn;

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::config::WorkerConfig;
use crate::connection::{SLICE, Stop};
use crate::error::{Error, Result};
use crate::private;
use crate::status::Status;
use crate::store::Storage;
use crate::task::{Body, Isolation};
use crate::worker::batch::{SharedBatch, lock};
use crate::worker::evaluate::{Evaluation, Launcher, Task};
use crate::worker::recorder::Recorder;
use runner::{News, Runner};
#[cfg(unix)]
pub use serve::WorkerLink;
pub use spawn::end_with_worker;

/// A runner may take this much longer than the task itself to end it.
const RUNNER_GRACE: Duration = Duration::from_secs(2);
const REQUEST: &str = "request";
const OUTCOME: &str = "outcome";

fn new_runner(launcher: &Launcher, recorder: &Recorder) -> io::Result<Box<dyn Runner + Send>> {
    #[cfg(unix)]
    if launcher.forks {
        return Ok(Box::new(fork::ForkServer::start(launcher, recorder)?));
    }
    Ok(Box::new(spawn::Spawner::new(launcher, recorder)?))
}

/// How a task in a separate process ended.
pub enum End {
    /// It reported its end itself.
    Reported(Evaluation),
    /// It was stopped.
    Stopped(Why),
    /// Its process ended without a report, for this reason.
    Died(String),
}

/// Why a task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was cancelled.
    Cancelled,
    /// It exceeded its time limit.
    Late,
    /// The user interrupted the worker.
    Interrupted,
}

/// A task with everything needed to supervise it.
pub struct IsolatedRun<'a> {
    /// The task.
    pub task: &'a Task,
    /// How to start the server.
    pub launcher: &'a Launcher,
    /// Where the control thread notes a cancel.
    pub batch: &'a SharedBatch,
    /// Whether the user wants the worker to stop.
    pub stop: &'a Stop,
    /// How long processes have to end, and how often to check.
    pub config: &'a WorkerConfig,
    /// What reads its output.
    pub recorder: &'a Recorder,
    /// Where it puts large values.
    pub storage: &'a Storage,
}

impl IsolatedRun<'_> {
    fn grace(&self) -> Duration {
        Duration::try_from_secs_f64(self.config.timeout_process_die).unwrap_or(Duration::MAX)
    }

    fn slice(&self) -> Duration {
        let poll = Duration::try_from_secs_f64(self.config.poll_process).unwrap_or(SLICE);
        poll.clamp(Duration::from_millis(1), SLICE)
    }

    /// Why to stop a task that started then, if there is a reason.
    fn reason(&self, started: Option<Instant>) -> Option<Why> {
        let limit = Duration::try_from_secs_f64(self.task.body.timeout_s).unwrap_or_default();
        let late = |since: Instant| !limit.is_zero() && since.elapsed() >= limit;
        if lock(self.batch).running.as_ref().is_some_and(|running| running.cancelled) {
            Some(Why::Cancelled)
        } else if started.is_some_and(late) {
            Some(Why::Late)
        } else if (self.stop)() {
            Some(Why::Interrupted)
        } else {
            None
        }
    }
}

/// The fork server that a worker keeps. For `Fresh` each task gets a new runner.
#[derive(Default)]
pub struct Isolate {
    kept: Option<Box<dyn Runner + Send>>,
}

impl Isolate {
    /// Drop the server: the next task gets a new one with a new environment.
    pub fn renew(&mut self) {
        self.kept = None;
    }

    /// Run a task; returns when none of its processes is left.
    pub fn run(&mut self, run: &IsolatedRun<'_>) -> End {
        self.try_run(run).unwrap_or_else(|error| {
            self.kept = None;
            End::Died(format!("its process could not be started: {error}"))
        })
    }

    fn try_run(&mut self, run: &IsolatedRun<'_>) -> io::Result<End> {
        let is_kept = run.launcher.forks && run.task.body.isolation() == Isolation::Fork;
        let mut kept = if is_kept { self.kept.take() } else { None };
        let mut runner = match kept.take_if(|runner| runner.is_alive()) {
            Some(runner) => runner,
            None => new_runner(run.launcher, run.recorder)?,
        };
        let folder = runner.home().join(&run.task.id);
        private::create_dir_all(&folder)?;
        write_request(&folder, run.task, run.storage).map_err(io::Error::other)?;
        let end = supervise(runner.as_mut(), run, &folder)?;
        // Something may still write there; it goes with the runner. That must not cost the result.
        let _ = fs::remove_dir_all(&folder);
        if is_kept && runner.is_alive() {
            self.kept = Some(runner);
        }
        Ok(end)
    }
}

/// The state of a task.
struct RunState {
    started: Option<Instant>,
    stopped: Option<(Why, Instant)>,
}

fn supervise(runner: &mut dyn Runner, run: &IsolatedRun<'_>, folder: &Path) -> io::Result<End> {
    if runner.is_ready() {
        start(runner, run, folder)?;
    }
    let mut state = RunState { started: None, stopped: None };
    let ended = loop {
        match runner.receive(run.slice())? {
            News::Ready => start(runner, run, folder)?,
            News::Started(pid) => {
                state.started = Some(Instant::now());
                if let Some(running) = &mut lock(run.batch).running {
                    running.process = Some(pid);
                }
                run.recorder.started(pid);
            }
            News::Ended(how) => break how,
            News::Gone => break end_of_runner(runner, run.recorder),
            News::Nothing => {}
        }
        if let Some(how) = stop_if_due(runner, run, &mut state)? {
            break how;
        }
    };
    Ok(match (read_outcome(folder), state.stopped) {
        (Some(evaluation), _) => End::Reported(evaluation),
        (None, Some((why, _))) => End::Stopped(why),
        (None, None) => End::Died(explain(&ended)),
    })
}

/// Start the task. Output belongs to it from now on.
fn start(runner: &mut dyn Runner, run: &IsolatedRun<'_>, folder: &Path) -> io::Result<()> {
    run.recorder.begin(run.task);
    runner.start(folder, run.grace())
}

/// The runner has gone: kill the rest of its task and return the reason.
fn end_of_runner(runner: &mut dyn Runner, recorder: &Recorder) -> String {
    runner.kill();
    if runner.is_ready() {
        return "the fork server has ended".to_owned();
    }
    let printed = recorder.stray();
    format!("its process could not be started: {}", printed.trim())
}

/// Tell the runner to end the task if there is a reason. If it fails to do so, it is killed;
/// then this returns what it would have reported.
fn stop_if_due(
    runner: &mut dyn Runner,
    run: &IsolatedRun<'_>,
    state: &mut RunState,
) -> io::Result<Option<String>> {
    match state.stopped {
        None => {
            let Some(why) = run.reason(state.started) else {
                return Ok(None);
            };
            state.stopped = Some((why, Instant::now()));
            if state.started.is_some() {
                runner.end()?;
                return Ok(None);
            }
            // The task has not started: nothing needs a grace period.
        }
        Some((_, since)) if since.elapsed() < run.grace().saturating_add(RUNNER_GRACE) => {
            return Ok(None);
        }
        Some(_) => {}
    }
    runner.kill();
    Ok(Some("signal 9".to_owned()))
}

fn explain(ended: &str) -> String {
    match ended.split_once(' ') {
        Some(("exit", code)) => format!("its process ended with exit code {code} and no result"),
        Some(("signal", number)) => match signal_name(number) {
            Some(name) => format!("its process was ended by signal {number} ({name})"),
            None => format!("its process was ended by signal {number}"),
        },
        Some(("failed", reason)) => format!("its process could not be started: {reason}"),
        _ => ended.to_owned(),
    }
}

fn signal_name(number: &str) -> Option<&'static str> {
    let names = [
        ("1", "SIGHUP"),
        ("2", "SIGINT"),
        ("4", "SIGILL"),
        ("6", "SIGABRT"),
        ("8", "SIGFPE"),
        ("9", "SIGKILL"),
        ("11", "SIGSEGV"),
        ("13", "SIGPIPE"),
        ("15", "SIGTERM"),
    ];
    names.into_iter().find(|(known, _)| *known == number).map(|(_, name)| name)
}

/// A task as its process reads it.
#[derive(Serialize, Deserialize)]
struct Request {
    id: String,
    attempt: i64,
    body: Body,
    /// Where the worker puts values outside the server, and from which size on.
    offload_path: Option<String>,
    max_size: f64,
    compress: bool,
    mark: String,
}

#[derive(Serialize, Deserialize)]
struct Reported {
    status: char,
    value: ByteBuf,
    extra: ByteBuf,
    is_final: bool,
    is_object: bool,
}

fn write_request(folder: &Path, task: &Task, storage: &Storage) -> Result<()> {
    let Task { id, attempt, body, .. } = task.clone();
    let (max_size, compress, mark) = (storage.max_size, storage.compress, storage.mark.clone());
    let offload_path = storage.path().map(str::to_owned);
    let request = Request { id, attempt, body, offload_path, max_size, compress, mark };
    let packed = rmp_serde::to_vec(&request).map_err(|error| Error::corrupt("a task", error))?;
    private::write(&folder.join(REQUEST), &packed)
        .map_err(Error::io("cannot pass a task to its process"))
}

/// Read the task from its directory, and where values outside the server are.
pub fn read_request(folder: &Path) -> Result<(Task, Storage)> {
    let packed = fs::read(folder.join(REQUEST));
    let packed = packed.map_err(Error::io("cannot read the task of this process"))?;
    let request: Request =
        rmp_serde::from_slice(&packed).map_err(|error| Error::corrupt("a task", error))?;
    let task = Task { id: request.id, attempt: request.attempt, body: request.body, damage: None };
    let mut storage = Storage::new(request.max_size, request.offload_path);
    (storage.compress, storage.mark) = (request.compress, request.mark);
    Ok((task, storage))
}

/// Write how a task ended to its directory. The rename makes it appear complete or not at all.
pub fn write_outcome(folder: &Path, evaluation: Evaluation) -> Result<()> {
    let reported = Reported {
        status: evaluation.status.letter(),
        value: ByteBuf::from(evaluation.value),
        extra: ByteBuf::from(evaluation.extra),
        is_final: evaluation.is_final,
        is_object: evaluation.is_object,
    };
    let packed =
        rmp_serde::to_vec(&reported).map_err(|error| Error::corrupt("an outcome", error))?;
    let (part, path) = (folder.join("part"), folder.join(OUTCOME));
    let written = private::write(&part, &packed).and_then(|()| fs::rename(&part, &path));
    written.map_err(Error::io("cannot write the outcome of a task"))
}

fn read_outcome(folder: &Path) -> Option<Evaluation> {
    let reported: Reported = rmp_serde::from_slice(&fs::read(folder.join(OUTCOME)).ok()?).ok()?;
    let status = Status::from_letter(u8::try_from(reported.status).ok()?);
    let (value, extra) = (reported.value.into_vec(), reported.extra.into_vec());
    let Reported { is_final, is_object, .. } = reported;
    Some(Evaluation { extra, is_final, is_object, ..Evaluation::new(status, value) })
}
