//! Heartbeats: keys that expire unless a process lives.

use extendr_api::prelude::*;
use rrq_core::Connection;
use rrq_core::heartbeat::{self, Heartbeat, Pulse};

use rrq_bridge::RResult;
use rrq_bridge::convert::{limit, stop};

#[extendr]
fn rs_heartbeat_start(
    url: &str,
    key: &str,
    value: &str,
    period_s: f64,
    expire_s: f64,
    retry_timeout_s: f64,
) -> RResult<ExternalPtr<Heartbeat>> {
    let (key, value) = (key.to_owned(), value.to_owned());
    let pulse = Pulse { key, value, period: limit(period_s), expire: limit(expire_s) };
    let connection = Connection::open(url, stop())?;
    Ok(ExternalPtr::new(Heartbeat::start(connection, pulse, limit(retry_timeout_s), stop())?))
}

#[extendr]
fn rs_heartbeat_is_running(heartbeat: ExternalPtr<Heartbeat>) -> bool {
    heartbeat.is_running()
}

#[extendr]
fn rs_heartbeat_stop(mut heartbeat: ExternalPtr<Heartbeat>) -> RResult<()> {
    Ok(heartbeat.stop()?)
}

#[extendr]
fn rs_heartbeat_kill(url: &str, key: &str, signal: i32) -> RResult<bool> {
    Ok(heartbeat::kill(&mut Connection::open(url, stop())?, key, signal)?)
}

extendr_module! {
    mod heartbeat;
    fn rs_heartbeat_start;
    fn rs_heartbeat_is_running;
    fn rs_heartbeat_stop;
    fn rs_heartbeat_kill;
}
