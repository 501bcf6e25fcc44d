//! Unix: signals and process groups.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Child, Command};

use rustix::process::{
    Pid, Signal, WaitOptions, getpgrp, getpid, kill_process, kill_process_group, wait,
};
use rustix::stdio::dup2_stdin;

/// Whether the process that spawned a worker has gone.
pub fn is_orphan(parent: Option<u32>) -> bool {
    parent.is_some_and(|parent| parent_id() != parent)
}

/// Send this process SIGINT, as Ctrl-C does.
pub fn interrupt() {
    signal(Signal::INT);
}

/// Send this process SIGTERM.
pub fn terminate() {
    signal(Signal::TERM);
}

/// End this process at once, whatever the main thread is doing.
pub fn end() -> ! {
    signal(Signal::KILL);
    std::process::abort()
}

/// End this process at once, and with it the group that it leads, if it does.
pub fn end_group() -> ! {
    if getpgrp() == getpid() {
        let _ = kill_process_group(getpid(), Signal::KILL);
    }
    end()
}

/// Send this process a signal by its number; unknown numbers are ignored.
pub fn send(number: i32) {
    if let Some(known) = Signal::from_named_raw(number) {
        signal(known);
    }
}

fn signal(signal: Signal) {
    let _ = kill_process(getpid(), signal);
}

/// Reap the children that have ended: a process that replaced another one inherits its children, and
/// nobody else waits for them.
pub fn reap_children() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// The program will lead a process group of its own, so that a Ctrl-C at the terminal does not reach it.
pub fn lead_group(command: &mut Command) {
    command.process_group(0);
}

/// Send a signal to the process group that this process leads; returns whether there is one.
pub fn signal_group(leader: u32, signal: Signal) -> bool {
    let leader = i32::try_from(leader).ok().and_then(Pid::from_raw);
    leader.is_some_and(|leader| kill_process_group(leader, signal).is_ok())
}

/// Ask all processes of the group that a child leads to end; returns whether there are any.
pub fn ask_group_to_end(child: &mut Child) -> bool {
    signal_group(child.id(), Signal::TERM)
}

/// Kill all processes of the group that a child leads.
pub fn kill_group(child: &mut Child) {
    signal_group(child.id(), Signal::KILL);
}

/// What stdin was, which is empty from now on.
pub fn take_stdin() -> io::Result<File> {
    let taken = io::stdin().as_fd().try_clone_to_owned()?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(File::from(taken))
}
