//! The interface to what runs isolated tasks.

use std::io;
use std::path::Path;
use std::time::Duration;

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
