//! What the tests share: a private server with a queue, workers on it, and ways to look at every
//! key. The actor that stands in for user code and the proxy that cuts connections are below.

mod actor;
mod own;
mod place;
mod proxy;
mod run;
mod suite;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use redis::{FromRedisValue, Value};
use rrq_core::config::WorkerConfig;
use rrq_core::connection::{Stop, never};
use rrq_core::server::{Server, ServerOptions};
use rrq_core::status::Status;
use rrq_core::task::{self, Kind, SharedObject, Submission};
use rrq_core::worker::{Evaluate, Options, Record, Turn, Worker};
use rrq_core::{Connection, Queue};

pub use actor::{Actor, complete, failed};
pub use own::{Cluster, OwnServer};
pub use place::{MB, compressed, files, folder, in_folder, noise, on_disk};
pub use proxy::{Proxy, Request, Way};
pub use run::{wait_for, work};
pub use suite::{keeps_values, plain_store};

/// The id of the queue under test.
pub const ID: &str = "jobs";

/// Workers of this process get the signal that stops a task: it must not end the tests.
fn ignore_interrupts() {
    let seen = Arc::default();
    signal_hook::flag::register(signal_hook::consts::SIGINT, seen).unwrap();
}

/// A private server and a controller attached to a fresh queue on it.
pub struct Fixture {
    pub server: Server,
    pub queue: Queue,
}

impl Fixture {
    pub fn new() -> Self {
        ignore_interrupts();
        let server = start_server();
        let queue = attach(&server.url());
        Fixture { server, queue }
    }

    /// Another controller of the same queue.
    pub fn attach(&self) -> Queue {
        attach(&self.server.url())
    }

    /// A worker that is ready.
    pub fn worker(&self, id: &str) -> Worker {
        self.worker_with(id, |_| {})
    }

    /// A worker that is ready, its configuration changed.
    pub fn worker_with(&self, id: &str, change: impl FnOnce(&mut WorkerConfig)) -> Worker {
        ready(register(self.attach(), id, never(), change).unwrap())
    }

    /// A worker that counts as lost within a second of its last heartbeat.
    pub fn short_lived(&self, id: &str) -> Worker {
        self.worker_with(id, |config| config.heartbeat_period = Some(0.15 * slowness()))
    }

    /// A proxy before the server.
    pub fn proxy(&self) -> Proxy {
        Proxy::start(&self.server)
    }

    /// A plain connection to the server.
    pub fn raw(&self) -> redis::Connection {
        raw(&self.server.url())
    }

