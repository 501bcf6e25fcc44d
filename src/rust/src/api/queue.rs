//! Queues.

use std::time::{Duration, Instant};

use extendr_api::prelude::*;
use rrq_core::config::WorkerConfig;
use rrq_core::queue::Finding;
use rrq_core::{Connection, Keys, Queue};

use rrq_bridge::RResult;
use rrq_bridge::convert::{limit, stop};
use rrq_bridge::storage::memory_columns;

/// How long a session repeats a request that fails.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);

/// The offload path and threshold are those of this process; `NULL` and infinite for those of the queue.
#[extendr]
fn rs_queue_attach(
    url: &str,
    id: &str,
    who: &str,
    offload_path: Nullable<String>,
    offload_threshold: f64,
) -> RResult<ExternalPtr<Queue>> {
    rrq_bridge::serialize::learn_format()?;
    let mut connection = Connection::open(url, stop())?;
    connection.set_retry_timeout(RETRY_TIMEOUT, stop());
    let mut queue = Queue::attach(connection, id, who, &WorkerConfig::default().pack()?)?;
    queue.set_storage(offload_path.into(), offload_threshold)?;
    Ok(ExternalPtr::new(queue))
}

/// From now on submissions wait until they are safe.
#[extendr]
fn rs_queue_set_durable(mut queue: ExternalPtr<Queue>) -> RResult<()> {
    Ok(queue.set_durable()?)
}

/// Let requests fail that the server does not answer within so many seconds. Returns how many were
/// left by then; both may be infinite.
#[extendr]
fn rs_queue_deadline(mut queue: ExternalPtr<Queue>, limit_s: f64) -> RResult<f64> {
    let now = Instant::now();
    let left = |end: Instant| end.saturating_duration_since(now).as_secs_f64();
    let before = queue.connection.deadline().map_or(f64::INFINITY, left);
    let deadline = limit_s.is_finite().then(|| now.checked_add(limit(limit_s))).flatten();
    queue.connection.set_deadline(deadline);
    Ok(before)
}

#[extendr]
fn rs_queue_prefix(id: &str) -> RResult<String> {
    Ok(Keys::new(id).prefix().to_owned())
}

#[extendr]
fn rs_queue_configure(url: &str, id: &str, settings: List) -> RResult<()> {
    let mut settings = rrq_bridge::submission::settings(&settings);
    if let Some(path) = &settings.offload_path {
        settings.offload_path = Some(rrq_core::store::open(path, true)?.path().to_owned());
    }
    Ok(Queue::configure(&mut Connection::open(url, stop())?, id, &settings)?)
}

#[extendr]
fn rs_queue_length(mut queue: ExternalPtr<Queue>, name: &str) -> RResult<f64> {
    Ok(queue.length(name)? as f64)
}

#[extendr]
fn rs_queue_list(mut queue: ExternalPtr<Queue>, name: &str) -> RResult<Vec<String>> {
    Ok(queue.list(name)?)
}

#[extendr]
fn rs_queue_remove(
    mut queue: ExternalPtr<Queue>,
    name: &str,
    ids: Vec<String>,
) -> RResult<Vec<bool>> {
    Ok(queue.remove(name, &ids)?)
}

/// Whether that changed anything.
#[extendr]
fn rs_queue_pause(mut queue: ExternalPtr<Queue>, name: &str, pause: bool) -> RResult<bool> {
    Ok(queue.pause(name, pause)?)
}

/// How many tasks wait in each queue, and which queues are paused.
#[extendr]
fn rs_queue_states(mut queue: ExternalPtr<Queue>) -> RResult<List> {
    let (name, length): (Vec<String>, Vec<f64>) =
        queue.lengths()?.into_iter().map(|(name, length)| (name, length as f64)).unzip();
    Ok(list!(name = name, length = length, paused = queue.paused()?))
}

#[extendr]
fn rs_queue_destroy(mut queue: ExternalPtr<Queue>, after_s: Nullable<f64>) -> RResult<()> {
    let after = Option::from(after_s).map(|seconds: f64| seconds.ceil() as u64);
    Ok(queue.destroy(after)?)
}

/// What the queue stores: by kind, and the `n` biggest tasks and objects.
#[extendr]
fn rs_queue_memory(mut queue: ExternalPtr<Queue>, n: f64) -> RResult<List> {
    Ok(memory_columns(&queue.memory(n as usize)?))
}

/// What is damaged, as columns.
#[extendr]
fn rs_queue_examine(mut queue: ExternalPtr<Queue>, repair: bool) -> RResult<List> {
    let found = queue.examine(repair)?;
    let column =
        |of: fn(&Finding) -> &str| found.iter().map(|f| of(f).to_owned()).collect::<Vec<String>>();
    Ok(list!(
        key = column(|finding| &finding.key),
        field = column(|finding| &finding.field),
        problem = column(|finding| &finding.problem),
        repair = column(|finding| finding.repair),
        repaired = found.iter().map(|finding| finding.repaired).collect::<Vec<bool>>()
    ))
}

extendr_module! {
    mod queue;
    fn rs_queue_attach;
    fn rs_queue_set_durable;
    fn rs_queue_deadline;
    fn rs_queue_prefix;
    fn rs_queue_configure;
    fn rs_queue_length;
    fn rs_queue_list;
    fn rs_queue_remove;
    fn rs_queue_pause;
    fn rs_queue_states;
    fn rs_queue_memory;
    fn rs_queue_examine;
    fn rs_queue_destroy;
}
