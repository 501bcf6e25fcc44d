//! Processes that are killed at any moment while they store, read and delete values in files.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::store::ObjectStore;
use rrq_core::task;
use rrq_core::{Connection, Queue};

use crate::support::*;

/// Equal for all processes.
const SIZES: [usize; 4] = [2000, 2001, 100_000, 300_000];
const ROUNDS: u64 = 30;

fn store_of(url: &str, queue: &Queue, folder: &Path) -> ObjectStore {
    let connection = Connection::open(url, never()).unwrap();
    let storage = queue.storage.moved(1000.0, Some(folder.to_str().unwrap().to_owned()));
    ObjectStore::of_queue(connection, ID, storage)
}

fn attach_with(url: &str, folder: &Path) -> Queue {
    let mut queue = attach(url);
    queue.set_storage(Some(folder.to_str().unwrap().to_owned()), 1000.0).unwrap();
    queue
}

/// Store the values, read them and delete them again; so do tasks with values of their own.
fn use_values(url: &str, queue: &mut Queue, folder: &Path, tag: &str) {
    let mut store = store_of(url, queue, folder);
    for value in SIZES.map(noise) {
        let hash = store.set(std::slice::from_ref(&value), tag).unwrap().remove(0);
        let mut payloads = vec![value.clone(), value.clone()].into_iter();
        let asked = submission("other", Vec::new());
        let ids = task::submit(queue, &asked, || Ok(payloads.next())).unwrap();
        assert!(store.get(&hash).unwrap() == value);
        store.drop(&[tag.to_owned()]).unwrap();
        task::delete(queue, &ids, true).unwrap();
    }
}

/// Not a test: a session or a worker that goes on until it is killed.
#[test]
#[ignore = "run by another test"]
fn process_in_a_child() {
    let Ok(url) = std::env::var("RRQ_TEST_URL") else {
        return;
    };
    let folder = std::env::var("RRQ_TEST_FOLDER").unwrap();
    let (mut queue, id) = (attach_with(&url, folder.as_ref()), std::process::id().to_string());
    let begun = format!("SET {{{ID}}}:begun:{id} 1");
    if std::env::var("RRQ_TEST_ROLE").unwrap() == "worker" {
        let mut worker = ready(register(queue, &id, never(), |_| {}).unwrap());
        tell(&url, &begun);
        let mut actor = Actor::new(|_| complete(noise(2000)));
        worker.run(&mut actor, false).unwrap();
    } else {
        tell(&url, &begun);
        loop {
            use_values(&url, &mut queue, folder.as_ref(), &id);
        }
    }
}

fn tell(url: &str, command: &str) {
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    command.arg(words.collect::<Vec<_>>()).exec(&mut raw(url)).unwrap();
}

fn start(f: &Fixture, folder: &Path, role: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["store_kill::process_in_a_child", "--exact", "--ignored"]);
    command.env("RRQ_TEST_URL", f.server.url()).env("RRQ_TEST_FOLDER", folder);
    let child = command.env("RRQ_TEST_ROLE", role).stdout(Stdio::null()).spawn().unwrap();
    let begun = format!("begun:{}", child.id());
    wait_until(|| f.has_key(&begun));
    tell(&f.server.url(), &format!("DEL {{{ID}}}:{begun}"));
    child
}

/// What is referred to can be read.
fn assert_complete(f: &Fixture, store: &mut ObjectStore, tasks: &mut Queue) {
    let mut hashes: Vec<String> = f.ask(&format!("HKEYS {{{ID}}}:oref"));
    let links: Vec<String> = f.ask(&format!("ZRANGEBYLEX {{{ID}}}:otag [h: (h;"));
    hashes.extend(links.iter().map(|link| link[2..34].to_owned()));
    for hash in hashes {
        assert!(SIZES.contains(&store.get(&hash).unwrap().len()));
    }
    for id in task::list(tasks).unwrap() {
        if status(tasks, &id) == Status::Complete {
            let result = task::results(tasks, &[id]).unwrap().remove(0);
            store.get(&result.object.unwrap()).unwrap();
        }
    }
}

#[test]
fn processes_killed_at_any_moment_lose_no_value_and_leave_nothing_that_is_not_found() {
    let (mut f, folder) = (Fixture::new(), folder());
    let (url, folder) = (f.server.url(), folder.path());
    f.queue.set_storage(Some(folder.to_str().unwrap().to_owned()), 1000.0).unwrap();
    let (mut own, mut store) = (f.attach(), store_of(&url, &f.queue, folder));
    for round in 0..ROUNDS {
        let role = if round % 3 == 2 { "worker" } else { "session" };
        let mut child = start(&f, folder, role);
        if role == "worker" {
            submit_n(&mut f.queue, 40);
        } else {
            use_values(&url, &mut f.queue, folder, "own");
        }
        // Any moment will do.
        std::thread::sleep(Duration::from_micros(round * 7919 % 23 * 1000));
        child.kill().unwrap();
        child.wait().unwrap();
        if role == "worker" {
            f.pass_time(&format!("L:{}", child.id()));
            rrq_core::worker::sweep(&mut f.queue).unwrap();
        }
        assert_complete(&f, &mut store, &mut own);
    }
    f.assert_counters();
    let ids = task::list(&mut f.queue).unwrap();
    task::delete(&mut f.queue, &ids, true).unwrap();
    let tags = store.tags().unwrap();
    store.drop(&tags).unwrap();
    let pins: Vec<String> = f.ask(&format!("ZRANGE {{{ID}}}:due 0 -1"));
    pins.iter().filter(|member| member.starts_with("O:")).for_each(|pin| f.pass_time(pin));
    rrq_core::worker::sweep(&mut f.queue).unwrap();
    f.queue.store().orphans(Duration::ZERO, false).unwrap();
    assert!(files(folder).is_empty(), "{:?}", files(folder));
    assert!(f.keyspace().iter().all(|key| !key.contains("}:o")), "{:?}", f.keyspace());
}
