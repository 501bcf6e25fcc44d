//! Workers that vanish, and those that come back after they were given up.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::task::Waiter;
use rrq_core::worker::{self, Lost};
use rrq_core::{Error, message};

use crate::support::*;

fn state(f: &mut Fixture, id: &str) -> &'static str {
    let mut states = worker::states(&mut f.queue).unwrap().into_iter();
    states.find(|worker| worker.id == id).unwrap().status.word()
}

/// Make a worker's lease lapse at once.
fn lapse(f: &Fixture, id: &str) {
    let _: i64 = f.ask(&format!("ZADD {{{ID}}}:due XX 0 L:{id}"));
}

/// A worker that was killed in the middle of a task; its lease has not lapsed yet.
fn killed(f: &mut Fixture, id: &str) -> String {
    let task = submit_n(&mut f.queue, 1).remove(0);
    let mut worker = f.short_lived(id);
    worker.turn(&mut Actor::echo(), false).unwrap();
    task
}

#[test]
fn a_worker_whose_lease_lapses_is_lost_and_its_task_has_died() {
    let mut f = Fixture::new();
    let task = killed(&mut f, "w");
    let mut lost = Vec::new();
    wait_until(|| {
        lost = worker::sweep(&mut f.queue).unwrap();
        !lost.is_empty()
    });
    let (worker, tasks) = ("w".to_owned(), vec![task.clone()]);
    let tasks = tasks.into_iter().map(|id| (id, Status::Died)).collect();
    assert_eq!(lost, [Lost { worker, tasks, returned: Vec::new() }]);
    assert_eq!(state(&mut f, "w"), "LOST");
    assert_eq!(status(&mut f.queue, &task), Status::Died);
    f.assert_counters();
}

#[test]
fn a_lost_worker_leaves_its_log_and_nothing_in_the_timers() {
    let mut f = Fixture::new();
    let task = killed(&mut f, "w");
    lapse(&f, "w");
    worker::sweep(&mut f.queue).unwrap();
    let log = worker::log(&mut f.queue, "w", Some(2)).unwrap();
    let lines: Vec<(&str, &str)> =
        log.iter().map(|l| (l.command.as_str(), l.message.as_str())).collect();
    assert_eq!(lines, [("TASK_DIED", task.as_str()), ("LOST", "")]);
    let own: Vec<String> = f.ask("KEYS {jobs}:w:*");
    assert_eq!(own, ["{jobs}:w:w:log"]);
    assert_eq!(f.ask::<i64>("EXISTS {jobs}:due"), 0);
}

#[test]
fn the_step_of_another_worker_settles_a_lost_one() {
    let mut f = Fixture::new();
    let task = killed(&mut f, "w");
    let mut other = f.worker("other");
    wait_until(|| {
        other.turn(&mut Actor::echo(), false).unwrap();
        status(&mut f.queue, &task) == Status::Died
    });
    assert_eq!(state(&mut f, "w"), "LOST");
    f.assert_counters();
}