    /// The answer to a plain command.
    pub fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        command.arg(words.collect::<Vec<_>>());
        command.query(&mut self.raw()).unwrap()
    }

    /// The names of all keys with their types, sorted.
    pub fn keyspace(&self) -> Vec<String> {
        let mut raw = self.raw();
        let names: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut raw).unwrap();
        let with_type = |name: String| {
            let kind: String = redis::cmd("TYPE").arg(&name).query(&mut raw).unwrap();
            format!("{name} {kind}")
        };
        let mut keys: Vec<String> = names.into_iter().map(with_type).collect();
        keys.sort();
        keys
    }

    /// All keys with all they hold, but without the streams, which expire by themselves.
    pub fn contents(&self) -> BTreeMap<String, Vec<String>> {
        let mut raw = self.raw();
        let mut contents = BTreeMap::new();
        for key in self.keyspace() {
            let (name, kind) = key.rsplit_once(' ').unwrap();
            let mut items = match kind {
                "hash" => pairs(redis::cmd("HGETALL").arg(name).query(&mut raw).unwrap()),
                "list" => items(&mut raw, &["LRANGE", name, "0", "-1"]),
                "zset" => items(&mut raw, &["ZRANGE", name, "0", "-1", "WITHSCORES"]),
                "stream" => continue,
                _ => items(&mut raw, &["MGET", name]),
            };
            if kind == "hash" {
                items.sort();
            }
            contents.insert(name.to_owned(), items);
        }
        contents
    }

    /// The counters per status and per queue that are not zero.
    pub fn counters(&self) -> BTreeMap<String, i64> {
        let all: BTreeMap<String, i64> = self.ask(&format!("HGETALL {{{ID}}}:n"));
        let counts = |(field, n): &(String, i64)| field.contains(':') && *n != 0;
        all.into_iter().filter(counts).collect()
    }

    /// What the counters should be, from the tasks themselves.
    pub fn recount(&mut self) -> BTreeMap<String, i64> {
        let ids = task::list(&mut self.queue).unwrap();
        let mut counts = BTreeMap::new();
        for header in task::headers(&mut self.queue, &ids).unwrap() {
            let status = header.status;
            *counts.entry(format!("s:{}", status.word())).or_default() += 1;
            if header.is_queued() {
                *counts.entry(format!("q:{}", header.queue)).or_default() += 1;
            }
        }
        counts
    }

    pub fn assert_counters(&mut self) {
        assert_eq!(self.counters(), self.recount());
    }

    /// How often a script was called by anyone.
    pub fn n_evalsha(&self) -> u64 {
        self.n_calls("cmdstat_evalsha:")
    }

    /// How often commands were run whose statistics start with `prefix`, also by scripts.
    pub fn n_calls(&self, prefix: &str) -> u64 {
        let stats: String = self.ask("INFO commandstats");
        let lines = stats.lines().filter(|line| line.starts_with(prefix));
        let calls = lines.filter_map(|line| line.split_once("calls=")?.1.split(',').next());
        calls.map(|calls| calls.parse::<u64>().unwrap()).sum()
    }

    /// The server's time in milliseconds.
    pub fn queue_time_ms(&self) -> u64 {
        let time: Vec<u64> = self.ask("TIME");
        time[0] * 1000 + time[1] / 1000
    }

    /// Make something due: its member of `due`, such as `S:<task>`.
    pub fn pass_time(&self, member: &str) {
        let n_changed: i64 = self.ask(&format!("ZADD {{{ID}}}:due XX CH 0 {member}"));
        assert_eq!(n_changed, 1, "{member} is not due");
    }

    /// The control thread of a worker that was dropped goes on until it is woken.
    pub fn end_control_thread(&self, id: &str) {
        let list = format!("{{{ID}}}:w:{id}:ctl");
        let _: i64 = self.ask(&format!("RPUSH {list} 0"));
        wait_until(|| self.ask::<i64>(&format!("LLEN {list}")) == 1);
        let _: i64 = self.ask(&format!("DEL {list}"));
    }

    /// The settings that record which chunks of tasks a process has submitted.
    pub fn submitters(&self) -> Vec<String> {
        let fields: Vec<String> = self.ask(&format!("HKEYS {{{ID}}}:cfg"));
        fields.into_iter().filter(|field| field.starts_with("sub:")).collect()
    }

    /// Delete those, so that a recorded chunk whose tasks were deleted counts as new when it is sent.
    pub fn delete_submitters(&self) {
        for field in self.submitters() {
            let _: i64 = self.ask(&format!("HDEL {{{ID}}}:cfg {field}"));
        }
    }

    /// Whether there is such a key of the queue.
    pub fn has_key(&self, name: &str) -> bool {
        self.ask::<i64>(&format!("EXISTS {{{ID}}}:{name}")) == 1
    }

    /// Send a recorded request once more, from elsewhere.
    pub fn resend(&self, request: &Request) -> Value {
        let mut command = redis::Cmd::new();
        command.arg(request);
        command.query(&mut self.raw()).unwrap()
    }

    /// Send recorded requests, of which there must be some, once more.
    pub fn resend_all(&self, requests: &[Request]) -> Vec<Value> {
        assert!(!requests.is_empty(), "nothing was recorded");
        requests.iter().map(|request| self.resend(request)).collect()
    }
}

fn items(raw: &mut redis::Connection, parts: &[&str]) -> Vec<String> {
    let mut command = redis::Cmd::new();
    let items: Vec<Vec<u8>> = command.arg(parts).query(raw).unwrap();
    items.iter().map(|item| item.escape_ascii().to_string()).collect()
}

fn pairs(pairs: Vec<(String, Vec<u8>)>) -> Vec<String> {
    pairs.into_iter().map(|(field, value)| format!("{field}={}", value.escape_ascii())).collect()
}

