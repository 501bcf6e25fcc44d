//! What every place must do, and what broken connections do.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use rrq_cloud::{Bucket, Settings};
use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::store::{Offload, Storage};
use rrq_core::{Error, task};

use crate::bucket::{TestBucket, settings};
use crate::support::*;

/// Write a file.
fn write(place: &dyn Offload, name: &str, bytes: &[u8]) -> rrq_core::Result<()> {
    let mut draft = place.create(name)?;
    bytes.chunks(MB).try_for_each(|some| draft.write(some))?;
    draft.commit()
}

/// Read a file as a whole.
fn read(place: &dyn Offload, name: &str, size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    place.open(name, size as u64).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn said<T>(outcome: rrq_core::Result<T>) -> String {
    outcome.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn values_are_kept_in_a_bucket() {
    let Some(bucket) = TestBucket::new() else { return };
    keeps_values(|| bucket.storage());
    assert_eq!(bucket.n_files(), 0);
}

#[test]
fn files_of_all_sizes_come_back() {
    let Some(bucket) = TestBucket::new() else { return };
    let place = bucket.open();
    for size in [0, 1, 8 * MB - 1, 8 * MB, 8 * MB + 1, 16 * MB, 50 * MB] {
        write(&*place, "jobs/a", &noise(size)).unwrap();
        assert!(read(&*place, "jobs/a", size) == noise(size), "{size}");
        assert_eq!(place.list("jobs").unwrap()[0].bytes, size as u64);
    }
    place.delete("jobs/a").unwrap();
    place.delete("jobs/a").unwrap();
    assert_eq!(bucket.n_files(), 0);
}

#[test]
fn a_file_exists_when_it_is_complete() {
    let Some(bucket) = TestBucket::new() else { return };
    let place = bucket.open();
    let mut draft = place.create("jobs/a").unwrap();
    draft.write(&noise(40 * MB)).unwrap();
    assert!(place.list("jobs").unwrap().is_empty());
    assert!(matches!(place.open("jobs/a", 40 * MB as u64), Err(Error::Offload { .. })));
    assert_eq!(bucket.n_files(), 1);
    drop(draft);
    assert_eq!(bucket.n_files(), 0);
}

#[test]
fn a_file_of_another_size_is_not_read() {
    let Some(bucket) = TestBucket::new() else { return };
    let place = bucket.open();
    write(&*place, "jobs/a", &noise(2000)).unwrap();
    for size in [0, 1999, 2001] {
        let said = said(place.open("jobs/a", size));
        assert!(said.contains("it has 2000 bytes, but should have"), "{said}");
    }
    assert!(place.open("jobs/b", 0).is_err());
}

#[test]
fn only_files_of_the_owner_are_listed() {
    let Some(bucket) = TestBucket::new() else { return };
    let place = bucket.open();
    for name in ["%7ba%7d/1", "%7ba%7d/2", "b/1", "%7ba%7db/1"] {
        write(&*place, name, &noise(10)).unwrap();
    }
    let mut listed = place.list("%7ba%7d").unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<&str> = listed.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["%7ba%7d/1", "%7ba%7d/2"]);
    assert!(listed[0].modified.elapsed().unwrap_or_default() < Duration::from_secs(3600));
    assert!(place.list("c").unwrap().is_empty());
}

#[test]
fn a_connection_cut_anywhere_costs_nothing() {
    let Some(bucket) = TestBucket::new() else { return };
    let proxy = Proxy::before(bucket.port);
    let (place, value) = (bucket.open_by(proxy.url()), noise(20 * MB));
    for i in 0..6 {
        proxy.cut_after(Way::Up, 1 + i * 4 * MB);
        write(&*place, "jobs/a", &value).unwrap();
        assert!(proxy.has_cut(), "{i}");
        proxy.cut_after(Way::Down, 1 + i * 4 * MB);
        assert!(read(&*place, "jobs/a", 20 * MB) == value, "{i}");
        assert!(proxy.has_cut(), "{i}");
        proxy.cut_after(Way::Down, 1);
        place.delete("jobs/a").unwrap();
        assert_eq!(bucket.n_files(), 0);
    }
}

#[test]
fn a_service_that_is_down_for_a_moment_costs_nothing() {
    let Some(bucket) = TestBucket::new() else { return };
    let proxy = Proxy::before(bucket.port);
    let (place, value) = (bucket.open_by(proxy.url()), noise(20 * MB));
    let put = || write(&*place, "jobs/a", &value).unwrap();
    let get = || assert!(read(&*place, "jobs/a", 20 * MB) == value);
    let delete = || place.delete("jobs/a").unwrap();
    let steps: [&(dyn Fn() + Sync); 3] = [&put, &get, &delete];
    for step in steps {
        proxy.close(true);
        let before = proxy.n_held_back();
        std::thread::scope(|scope| {
            scope.spawn(step);
            wait_until(|| proxy.n_held_back() > before);
            proxy.close(false);
        });
    }
    assert_eq!(bucket.n_files(), 0);
}

#[test]
fn a_service_that_is_down_is_an_error_that_names_file_and_bucket() {
    let Some(bucket) = TestBucket::new() else { return };
    let proxy = Proxy::before(bucket.port);
    let place = bucket.open_by(proxy.url());
    proxy.close(true);
    let path = format!("in the offload path '{}'", bucket.url());
    let errors = [
        ("write", said(write(&*place, "jobs/a", &noise(2000)))),
        ("read", said(place.open("jobs/a", 2000))),
        ("delete", said(place.delete("jobs/a"))),
    ];
    for (action, said) in errors {
        assert!(said.starts_with(&format!("cannot {action} 'jobs/a' {path}")), "{said}");
    }
    proxy.close(false);
    write(&*place, "jobs/a", &noise(2000)).unwrap();
}

#[test]
fn a_result_that_cannot_be_stored_is_an_error_and_the_worker_goes_on() {
    let Some(bucket) = TestBucket::new() else { return };
    let (f, proxy) = (Fixture::new(), Proxy::before(bucket.port));
    let mut queue = f.attach();
    let mut actor = Actor::new(|_| complete(noise(20 * MB)));
    let ids = submit_all(&mut queue, &["a", "b"]);
    let mut worker = f.worker("w");
    worker.queue().storage = Storage::with_offload(1000.0, bucket.open_by(proxy.url()));
    proxy.close(true);
    run_until_idle(&mut worker, &mut actor);
    for result in task::results(&mut queue, &ids).unwrap() {
        let said = String::from_utf8(result.value.unwrap()).unwrap();
        assert_eq!(result.status, Status::Error);
        assert!(said.starts_with("its value cannot be stored: cannot write"), "{said}");
    }
    assert_eq!(actor.done, ["a", "b"]);
}

#[test]
fn results_in_a_bucket_go_with_their_tasks_and_what_was_left_is_found() {
    let Some(bucket) = TestBucket::new() else { return };
    let f = Fixture::new();
    let mut queue = f.attach();
    queue.storage = bucket.storage();
    let mut worker = f.worker("w");
    worker.queue().storage = bucket.storage();
    let ids = submit_all(&mut queue, &["a"]);
    run_until_idle(&mut worker, &mut Actor::new(|_| complete(noise(20 * MB))));
    let result = task::results(&mut queue, &ids).unwrap().remove(0);
    assert!(queue.store().get(&result.object.unwrap()).unwrap() == noise(20 * MB));
    // A process has ended after it wrote a file, before it registered it.
    write(&*bucket.open(), &format!("jobs/{}-00000000", "0".repeat(32)), b"x").unwrap();
    assert_eq!(queue.store().orphans(Duration::ZERO, false).unwrap().len(), 1);
    assert_eq!(bucket.n_files(), 1);
    task::delete(&mut queue, &ids, true).unwrap();
    assert_eq!(bucket.n_files(), 0);
}

#[test]
fn an_interrupt_ends_a_wait() {
    let Some(bucket) = TestBucket::new() else { return };
    let proxy = Proxy::before(bucket.port);
    proxy.freeze(true);
    let (settings, stop) = (settings(proxy.url()), Arc::new(|| true));
    let place = Bucket::open(&bucket.url(), &settings, stop).unwrap();
    assert!(matches!(place.delete("jobs/a"), Err(Error::Interrupted)));
    assert!(matches!(place.open("jobs/a", 10), Err(Error::Interrupted)));
    assert!(matches!(write(&place, "jobs/a", &noise(20 * MB)), Err(Error::Interrupted)));
}

#[test]
fn what_is_no_bucket_is_refused() {
    for url in ["ftp://a/b", "https://example.org/a", "memory:///a", "s3://"] {
        let refused = rrq_cloud::open(url, false, never());
        assert!(matches!(refused, Err(Error::OffloadPath { .. })), "{url}");
    }
}

#[test]
fn a_bucket_that_does_not_exist_is_refused_if_asked_for() {
    let Some(bucket) = TestBucket::new() else { return };
    let settings = settings(&bucket.endpoint());
    Bucket::open(&bucket.url(), &settings, never()).unwrap().check().unwrap();
    let absent = Bucket::open("s3://rrq-absent/a", &settings, never()).unwrap();
    let said = said(absent.check());
    assert!(said.starts_with("cannot use the offload path 's3://rrq-absent/a': "), "{said}");
    assert!(said.ends_with("NoSuchBucket: The specified bucket does not exist"), "{said}");
}

#[test]
fn places_of_all_services_are_opened_without_a_request() {
    let options = [("account_name", "name"), ("access_key", "a2V5"), ("skip_signature", "true")];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let settings = Settings { options: options.into(), ..Settings::default() };
    for url in ["s3://bucket/a", "s3://bucket/", "gs://bucket/a", "az://container/a"] {
        let place = Bucket::open(url, &settings, never()).unwrap();
        assert_eq!(place.path(), url.trim_end_matches('/'));
    }
}
