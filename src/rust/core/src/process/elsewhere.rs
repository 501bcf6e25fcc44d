//! Other systems: no signals, and a child is ended without what it has started.

use std::io;
use std::process::{Child, Command};

/// The job object of the spawning process ends its workers.
pub fn is_orphan(_parent: Option<u32>) -> bool {
    false
}

/// There is no such signal.
pub fn interrupt() {}

/// There is no such signal.
pub fn terminate() {}

/// End this process at once.
pub fn end() -> ! {
    std::process::abort()
}

/// End this process at once.
pub fn end_group() -> ! {
    end()
}

/// There are no signals.
pub fn send(_number: i32) {}

/// Nothing has to be reaped.
pub fn reap_children() {}

/// There are no process groups.
pub fn lead_group(_command: &mut Command) {}

/// End a child; returns whether it still ran.
pub fn ask_group_to_end(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None)) && child.kill().is_ok()
}

/// End a child.
pub fn kill_group(child: &mut Child) {
    let _ = child.kill();
}

/// The stdin of this process.
pub fn take_stdin() -> io::Result<io::Stdin> {
    Ok(io::stdin())
}
