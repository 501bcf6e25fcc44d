//! Between R vectors and the engine's types. The R half has checked all values from R.

use std::sync::Arc;
use std::time::Duration;

use extendr_api::prelude::*;
use rrq_core::Status;
use rrq_core::connection::Stop;
use rrq_core::task::Log;

use crate::protect::interrupt_pending;

/// A wait's limit; infinite and absent mean none.
pub fn limit(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u64::from(u32::MAX)))
}

/// Whether to end a wait early: on Ctrl-C.
pub fn stop() -> Stop {
    Arc::new(interrupt_pending)
}

/// A value, or `NULL` for `None`; extendr itself would return `NA`.
pub fn or_null<T: Into<Robj>>(value: Option<T>) -> Robj {
    value.map_or_else(|| ().into(), Into::into)
}

/// Server time in µs as R's seconds; `NA` for never.
pub fn seconds(micros: u64) -> f64 {
    if micros == 0 { f64::na() } else { micros as f64 / 1e6 }
}

/// The text elements of a character vector.
pub fn texts(value: &Robj) -> Vec<String> {
    value.as_str_iter().map(|items| items.map(str::to_owned).collect()).unwrap_or_default()
}

/// The element `name` of a list, or `NULL`.
pub fn field(list: &List, name: &str) -> Robj {
    list.iter().find(|(key, _)| *key == name).map_or_else(|| ().into(), |(_, value)| value)
}

/// The output of a task from byte `offset` on, with the length, attempt and process of the log.
pub fn log_list(log: &Log, offset: f64) -> Robj {
    let mut since = log.since(offset as u64);
    // An incomplete character at the end is returned with later output.
    let whole = match std::str::from_utf8(&since) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => since.len(),
    };
    let (total, attempt) = ((log.total - (since.len() - whole) as u64) as f64, log.attempt as f64);
    since.truncate(whole);
    let text = String::from_utf8_lossy(&since).replace('\0', "");
    list!(text = text, total = total, attempt = attempt, pid = log.pid as i32).into()
}

/// Bytes of a raw vector or of one text.
pub fn bytes(value: &Robj) -> Vec<u8> {
    match (value.as_raw_slice(), value.as_str()) {
        (Some(raw), _) => raw.to_vec(),
        (None, Some(text)) => text.as_bytes().to_vec(),
        (None, None) => Vec::new(),
    }
}

/// Tasks with their statuses: words named by the ids.
pub fn statuses(tasks: Vec<(String, Status)>) -> Robj {
    let (ids, words): (Vec<String>, Vec<&str>) =
        tasks.into_iter().map(|(id, status)| (id, status.word())).unzip();
    let mut value: Robj = words.into();
    // This cannot fail: there are as many names as words.
    let _ = value.set_names(ids);
    value
}
