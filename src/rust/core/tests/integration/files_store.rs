//! Files stored on the server and written from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis::Value;
use rrq_core::connection::never;
use rrq_core::files::{self, Packed};
use rrq_core::{Error, Queue};

use crate::support::*;

const LIMIT: u64 = 1 << 31;
/// More than two chunks.
const LARGE: usize = 17_000_000;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

/// Bytes that repeat in no chunk.
fn large() -> Vec<u8> {
    (0..LARGE as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn store(queue: &mut Queue, root: &Path, names: &[&str]) -> rrq_core::Result<Vec<Packed>> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    files::store(queue, root, &names, LIMIT, &never())
}

fn names(pack: &[Packed]) -> Vec<&str> {
    pack.iter().map(|file| file.name.as_str()).collect()
}

/// A folder that is not there yet.
fn new_folder() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("new/folder");
    (home, path)
}

#[test]
fn files_of_any_size_come_out_as_they_went_in() {
    let mut f = Fixture::new();
    let large = large();
    let from = folder(&[("a/b/large", &large), ("a/empty", b""), ("small", b"\0\xff")]);
    let pack = store(&mut f.queue, from.path(), &["small", "./a/", "a/empty"]).unwrap();
    assert_eq!(names(&pack), ["small", "a/b/large", "a/empty"]);
    assert_eq!(pack[2].md5, "d41d8cd98f00b204e9800998ecf8427e");
    let (_home, to) = new_folder();
    files::fetch(&mut f.attach(), &to, &pack, &never()).unwrap();
    assert!(fs::read(to.join("a/b/large")).unwrap() == large);
    assert_eq!(fs::read(to.join("small")).unwrap(), b"\0\xff");
    assert_eq!(fs::read(to.join("a/empty")).unwrap(), b"");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
}

#[test]
fn equal_contents_are_stored_once_and_expire() {
    let mut f = Fixture::new();
    let from = folder(&[("a", b"same"), ("b", b"same"), ("c", b"same")]);
    store(&mut f.queue, from.path(), &["a", "b"]).unwrap();
    let before = f.keyspace();
    store(&mut f.queue, from.path(), &["c"]).unwrap();
    assert_eq!(f.keyspace(), before);
    let md5 = format!("{:x}", md5::compute(b"same"));
    assert_eq!(f.ask::<Vec<String>>("ZRANGE {jobs}:f 0 -1").join(" "), md5);
    for key in [format!("{{jobs}}:f:{md5}"), "{jobs}:f".to_owned()] {
        let hours = f.ask::<i64>(&format!("TTL {key}")) as f64 / 3600.0;
        assert!((23.9..=24.0).contains(&hours), "{key} {hours}");
    }
}

#[test]
fn using_a_file_keeps_it_longer() {
    let mut f = Fixture::new();
    let from = folder(&[("a", b"content")]);
    let pack = store(&mut f.queue, from.path(), &["a"]).unwrap();
    let key = format!("{{jobs}}:f:{}", pack[0].md5);
    let _: i64 = f.ask(&format!("EXPIRE {key} 10"));
    let (_home, to) = new_folder();
    files::fetch(&mut f.queue, &to, &pack, &never()).unwrap();
    assert!(f.ask::<i64>(&format!("TTL {key}")) > 80_000);
}

#[test]
fn too_much_is_refused_before_anything_is_stored() {
    let mut f = Fixture::new();
    let from = folder(&[("a", b"123456"), ("b", b"12345")]);
    let before = f.contents();
    let both = ["a".to_owned(), "b".to_owned()];
    match files::store(&mut f.queue, from.path(), &both, 10, &never()) {
        Err(Error::FilesLarge { bytes, limit }) => assert_eq!((bytes, limit), (11, 10)),
        other => panic!("{other:?}"),
    }
    assert_eq!(f.contents(), before);
    files::store(&mut f.queue, from.path(), &both, 11, &never()).unwrap();
}

#[test]
fn a_name_that_leaves_the_directory_is_refused_on_both_ends() {
    let mut f = Fixture::new();
    let from = folder(&[("in/a", b"content"), ("b", b"content")]);
    let pack = store(&mut f.queue, from.path(), &["b"]).unwrap();
    let before = f.contents();
    let root = from.path().join("in");
    for name in ["../b", "/etc/hostname", "a/../../b"] {
        let stored = store(&mut f.queue, &root, &["a", name]);
        assert!(matches!(stored, Err(Error::FileRefused { .. })), "{name}");
        let (_home, to) = new_folder();
        let file = |name: &str| Packed { name: name.to_owned(), md5: pack[0].md5.clone() };
        let fetched = files::fetch(&mut f.queue, &to, &[file("fine"), file(name)], &never());
        assert!(matches!(fetched, Err(Error::FileRefused { .. })), "{name}");
        assert!(!to.exists());
    }
    assert_eq!(f.contents(), before);
}

#[test]
#[cfg(unix)]
fn nothing_is_written_through_a_link_that_leads_out() {
    let mut f = Fixture::new();
    let from = folder(&[("x/a", b"new"), ("b", b"new")]);
    let pack = store(&mut f.queue, from.path(), &["x", "b"]).unwrap();
    let (to, out) = (folder(&[]), folder(&[("target", b"old")]));
    std::os::unix::fs::symlink(out.path(), to.path().join("x")).unwrap();
    let fetched = files::fetch(&mut f.queue, to.path(), &pack, &never());
    assert!(matches!(fetched, Err(Error::FileRefused { .. })));
    fs::remove_file(to.path().join("x")).unwrap();
    std::os::unix::fs::symlink(out.path().join("target"), to.path().join("b")).unwrap();
    let fetched = files::fetch(&mut f.queue, to.path(), &pack, &never());
    assert!(matches!(fetched, Err(Error::FileRefused { .. })));
    assert_eq!(fs::read(out.path().join("target")).unwrap(), b"old");
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
}

