//! Large values of tasks: results and arguments are objects.

use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::store::{Naming, Storage};
use rrq_core::task;
use rrq_core::{Error, Queue};

use crate::support::*;

/// Play a task whose value has `n` bytes.
fn large(n: usize) -> Actor {
    Actor::new(move |_| complete(noise(n)))
}

fn run_one(f: &Fixture, queue: &mut Queue, storage: Storage, actor: &mut Actor) -> String {
    let id = submit_all(queue, &["a"]).remove(0);
    let mut worker = f.worker("w");
    worker.queue().storage = storage;
    run_until_idle(&mut worker, actor);
    worker.exit("done").unwrap();
    id
}

fn value_of(queue: &mut Queue, id: &String) -> Vec<u8> {
    let result = task::results(queue, std::slice::from_ref(id)).unwrap().remove(0);
    assert_eq!(result.status, Status::Complete);
    queue.store().get(&result.object.unwrap()).unwrap()
}

#[test]
fn a_large_result_is_an_object_and_goes_with_its_task() {
    let mut f = Fixture::new();
    let mut queue = f.attach();
    let id = run_one(&f, &mut queue, Storage::default(), &mut large(9 * MB));
    assert!(value_of(&mut queue, &id) == noise(9 * MB));
    assert!(f.has_key("ox") && !f.has_key("r"));
    task::delete(&mut queue, &[id], true).unwrap();
    assert!(f.keyspace().iter().all(|key| !key.contains("}:o")), "{:?}", f.keyspace());
    f.assert_counters();
}

