//! Worker configurations and the workers' environment.

use extendr_api::prelude::*;
use rrq_bridge::config::{from_list, to_list};
use rrq_bridge::{RResult, serialize, unserialize};
use rrq_core::{Queue, config};

#[extendr]
fn rs_config_save(
    mut queue: ExternalPtr<Queue>,
    name: &str,
    config: List,
    overwrite: bool,
) -> RResult<bool> {
    Ok(config::save(&mut queue, name, &from_list(&config), overwrite)?)
}

#[extendr]
fn rs_config_read(mut queue: ExternalPtr<Queue>, name: &str) -> RResult<List> {
    Ok(to_list(&config::read(&mut queue, name)?))
}

#[extendr]
fn rs_config_list(mut queue: ExternalPtr<Queue>) -> RResult<Vec<String>> {
    Ok(config::list(&mut queue)?)
}

#[extendr]
fn rs_envir_set(mut queue: ExternalPtr<Queue>, create: Robj) -> RResult<()> {
    let bytes = if create.is_null() { None } else { Some(serialize(&create)?) };
    Ok(config::set_envir(&mut queue, bytes.as_deref())?)
}

/// The function that builds the workers' environment, with its hash; `NULL` if there is none.
#[extendr]
fn rs_envir_get(mut queue: ExternalPtr<Queue>) -> RResult<Robj> {
    match config::envir(&mut queue)? {
        Some(bytes) => Ok(list!(create = unserialize(&bytes)?, hash = config::hash(&bytes)).into()),
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
