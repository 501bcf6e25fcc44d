//! The path of a trivial task through the engine, without R: a session and a worker in one process.
//!
//!     cargo bench -p rrq-core             times on a private server
//!     hot_path (lone|bulk) N URL          only that, on a server that runs: tools/bench/instructions
//!
//! `lone` submits a task, waits for it and reads its value, N times. `bulk` submits N tasks before a
//! worker starts, so that its batches do not depend on which of the two is faster.

use std::error::Error;
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use rrq_core::config::WorkerConfig;
use rrq_core::connection::never;
use rrq_core::message::{self, Message};
use rrq_core::server::{Server, ServerOptions};
use rrq_core::status::Status;
use rrq_core::task::{self, Isolation, Kind, Submission, WaitState, Waiter};
use rrq_core::worker::{
    Answer, Effect, Evaluate, Evaluation, Fetch, Idle, Launcher, Options, Printed, Task, Worker,
};
use rrq_core::{Connection, Queue};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const WORKER: &str = "bench";
const LIMIT: Duration = Duration::from_secs(600);

/// Returns the payload of each task, and stops when told to.
struct Echo;

impl Evaluate for Echo {
    fn evaluate(&mut self, task: &Task, _fetch: &mut dyn Fetch) -> Evaluation {
        Evaluation::new(Status::Complete, task.body.payload.to_vec())
    }

    fn launcher(&self, _isolation: Isolation) -> Option<Launcher> {
        None
    }

    fn ended(&mut self, _task: &Task, status: Status, reason: &str) -> Evaluation {
        Evaluation::new(status, reason.into())
    }

    fn answer(&mut self, _message: &Message, _idle: Idle) -> Answer {
        Answer { value: Vec::new(), effect: Effect::Stop(String::new()) }
    }

    fn print_log(&mut self, _lines: &[Printed]) {}
}

fn attach(url: &str) -> Outcome<Queue> {
    let connection = Connection::open(url, never())?;
    Ok(Queue::attach(connection, "bench", "session", &WorkerConfig::default().pack()?)?)
}

fn start_worker(url: &str) -> Outcome<JoinHandle<Outcome<()>>> {
    let config = WorkerConfig { verbose: false, ..WorkerConfig::default() };
    let (id, info, process) = (WORKER.to_owned(), Vec::new(), String::new());
    let (parent, log_file, restart, resume) = (None, None, None, None);
    let options = Options { id, config, info, parent, log_file, process, restart, resume };
    let mut worker = Worker::register(attach(url)?, options, never())?;
    worker.ready()?;
    Ok(spawn(move || {
        worker.run(&mut Echo, false)?;
        Ok(())
    }))
}

/// Submit this many tasks in one call.
fn submit(queue: &mut Queue, n: usize) -> Outcome<Vec<String>> {
    let mut payloads = (0..n).map(|i| i.to_string().into_bytes());
    let submission = Submission::new("default", Kind::Expression);
    Ok(task::submit(queue, &submission, || Ok(payloads.next()))?)
}

/// Wait for tasks and read their values.
fn collect(queue: &mut Queue, ids: &[String]) -> Outcome<()> {
    let mut waiter = Waiter::new(queue, ids, true)?;
    let state = waiter.wait(queue, LIMIT, false, &never())?;
    waiter.finish(queue)?;
    let outcomes = task::outcomes(queue, ids, true)?;
    let is_complete = outcomes.iter().all(|outcome| outcome.result.status == Status::Complete);
    if state == WaitState::Done && is_complete { Ok(()) } else { Err("tasks failed".into()) }
}

fn lone(n: usize, url: &str) -> Outcome<Duration> {
    let mut queue = attach(url)?;
    let worker = start_worker(url)?;
    let begun = Instant::now();
    for _ in 0..n {
        let ids = submit(&mut queue, 1)?;
        collect(&mut queue, &ids)?;
    }
    let taken = begun.elapsed();
    stop(&mut queue, worker)?;
    Ok(taken)
}

fn bulk(n: usize, url: &str) -> Outcome<Duration> {
    let mut queue = attach(url)?;
    let begun = Instant::now();
    let ids = submit(&mut queue, n)?;
    let worker = start_worker(url)?;
    collect(&mut queue, &ids)?;
    let taken = begun.elapsed();
    stop(&mut queue, worker)?;
    Ok(taken)
}

fn stop(queue: &mut Queue, worker: JoinHandle<Outcome<()>>) -> Outcome<()> {
    message::send(queue, "STOP", b"", &[WORKER.to_owned()])?;
    worker.join().map_err(|_| "the worker panicked")??;
    Ok(queue.destroy(None)?)
}

/// Five runs of each kind, and their medians.
fn print_times() -> Outcome<()> {
    let server = Server::start(&ServerOptions::default())?;
    for (name, n, run) in
        [("lone", 1_000, lone as fn(usize, &str) -> Outcome<Duration>), ("bulk", 20_000, bulk)]
    {
        let mut us = Vec::new();
        for _ in 0..5 {
            us.push(run(n, &server.url())?.as_secs_f64() * 1e6 / n as f64);
        }
        us.sort_by(f64::total_cmp);
        println!("{name}: {:.1} us a task [{:.1}-{:.1}], n = {n}", us[2], us[0], us[4]);
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => print_times(),
        ["lone", n, url] => lone(n.parse()?, url).map(|_| ()),
        ["bulk", n, url] => bulk(n.parse()?, url).map(|_| ()),
        _ => Err("usage: hot_path [lone|bulk N URL]".into()),
    }
}
