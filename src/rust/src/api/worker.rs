//! Workers: run one in this process, and query all of them.

use std::path::PathBuf;

use extendr_api::prelude::*;
use rrq_core::config::{self, WorkerConfig};
use rrq_core::status::WorkerStatus;
use rrq_core::worker::{self, Options, Pong, StopReason, Turn, Worker};
use rrq_core::{Connection, Keys, Queue};

use rrq_bridge::RResult;
use rrq_bridge::config::to_list;
use rrq_bridge::convert::{field, limit, or_null, statuses, stop};
use rrq_bridge::evaluate::{REvaluate, current_task};
use rrq_bridge::isolate;
use rrq_bridge::restart::{restart, resumed};
use rrq_bridge::serialize::{serialize, unserialize_each};

/// A worker with the R functions that do its work.
pub struct Runner {
    worker: Worker,
    evaluate: REvaluate,
}

#[extendr]
#[allow(clippy::too_many_arguments)] // the R half has no struct to pass
fn rs_worker_register(
    url: &str,
    queue_id: &str,
    id: &str,
    config_name: &str,
    info: Robj,
    spawned: Nullable<List>,
    offload_path: Nullable<String>,
    functions: List,
) -> RResult<ExternalPtr<Runner>> {
    let mut queue = Queue::attach(
        Connection::open(url, stop())?,
        queue_id,
        "",
        &WorkerConfig::default().pack()?,
    )?;
    let config = config::read(&mut queue, config_name)?;
    queue.set_storage(offload_path.into(), config.offload_threshold_size)?;
    let spawned: Option<List> = spawned.into();
    let part = |name| spawned.as_ref().map(|list| field(list, name));
    let options = Options {
        id: id.to_owned(),
        config,
        info: serialize(&info)?,
        parent: part("parent").and_then(|pid| pid.as_integer()).map(i32::unsigned_abs),
        log_file: part("log").as_ref().and_then(Robj::as_str).map(PathBuf::from),
        process: part("process").as_ref().and_then(Robj::as_str).unwrap_or_default().to_owned(),
        restart: part("args").and_then(|args| restart(&args, &part("tempdir")?)),
        resume: part("args").and_then(|_| resumed()),
    };
    rrq_bridge::cache::set_limit(options.config.cache_size);
    let worker = Worker::register(queue, options, stop())?;
    Ok(ExternalPtr::new(Runner { worker, evaluate: REvaluate::new(&functions) }))
}

#[extendr]
fn rs_worker_ready(mut runner: ExternalPtr<Runner>) -> RResult<()> {
    Ok(runner.worker.ready()?)
}

#[extendr]
fn rs_worker_config(runner: ExternalPtr<Runner>) -> List {
    to_list(runner.worker.config())
}

/// Why the worker has left; empty when it has not.
#[extendr]
fn rs_worker_run(mut runner: ExternalPtr<Runner>, immediate: bool) -> RResult<String> {
    let Runner { worker, evaluate } = &mut *runner;
    evaluate.keep_state();
    let reason = worker.run(evaluate, immediate)?;
    Ok(reason.as_ref().map(StopReason::to_string).unwrap_or_default())
}

/// `TRUE` when something was done, `NA` when the worker has left.
#[extendr]
fn rs_worker_turn(mut runner: ExternalPtr<Runner>, immediate: bool) -> RResult<Rbool> {
    let Runner { worker, evaluate } = &mut *runner;
    evaluate.keep_state();
    match worker.turn(evaluate, !immediate)? {
        Turn::Ran(_) | Turn::Answered | Turn::Swept => Ok(Rbool::true_value()),
        Turn::Idle => Ok(Rbool::false_value()),
        Turn::Stop(reason) => {
            worker.exit(&reason.log_text())?;
            Ok(Rbool::na())
        }
    }
}

#[extendr]
fn rs_worker_end_on_term() {
    rrq_bridge::protect::end_on_term();
}

#[extendr]
fn rs_worker_heed_interrupts() {
    rrq_bridge::protect::heed_interrupts();
}

#[extendr]
fn rs_worker_mark_state() {
    rrq_bridge::protect::mark_state();
}

#[extendr]
fn rs_worker_task() -> String {
    current_task()
}

/// Become the fork server for isolated tasks, or the process of one.
#[extendr]
fn rs_isolate_open(url: &str, queue_id: &str, forks: bool) -> RResult<ExternalPtr<Queue>> {
    let open = if forks { isolate::become_server } else { isolate::become_task };
    Ok(ExternalPtr::new(open(url, queue_id)?))
}

#[extendr]
fn rs_isolate_serve(mut queue: ExternalPtr<Queue>, functions: Nullable<List>) -> RResult<Robj> {
    let functions: Option<List> = functions.into();
    isolate::serve(&mut queue, functions.as_ref())
}

#[extendr]
fn rs_isolate_run(mut queue: ExternalPtr<Queue>, functions: List, folder: &str) -> RResult<()> {
    isolate::run(&mut queue, &functions, folder)
}

#[extendr]
fn rs_isolate_leave(status: i32) {
    rrq_bridge::protect::leave(status);
}

#[extendr]
fn rs_worker_exit(mut runner: ExternalPtr<Runner>, reason: &str) -> RResult<()> {
    Ok(runner.worker.exit(reason)?)
}

