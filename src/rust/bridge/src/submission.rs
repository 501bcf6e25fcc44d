//! Converts the options of a submission. The R half has checked them; an option that is absent or
//! `NULL` is not set.

use extendr_api::prelude::*;
use rrq_core::task::{
    Cause, Isolation, Kind, Parent, Retry, Rules, Seed, SharedObject, Special, Start, Submission,
};

use crate::condition::RResult;
use crate::convert::{field, texts};
use crate::serialize::serialize;

/// A submission from its parts in R.
pub fn submission(kind: &str, shared: &List, options: &List) -> RResult<Submission> {
    let object = |(name, value): (&str, Robj)| Ok(SharedObject::new(name, serialize(&value)?));
    let option = |name| field(options, name);
    let flag = |name| option(name).as_bool().unwrap_or(false);
    Ok(Submission {
        queue: option("queue").as_str().unwrap_or_default().to_owned(),
        kind: Kind::from_word(kind),
        shared: shared.iter().map(object).collect::<RResult<_>>()?,
        timeout_s: option("timeout").as_real().unwrap_or(0.0),
        parents: parents(&option("parents")),
        run_on_failure: flag("run_on_failure"),
        at_front: flag("at_front"),
        start: start(option("delay").as_real(), option("at").as_real()),
        rules: rules(options),
        labels: texts(&option("label")),
        tags: texts(&option("tags")),
        special: Special {
            seed: seed(&option("seed")),
            isolation: Isolation::from_word(option("isolation").as_str().unwrap_or_default()),
            capture: flag("capture"),
            ..Special::default()
        },
        seed_step: option("seed_step").as_real().map_or(1, |step| step as usize),
    })
}

/// The dependencies of new tasks: ids, named where the value is used.
fn parents(parents: &Robj) -> Vec<Parent> {
    let names: Vec<&str> = parents.names().map(Iterator::collect).unwrap_or_default();
    let name = |at: usize| names.get(at).map(|name| (*name).to_owned()).unwrap_or_default();
    let parent = |(at, id)| Parent { name: name(at), id };
    texts(parents).into_iter().enumerate().map(parent).collect()
}

fn start(delay_s: Option<f64>, at_s: Option<f64>) -> Start {
    match (delay_s, at_s) {
        (Some(seconds), _) if seconds > 0.0 => Start::After(seconds),
        (_, Some(time)) => Start::At(time),
        _ => Start::Now,
    }
}

/// The state of a generator from the last six of R's `.Random.seed`.
fn seed(seed: &Robj) -> Option<Seed> {
    seed.as_integer_slice()?.try_into().ok()
}

/// The rules for tasks that have ended.
pub fn rules(options: &List) -> Rules {
    let ttl_s = field(options, "ttl").as_real();
    Rules { ttl_s, retry: retry(&field(options, "retry")) }
}

/// A policy as created by `rrq_retry()`.
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
    })
}
