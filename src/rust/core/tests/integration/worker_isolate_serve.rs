//! The fork server, from the worker's end of its socket. A test process becomes the server; a shell
//! script that it starts stands in for a fork.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rrq_core::worker::WorkerLink;

use crate::support::wait_until;

/// Not a test: the server.
#[test]
#[ignore = "started by the tests"]
fn server_in_a_child() {
    let task = std::env::var("TASK").unwrap();
    let start = |_: &std::path::Path| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &task]).stdin(Stdio::null()).process_group(0);
        let child = if task.is_empty() { None } else { command.spawn().ok() };
        child.map_or(-1, |child| i32::try_from(child.id()).unwrap())
    };
    let served = WorkerLink::take_stdin().unwrap().serve(start).unwrap();
    assert_eq!(served, None);
}

/// The worker's end.
struct Server {
    process: Child,
    lines: BufReader<UnixStream>,
    folder: tempfile::TempDir,
}

impl Server {
    /// A server whose tasks are this script, in which `$DIR` is a folder of the test.
    fn start(task: &str) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let folder = tempfile::tempdir().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["worker_isolate_serve::server_in_a_child", "--exact", "--ignored"])
            .env("TASK", task)
            .env("DIR", folder.path())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Server { process, lines: BufReader::new(ours), folder };
        assert_eq!(server.receive(), "ready");
        server
    }

    fn send(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn receive(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Order it to run a task; returns once the task has an id.
    fn run(&mut self, grace_ms: u32) {
        self.send(&format!("run {grace_ms} /none"));
        let reply = self.receive();
        assert!(reply.starts_with("pid "), "{reply}");
    }

    /// The process ids that tasks have written to a file, once they are there.
    fn written(&self, name: &str) -> u32 {
        let path = self.folder.path().join(name);
        wait_until(|| fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
        fs::read_to_string(&path).unwrap().trim().parse().unwrap()
    }

    /// Close the socket: the server must end well.
    fn close(self) {
        let Server { mut process, lines, folder: _folder } = self;
        drop(lines);
        assert!(process.wait().unwrap().success());
    }
}

/// Whether there is such a process. The server reaps its tasks and what they leave behind.
fn is_alive(pid: u32) -> bool {
    let mut kill = Command::new("kill");
    kill.args(["-0", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn a_server_tells_how_each_task_ended() {
    let mut server = Server::start("read n <$DIR/n; eval \"$n\"");
    for (script, end) in [("exit 0", "exit 0"), ("exit 3", "exit 3"), ("kill -11 $$", "signal 11")]
    {
        fs::write(server.folder.path().join("n"), script).unwrap();
        server.run(1000);
        assert_eq!(server.receive(), end);
    }
    server.close();
}

#[test]
fn a_fork_that_fails_is_said_and_ends_nothing() {
    let mut server = Server::start("");
    for _ in 0..2 {
        server.send("run 1000 /none");
        let reply = server.receive();
        assert!(reply.starts_with("failed "), "{reply}");
    }
    server.close();
}

#[test]
fn an_order_to_end_that_comes_late_is_ignored() {
    let mut server = Server::start("exit 0");
    server.run(1000);
    assert_eq!(server.receive(), "exit 0");
    server.send("end");
    server.run(1000);
    assert_eq!(server.receive(), "exit 0");
    server.close();
}

#[test]
fn a_task_told_to_end_may_clean_up() {
    let task = "trap 'echo 1 >$DIR/cleaned; exit 4' TERM; echo $$ >$DIR/pid
      while true; do sleep 0.02; done";
    let mut server = Server::start(task);
    server.run(60_000);
    server.written("pid");
    server.send("end");
    assert_eq!(server.receive(), "exit 4");
    assert_eq!(server.written("cleaned"), 1);
    server.close();
}

#[test]
fn a_task_that_ignores_the_order_to_end_is_killed_after_its_grace_period() {
    let mut server = Server::start("trap '' TERM; echo $$ >$DIR/pid; while true; do sleep 1; done");
    server.run(100);
    let pid = server.written("pid");
    server.send("end");
    assert_eq!(server.receive(), "signal 9");
    assert!(!is_alive(pid));
    server.close();
}

#[test]
#[cfg(target_os = "linux")]
fn processes_that_a_task_left_behind_end_before_its_end_is_told() {
    let ignoring = "sh -c \"trap '' TERM; echo \\$\\$ >$DIR/pid; while true; do sleep 1; done\"";
    let task = format!("setsid {ignoring} & until [ -s $DIR/pid ]; do sleep 0.02; done; exit 5");
    for grace_ms in [0, 100] {
        let mut server = Server::start(&task);
        server.run(grace_ms);
        assert_eq!(server.receive(), "exit 5");
        assert!(!is_alive(server.written("pid")));
        server.close();
    }
}

#[test]
fn a_server_whose_worker_has_gone_ends_its_task_and_itself() {
    let mut server = Server::start("echo $$ >$DIR/pid; exec sleep 60");
    server.run(1000);
    let pid = server.written("pid");
    assert!(is_alive(pid));
    server.lines.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    // It could not say how the task ended, which is no failure of its own.
    assert!(server.process.wait().unwrap().success());
    assert!(!is_alive(pid));
}
