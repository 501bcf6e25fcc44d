//! Worker configurations and the workers' environment.

use extendr_api::prelude::*;
use rrq_core::Queue;
use rrq_core::config::{self, WorkerConfig};

use crate::condition::Outcome;
use crate::convert::{field, or_null, texts};
use crate::serialize::{serialize, unserialize};

fn from_list(list: &List) -> WorkerConfig {
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
        offload_threshold_size: number("offload_threshold_size")
            .unwrap_or(or_default.offload_threshold_size),
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
        offload_threshold_size = config.offload_threshold_size
    )
}

#[extendr]
fn rs_config_save(
    mut queue: ExternalPtr<Queue>,
    name: &str,
    config: List,
    overwrite: bool,
) -> Outcome<bool> {
    Ok(config::save(&mut queue, name, &from_list(&config), overwrite)?)
}

#[extendr]
fn rs_config_read(mut queue: ExternalPtr<Queue>, name: &str) -> Outcome<List> {
    Ok(to_list(&config::read(&mut queue, name)?))
}

#[extendr]
fn rs_config_list(mut queue: ExternalPtr<Queue>) -> Outcome<Vec<String>> {
    Ok(config::list(&mut queue)?)
}

#[extendr]
fn rs_envir_set(mut queue: ExternalPtr<Queue>, create: Robj) -> Outcome<()> {
    let bytes = if create.is_null() { None } else { Some(serialize(&create)?) };
    Ok(config::set_envir(&mut queue, bytes.as_deref())?)
}

#[extendr]
fn rs_envir_get(mut queue: ExternalPtr<Queue>) -> Outcome<Robj> {
    match config::envir(&mut queue)? {
        Some(bytes) => unserialize(&bytes),
        None => Ok(().into()),
    }
}

extendr_module! {
    mod config;
    fn rs_config_save;
    fn rs_config_read;
    fn rs_config_list;
    fn rs_envir_set;
    fn rs_envir_get;
}
