//! Deleting tasks with everything stored about them.

use crate::error::Result;
use crate::queue::Queue;
use crate::scripts::{Call, TASK_DELETE};
use crate::task::{Body, query};
use crate::value;

/// How many tasks one request changes: it takes the server a few milliseconds.
pub const CHUNK: usize = 128;
/// If the chains have more tasks than this in total, the request is split.
const CHAINS: usize = 2000;

/// Delete tasks with the chains of retries they belong to. Returns the tasks that run; if there are
/// any, nothing was deleted. With `only_idle`, tasks that have not ended and tasks that others
/// depend on are kept.
pub fn delete_chains(queue: &mut Queue, ids: &[String], only_idle: bool) -> Result<Vec<String>> {
    let mut all = ids.to_vec();
    loop {
        let bodies = query::bodies_if_any(queue, &all)?;
        let call = delete_call(queue, &all, &bodies, only_idle);
        let mut reply = value::array(queue.connection.call(&call)?)?.into_iter();
        let code = value::integer(reply.next().unwrap_or_default())?;
        if code == 0 {
            if value::integer(reply.next().unwrap_or_default())? > 0 {
                queue.store().delete_lost_files()?;
            }
            return Ok(Vec::new());
        }
        let named = reply.map(value::text).collect::<Result<Vec<_>>>()?;
        if code != 2 {
            return Ok(named);
        }
        all.extend(named);
        if all.len() > CHAINS && ids.len() > 1 {
            let (first, second) = ids.split_at(ids.len() / 2);
            let running = delete_chains(queue, first, only_idle)?;
            return if running.is_empty() {
                delete_chains(queue, second, only_idle)
            } else {
                Ok(running)
            };
        }
    }
}

/// Each object is named once; tasks refer to it by its position.
fn delete_call(queue: &Queue, ids: &[String], bodies: &[Option<Body>], only_idle: bool) -> Call {
    let mut hashes: Vec<&str> = Vec::new();
    let mut uses = Vec::new();
    for body in bodies {
        let mut places = String::new();
        for object in body.iter().flat_map(Body::objects) {
            let place = hashes.iter().position(|hash| *hash == object).unwrap_or_else(|| {
                hashes.push(object);
                hashes.len() - 1
            });
            places.push_str(&format!("{} ", place + 1));
        }
        uses.push(places);
    }
    let keys = &queue.keys;
    let mut names = Vec::from(keys.task_hashes());
    names.extend([keys.counters(), keys.due()]);
    let mut call = Call::new(&TASK_DELETE, names)
        .arg(keys.prefix())
        .arg(i64::from(only_idle))
        .arg(hashes.len())
        .arg(hashes);
    for (id, places) in ids.iter().zip(uses) {
        call.push(id);
        call.push(places);
    }
    call
}