pub fn raw(url: &str) -> redis::Connection {
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

pub fn attach(url: &str) -> Queue {
    attach_to(Connection::open(url, never()).unwrap(), ID, "test").unwrap()
}

/// Attach to any queue.
pub fn attach_to(connection: Connection, id: &str, who: &str) -> rrq_core::Result<Queue> {
    Queue::attach(connection, id, who, &WorkerConfig::default().pack().unwrap())
}

pub fn register(
    queue: Queue,
    id: &str,
    stop: Stop,
    change: impl FnOnce(&mut WorkerConfig),
) -> rrq_core::Result<Worker> {
    let mut config = WorkerConfig { verbose: false, ..WorkerConfig::default() };
    change(&mut config);
    Worker::register(queue, Options { config, ..options(id) }, stop)
}

/// How a worker is started that nobody watches.
pub fn options(id: &str) -> Options {
    let config = WorkerConfig { verbose: false, ..WorkerConfig::default() };
    let (id, info, process) = (id.to_owned(), b"info".to_vec(), String::new());
    let (parent, log_file, restart, resume) = (None, None, None, None);
    Options { id, config, info, parent, log_file, process, restart, resume }
}

pub fn ready(mut worker: Worker) -> Worker {
    worker.ready().unwrap();
    worker
}

/// Tasks for a queue, sharing these objects.
pub fn submission(queue: &str, shared: Vec<SharedObject>) -> Submission {
    Submission { shared, ..Submission::new(queue, Kind::Expression) }
}

/// Tasks for the default queue that depend on these.
pub fn after(parents: &[&String]) -> Submission {
    let parent = |id: &&String| task::Parent { name: String::new(), id: (*id).clone() };
    Submission {
        parents: parents.iter().map(parent).collect(),
        ..submission("default", Vec::new())
    }
}

/// Submit a task per payload.
pub fn submit(queue: &mut Queue, submission: &Submission, payloads: &[&str]) -> Vec<String> {
    let mut payloads = payloads.iter().map(|text| text.as_bytes().to_vec());
    task::submit(queue, submission, || Ok(payloads.next())).unwrap()
}

/// Submit a task per payload to the default queue.
pub fn submit_all(queue: &mut Queue, payloads: &[&str]) -> Vec<String> {
    submit(queue, &submission("default", Vec::new()), payloads)
}

/// Submit `n` tasks to the default queue, their payloads counting from 0.
pub fn submit_n(queue: &mut Queue, n: usize) -> Vec<String> {
    let mut payloads = (0..n).map(|i| i.to_string().into_bytes());
    let submission = submission("default", Vec::new());
    task::submit(queue, &submission, || Ok(payloads.next())).unwrap()
}

/// Make the server know the script that queues tasks with options, so that requests for it are not sent
/// twice.
pub fn load_task_submit(queue: &mut Queue) {
    let labels = vec!["label".to_owned()];
    let ids = submit(queue, &Submission { labels, ..submission("default", Vec::new()) }, &["x"]);
    task::delete(queue, &ids, false).unwrap();
}

/// Turn after turn until there is nothing to do; what has ended is then reported too.
pub fn run_until_idle(worker: &mut Worker, evaluate: &mut dyn Evaluate) {
    while worker.turn(evaluate, false).unwrap() != Turn::Idle {}
}

/// Turn after turn until the worker takes its tasks in batches of at least eight.
pub fn warm_up(worker: &mut Worker) {
    loop {
        match worker.turn(&mut Actor::echo(), false).unwrap() {
            Turn::Ran(8..) => return,
            Turn::Idle => panic!("there was no batch"),
            _ => {}
        }
    }
}

pub fn status(queue: &mut Queue, id: &str) -> Status {
    task::statuses(queue, &[id.to_owned()]).unwrap()[0]
}

pub fn statuses(queue: &mut Queue, ids: &[String]) -> Vec<Status> {
    task::statuses(queue, ids).unwrap()
}

/// A recorded request, with one argument instead of another.
pub fn replace(request: &Request, from: &str, to: &str) -> Request {
    assert!(request.iter().any(|part| part == from.as_bytes()), "{from} is not in the request");
    let other = |part: &Vec<u8>| if part == from.as_bytes() { to.into() } else { part.clone() };
    request.iter().map(other).collect()
}

/// A worker's record.
pub fn record(f: &Fixture, id: &str) -> Record {
    Record::unpack(id, &f.ask::<Vec<u8>>(&format!("HGET {{{ID}}}:w {id}"))).unwrap()
}

/// How many options of a step come before what it reports.
pub const STEP_OPTIONS: usize = 9;

/// Where the options are in a recorded step: behind its keys.
pub fn options_of(step: &Request) -> usize {
    let n_keys: usize = String::from_utf8_lossy(&step[2]).parse().unwrap();
    3 + n_keys
}

/// The options of a step that tests change, at the places where its script expects them.
#[derive(Clone, Copy)]
pub enum StepOption {
    Id = 1,
    Incarnation = 2,
    Sequence = 3,
    ClaimLimit = 4,
    Window = 5,
    Woken = 6,
}

/// A recorded step, with other options.
pub fn change_options(step: &Request, options: &[(StepOption, &dyn ToString)]) -> Request {
    let (mut step, at) = (step.clone(), options_of(step));
    for (option, value) in options {
        step[at + *option as usize] = value.to_string().into_bytes();
    }
    step
}

static SLOWNESS: OnceLock<f64> = OnceLock::new();

fn start_server() -> Server {
    let begun = Instant::now();
    let server = Server::start(&ServerOptions::default()).unwrap();
    SLOWNESS.get_or_init(|| (begun.elapsed().as_secs_f64() / 0.03).max(1.0));
    server
}

/// How many times longer than on an idle machine it takes to start a server, at least 1.
pub fn slowness() -> f64 {
    if SLOWNESS.get().is_none() {
        drop(start_server());
    }
    SLOWNESS.get().copied().unwrap()
}

/// The time within which something should happen that takes so many milliseconds on an idle machine.
pub fn soon(millis: u64) -> Duration {
    Duration::from_millis(millis).mul_f64(slowness())
}

/// Wait until something is true.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    let (begun, limit) = (Instant::now(), soon(20_000));
    while !done() {
        assert!(begun.elapsed() < limit, "it did not happen within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
