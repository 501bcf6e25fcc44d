//! The interface to what runs isolated tasks.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::private;
use crate::process;
use crate::worker::evaluate::Launcher;
use crate::worker::recorder::Recorder;

/// How the names of the directories of runners begin.
const PREFIX: &str = "rrq-";

/// A directory for a runner. Requests and outcomes in it may be secret.
pub fn new_home() -> io::Result<TempDir> {
    private::temp_dir_in(&std::env::temp_dir(), PREFIX)
}

/// Whether this is the path of such a directory.
pub fn is_home(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}

/// How to start a process whose output goes to the recorder. It leads a process group, so that a
/// Ctrl-C at the worker's terminal does not reach it.
pub fn command(launcher: &Launcher, home: &Path, recorder: &Recorder) -> io::Result<Command> {
    let mut command = Command::new(&launcher.program);
    command
        .args(&launcher.args)
        .envs(launcher.env.iter().map(|(name, value)| (name, value)))
        .env("TMPDIR", home)
        .stdout(recorder.stdio()?)
        .stderr(recorder.stdio()?);
    process::lead_group(&mut command);
    Ok(command)
}

/// Runs isolated tasks, one at a time.
pub trait Runner {
    /// The directory for the directories of tasks.
    fn home(&self) -> &Path;
    /// Whether it can start a task: a fork server must first build its environment.
    fn is_ready(&self) -> bool;
    /// Whether it can run another task.
    fn is_alive(&mut self) -> bool;
    /// Start the task in the directory `folder`, whose processes have `grace` to end once they are
    /// told to. If the runner has gone, the next `receive` shows it.
    fn start(&mut self, folder: &Path, grace: Duration) -> io::Result<()>;
    /// Tell the processes of the task to end.
    fn end(&mut self) -> io::Result<()>;
    /// What happens next, if something does within the time-out.
    fn receive(&mut self, timeout: Duration) -> io::Result<News>;
    /// Kill the task and the runner.
    fn kill(&mut self);
}

/// What a runner reports.
pub enum News {
    /// It can start a task.
    #[cfg_attr(not(unix), allow(dead_code))] // of fork servers only
    Ready,
    /// The task runs in the process with this pid.
    Started(u32),
    /// The task's processes have ended: `exit` with a code, `signal` with a number, or `failed` with
    /// a reason.
    Ended(String),
    /// The runner itself has ended.
    Gone,
    /// Nothing happened within the time-out.
    Nothing,
}
