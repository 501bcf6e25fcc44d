//! Messages to workers.

use extendr_api::prelude::*;
use rrq_core::{Queue, message};

use rrq_bridge::RResult;
use rrq_bridge::convert::{limit, stop};
use rrq_bridge::serialize::{serialize, unserialize_each};

#[extendr]
fn rs_message_send(
    mut queue: ExternalPtr<Queue>,
    command: &str,
    argument: Robj,
    workers: Vec<String>,
) -> RResult<String> {
    let argument = if argument.is_null() { Vec::new() } else { serialize(&argument)? };
    Ok(message::send(&mut queue, command, &argument, &workers)?)
}

#[extendr]
fn rs_message_responses(
    mut queue: ExternalPtr<Queue>,
    id: &str,
    workers: Vec<String>,
    limit_s: f64,
) -> RResult<List> {
    let answers = message::wait_responses(&mut queue, id, &workers, limit(limit_s), &stop())?;
    let has: Vec<bool> = answers.iter().map(Option::is_some).collect();
    Ok(list!(has = has, value = unserialize_each(answers.iter().map(Option::as_deref))?))
}

#[extendr]
fn rs_message_response_ids(mut queue: ExternalPtr<Queue>, worker: &str) -> RResult<Vec<String>> {
    Ok(message::response_ids(&mut queue, worker)?)
}

#[extendr]
fn rs_message_delete(mut queue: ExternalPtr<Queue>, id: &str, workers: Vec<String>) -> RResult<()> {
    Ok(message::delete_responses(&mut queue, id, &workers)?)
}

extendr_module! {
    mod message;
    fn rs_message_send;
    fn rs_message_responses;
    fn rs_message_response_ids;
    fn rs_message_delete;
}
