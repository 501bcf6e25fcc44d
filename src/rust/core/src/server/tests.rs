//! A real server each; nothing sleeps for a fixed time.

use super::*;
use std::process::{Command, Stdio};

const SOON: Duration = Duration::from_secs(5);

fn start() -> Server {
    Server::start(&ServerOptions::default()).unwrap()
}

fn durable(dir: &Path) -> ServerOptions {
    ServerOptions { dir: Some(dir.into()), ..ServerOptions::default() }
}

fn connect(url: &str) -> redis::Connection {
    super::connect(url, SOON).unwrap()
}

fn reason(outcome: Result<Server>) -> String {
    match outcome {
        Err(Error::ServerStart { reason }) => reason,
        other => panic!("expected ServerStart, got {other:?}"),
    }
}

fn signal(name: &str, pid: u32) -> bool {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -$1 $2", "sh", name, &pid.to_string()]).stderr(Stdio::null());
    kill.status().unwrap().success()
}

fn is_running(pid: u32) -> bool {
    signal("0", pid)
}

#[cfg(unix)]
fn ends(pid: u32) -> bool {
    wait_until(SOON, || !is_running(pid))
}

#[test]
fn starts_and_answers_on_both_addresses() {
    let mut server = start();
    for url in [server.url(), server.tcp_url()] {
        let answer: String = redis::cmd("PING").query(&mut connect(&url)).unwrap();
        assert_eq!(answer, "PONG");
    }
    assert!(server.is_alive());
    assert!(is_running(server.pid()));
}

#[test]
fn refuses_those_without_the_password() {
    let server = start();
    let url = format!("redis://127.0.0.1:{}/", server.port());
    let error = redis::cmd("PING").exec(&mut connect(&url)).unwrap_err();
    assert_eq!(error.code(), Some("NOAUTH"));
}

#[test]
#[cfg(unix)]
fn shows_nothing_to_other_users() {
    use std::os::unix::fs::PermissionsExt;
    let server = start();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(server.dir()), 0o700);
    assert_eq!(mode(&server.dir().join("redis.conf")), 0o600);
    assert_eq!(mode(server.socket().unwrap()), 0o700);
}

#[test]
fn many_at_once_do_not_collide() {
    let handles: Vec<_> = (0..8).map(|_| std::thread::spawn(start)).collect();
    let servers: Vec<Server> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
    let mut ports: Vec<u16> = servers.iter().map(Server::port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 8);
}

#[test]
fn stopping_leaves_no_process_and_no_directory_and_may_be_repeated() {
    let mut server = start();
    server.stop().unwrap();
    assert!(!is_running(server.pid()));
    assert!(!server.dir().exists());
    assert!(!server.is_alive());
    server.stop().unwrap();
}

#[test]
fn notices_a_server_that_was_killed() {
    let mut server = start();
    assert!(signal("KILL", server.pid()));
    assert!(wait_until(SOON, || !server.is_alive()));
    assert!(wait_until(SOON, || server.has_ended()));
    server.stop().unwrap();
    assert!(!server.dir().exists());
}

#[test]
#[cfg(unix)]
fn ends_with_its_watchdog() {
    // Not INT or HUP: a shell that was started with these ignored, as background jobs and those of
    // nohup are, cannot trap them.
    let server = start();
    assert!(signal("TERM", server.child.as_ref().unwrap().id()));
    assert!(ends(server.pid()));
    assert!(wait_until(SOON, || !server.dir().exists()));
}

#[test]
#[cfg(unix)]
fn can_be_stopped_when_its_watchdog_was_killed() {
    let mut server = start();
    assert!(signal("KILL", server.child.as_ref().unwrap().id()));
    assert!(wait_until(SOON, || server.has_ended()));
    server.stop().unwrap();
    assert!(ends(server.pid()));
    assert!(!server.dir().exists());
}

#[test]
#[cfg(unix)]
fn stops_a_server_that_does_not_listen_to_reason() {
    let mut server = start();
    assert!(signal("STOP", server.pid()));
    server.stop().unwrap();
    assert!(!is_running(server.pid()));
}

/// Not a test: the process that the next test kills.
#[test]
#[ignore = "run by another test"]
fn parent_to_be_killed() {
    if std::env::var_os("RRQ_TEST_PARENT").is_some() {
        let server = start();
        println!("\nserver {} {}", server.pid(), server.dir().display());
        loop {
            std::thread::park();
        }
    }
}

#[test]
#[cfg(unix)]
fn ends_when_its_parent_is_killed() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["server::tests::parent_to_be_killed", "--exact", "--ignored", "--nocapture"])
        .env("RRQ_TEST_PARENT", "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = io::BufRead::lines(io::BufReader::new(parent.stdout.take().unwrap()));
    let line = lines.map_while(io::Result::ok).find(|line| line.starts_with("server ")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let pid = words[1].parse().unwrap();
    assert!(is_running(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(ends(pid));
    assert!(wait_until(SOON, || !Path::new(words[2]).exists()));
}

#[test]
fn a_durable_directory_keeps_data_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("with space, \"quotes\" and ü");
    let mut first = Server::start(&durable(&dir)).unwrap();
    redis::cmd("SET").arg("key").arg("kept").exec(&mut connect(&first.url())).unwrap();
    first.stop().unwrap();
    let second = Server::start(&durable(&dir)).unwrap();
    let value: String = redis::cmd("GET").arg("key").query(&mut connect(&second.url())).unwrap();
    assert_eq!(value, "kept");
    assert_eq!(second.dir(), dir.canonicalize().unwrap());
}

#[test]
#[cfg(unix)]
fn a_durable_directory_has_one_server_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let options = durable(dir.path());
    let starts: Vec<_> = (0..6)
        .map(|_| {
            std::thread::spawn({
                let options = options.clone();
                move || Server::start(&options)
            })
        })
        .collect();
    let outcomes: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    let (running, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(running.len(), 1);
    assert!(refused.into_iter().all(|outcome| reason(outcome).contains("another private server")));
}

#[test]
#[cfg(unix)]
fn a_stale_lock_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/nonexistent/rrq-server-x", dir.path().join("rrq-server.lock"))
        .unwrap();
    let mut server = Server::start(&durable(dir.path())).unwrap();
    server.stop().unwrap();
    let left = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir.path()).unwrap().map(left).collect();
    names.sort();
    // Redis 6.2 writes one append-only file, later servers a folder of them.
    assert!(names[0].starts_with("appendonly"), "{names:?}");
    assert_eq!(names[1..], ["redis.log"]);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let options =
        ServerOptions { program: Some("/nonexistent/redis".into()), ..Default::default() };
    assert_eq!(
        reason(Server::start(&options)),
        "'/nonexistent/redis' is not an executable program"
    );
}

#[test]
#[cfg(unix)]
fn a_program_that_is_no_server_is_quoted() {
    let options = ServerOptions { program: Some("ls".into()), ..ServerOptions::default() };
    let reason = reason(Server::start(&options));
    assert!(reason.starts_with("it exited; its log ends with '/"), "{reason}");
    assert!(reason.ends_with("/redis.conf'"), "{reason}");
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = ServerOptions { port: Some(port), ..ServerOptions::default() };
    assert!(
        reason(Server::start(&options))
            .starts_with(&format!("cannot listen on port {port} of 127.0.0.1"))
    );
}