#[test]
fn many_lost_workers_are_settled_in_one_sweep() {
    let mut f = Fixture::new();
    let ids = ["a", "b", "c", "d", "e", "f"];
    let tasks = ids.map(|id| killed(&mut f, id));
    ids.iter().for_each(|id| lapse(&f, id));
    assert_eq!(worker::sweep(&mut f.queue).unwrap().len(), 6);
    assert_eq!(statuses(&mut f.queue, &tasks), [Status::Died; 6]);
    assert!(worker::sweep(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
}

#[test]
fn all_tasks_of_a_batch_die_with_their_worker() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    let running = f.counters()["s:RUNNING"];
    drop(worker);
    lapse(&f, "w");
    worker::sweep(&mut f.queue).unwrap();
    assert_eq!(f.counters().get("s:RUNNING"), None);
    assert_eq!(f.counters()["s:DIED"], running);
    f.assert_counters();
}

#[test]
fn waiters_hear_of_a_task_that_died_with_its_worker() {
    let mut f = Fixture::new();
    let task = killed(&mut f, "w");
    let ids = [task.clone()];
    let mut waiter = Waiter::new(&mut f.queue, &ids, true).unwrap();
    lapse(&f, "w");
    worker::sweep(&mut f.attach()).unwrap();
    let limit = Duration::from_millis(900); // shorter than the waiter's own sweep
    waiter.wait(&mut f.queue, limit, false, &never()).unwrap();
    assert_eq!(waiter.take_ended(), [(task, Status::Died)]);
}

#[test]
fn a_task_longer_than_the_lease_keeps_its_worker_alive() {
    let mut f = Fixture::new();
    let id = submit_n(&mut f.queue, 1).remove(0);
    let mut worker = f.worker_with("w", |config| config.heartbeat_period = Some(0.15 * slowness()));
    let thread = std::thread::spawn(move || {
        run_until_idle(&mut worker, &mut Actor::slow(soon(1200)));
    });
    while !thread.is_finished() {
        assert!(worker::sweep(&mut f.queue).unwrap().is_empty());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(status(&mut f.queue, &id), Status::Complete);
}

#[test]
fn a_server_out_of_memory_lets_no_lease_lapse() {
    let mut f = Fixture::new();
    let _worker = f.worker_with("w", |config| config.heartbeat_period = Some(0.15 * slowness()));
    let _: String = f.ask("CONFIG SET maxmemory 1");
    let end = std::time::Instant::now() + soon(1200);
    while std::time::Instant::now() < end {
        assert!(worker::sweep(&mut f.queue).unwrap().is_empty());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(f.ask::<i64>("EXISTS {jobs}:w:w:hb"), 1);
}

#[test]
fn a_worker_given_up_comes_back_and_its_late_finish_is_refused() {
    let mut f = Fixture::new();
    let first = submit_n(&mut f.queue, 1).remove(0);
    let (mut worker, mut actor) = (f.worker("w"), Actor::echo());
    worker.turn(&mut actor, false).unwrap();
    lapse(&f, "w");
    worker::sweep(&mut f.queue).unwrap();
    worker.turn(&mut actor, false).unwrap();
    assert_eq!(state(&mut f, "w"), "IDLE");
    assert_eq!(f.ask::<i64>("HGET {jobs}:n incarnation"), 2);
    let second = submit_n(&mut f.queue, 1).remove(0);
    run_until_idle(&mut worker, &mut actor);
    assert_eq!(statuses(&mut f.queue, &[first, second]), [Status::Died, Status::Complete]);
    f.assert_counters();
}

#[test]
fn a_worker_given_up_in_a_batch_does_not_run_the_rest_of_it() {
    let mut f = Fixture::new();
    submit_n(&mut f.queue, 600);
    let mut worker = f.worker("w");
    warm_up(&mut worker);
    let (mut other, mut raw) = (f.attach(), f.raw());
    let mut actor = Actor::new(move |_| {
        let mut lapse = redis::cmd("ZADD");
        lapse.arg("{jobs}:due").arg("XX").arg(0).arg("L:w");
        lapse.exec(&mut raw).unwrap();
        worker::sweep(&mut other).unwrap();
        std::thread::sleep(Duration::from_millis(15));
        complete("value")
    });
    worker.turn(&mut actor, false).unwrap();
    assert_eq!(actor.done.len(), 1);
    assert!(f.counters()["s:DIED"] >= 1);
    f.assert_counters();
}

#[test]
fn a_name_can_be_taken_once() {
    let mut f = Fixture::new();
    let _worker = f.worker("w");
    let before = f.contents();
    match register(f.attach(), "w", never(), |_| {}) {
        Err(Error::WorkerExists { id }) => assert_eq!(id, "w"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    let unchanged = |key: &str| f.contents()[key] == before[key];
    assert!(unchanged("{jobs}:w") && unchanged("{jobs}:due"));
    assert_eq!(state(&mut f, "w"), "IDLE");
}

#[test]
fn a_registration_repeated_late_is_the_same_worker() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let worker = register(attach(proxy.url()), "w", never(), |_| {});
    let _worker = ready(worker.unwrap());
    let before = f.contents();
    let replies = f.resend_all(&proxy.calls(&["w", "wi", "n"]));
    assert!(replies.iter().all(|reply| *reply == redis::Value::Int(1)));
    assert_eq!(f.contents(), before);
}

#[test]
fn the_name_of_a_worker_that_left_can_be_taken() {
    let mut f = Fixture::new();
    f.worker("w").exit("enough").unwrap();
    assert_eq!(state(&mut f, "w"), "EXITED");
    let _worker = f.worker("w");
    assert_eq!(state(&mut f, "w"), "IDLE");
}

#[test]
fn taking_the_name_of_a_lapsed_worker_settles_its_tasks() {
    let mut f = Fixture::new();
    let task = killed(&mut f, "w");
    let mut taken = None;
    wait_until(|| {
        taken = register(f.attach(), "w", never(), |_| {}).ok();
        taken.is_some()
    });
    assert_eq!(status(&mut f.queue, &task), Status::Died);
    assert_eq!(f.ask::<i64>("ZCARD {jobs}:due"), 1);
    f.assert_counters();
}

#[test]
fn what_was_sent_to_a_lapsed_worker_is_not_for_the_one_that_takes_its_name() {
    let mut f = Fixture::new();
    drop(f.short_lived("w"));
    message::send(&mut f.queue, "STOP", b"", &["w".to_owned()]).unwrap();
    assert!(f.has_key("w:w:m") && f.has_key("w:w:k"));
    let mut taken = None;
    wait_until(|| {
        taken = register(f.attach(), "w", never(), |_| {}).ok();
        taken.is_some()
    });
    assert!(!f.has_key("w:w:m") && !f.has_key("w:w:k"));
    let log = worker::log(&mut f.queue, "w", None).unwrap();
    let last: Vec<&str> = log.iter().rev().map(|line| line.command.as_str()).take(3).collect();
    assert_eq!(last, ["HEARTBEAT", "HEARTBEAT", "LOST"]);
    let stopped = ready(taken.unwrap()).run(&mut Actor::echo(), true).unwrap();
    assert_eq!(stopped, None);
}

/// Not a test: the worker in a process of its own that tests kill or stop.
#[test]
#[ignore = "run by other tests"]
fn worker_in_a_child() {
    if let Ok(url) = std::env::var("RRQ_TEST_URL") {
        let change = |c: &mut rrq_core::config::WorkerConfig| c.heartbeat_period = Some(0.2);
        let mut worker = ready(register(attach(&url), "child", never(), change).unwrap());
        let mut actor = Actor::slow(Duration::from_millis(700));
        worker.run(&mut actor, false).unwrap();
    }
}

/// The running child, killed at the end, and the task it is working on.
struct InChild {
    process: Child,
    task: String,
}

impl Drop for InChild {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl InChild {
    fn start(f: &mut Fixture) -> Self {
        let task = submit_n(&mut f.queue, 1).remove(0);
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["worker_lost::worker_in_a_child", "--exact", "--ignored"])
            .env("RRQ_TEST_URL", f.server.url())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(|| status(&mut f.queue, &task) == Status::Running);
        InChild { process, task }
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        // The shell's own: a small system has no other.
        let kill = Command::new("sh").args(["-c", "kill $1 $2", "sh", name, &pid]).status();
        assert!(kill.unwrap().success());
    }
}

#[test]
#[cfg(unix)]
fn a_killed_process_is_lost_and_its_task_has_died() {
    let mut f = Fixture::new();
    let child = InChild::start(&mut f);
    child.signal("-KILL");
    wait_until(|| !worker::sweep(&mut f.queue).unwrap().is_empty());
    assert_eq!(status(&mut f.queue, &child.task), Status::Died);
    assert_eq!(state(&mut f, "child"), "LOST");
    f.assert_counters();
}

#[test]
#[cfg(unix)]
fn a_process_stopped_beyond_its_lease_but_not_given_up_delivers_its_result() {
    let mut f = Fixture::new();
    let child = InChild::start(&mut f);
    wait_until(|| f.ask::<i64>("EXISTS {jobs}:w:child:hb") == 1);
    child.signal("-STOP");
    wait_until(|| f.ask::<i64>("EXISTS {jobs}:w:child:hb") == 0);
    child.signal("-CONT");
    wait_until(|| status(&mut f.queue, &child.task) == Status::Complete);
    assert!(worker::sweep(&mut f.queue).unwrap().is_empty());
    f.assert_counters();
}

#[test]
#[cfg(unix)]
fn a_process_given_up_while_stopped_takes_new_tasks_when_it_goes_on() {
    let mut f = Fixture::new();
    let child = InChild::start(&mut f);
    child.signal("-STOP");
    wait_until(|| !worker::sweep(&mut f.queue).unwrap().is_empty());
    child.signal("-CONT");
    let next = submit_n(&mut f.queue, 1);
    wait_until(|| status(&mut f.queue, &next[0]) == Status::Complete);
    assert_eq!(status(&mut f.queue, &child.task), Status::Died);
    let attempts = rrq_core::task::headers(&mut f.queue, &next).unwrap();
    assert_eq!(attempts[0].attempt, 1);
    f.assert_counters();
}

#[test]
fn a_worker_lost_while_the_clock_was_ahead_is_resolved_after_it_was_set_back() {
    let mut f = Fixture::new();
    let task = killed(&mut f, "w");
    let hour_ahead = f.queue_time_ms() + 3_600_000;
    let _: i64 = f.ask(&format!("ZADD {{jobs}}:due XX {hour_ahead} L:w"));
    wait_until(|| {
        worker::sweep(&mut f.queue).unwrap();
        status(&mut f.queue, &task) == Status::Died
    });
}

#[test]
fn workers_look_at_the_leases_of_others() {
    let mut f = Fixture::new();
    killed(&mut f, "w");
    let hour_ahead = f.queue_time_ms() + 3_600_000;
    let _: i64 = f.ask(&format!("ZADD {{jobs}}:due XX {hour_ahead} L:w"));
    let _other = f.short_lived("other");
    wait_until(|| f.ask::<Option<u64>>("ZSCORE {jobs}:due L:w").is_none_or(|ms| ms < hour_ahead));
}
