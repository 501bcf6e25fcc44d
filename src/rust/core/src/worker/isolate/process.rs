//! The process that serves isolated tasks, as the worker sees it.

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

/// A server that is let go has this long to end by itself.
const PARTING: Duration = Duration::from_millis(500);

/// A server. It ends when this is dropped.
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
    /// Start one. What it and its tasks print goes to the recorder. A process group of its own keeps
    /// a Ctrl-C at the worker's terminal away from it.
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

    /// A new folder for a task.
    pub fn folder(&self, id: &str) -> io::Result<PathBuf> {
        let folder = self.home.path().join(id);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The same, unless it has ended.
    pub fn if_alive(mut self) -> Option<Self> {
        self.is_alive().then_some(self)
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Send it a line. One that has gone shows when it is listened to.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        match self.lines.send(line) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// What it says, if it says something within this time.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Received> {
        self.lines.receive(Some(timeout))
    }

    /// End it and its task at once.
    pub fn kill(&mut self) {
        for pid in [self.task, Some(self.process.id())].into_iter().flatten() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        let _ = self.process.wait();
    }

    /// It has gone: end what is left of its task, and say why.
    pub fn end_of_server(&mut self, recorder: &Recorder) -> String {
        self.kill();
        if self.is_ready {
            return "the process that started its process ended".to_owned();
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
