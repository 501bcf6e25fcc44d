//! Worker configurations as lists of R.

use extendr_api::prelude::*;
use rrq_core::config::WorkerConfig;

use crate::convert::{field, or_null, texts};

/// A configuration from the list the R half checked.
pub fn from_list(list: &List) -> WorkerConfig {
    let number = |name| field(list, name).as_real();
    let or_default = WorkerConfig::default();
    WorkerConfig {
        queue: texts(&field(list, "queue")),
        verbose: field(list, "verbose").as_bool().unwrap_or(or_default.verbose),
        logdir: field(list, "logdir").as_str().map(str::to_owned),
        poll_queue: number("poll_queue"),
        timeout_idle: number("timeout_idle").unwrap_or(or_default.timeout_idle),
        poll_process: number("poll_process").unwrap_or(or_default.poll_process),
        timeout_process_die: number("timeout_process_die")
            .unwrap_or(or_default.timeout_process_die),
        heartbeat_period: number("heartbeat_period"),
        max_tasks: number("max_tasks").unwrap_or(or_default.max_tasks),
        max_memory: number("max_memory").unwrap_or(or_default.max_memory),
        offload_threshold_size: number("offload_threshold_size")
            .unwrap_or(or_default.offload_threshold_size),
        cache_size: number("cache_size").unwrap_or(or_default.cache_size),
        reset: field(list, "reset").as_bool().unwrap_or(or_default.reset),
    }
}

/// A configuration as the R half sees it.
pub fn to_list(config: &WorkerConfig) -> List {
    list!(
        queue = config.queues(),
        verbose = config.verbose,
        logdir = or_null(config.logdir.clone()),
        poll_queue = or_null(config.poll_queue),
        timeout_idle = config.timeout_idle,
        poll_process = config.poll_process,
        timeout_process_die = config.timeout_process_die,
        heartbeat_period = or_null(config.heartbeat_period),
        max_tasks = config.max_tasks,
        max_memory = config.max_memory,
        offload_threshold_size = config.offload_threshold_size,
        cache_size = config.cache_size,
        reset = config.reset
    )
}
