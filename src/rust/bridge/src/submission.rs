//! Converts the options of a submission. The R half has checked their values; an option that is
//! absent or `NULL` is not set. To add an option, add an arm to `set()`.

use extendr_api::prelude::*;
use rrq_core::Error;
use rrq_core::queue::Settings;
use rrq_core::task::{Cause, Isolation, Kind, Parent, Retry, SharedObject, Start, Submission};

use crate::condition::{Failure, RResult};
use crate::convert::{field, texts};
use crate::protect::call;
use crate::serialize::serialize_noting;

/// From this size on in bytes, R is asked about a value, to warn of it.
const LARGE: f64 = 1e7;

/// Asks R about values that cannot travel or are large, and tells it of a full queue: two calls, and the
/// environment they stand in.
pub struct Inspector {
    inspect: Robj,
    report_full: Robj,
    slot: Robj,
    /// From this size on R is asked.
    large: f64,
}

impl Inspector {
    /// From a list of the calls `inspect` and `report_full`, the environment `slot` and the number `limit`:
    /// so many bytes a task may have.
    pub fn new(ask: &List) -> Self {
        let limit = field(ask, "limit").as_real().unwrap_or(f64::INFINITY);
        Inspector {
            inspect: field(ask, "inspect"),
            report_full: field(ask, "report_full"),
            slot: field(ask, "slot"),
            large: limit.min(LARGE),
        }
    }

    /// Tell the user that the submission waits for room in the queue. If that fails, it goes on.
    pub fn report_full(&self, bytes: u64, limit: u64) {
        let (bytes, limit) = (Robj::from(bytes as f64), Robj::from(limit as f64));
        let _ = call(&self.slot, &self.report_full, &[(c"bytes", &bytes), (c"limit", &limit)]);
    }

    /// Serialise the payload of the task at `position`, or a shared object where that is 0.
    pub fn serialize(&self, value: &Robj, position: usize) -> RResult<Vec<u8>> {
        let (bytes, pointers) = serialize_noting(value)?;
        if pointers || bytes.len() as f64 > self.large {
            let arguments = [
                (c"value", value),
                (c"bytes", &(bytes.len() as f64).into()),
                (c"pointers", &pointers.into()),
                (c"position", &(position as i32).into()),
            ];
            let fits = call(&self.slot, &self.inspect, &arguments);
            if fits.and_then(|fits| fits.as_bool()) != Some(true) {
                return Err(Failure::Serialize("it was refused".into()));
            }
        }
        Ok(bytes)
    }
}

/// A submission from its parts in R.
pub fn submission(
    kind: &str,
    shared: &List,
    options: &List,
    inspector: &Inspector,
) -> RResult<Submission> {
    let object =
        |(name, value): (&str, Robj)| Ok(SharedObject::new(name, inspector.serialize(&value, 0)?));
    let mut submission = Submission::new("", Kind::from_word(kind));
    submission.shared = shared.iter().map(object).collect::<RResult<_>>()?;
    for (name, value) in options.iter().filter(|(_, value)| !value.is_null()) {
        if set(&mut submission, name, &value).is_none() {
            let what = format!("the option `{name}` of a task");
            return Err(Error::corrupt(what, "it is unknown or has an unexpected type").into());
        }
    }
    Ok(submission)
}

/// Set one option; `None` if there is no such option, or the value is not of its type.
fn set(submission: &mut Submission, name: &str, value: &Robj) -> Option<()> {
    let special = &mut submission.special;
    match name {
        "queue" => submission.queue = value.as_str()?.to_owned(),
        "timeout_task_run" => submission.timeout_s = value.as_real()?,
        "depends_on" => submission.parents = parents(value),
        "on_failure" => submission.run_on_failure = value.as_str()? == "run",
        "at_front" => submission.at_front = value.as_bool()?,
        "delay" => submission.start = Start::After(value.as_real()?),
        "at" => submission.start = Start::At(value.as_real()?),
        "retry" => submission.rules.retry = Some(retry(value)?),
        "ttl" => submission.rules.ttl_s = Some(value.as_real()?),
        "label" => submission.labels = texts(value),
        "tags" => submission.tags = texts(value),
        "seed" => special.seed = Some(value.as_integer_slice()?.try_into().ok()?),
        "seed_step" => submission.seed_step = value.as_real()? as usize,
        // Choosing where the process comes from implies that there is one.
        "isolation" => special.isolation = Isolation::from_word(value.as_str()?),
        "separate_process" if value.as_bool()? && special.isolation == Isolation::None => {
            special.isolation = Isolation::Fork;
        }
        "separate_process" => {}
        "wait" => submission.wait = value.as_bool()?,
        "capture" => special.capture = value.as_bool()?,
        _ => return None,
    }
    Some(())
}

/// The dependencies of new tasks: ids, named where the value is used.
fn parents(parents: &Robj) -> Vec<Parent> {
    let names: Vec<&str> = parents.names().map(Iterator::collect).unwrap_or_default();
    let name = |at: usize| names.get(at).map(|name| (*name).to_owned()).unwrap_or_default();
    let parent = |(at, id)| Parent { name: name(at), id };
    texts(parents).into_iter().enumerate().map(parent).collect()
}

/// The settings of a queue.
pub fn settings(options: &List) -> Settings {
    let path = field(options, "offload_path").as_str().map(str::to_owned);
    Settings {
        ttl_s: field(options, "ttl").as_real(),
        retry: retry(&field(options, "retry")),
        store_max_size: field(options, "store_max_size").as_real(),
        offload_path: path,
        compress: field(options, "compress").as_bool(),
        max_bytes: field(options, "max_bytes").as_real(),
    }
}

/// A policy as created by `rrq_retry()`; `None` for `NULL`, which extendr takes for an empty list.
fn retry(policy: &Robj) -> Option<Retry> {
    let policy = policy.as_list().filter(|policy| !policy.is_empty())?;
    let number = |name| field(&policy, name).as_real().unwrap_or(0.0);
    Some(Retry {
        max_attempts: number("max_attempts").clamp(1.0, 1e9) as u32,
        delay_s: number("delay"),
        backoff: number("backoff"),
        max_delay_s: number("max_delay"),
        on: texts(&field(&policy, "on")).iter().filter_map(|on| Cause::from_word(on)).collect(),
        classes: texts(&field(&policy, "classes")),
        max_lost: number("max_lost").clamp(0.0, 1e9) as u32,
    })
}
