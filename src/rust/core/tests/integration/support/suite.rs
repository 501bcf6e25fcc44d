//! What every place for values must do.

use rrq_core::connection::never;
use rrq_core::store::{ObjectStore, Storage};
use rrq_core::{Connection, Error};

use super::{Fixture, MB, noise};

/// A store of its own on a server.
pub fn plain_store(f: &Fixture, storage: Storage) -> ObjectStore {
    ObjectStore::new(Connection::open(&f.server.url(), never()).unwrap(), "mine:", storage)
}

/// What every place must do: values of all sizes come back, equal ones are stored once, tags keep them,
/// and nothing stays.
pub fn keeps_values(storage: impl Fn() -> Storage) {
    let f = Fixture::new();
    let before = f.keyspace();
    let mut store = plain_store(&f, storage());
    let mut values: Vec<Vec<u8>> =
        [0, 1, 999, 1001, 64 * 1024, 64 * 1024 + 1, 4 * MB, 4 * MB + 1, 9 * MB].map(noise).into();
    values.push(vec![7; 5 * MB]);
    let hashes = store.set(&values, "a").unwrap();
    assert_eq!(store.set(&values, "b:c").unwrap(), hashes);
    let (mut all, listed) = (hashes.clone(), store.list().unwrap());
    all.sort();
    assert_eq!((listed, store.tags().unwrap()), (all, vec!["a".to_owned(), "b:c".to_owned()]));
    store.drop(&["a".to_owned()]).unwrap();
    // Another handle, as another process has it.
    let mut other = plain_store(&f, storage());
    for (hash, value) in hashes.iter().zip(&values) {
        assert!(other.get(hash).unwrap() == *value, "{} bytes", value.len());
    }
    other.drop(&["b:c".to_owned()]).unwrap();
    assert!(matches!(store.get(&hashes[8]), Err(Error::ObjectMissing { .. })));
    assert_eq!(f.keyspace(), before);
    store.set(&values, "a").unwrap();
    store.destroy().unwrap();
    assert_eq!(f.keyspace(), before);
}
