//! How tasks ended, with all that a session shows of it: also what only a few of them have, which
//! costs a further request if one of these tasks has it.

use redis::Pipeline;

use crate::error::Result;
use crate::queue::Queue;
use crate::status::Status;
use crate::task::log::Log;
use crate::task::query::{self, read_label};
use crate::task::result::TaskResult;
use crate::value;

/// How a task ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its status and value.
    pub result: TaskResult,
    /// The label of a task that failed, or empty.
    pub label: String,
    /// Its rare attributes, such as warnings, serialised.
    pub extra: Option<Vec<u8>>,
}

impl Outcome {
    /// A result without anything else to show.
    pub(super) fn plain(result: TaskResult) -> Self {
        Outcome { result, label: String::new(), extra: None }
    }
}

pub(super) fn read(queue: &mut Queue, ids: &[String]) -> Result<Vec<Outcome>> {
    let results = query::results(queue, ids)?;
    complete(queue, ids, results)
}

/// Add to results what only a few tasks have.
pub(super) fn complete(
    queue: &mut Queue,
    ids: &[String],
    results: Vec<TaskResult>,
) -> Result<Vec<Outcome>> {
    let mut outcomes: Vec<Outcome> = results.into_iter().map(Outcome::plain).collect();
    let places = |is_in: fn(&TaskResult) -> bool| -> Vec<usize> {
        (0..ids.len()).filter(|place| is_in(&outcomes[*place].result)).collect()
    };
    let failed = places(|result| result.status.is_terminal() && result.status != Status::Complete);
    let special = places(|result| result.has_extra);
    let (labels, extras) = (queue.keys.labels(), queue.keys.extras());
    let columns = read_places(queue, ids, [(labels, &failed), (extras, &special)])?;
    let [labels, extras] = columns;
    for (place, label) in failed.into_iter().zip(labels) {
        outcomes[place].label = read_label(label.as_deref()).label;
    }
    for (place, extra) in special.into_iter().zip(extras) {
        outcomes[place].extra = extra;
    }
    Ok(outcomes)
}

type Column = Vec<Option<Vec<u8>>>;

/// How many fields one command reads.
const CHUNK: usize = 5000;

/// Fields of hashes, each for some of the ids, in one round trip; none if there are no such ids.
fn read_places<const N: usize>(
    queue: &mut Queue,
    ids: &[String],
    wanted: [(String, &Vec<usize>); N],
) -> Result<[Column; N]> {
    let mut pipeline = Pipeline::new();
    let mut columns = [const { Vec::new() }; N];
    let mut owners = Vec::new();
    for (column, (key, places)) in wanted.into_iter().enumerate() {
        for chunk in places.chunks(CHUNK) {
            let fields: Vec<&String> = chunk.iter().map(|place| &ids[*place]).collect();
            pipeline.cmd("HMGET").arg(&key).arg(fields);
            owners.push(column);
        }
    }
    if !owners.is_empty() {
        for (column, reply) in owners.into_iter().zip(queue.connection.pipeline(&pipeline)?) {
            for item in value::array(reply)? {
                columns[column].push(value::maybe_bytes(item)?);
            }
        }
    }
    Ok(columns)
}

/// What tasks printed, and their rare attributes, serialised.
pub type Output = (Option<Log>, Option<Vec<u8>>);

/// The output of each task, in one round trip.
pub fn outputs(queue: &mut Queue, ids: &[String]) -> Result<Vec<Output>> {
    let places = (0..ids.len()).collect();
    let (logs, extras) = (queue.keys.logs(), queue.keys.extras());
    let [logs, extras] = read_places(queue, ids, [(logs, &places), (extras, &places)])?;
    let log = |(id, stored): (&String, Option<Vec<u8>>)| {
        stored.map(|stored| Log::read(id, &stored)).transpose()
    };
    let logs = ids.iter().zip(logs).map(log).collect::<Result<Vec<_>>>()?;
    Ok(logs.into_iter().zip(extras).collect())
}
