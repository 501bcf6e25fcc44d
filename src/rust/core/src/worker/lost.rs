//! What is due: whoever notices that a lease has lapsed settles what its worker held, and tasks
//! whose dependencies have ended are released or made impossible.

use crate::error::Result;
use crate::queue::Queue;
use crate::scripts::{Call, WORKER_SWEEP};
use crate::value;

/// A worker declared lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its id.
    pub worker: String,
    /// The tasks that died with it.
    pub tasks: Vec<String>,
}

/// Do everything that is due; returns the workers declared lost.
pub fn sweep(queue: &mut Queue) -> Result<Vec<Lost>> {
    let mut lost = Vec::new();
    loop {
        let keys = &queue.keys;
        let names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due()];
        let call = Call::new(&WORKER_SWEEP, names).arg(keys.prefix());
        let mut report = value::array(queue.connection.call(&call)?)?.into_iter();
        if value::integer(report.next().unwrap_or_default())? == 0 {
            return Ok(lost);
        }
        for entry in report {
            let mut parts = value::array(entry)?.into_iter().map(value::text);
            let worker = parts.next().transpose()?.unwrap_or_default();
            lost.push(Lost { worker, tasks: parts.collect::<Result<_>>()? });
        }
    }
}