#[test]
fn what_is_not_what_was_stored_is_not_written() {
    let mut f = Fixture::new();
    let from = folder(&[("a", b"good"), ("b", b"content")]);
    let pack = store(&mut f.queue, from.path(), &["a", "b"]).unwrap();
    let _: i64 = f.ask(&format!("HSET {{jobs}}:f:{} 0 tampered", pack[1].md5));
    let (_home, to) = new_folder();
    let fetched = files::fetch(&mut f.queue, &to, &pack, &never());
    assert!(matches!(fetched, Err(Error::Corrupt { .. })));
    assert!(!to.exists());
}

#[test]
fn files_no_longer_stored_are_named_and_nothing_is_written() {
    let mut f = Fixture::new();
    let from = folder(&[("a", b"1"), ("b", b"2")]);
    let pack = store(&mut f.queue, from.path(), &["a", "b"]).unwrap();
    let _: i64 = f.ask(&format!("DEL {{jobs}}:f:{}", pack[1].md5));
    let (_home, to) = new_folder();
    match files::fetch(&mut f.queue, &to, &pack, &never()) {
        Err(Error::FilesMissing { names }) => assert_eq!(names, ["b"]),
        other => panic!("{other:?}"),
    }
    assert!(!to.exists());
    assert_eq!(store(&mut f.queue, from.path(), &["a", "b"]).unwrap(), pack);
    files::fetch(&mut f.queue, &to, &pack, &never()).unwrap();
}

/// Ends what is asked for the `n`th time.
fn after(n: usize) -> rrq_core::connection::Stop {
    let asked = AtomicUsize::new(0);
    Arc::new(move || asked.fetch_add(1, Ordering::Relaxed) + 1 >= n)
}

#[test]
fn storing_and_writing_can_be_interrupted_and_leave_nothing_behind() {
    let mut f = Fixture::new();
    let from = folder(&[("large", &large())]);
    let name = ["large".to_owned()];
    // Three chunks and the end are read twice.
    let stored = files::store(&mut f.queue, from.path(), &name, LIMIT, &after(6));
    assert!(matches!(stored, Err(Error::Interrupted)));
    assert_eq!(f.ask::<i64>("ZCARD {jobs}:f"), 1);
    let pack = files::store(&mut f.queue, from.path(), &name, LIMIT, &never()).unwrap();
    let (_home, to) = new_folder();
    let fetched = files::fetch(&mut f.queue, &to, &pack, &after(2));
    assert!(matches!(fetched, Err(Error::Interrupted)));
    assert!(!to.exists());
    f.queue.destroy(None).unwrap();
    assert!(f.keyspace().is_empty(), "{:?}", f.keyspace());
}

#[test]
fn a_destroyed_queue_takes_no_files() {
    let mut f = Fixture::new();
    let from = folder(&[("a", b"content"), ("empty", b"")]);
    store(&mut f.queue, from.path(), &["a"]).unwrap();
    f.queue.destroy(None).unwrap();
    for name in ["a", "empty"] {
        let stored = store(&mut f.queue, from.path(), &[name]);
        assert!(matches!(stored, Err(Error::QueueMissing { .. })));
    }
    assert!(f.keyspace().is_empty(), "{:?}", f.keyspace());
}

#[test]
fn files_do_not_outlive_a_queue_that_expires() {
    let mut f = Fixture::new();
    let from = folder(&[("a", b"1"), ("b", b"2")]);
    store(&mut f.queue, from.path(), &["a"]).unwrap();
    f.queue.destroy(Some(100)).unwrap();
    store(&mut f.queue, from.path(), &["a", "b"]).unwrap();
    for key in f.keyspace() {
        let ttl: i64 = f.ask(&format!("TTL {}", key.rsplit_once(' ').unwrap().0));
        assert!((90..=100).contains(&ttl), "{key} {ttl}");
    }
}

#[test]
fn a_file_kept_once_more_stays_as_it_is() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let from = folder(&[("a", b"content")]);
    let pack = store(&mut queue, from.path(), &["a"]).unwrap();
    let (key, keep) = (format!("{{jobs}}:f:{}", pack[0].md5), proxy.calls(&["cfg", "f"]));
    let before = f.contents();
    assert_eq!(f.resend(keep.last().unwrap()), Value::Int(1));
    let after = f.contents();
    assert_eq!(after[&key], before[&key]);
    assert_eq!(after.len(), before.len());
}

#[test]
fn a_connection_that_is_cut_again_and_again_does_no_harm() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let large = large();
    let from = folder(&[("large", &large)]);
    let mut cuts = 0;
    for at in [100_000, 9_000_000, 17_000_100] {
        for key in f.ask::<Vec<String>>("KEYS {jobs}:f:*") {
            let _: i64 = f.ask(&format!("DEL {key}"));
        }
        proxy.cut_after(Way::Up, at);
        let pack = store(&mut queue, from.path(), &["large"]).unwrap();
        cuts += usize::from(proxy.has_cut());
        let (_home, to) = new_folder();
        files::fetch(&mut queue, &to, &pack, &never()).unwrap();
        assert!(fs::read(to.join("large")).unwrap() == large);
        assert_eq!(f.ask::<i64>("ZCARD {jobs}:f"), 1);
    }
    assert_eq!(cuts, 3);
}
