//! The object store: one suite for all places, and what late requests and broken places do.

use std::sync::Arc;

use rrq_core::store::{self, Naming, ObjectStore, Offload, Storage};
use rrq_core::task::{self, SharedObject};
use rrq_core::{Error, Queue};

use crate::support::*;

#[test]
fn values_are_kept_in_the_server() {
    keeps_values(Storage::default);
}

#[test]
fn values_are_kept_in_the_server_compressed() {
    keeps_values(compressed);
}

#[test]
fn values_are_kept_in_files() {
    let folder = folder();
    keeps_values(|| on_disk(folder.path()));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_value_that_gets_smaller_is_stored_smaller() {
    let f = Fixture::new();
    let mut store = plain_store(&f, compressed());
    let hashes = store.set(&[vec![7; 9 * MB], noise(9 * MB)], "a").unwrap();
    let bytes = |hash: &String| f.ask::<i64>(&format!("MEMORY USAGE mine:o:{hash} SAMPLES 0"));
    assert!(bytes(&hashes[0]) < MB as i64);
    assert!(bytes(&hashes[1]) >= 9 * MB as i64);
}

#[test]
fn a_value_too_large_for_every_place_is_refused_before_anything_is_stored() {
    let f = Fixture::new();
    let before = f.keyspace();
    let mut store = plain_store(&f, Storage::new(100.0, None));
    let refused = store.set(&[vec![1; 50], vec![2; 101]], "a");
    assert!(matches!(refused, Err(Error::ObjectLarge { bytes: 101, limit: 100 })));
    assert_eq!(f.keyspace(), before);
}

#[test]
fn a_tag_may_begin_another_one() {
    let f = Fixture::new();
    let mut store = plain_store(&f, Storage::default());
    let hash = store.set(&[vec![1; 50]], "a").unwrap().remove(0);
    store.tag(std::slice::from_ref(&hash), "a:b").unwrap();
    store.drop(&["a".to_owned()]).unwrap();
    assert_eq!(store.tags().unwrap(), ["a:b"]);
    assert_eq!(store.get(&hash).unwrap(), vec![1; 50]);
}

#[test]
fn tagging_what_is_not_stored_is_an_error_and_changes_nothing() {
    let f = Fixture::new();
    let mut store = plain_store(&f, Storage::default());
    let hash = store.set(&[vec![1; 50]], "a").unwrap().remove(0);
    let absent = "0".repeat(32);
    let refused = store.tag(&[hash, absent.clone()], "b");
    assert!(matches!(refused, Err(Error::ObjectMissing { hashes }) if hashes == [absent]));
    assert_eq!(store.tags().unwrap(), ["a"]);
}

/// The requests that store an object in this place.
fn put_requests(f: &Fixture, storage: Storage, n: usize) -> (Vec<Request>, Queue, String) {
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    queue.storage = storage;
    let before = proxy.requests().len();
    let name = queue.store().put(&noise(n), Naming::Content).unwrap();
    let requests = proxy.requests().split_off(before);
    (requests, f.attach(), name)
}

#[test]
fn requests_that_store_an_object_may_come_again_even_after_it_was_deleted() {
    let folder = folder();
    for (storage, n) in [(Storage::default(), 9 * MB), (on_disk(folder.path()), 2000)] {
        let f = Fixture::new();
        let (requests, mut queue, name) = put_requests(&f, storage, n);
        let without_pins = |f: &Fixture| {
            let mut contents = f.contents();
            contents.remove("{jobs}:due");
            contents
        };
        let before = without_pins(&f);
        let keep = requests.iter().rfind(|request| request[0] == b"EVALSHA").unwrap();
        f.resend(keep);
        assert_eq!(without_pins(&f), before);
        f.pass_time(&format!("O:{name}"));
        rrq_core::worker::sweep(&mut queue).unwrap();
        assert!(!f.has_key("ox"));
        let before = f.contents();
        f.resend(keep);
        assert_eq!(f.contents(), before);
    }
}

#[test]
fn chunks_that_arrive_after_their_queue_was_destroyed_leave_nothing() {
    let f = Fixture::new();
    let (requests, mut queue, _) = put_requests(&f, Storage::default(), 9 * MB);
    queue.destroy(None).unwrap();
    let before = f.keyspace();
    let mut raw = f.raw();
    for request in requests.iter().filter(|request| request[0] != b"CLIENT") {
        let mut command = redis::Cmd::new();
        let _ = command.arg(request).query::<redis::Value>(&mut raw);
    }
    assert_eq!(f.keyspace(), before);
}

#[test]
fn a_queue_destroyed_while_an_object_is_sent_leaves_no_draft() {
    let f = Fixture::new();
    let (requests, mut queue, _) = put_requests(&f, Storage::default(), 9 * MB);
    // The beginning of another object.
    let begin = requests.iter().find(|request| request[0] == b"EVALSHA").unwrap();
    let begin = replace(begin, &String::from_utf8_lossy(&begin[7]), &"d".repeat(32));
    let begin = replace(&begin, &String::from_utf8_lossy(&begin[8]), &"e".repeat(32));
    f.resend(&begin);
    assert!(f.has_key(&format!("o:{}", "d".repeat(32))));
    queue.destroy(None).unwrap();
    assert!(f.keyspace().iter().all(|key| key.contains(":ev:")), "{:?}", f.keyspace());
}

#[test]
fn a_url_needs_an_installation_with_cloud_storage() {
    for create in [false, true] {
        let refused = store::open("s3://bucket/folder", create).map(|_| ());
        let said = refused.unwrap_err().to_string();
        assert!(said.starts_with("cannot use the offload path 's3://bucket/folder': "), "{said}");
        assert!(said.ends_with("`RRQ_FEATURES=cloud R CMD INSTALL .`"), "{said}");
    }
}

/// A place that fails as often as told.
struct Flaky {
    inner: Arc<dyn Offload>,
    failures: std::sync::Mutex<u32>,
}

impl Offload for Flaky {
    fn path(&self) -> &str {
        self.inner.path()
    }
    fn create(&self, name: &str) -> rrq_core::Result<Box<dyn store::Draft>> {
        let mut left = self.failures.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            let (file, path) = (name.to_owned(), self.path().to_owned());
            let source = std::io::ErrorKind::TimedOut.into();
            return Err(Error::Offload { action: "write", file, path, source });
        }
        self.inner.create(name)
    }
    fn open(&self, name: &str, size: u64) -> rrq_core::Result<Box<dyn std::io::Read>> {
        self.inner.open(name, size)
    }
    fn delete(&self, name: &str) -> rrq_core::Result<()> {
        self.inner.delete(name)
    }
    fn list(&self, owner: &str) -> rrq_core::Result<Vec<store::Entry>> {
        self.inner.list(owner)
    }
    fn forget(&self, owner: &str) {
        self.inner.forget(owner);
    }
}

