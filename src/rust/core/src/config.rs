//! The queue's settings: named worker configurations and the function that builds the workers'
//! environment.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::keys::field::{ENVIR, WORKER_CONFIG};
use crate::queue::{DEFAULT_QUEUE, Queue};
use crate::scripts::{CONFIG_SET, Call};
use crate::value;

/// A time from a configuration; an infinite one becomes the longest `Duration`.
pub(crate) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// How a worker behaves. Times are in seconds, infinite where there is no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)] // one stored by an earlier version has fewer fields
pub struct WorkerConfig {
    /// The queues it takes tasks from, in order.
    pub queue: Vec<String>,
    /// Whether it prints its log.
    pub verbose: bool,
    /// A directory for the logs of separate processes.
    pub logdir: Option<String>,
    /// The longest time it waits between two polls.
    pub poll_queue: Option<f64>,
    /// Idle time after which it exits.
    pub timeout_idle: f64,
    /// How often a separate process is checked.
    pub poll_process: f64,
    /// How long code may take to end after it was told to.
    pub timeout_process_die: f64,
    /// The heartbeat period; the lease is five times as long.
    pub heartbeat_period: Option<f64>,
    /// How many tasks one process runs before it is replaced.
    pub max_tasks: f64,
    /// How many bytes of memory its process may use after a task before it is replaced.
    pub max_memory: f64,
    /// The size in bytes from which values are offloaded.
    pub offload_threshold_size: f64,
    /// How many bytes of objects that tasks share it keeps.
    pub cache_size: f64,
    /// Whether it undoes what tasks change in its process.
    pub reset: bool,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        WorkerConfig {
            queue: vec![DEFAULT_QUEUE.to_owned()],
            verbose: true,
            logdir: None,
            poll_queue: None,
            timeout_idle: f64::INFINITY,
            poll_process: 1.0,
            timeout_process_die: 2.0,
            heartbeat_period: None,
            max_tasks: f64::INFINITY,
            max_memory: f64::INFINITY,
            offload_threshold_size: f64::INFINITY,
            cache_size: 256e6,
            reset: true,
        }
    }
}

impl WorkerConfig {
    /// The stored form.
    pub fn pack(&self) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(self).map_err(|e| Error::corrupt("a worker configuration", e))
    }

    /// The queues in order; every worker listens to the default one, last unless placed.
    pub fn queues(&self) -> Vec<String> {
        let mut queues: Vec<String> = Vec::new();
        for name in self.queue.iter().map(String::as_str).chain([DEFAULT_QUEUE]) {
            if !queues.iter().any(|queue| queue == name) {
                queues.push(name.to_owned());
            }
        }
        queues
    }
}

/// Store a worker configuration; returns whether it was written.
pub fn save(queue: &mut Queue, name: &str, config: &WorkerConfig, overwrite: bool) -> Result<bool> {
    set(queue, &format!("{WORKER_CONFIG}{name}"), &config.pack()?, overwrite)
}

/// Store a setting, or delete it if the value is empty; returns whether it was written.
fn set(queue: &mut Queue, field: &str, stored: &[u8], overwrite: bool) -> Result<bool> {
    let (token, number) = queue.number_request()?;
    let call = Call::new(&CONFIG_SET, vec![queue.keys.config()])
        .arg(field)
        .arg(stored)
        .arg(i64::from(overwrite))
        .arg(token)
        .arg(number);
    let written = value::integer(queue.connection.call(&call)?)?;
    if written < 0 { Err(queue.missing()) } else { Ok(written == 1) }
}

/// Read a worker configuration.
pub fn read(queue: &mut Queue, name: &str) -> Result<WorkerConfig> {
    let packed = field(queue, &format!("{WORKER_CONFIG}{name}"))?
        .ok_or_else(|| Error::ConfigMissing { name: name.to_owned() })?;
    rmp_serde::from_slice(&packed)
        .map_err(|error| Error::corrupt(format!("worker configuration '{name}'"), error))
}

/// The names of all worker configurations, sorted.
pub fn list(queue: &mut Queue) -> Result<Vec<String>> {
    names(queue, WORKER_CONFIG)
}

/// The names of the settings that begin with `prefix`, without it, sorted.
pub(crate) fn names(queue: &mut Queue, prefix: &str) -> Result<Vec<String>> {
    let fields = queue.connection.hash_fields(&queue.keys.config())?;
    let mut names: Vec<String> =
        fields.iter().filter_map(|field| field.strip_prefix(prefix)).map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// Store the serialised function that builds the workers' environment, or remove it.
pub fn set_envir(queue: &mut Queue, create: Option<&[u8]>) -> Result<()> {
    set(queue, ENVIR, create.unwrap_or_default(), true).map(|_| ())
}

/// The hash that tells environments apart.
pub fn hash(create: &[u8]) -> String {
    value::content_hash(create)
}

/// The serialised function that builds the workers' environment.
pub fn envir(queue: &mut Queue) -> Result<Option<Vec<u8>>> {
    field(queue, ENVIR)
}

fn field(queue: &mut Queue, name: &str) -> Result<Option<Vec<u8>>> {
    queue.connection.hash_get(queue.keys.config(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_queue_comes_last_unless_placed() {
        let with = |queue: &[&str]| WorkerConfig {
            queue: queue.iter().map(|name| (*name).to_owned()).collect(),
            ..WorkerConfig::default()
        };
        assert_eq!(with(&["a", "b"]).queues(), ["a", "b", "default"]);
        assert_eq!(with(&["default", "a", "a"]).queues(), ["default", "a"]);
    }

    #[test]
    fn a_configuration_written_by_another_version_can_be_read() {
        let config: WorkerConfig = rmp_serde::from_slice(
            b"\x82\xa3new\x01\xacpoll_process\xcb@\x00\x00\x00\x00\x00\x00\x00",
        )
        .unwrap();
        assert_eq!(config, WorkerConfig { poll_process: 2.0, ..WorkerConfig::default() });
    }
}