#[test]
fn a_result_above_the_limit_is_a_file_and_goes_with_its_task_or_its_queue() {
    let (f, folder) = (Fixture::new(), folder());
    let mut queue = f.attach();
    queue.storage = on_disk(folder.path());
    for destroy in [false, true] {
        let id = run_one(&f, &mut queue, on_disk(folder.path()), &mut large(2000));
        assert_eq!(files(folder.path()).len(), 1);
        assert!(value_of(&mut queue, &id) == noise(2000));
        if destroy {
            queue.destroy(None).unwrap();
        } else {
            task::delete(&mut queue, &[id], true).unwrap();
        }
        assert!(files(folder.path()).is_empty());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(f.keyspace().iter().all(|key| key.contains(":ev:")), "{:?}", f.keyspace());
}

#[test]
fn processes_may_have_the_same_files_under_other_paths() {
    let (f, folder) = (Fixture::new(), folder());
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut queue = f.attach();
    queue.storage = on_disk(&link);
    let id = run_one(&f, &mut queue, on_disk(&real), &mut large(2000));
    assert!(value_of(&mut queue, &id) == noise(2000));
    // A process without access to the files leaves them to one that has it.
    let mut other = f.attach();
    assert!(matches!(
        other.store().get(
            &task::results(&mut queue, std::slice::from_ref(&id)).unwrap()[0]
                .object
                .clone()
                .unwrap()
        ),
        Err(Error::OffloadUnknown { .. })
    ));
    task::delete(&mut other, &[id], true).unwrap();
    assert_eq!(files(&real).len(), 1);
    queue.store().delete_lost_files().unwrap();
    assert!(files(&real).is_empty() && !f.has_key("olost"));
}

#[test]
fn a_process_that_cannot_reach_the_files_deletes_tasks_and_goes_on() {
    let (f, folder) = (Fixture::new(), folder());
    let mut queue = f.attach();
    let ids: Vec<String> = ["w", "v"]
        .map(|name| {
            let id = submit_all(&mut queue, &[name]).remove(0);
            let mut worker = f.worker(name);
            worker.queue().storage = on_disk(folder.path());
            run_until_idle(&mut worker, &mut large(2000));
            worker.exit("done").unwrap();
            id
        })
        .into();
    // Not mounted on this machine.
    let away = folder.path().with_extension("away");
    std::fs::rename(folder.path(), &away).unwrap();
    queue.storage = on_disk(folder.path());
    task::delete(&mut queue, &ids[..1], true).unwrap();
    assert_eq!(statuses(&mut queue, &ids), [Status::Missing, Status::Complete]);
    // Here again, but one file cannot be deleted: a directory has its name.
    std::fs::rename(&away, folder.path()).unwrap();
    let lost: Vec<String> = f.ask("HKEYS {jobs}:olost");
    let file = folder.path().join("jobs").join(&lost[0]);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    task::delete(&mut queue, &ids[1..], true).unwrap();
    assert!(files(folder.path()).is_empty());
    assert_eq!(f.ask::<Vec<String>>("HKEYS {jobs}:olost"), lost);
}

#[test]
fn a_result_that_cannot_be_stored_is_an_error_and_the_worker_goes_on() {
    let (f, folder) = (Fixture::new(), folder());
    let mut queue = f.attach();
    let storage = on_disk(folder.path());
    storage.offload().unwrap();
    std::fs::remove_dir(folder.path()).unwrap();
    let mut actor = large(2000);
    let ids = submit_all(&mut queue, &["a", "b"]);
    let mut worker = f.worker("w");
    worker.queue().storage = storage;
    run_until_idle(&mut worker, &mut actor);
    for result in task::results(&mut queue, &ids).unwrap() {
        let said = String::from_utf8(result.value.unwrap()).unwrap();
        assert_eq!(result.status, Status::Error);
        assert!(said.starts_with("its value cannot be stored: cannot write"), "{said}");
    }
    assert_eq!(actor.done, ["a", "b"]);
}

/// Submit a task with so much data of its own.
fn submit_large(queue: &mut Queue, n: usize) -> String {
    let mut payloads = [noise(n)].into_iter();
    let asked = submission("default", Vec::new());
    task::submit(queue, &asked, || Ok(payloads.next())).unwrap().remove(0)
}

#[test]
fn large_arguments_are_objects_that_equal_tasks_share() {
    let mut f = Fixture::new();
    let mut queue = f.attach();
    let ids: Vec<String> = (0..3).map(|_| submit_large(&mut queue, 5 * MB)).collect();
    assert_eq!(f.ask::<i64>("HLEN {jobs}:ox"), 1);
    task::delete(&mut queue, &ids[..1], true).unwrap();
    let mut actor = Actor::new(|_| complete("done"));
    run_until_idle(&mut f.worker("w"), &mut actor);
    assert!(actor.objects.iter().all(|object| *object == noise(5 * MB)));
    assert_eq!(actor.objects.len(), 2);
    task::delete(&mut queue, &ids[1..], true).unwrap();
    assert!(f.keyspace().iter().all(|key| !key.contains("}:o")), "{:?}", f.keyspace());
    f.assert_counters();
}

#[test]
fn an_object_whose_last_task_is_deleted_before_it_is_used_again_is_sent_again() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let first = submit_large(&mut queue, 2 * MB);
    let before = proxy.requests().len();
    let second = submit_large(&mut queue, 2 * MB);
    let is_submit = |request: &&Request| {
        request[0] == b"EVALSHA" && request.iter().any(|part| *part == second.as_bytes())
    };
    let requests = proxy.requests();
    let submit = requests[before..].iter().find(is_submit).unwrap().clone();
    task::delete(&mut queue, &[first, second.clone()], true).unwrap();
    assert!(!f.has_key("ox"));
    // The request of the second task arrives after the object was deleted.
    f.delete_submitters();
    let redis::Value::Array(reply) = f.resend(&submit) else { panic!("no reply") };
    assert_eq!((reply.len(), &reply[0]), (2, &redis::Value::Int(1)));
    assert_eq!(task::statuses(&mut queue, &[second]).unwrap(), [Status::Missing]);
    let third = submit_large(&mut queue, 2 * MB);
    assert_eq!(task::statuses(&mut queue, &[third]).unwrap(), [Status::Pending]);
}

#[test]
fn what_a_process_leaves_that_ends_half_way_is_found() {
    let (f, folder) = (Fixture::new(), folder());
    let mut queue = f.attach();
    queue.storage = on_disk(folder.path());
    // Before a file is registered, and while it is written.
    let id = run_one(&f, &mut queue, on_disk(folder.path()), &mut large(2000));
    let kept = files(folder.path());
    let own = folder.path().join("jobs");
    std::fs::write(own.join(format!("{}-00000000", "0".repeat(32))), "x").unwrap();
    std::fs::write(own.join(format!(".part-{}-00000001", "0".repeat(32))), "x").unwrap();
    assert!(queue.store().orphans(Duration::from_secs(60), false).unwrap().is_empty());
    assert_eq!(queue.store().orphans(Duration::ZERO, true).unwrap().len(), 2);
    assert_eq!(files(folder.path()).len(), 3);
    assert_eq!(queue.store().orphans(Duration::ZERO, false).unwrap().len(), 2);
    assert_eq!(files(folder.path()), kept);
    assert!(value_of(&mut queue, &id) == noise(2000));
}