#[test]
fn a_place_that_fails_for_a_moment_costs_no_result() {
    let (f, folder) = (Fixture::new(), folder());
    let inner = store::open(folder.path().to_str().unwrap(), false).unwrap();
    let flaky = Flaky { inner, failures: 2.into() };
    let mut store = plain_store(&f, Storage::with_offload(10.0, Arc::new(flaky)));
    let hash = store.set(&[noise(2000)], "a").unwrap().remove(0);
    assert!(store.get(&hash).unwrap() == noise(2000));
}

#[test]
fn an_object_may_be_stored_while_others_delete_it() {
    let (f, folder) = (Fixture::new(), folder());
    let use_it = &|tag: &str| {
        let mut queue = f.attach();
        queue.set_storage(Some(folder.path().to_str().unwrap().to_owned()), 1000.0).unwrap();
        let mut store =
            ObjectStore::of_queue(queue.connection.duplicate(), ID, on_disk(folder.path()));
        for _ in 0..150 {
            store.set(&[noise(2000)], tag).unwrap();
            store.drop(&[tag.to_owned()]).unwrap();
            let mut payloads = [noise(2000)].into_iter();
            let asked = submission("default", Vec::new());
            let ids = task::submit(&mut queue, &asked, || Ok(payloads.next())).unwrap();
            task::delete(&mut queue, &ids, true).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for tag in ["a", "b", "c"] {
            scope.spawn(move || use_it(tag));
        }
    });
    assert!(!f.has_key("ox"));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn an_object_in_two_places_is_listed_once() {
    let (f, folder) = (Fixture::new(), folder());
    let mut store = ObjectStore::of_queue(f.attach().connection, ID, on_disk(folder.path()));
    let hashes = store.set(&[noise(2000)], "a").unwrap();
    let shared = vec![SharedObject::new("x", noise(2000))];
    submit(&mut f.attach(), &submission("default", shared), &["a"]);
    assert!(f.has_key("o"));
    assert_eq!(store.list().unwrap(), hashes);
}
