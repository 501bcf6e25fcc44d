//! Object stores.

use extendr_api::prelude::*;
use rrq_core::store::{self, ObjectStore, Storage};
use rrq_core::{Connection, Queue};

use rrq_bridge::convert::stop;
use rrq_bridge::protect::call;
use rrq_bridge::serialize::{learn_format, serialize_noting, unserialize_from};
use rrq_bridge::{RResult, cache, transfer};

#[extendr]
fn rs_store_new(
    url: &str,
    prefix: &str,
    max_size: f64,
    path: Nullable<String>,
) -> RResult<ExternalPtr<ObjectStore>> {
    learn_format()?;
    let mut storage = Storage::new(max_size, path.into());
    storage.compress = true;
    Ok(ExternalPtr::new(ObjectStore::new(Connection::open(url, stop())?, prefix, storage)))
}

/// The store with the objects of a queue.
#[extendr]
fn rs_store_of_queue(queue: ExternalPtr<Queue>) -> ExternalPtr<ObjectStore> {
    let path = queue.storage.path().map(str::to_owned);
    let storage = queue.storage.moved(queue.storage.max_size, path);
    let connection = queue.connection.duplicate();
    ExternalPtr::new(ObjectStore::of_queue(connection, &queue.id, storage))
}

/// Create a directory for large values; returns its path for any working directory.
#[extendr]
fn rs_store_open_path(path: &str) -> RResult<String> {
    Ok(store::open(path, true)?.path().to_owned())
}

/// Evaluate `report` in `slot`, where `done` and `total` are bound, while a long transfer goes on.
#[extendr]
fn rs_store_watch(report: Robj, slot: Robj) {
    transfer::watch(report, slot);
}

#[extendr]
fn rs_store_set(
    mut store: ExternalPtr<ObjectStore>,
    values: List,
    tags: Vec<String>,
    is_serialised: bool,
) -> RResult<Vec<String>> {
    let bytes = |value: Robj| match value.as_raw_slice() {
        Some(bytes) if is_serialised => Ok(bytes.to_vec()),
        _ => serialize_noting(&value).map(|(bytes, _)| bytes),
    };
    let bytes = values.values().map(bytes).collect::<RResult<Vec<_>>>()?;
    let store: &mut ObjectStore = &mut store;
    let (first, rest) = tags.split_first().map_or(("", [].as_slice()), |(a, b)| (a.as_str(), b));
    let hashes = store.set(&bytes, first)?;
    rest.iter().try_for_each(|tag| store.tag(&hashes, tag))?;
    Ok(hashes)
}

#[extendr]
fn rs_store_get(mut store: ExternalPtr<ObjectStore>, hashes: Vec<String>) -> RResult<List> {
    let mut values = Vec::with_capacity(hashes.len());
    for hash in &hashes {
        values.push(unserialize_from((*store).reader(hash)?)?);
    }
    Ok(List::from_values(values))
}

/// A value that tasks share, from the cache of this process or the store. `is_stateless` is a call, which
/// is evaluated in `slot`, where `value` is bound.
#[extendr]
fn rs_store_shared(
    mut queue: ExternalPtr<Queue>,
    hash: &str,
    is_stateless: Robj,
    slot: Robj,
) -> RResult<Robj> {
    let queue: &mut Queue = &mut queue;
    cache::object(hash, queue, |value| {
        let answer = call(&slot, &is_stateless, &[(c"value", value)]);
        answer.and_then(|answer| answer.as_bool()) == Some(true)
    })
}

#[extendr]
fn rs_store_untag(mut store: ExternalPtr<ObjectStore>, hash: &str, tag: &str) -> RResult<()> {
    let store: &mut ObjectStore = &mut store;
    Ok(store.untag(hash, tag)?)
}

#[extendr]
fn rs_store_list(mut store: ExternalPtr<ObjectStore>) -> RResult<Vec<String>> {
    Ok((*store).list()?)
}

#[extendr]
fn rs_store_tags(mut store: ExternalPtr<ObjectStore>) -> RResult<Vec<String>> {
    Ok((*store).tags()?)
}

/// `redis` or `offload`; `NA` for what is not stored.
#[extendr]
fn rs_store_locations(
    mut store: ExternalPtr<ObjectStore>,
    hashes: Vec<String>,
) -> RResult<Vec<Option<&'static str>>> {
    Ok((*store).locations(&hashes)?)
}

#[extendr]
fn rs_store_drop(mut store: ExternalPtr<ObjectStore>, tags: Vec<String>) -> RResult<()> {
    Ok((*store).drop(&tags)?)
}

#[extendr]
fn rs_store_destroy(mut store: ExternalPtr<ObjectStore>) -> RResult<()> {
    Ok((*store).destroy()?)
}

extendr_module! {
    mod store;
    fn rs_store_new;
    fn rs_store_of_queue;
    fn rs_store_open_path;
    fn rs_store_watch;
    fn rs_store_set;
    fn rs_store_get;
    fn rs_store_shared;
    fn rs_store_untag;
    fn rs_store_list;
    fn rs_store_tags;
    fn rs_store_locations;
    fn rs_store_drop;
    fn rs_store_destroy;
}