#[extendr]
fn rs_worker_states(mut queue: ExternalPtr<Queue>) -> RResult<List> {
    let states = worker::states(&mut queue)?;
    let active: Vec<bool> = states.iter().map(|worker| worker.status.is_active()).collect();
    let exited: Vec<bool> = states.iter().map(|worker| worker.status.has_exited()).collect();
    let task: Vec<Option<String>> = states.iter().map(|state| state.task.clone()).collect();
    let (id, state): (Vec<String>, Vec<&str>) =
        states.into_iter().map(|worker| (worker.id, worker.status.word())).unzip();
    Ok(list!(id = id, state = state, task = task, active = active, exited = exited))
}

#[extendr]
fn rs_worker_info(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<List> {
    unserialize_each(worker::info(&mut queue, &ids)?.iter().map(Option::as_deref))
}

#[extendr]
fn rs_worker_set_info(mut queue: ExternalPtr<Queue>, id: &str, info: Robj) -> RResult<()> {
    Ok(worker::set_info(&mut queue, id, &serialize(&info)?)?)
}

#[extendr]
fn rs_worker_log(mut queue: ExternalPtr<Queue>, id: &str, n: f64) -> RResult<List> {
    let n = n.is_finite().then_some(n as u64);
    let lines = worker::log(&mut queue, id, n)?;
    let time: Vec<f64> = lines.iter().map(|line| line.time_us as f64 / 1e6).collect();
    let child: Vec<Option<i32>> = lines.iter().map(|line| line.child).collect();
    let (command, message): (Vec<String>, Vec<String>) =
        lines.into_iter().map(|line| (line.command, line.message)).unzip();
    Ok(list!(child = child, time = time, command = command, message = message))
}

#[extendr]
fn rs_worker_write_log(
    mut queue: ExternalPtr<Queue>,
    id: &str,
    command: &str,
    message: &str,
) -> RResult<()> {
    Ok(worker::write_log(&mut queue, id, command, message)?)
}

#[extendr]
fn rs_worker_delete_exited(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<()> {
    Ok(worker::delete_exited(&mut queue, &ids)?)
}

/// Columns; `NA` for a worker that did not answer.
#[extendr]
fn rs_worker_ping(mut queue: ExternalPtr<Queue>, ids: Vec<String>, limit_s: f64) -> RResult<List> {
    let pongs = worker::ping(&mut queue, &ids, limit(limit_s), &stop())?;
    let column = |get: fn(&Pong) -> Option<f64>| -> Vec<Option<f64>> {
        pongs.iter().map(|pong| pong.as_ref().and_then(get)).collect()
    };
    let busy: Vec<Option<bool>> =
        pongs.iter().map(|pong| pong.as_ref().map(|pong| pong.task.is_some())).collect();
    let task: Vec<Option<String>> =
        pongs.iter().map(|pong| pong.as_ref().and_then(|pong| pong.task.clone())).collect();
    Ok(list!(
        worker_id = &ids,
        round_trip = column(|pong| Some(pong.round_trip.as_secs_f64())),
        busy = busy,
        task_id = task,
        task_age = column(|pong| pong.task_age.map(|age| age.as_secs_f64())),
        rss = column(|pong| pong.memory.map(|bytes| bytes as f64)),
        uptime = column(|pong| Some(pong.uptime.as_secs_f64()))
    ))
}

#[extendr]
fn rs_worker_kill(mut queue: ExternalPtr<Queue>, ids: Vec<String>) -> RResult<Vec<String>> {
    Ok(worker::kill(&mut queue, &ids)?)
}

#[extendr]
fn rs_worker_heartbeat_key(queue_id: &str, id: &str) -> RResult<String> {
    Ok(Keys::new(queue_id).worker(id).heartbeat())
}

/// Do what is due in the queue, for up to `limit_s` seconds. Returns per worker found lost the statuses
/// of the tasks it had begun and the ids of those it had not.
#[extendr]
fn rs_worker_sweep(mut queue: ExternalPtr<Queue>, limit_s: f64) -> RResult<List> {
    let lost = worker::sweep_within(&mut queue, limit(limit_s))?.into_iter();
    Ok(List::from_pairs(lost.map(|lost| {
        let fields: Robj = list!(tasks = statuses(lost.tasks), returned = lost.returned).into();
        (lost.worker, fields)
    })))
}

/// The state of a worker whose process has ended; `NULL` if it was never registered.
#[extendr]
fn rs_worker_lose(mut queue: ExternalPtr<Queue>, id: &str, process: &str) -> RResult<Robj> {
    Ok(or_null(worker::lose(&mut queue, id, process)?.map(WorkerStatus::word)))
}

extendr_module! {
    mod worker;
    fn rs_worker_register;
    fn rs_worker_ready;
    fn rs_worker_config;
    fn rs_worker_run;
    fn rs_worker_turn;
    fn rs_worker_end_on_term;
    fn rs_worker_heed_interrupts;
    fn rs_worker_mark_state;
    fn rs_worker_task;
    fn rs_isolate_open;
    fn rs_isolate_serve;
    fn rs_isolate_run;
    fn rs_isolate_leave;
    fn rs_worker_exit;
    fn rs_worker_states;
    fn rs_worker_info;
    fn rs_worker_set_info;
    fn rs_worker_log;
    fn rs_worker_write_log;
    fn rs_worker_delete_exited;
    fn rs_worker_ping;
    fn rs_worker_kill;
    fn rs_worker_heartbeat_key;
    fn rs_worker_sweep;
    fn rs_worker_lose;
}
