//! The fork server's end: forks a process for each task. The server has one thread and no
//! connection. On Linux it adopts orphans of a task, so that no process of the task outlives it.
//! When the worker has gone, it ends the task and itself.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process, kill_process_group, wait,
    waitpid,
};

use crate::error::{Error, Result};
use crate::process;
use crate::worker::isolate::lines::{Lines, Received};

/// How often to check where the system cannot wake the server.
const LOOK: Duration = Duration::from_millis(5);

/// The server's end of the socket to its worker.
pub struct WorkerLink {
    lines: Lines,
}

fn failed(source: io::Error) -> Error {
    Error::io("cannot talk to the worker")(source)
}

impl WorkerLink {
    /// Take the socket from stdin, which is empty from now on.
    pub fn take_stdin() -> Result<Self> {
        let socket = process::take_stdin().map_err(failed)?;
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_child_subreaper(Some(getpid()));
        Ok(WorkerLink { lines: Lines::new(UnixStream::from(OwnedFd::from(socket))) })
    }

    /// Run tasks, each in a process created by `fork`, until the worker has gone. Returns in each
    /// of these processes with the task's directory, and at the end in the server itself with
    /// `None`.
    pub fn serve(mut self, mut fork: impl FnMut(&Path) -> i32) -> Result<Option<PathBuf>> {
        // A worker that was killed meanwhile cannot remove the directory of this process, so that is
        // left to the caller, as if it had gone later.
        if self.lines.send("ready").is_err() {
            return Ok(None);
        }
        loop {
            let line = match self.lines.receive(None).map_err(failed)? {
                Received::Line(line) => line,
                Received::Silence => continue,
                Received::End => return Ok(None),
            };
            // An order to end a task may arrive after the task has ended.
            let Some((grace, folder)) = read_order(&line) else {
                continue;
            };
            let server = getpid();
            let goes_on = match fork(Path::new(folder)) {
                0 => {
                    drop(self);
                    die_with(server);
                    return Ok(Some(PathBuf::from(folder)));
                }
                pid => match Pid::from_raw(pid.max(0)) {
                    Some(pid) => self.supervise(pid, grace).inspect_err(|_| {
                        let _ = std::fs::remove_dir_all(folder);
                    }),
                    None => self.lines.send(&format!("failed {}", io::Error::last_os_error())),
                }
                .is_ok(),
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// Supervise a task until none of its processes is left. An error means that the worker has
    /// gone.
    fn supervise(&mut self, pid: Pid, grace: Duration) -> io::Result<()> {
        let mut is_there = self.lines.send(&format!("pid {}", pid.as_raw_nonzero())).is_ok();
        let watch = ExitWatch::new(pid);
        let mut asked = None;
        while !has_ended(pid) {
            let may = asked.map(|since: Instant| grace.saturating_sub(since.elapsed()));
            if may.is_some_and(|left| left.is_zero()) {
                signal_task(pid, Signal::KILL);
            }
            let left = may.filter(|left| !left.is_zero());
            if self.lines.has_read() || watch.wait(is_there.then_some(&self.lines), left)? {
                match self.lines.receive(None)? {
                    Received::Silence => continue,
                    Received::Line(_) => {}
                    Received::End => is_there = false,
                }
                asked.get_or_insert_with(Instant::now);
                signal_task(pid, Signal::TERM);
            }
        }
        // Before it is reaped: after that its pid may be reused.
        signal_task(pid, Signal::TERM);
        let status = reap(pid);
        let begun = asked.unwrap_or_else(Instant::now);
        end_orphans(begun, grace);
        self.lines.send(&status)
    }
}

/// The grace period of a task and its directory.
fn read_order(line: &str) -> Option<(Duration, &str)> {
    let (grace, folder) = line.strip_prefix("run ")?.split_once(' ')?;
    Some((Duration::from_millis(grace.parse().unwrap_or(u64::MAX)), folder))
}

/// On Linux the task's process is killed when the server ends, however that happens.
fn die_with(server: Pid) {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if getppid() != Some(server) {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

/// Signal the process group of a task and the orphans it left behind.
fn signal_task(pid: Pid, signal: Signal) {
    let _ = kill_process_group(pid, signal);
    for orphan in children().into_iter().filter(|child| *child != pid) {
        let _ = kill_process(orphan, signal);
    }
}

fn has_ended(pid: Pid) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // An error means that there is no such child.
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

fn reap(pid: Pid) -> String {
    match waitpid(Some(pid), WaitOptions::empty()) {
        Ok(Some((_, status))) => describe(status),
        _ => "exit -1".to_owned(),
    }
}

fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(number)) => format!("signal {number}"),
        (None, None) => "exit -1".to_owned(),
    }
}

/// End the orphans of a task, which are children of the server now: first SIGTERM, after the grace
/// period SIGKILL.
fn end_orphans(begun: Instant, grace: Duration) {
    while let Ok(ended) = wait(WaitOptions::NOHANG) {
        if ended.is_some() {
            continue;
        }
        let signal = if begun.elapsed() < grace { Signal::TERM } else { Signal::KILL };
        for child in children() {
            let _ = kill_process(child, signal);
        }
        std::thread::sleep(LOOK);
    }
}

/// The children of this process.
#[cfg(target_os = "linux")]
fn children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero();
    let listed = std::fs::read_to_string(format!("/proc/self/task/{own}/children"));
    let listed = listed.unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// Elsewhere the server does not adopt orphans: only the process group of a task can be ended.
#[cfg(not(target_os = "linux"))]
fn children() -> Vec<Pid> {
    Vec::new()
}

/// Sleeps until the worker sends something or a task has ended.
struct ExitWatch {
    #[cfg(target_os = "linux")]
    task: Option<OwnedFd>,
}

impl ExitWatch {
    #[cfg(target_os = "linux")]
    fn new(pid: Pid) -> Self {
        use rustix::process::{PidfdFlags, pidfd_open};
        ExitWatch { task: pidfd_open(pid, PidfdFlags::empty()).ok() }
    }

    #[cfg(not(target_os = "linux"))]
    fn new(_pid: Pid) -> Self {
        ExitWatch {}
    }

    /// Returns whether there is something to receive.
    fn wait(&self, lines: Option<&Lines>, left: Option<Duration>) -> io::Result<bool> {
        let mut sources: Vec<PollFd<'_>> =
            lines.into_iter().map(|lines| PollFd::new(lines, PollFlags::IN)).collect();
        let may = self.add_task(&mut sources, left);
        let may = may.map(|may| Timespec::try_from(may).unwrap_or_default());
        match poll(&mut sources, may.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(lines.is_some() && !sources[0].revents().is_empty())
    }

    #[cfg(target_os = "linux")]
    fn add_task<'a>(
        &'a self,
        sources: &mut Vec<PollFd<'a>>,
        left: Option<Duration>,
    ) -> Option<Duration> {
        match &self.task {
            Some(task) => {
                sources.push(PollFd::new(task, PollFlags::IN));
                left
            }
            None => Some(LOOK),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn add_task<'a>(
        &'a self,
        _sources: &mut Vec<PollFd<'a>>,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(LOOK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_order_to_run_is_one() {
        let order = read_order("run 2000 /a folder/b");
        assert_eq!(order, Some((Duration::from_secs(2), "/a folder/b")));
        assert_eq!(read_order("end"), None);
    }
}