#[test]
fn an_object_that_nothing_refers_to_goes_when_its_pin_ends() {
    let f = Fixture::new();
    let mut queue = f.attach();
    let name = queue.store().put(&noise(2 * MB), Naming::Content).unwrap();
    let id = submit_large(&mut queue, 2 * MB);
    assert_eq!(f.ask::<i64>("HLEN {jobs}:ox"), 1);
    // The task uses it: its pin is gone.
    assert_eq!(f.ask::<Option<f64>>(&format!("ZSCORE {{jobs}}:due O:{name}")), None);
    queue.store().put(&noise(2 * MB), Naming::Content).unwrap();
    task::delete(&mut queue, &[id], true).unwrap();
    assert_eq!(f.ask::<i64>("HLEN {jobs}:ox"), 1);
    f.pass_time(&format!("O:{name}"));
    rrq_core::worker::sweep(&mut queue).unwrap();
    assert!(f.keyspace().iter().all(|key| !key.contains("}:o")), "{:?}", f.keyspace());
}

#[test]
fn a_large_value_survives_a_cut_anywhere() {
    let f = Fixture::new();
    let expected = noise(5 * MB);
    for way in [Way::Up, Way::Down] {
        for i in 0..12 {
            let proxy = f.proxy();
            let mut queue = attach(proxy.url());
            proxy.cut_after(way, 1 + i * if way == Way::Up { 450_000 } else { 440_000 });
            let id = submit_large(&mut queue, 5 * MB);
            let mut actor = large(5 * MB);
            let mut worker = ready(register(attach(proxy.url()), "w", never(), |_| {}).unwrap());
            run_until_idle(&mut worker, &mut actor);
            worker.exit("done").unwrap();
            assert!(actor.objects == [expected.clone()], "{way:?} {i}");
            assert!(value_of(&mut queue, &id) == expected, "{way:?} {i}");
            task::delete(&mut queue, &[id], true).unwrap();
            assert_eq!(f.ask::<i64>("EXISTS {jobs}:ox {jobs}:o {jobs}:oref"), 0);
        }
    }
}

/// Let the server have room for so many bytes more.
fn leave_room(url: &str, bytes: usize) {
    let info: String = redis::cmd("INFO").arg("memory").query(&mut raw(url)).unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    // It may free some memory at any time.
    let limit = if bytes == 0 { 1 } else { used.parse::<usize>().unwrap() + bytes };
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg("maxmemory").arg(limit).exec(&mut raw(url)).unwrap();
}

/// How many requests the server has refused. Opening a connection may add to it.
fn n_refused(raw: &mut redis::Connection) -> usize {
    let stats: String = redis::cmd("INFO").arg("stats").query(raw).unwrap();
    let n = stats.lines().find_map(|line| line.strip_prefix("total_error_replies:"));
    n.unwrap().parse().unwrap()
}

#[test]
fn a_result_is_sent_again_until_the_server_has_room_for_it() {
    for (n, room) in [(19 * MB, 6 * MB), (9 * MB, 0), (2000, 0)] {
        let mut f = Fixture::new();
        let id = submit_all(&mut f.queue, &["a"]).remove(0);
        let mut worker = f.short_lived("w");
        let server = f.server.url();
        let (full, is_full) = std::sync::mpsc::channel();
        let mut actor = Actor::new(move |_| {
            leave_room(&server, room);
            full.send(()).unwrap();
            complete(noise(n))
        });
        let waiting = std::thread::spawn(move || run_until_idle(&mut worker, &mut actor));
        // The worker keeps its task meanwhile.
        let mut raw = f.raw();
        is_full.recv().unwrap();
        let before = n_refused(&mut raw);
        wait_until(|| n_refused(&mut raw) > before + 3);
        assert_eq!(status(&mut f.queue, &id), Status::Running);
        let _: String = f.ask("CONFIG SET maxmemory 0");
        waiting.join().unwrap();
        assert_eq!(status(&mut f.queue, &id), Status::Complete);
    }
}

#[test]
fn an_object_that_the_server_has_no_room_for_leaves_nothing_behind() {
    let mut f = Fixture::new();
    f.queue.connection.set_retry_timeout(Duration::ZERO, never());
    let before = f.keyspace();
    leave_room(&f.server.url(), 6 * MB);
    let refused = f.queue.store().put(&noise(19 * MB), Naming::Content);
    assert!(matches!(refused, Err(Error::ServerFull { .. })), "{refused:?}");
    assert_eq!(f.keyspace(), before);
}
