//! The worker's end of a fork server: starts it and sends it orders.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::signal_group;
use crate::worker::evaluate::Launcher;
use crate::worker::isolate::lines::{Lines, Received};
use crate::worker::isolate::runner::{News, Runner, command, new_home};
use crate::worker::recorder::Recorder;

/// A server that is dropped has this long to end by itself.
const PARTING: Duration = Duration::from_millis(500);

/// A fork server. It ends when this is dropped.
pub struct ForkServer {
    process: Child,
    lines: Lines,
    task: Option<u32>,
    is_ready: bool,
    home: TempDir,
}

impl ForkServer {
    /// Start a server. Its output and that of its tasks goes to the recorder.
    pub fn start(launcher: &Launcher, recorder: &Recorder) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let home = new_home()?;
        recorder.clear_stray();
        let process = command(launcher, home.path(), recorder)?
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        Ok(ForkServer { process, lines: Lines::new(ours), task: None, is_ready: false, home })
    }

    /// Send a line. If the server has gone, the next `receive` shows it.
    fn send(&mut self, line: &str) -> io::Result<()> {
        match self.lines.send(line) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// What a line of the server means.
    fn read(&mut self, line: String) -> News {
        match line.split_once(' ') {
            None if line == "ready" => {
                self.is_ready = true;
                News::Ready
            }
            Some(("pid", pid)) => {
                self.task = pid.parse().ok();
                News::Started(self.task.unwrap_or(0))
            }
            Some(("exit" | "signal" | "failed", _)) => {
                self.task = None;
                News::Ended(line)
            }
            _ => News::Nothing,
        }
    }
}

impl Runner for ForkServer {
    fn home(&self) -> &Path {
        self.home.path()
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn start(&mut self, folder: &Path, grace: Duration) -> io::Result<()> {
        self.send(&format!("run {} {}", grace.as_millis(), folder.display()))
    }

    fn end(&mut self) -> io::Result<()> {
        self.send("end")
    }

    fn receive(&mut self, timeout: Duration) -> io::Result<News> {
        Ok(match self.lines.receive(Some(timeout))? {
            Received::Line(line) => self.read(line),
            Received::End => News::Gone,
            Received::Silence => News::Nothing,
        })
    }

    fn kill(&mut self) {
        for pid in [self.task.take(), Some(self.process.id())].into_iter().flatten() {
            signal_group(pid, Signal::KILL);
        }
        let _ = self.process.wait();
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
