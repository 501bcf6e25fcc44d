//! The worker's end: starts the fork server and sends it orders.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::worker::evaluate::Launcher;
use crate::worker::isolate::lines::{Lines, Received};
use crate::worker::recorder::Recorder;

/// A server that is dropped has this long to end by itself.
const PARTING: Duration = Duration::from_millis(500);

/// A fork server. It ends when this is dropped.
pub struct ForkServer {
    process: Child,
    lines: Lines,
    /// The process of the task it runs.
    pub task: Option<u32>,
    /// Whether it has built its environment.
    pub is_ready: bool,
    home: TempDir,
}

impl ForkServer {
    /// Start a server. The output of the server and its tasks goes to the recorder. It gets its own
    /// process group, so that a Ctrl-C at the worker's terminal does not reach it.
    pub fn start(launcher: &Launcher, recorder: &Recorder) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let home = TempDir::with_prefix("rrq-")?;
        recorder.clear_stray();
        let process = Command::new(&launcher.program)
            .args(&launcher.args)
            .envs(launcher.env.iter().map(|(name, value)| (name, value)))
            .env("TMPDIR", home.path())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(recorder.writer()?))
            .stderr(Stdio::from(recorder.writer()?))
            .process_group(0)
            .spawn()?;
        Ok(ForkServer { process, lines: Lines::new(ours), task: None, is_ready: false, home })
    }

    /// Create the directory of a task.
    pub fn folder(&self, id: &str) -> io::Result<PathBuf> {
        let folder = self.home.path().join(id);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The server, unless it has ended.
    pub fn if_alive(mut self) -> Option<Self> {
        self.is_alive().then_some(self)
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Send a line. If the server has gone, the next `receive` shows it.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        match self.lines.send(line) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// Receive a line, if one comes within the time-out.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Received> {
        self.lines.receive(Some(timeout))
    }

    /// Kill the server and its task.
    pub fn kill(&mut self) {
        for pid in [self.task, Some(self.process.id())].into_iter().flatten() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        let _ = self.process.wait();
    }

    /// The server has gone: kill the rest of its task and return the reason.
    pub fn end_of_server(&mut self, recorder: &Recorder) -> String {
        self.kill();
        if self.is_ready {
            return "the fork server has ended".to_owned();
        }
        let printed = recorder.stray();
        format!("its process could not be started: {}", printed.trim())
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        self.lines.close();
        let begun = Instant::now();
        while self.is_alive() {
            if begun.elapsed() > PARTING {
                self.kill();
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
