//! Objects that many tasks share, kept as R values, so that a worker reads each one once. A process that
//! forks has them, too: its children find what it has read.

use std::cell::{Cell, RefCell};

use extendr_api::prelude::*;
use rrq_core::worker::Fetch;

use crate::condition::RResult;
use crate::serialize::{unserialize, unserialize_from};

/// Objects with mutable state are kept as bytes up to this size, and read again above it.
const BYTES_KEPT: u64 = 64 * 1024 * 1024;

thread_local! {
    static CACHE: RefCell<Vec<Object>> = const { RefCell::new(Vec::new()) };
    static LIMIT: Cell<f64> = const { Cell::new(256e6) };
}

/// An object in the cache; the one used last is at its end.
struct Object {
    hash: String,
    kept: Kept,
    size: u64,
}

#[derive(Clone)]
enum Kept {
    Value(Robj),
    Bytes(Vec<u8>),
}

/// Keep at most so many bytes of objects, as they are stored.
pub fn set_limit(bytes: f64) {
    LIMIT.set(bytes);
}

/// An object, from the cache or the store. One with mutable state, such as an environment, is
/// unserialised again for each task, so that no task sees changes made by another.
pub fn object(
    hash: &str,
    fetch: &mut dyn Fetch,
    is_stateless: impl Fn(&Robj) -> bool,
) -> RResult<Robj> {
    if let Some(kept) = find(hash) {
        return match kept {
            Kept::Value(value) => Ok(value),
            Kept::Bytes(bytes) => unserialize(&bytes),
        };
    }
    let reader = fetch.object(hash)?;
    let size = reader.size;
    let (value, bytes) = if size <= BYTES_KEPT {
        let bytes = reader.read_all()?;
        (unserialize(&bytes)?, Some(bytes))
    } else {
        (unserialize_from(reader)?, None)
    };
    if is_stateless(&value) {
        keep(hash, Kept::Value(value.clone()), size);
    } else if let Some(bytes) = bytes {
        keep(hash, Kept::Bytes(bytes), size);
    }
    Ok(value)
}

fn find(hash: &str) -> Option<Kept> {
    CACHE.with_borrow_mut(|cache| {
        let at = cache.iter().position(|object| object.hash == hash)?;
        let object = cache.remove(at);
        let kept = object.kept.clone();
        cache.push(object);
        Some(kept)
    })
}

/// The least recently used are dropped first. The newest is kept even if it alone exceeds the limit, as
/// the next task of a bulk uses it, unless nothing is to be kept.
fn keep(hash: &str, kept: Kept, size: u64) {
    CACHE.with_borrow_mut(|cache| {
        cache.push(Object { hash: hash.to_owned(), kept, size });
        let mut total = cache.iter().map(|object| object.size).sum::<u64>() as f64;
        let n_least = usize::from(LIMIT.get() > 0.0);
        while total > LIMIT.get() && cache.len() > n_least {
            total -= cache.remove(0).size as f64;
        }
    });
}
