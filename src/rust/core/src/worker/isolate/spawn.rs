//! Starts a new process for each task, without forking: on Windows, and wherever forks are ruled out.
//! The process learns from its stdin that the worker has gone, and ends itself.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::process;
use crate::worker::evaluate::Launcher;
use crate::worker::isolate::runner::{News, Runner, command, is_home, new_home};
use crate::worker::recorder::Recorder;

/// How often to check whether the process has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Runs one task.
pub struct Spawner {
    command: Command,
    home: TempDir,
    task: Option<Running>,
    is_announced: bool,
}

struct Running {
    process: Child,
    grace: Duration,
    told_to_end: Option<Instant>,
}

impl Spawner {
    /// The output of the task goes to the recorder.
    pub fn new(launcher: &Launcher, recorder: &Recorder) -> io::Result<Self> {
        let home = new_home()?;
        let mut command = command(launcher, home.path(), recorder)?;
        command.stdin(Stdio::piped());
        Ok(Spawner { command, home, task: None, is_announced: false })
    }
}

impl Runner for Spawner {
    fn home(&self) -> &Path {
        self.home.path()
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn is_alive(&mut self) -> bool {
        false
    }

    fn start(&mut self, folder: &Path, grace: Duration) -> io::Result<()> {
        let process = self.command.arg(folder).spawn()?;
        self.task = Some(Running { process, grace, told_to_end: None });
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(task) = &mut self.task {
            task.told_to_end.get_or_insert_with(Instant::now);
            process::ask_group_to_end(&mut task.process);
        }
        Ok(())
    }

    fn receive(&mut self, timeout: Duration) -> io::Result<News> {
        let Some(task) = &mut self.task else {
            return Ok(News::Gone);
        };
        if !self.is_announced {
            self.is_announced = true;
            return Ok(News::Started(task.process.id()));
        }
        let begun = Instant::now();
        loop {
            if let Some(status) = task.ended()? {
                self.task = None;
                return Ok(News::Ended(describe(status)));
            }
            if begun.elapsed() >= timeout {
                return Ok(News::Nothing);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn kill(&mut self) {
        if let Some(mut task) = self.task.take() {
            process::kill_group(&mut task.process);
            let _ = task.process.wait();
        }
    }
}

impl Running {
    /// How the process ended, once it has. What it started is then ended, too.
    fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.told_to_end.is_some_and(|since| since.elapsed() >= self.grace) {
            process::kill_group(&mut self.process);
        }
        let status = self.process.try_wait()?;
        if status.is_some() {
            self.end_rest();
        }
        Ok(status)
    }

    /// Ends what is left of the process group.
    fn end_rest(&mut self) {
        let begun = *self.told_to_end.get_or_insert_with(Instant::now);
        while process::ask_group_to_end(&mut self.process) {
            if begun.elapsed() >= self.grace {
                process::kill_group(&mut self.process);
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(unix)]
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (None, Some(number)) => format!("signal {number}"),
        (code, _) => format!("exit {}", code.unwrap_or(-1)),
    }
}

#[cfg(not(unix))]
fn describe(status: ExitStatus) -> String {
    format!("exit {}", status.code().unwrap_or(-1))
}

/// Make this process, which was started for one task, end when its worker has gone, and remove the
/// directory that the worker made for it. Its stdin is empty from now on.
pub fn end_with_worker() -> Result<()> {
    let mut worker = process::take_stdin().map_err(Error::io("cannot talk to the worker"))?;
    let home = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|home| is_home(home));
    crate::signals::spawn(move || {
        let _ = io::copy(&mut worker, &mut io::sink());
        if let Some(home) = home {
            let _ = std::fs::remove_dir_all(home);
        }
        process::end_group()
    });
    Ok(())
}
