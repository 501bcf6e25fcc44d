//! What a queue stores, and what was deleted of it, as R lists.

use std::time::SystemTime;

use extendr_api::prelude::*;
use rrq_core::queue::{Item, Memory, Part};
use rrq_core::store::Entry;
use rrq_core::task::Pruned;

use crate::convert::seconds;

/// What a queue stores.
pub fn memory_columns(memory: &Memory) -> List {
    let parts: [(&str, Part); 9] = [
        ("pending tasks", memory.pending),
        ("ended tasks", memory.ended),
        ("small objects", memory.small),
        ("large objects", memory.chunks),
        ("logs", memory.logs),
        ("messages", memory.messages),
        ("files", memory.files),
        ("other", memory.other),
        ("offloaded", memory.offloaded),
    ];
    let (kind, parts): (Vec<&str>, Vec<Part>) = parts.into_iter().unzip();
    let (count, bytes): (Vec<f64>, Vec<f64>) =
        parts.iter().map(|part| (part.count as f64, part.bytes as f64)).unzip();
    list!(
        parts = list!(kind = kind, count = count, bytes = bytes),
        tasks = item_columns(&memory.tasks),
        objects = item_columns(&memory.objects)
    )
}

fn item_columns(items: &[Item]) -> List {
    let text = |get: fn(&Item) -> &String| items.iter().map(get).cloned().collect::<Vec<_>>();
    let bytes: Vec<f64> = items.iter().map(|item| item.bytes as f64).collect();
    list!(id = text(|item| &item.name), label = text(|item| &item.label), bytes = bytes)
}

/// Tasks and files that were deleted.
pub fn pruned_columns(tasks: &[Pruned], files: &[Entry], problem: Option<String>) -> List {
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let ids = tasks.iter().map(|task| task.id.clone()).chain(files.iter().map(|f| f.name.clone()));
    let ended = tasks.iter().map(|task| seconds(task.end));
    let ended = ended.chain(files.iter().map(|file| since(file.modified).as_secs_f64()));
    let bytes = tasks.iter().map(|task| task.bytes).chain(files.iter().map(|file| file.bytes));
    list!(
        id = ids.collect::<Vec<String>>(),
        status = tasks.iter().map(|task| task.status.word()).collect::<Vec<_>>(),
        time = ended.collect::<Vec<f64>>(),
        bytes = bytes.map(|bytes| bytes as f64).collect::<Vec<f64>>(),
        problem = problem.map_or_else(Robj::default, Robj::from)
    )
}
