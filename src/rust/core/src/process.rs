//! The process this runs in: signals to it, its children, its memory, whether its parent has gone.

/// Whether the process that spawned a worker has gone.
#[cfg(unix)]
pub fn is_orphan(parent: Option<u32>) -> bool {
    parent.is_some_and(|parent| std::os::unix::process::parent_id() != parent)
}

/// Elsewhere the job object of the spawning process ends its workers.
#[cfg(not(unix))]
pub fn is_orphan(_parent: Option<u32>) -> bool {
    false
}

/// Send this process SIGINT, as Ctrl-C does.
pub fn interrupt() {
    #[cfg(unix)]
    signal(rustix::process::Signal::INT);
}

/// Send this process SIGTERM.
pub fn terminate() {
    #[cfg(unix)]
    signal(rustix::process::Signal::TERM);
}

/// End this process at once, whatever the main thread is doing.
pub fn end() -> ! {
    #[cfg(unix)]
    signal(rustix::process::Signal::KILL);
    std::process::abort()
}

/// Send this process a signal by its number; unknown numbers are ignored.
pub fn send(number: i32) {
    #[cfg(unix)]
    if let Some(known) = rustix::process::Signal::from_named_raw(number) {
        signal(known);
    }
    #[cfg(not(unix))]
    let _ = number;
}

#[cfg(unix)]
fn signal(signal: rustix::process::Signal) {
    let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
}

/// Reap the children that have ended: a process that replaced another one inherits its children, and
/// nobody else waits for them.
pub fn reap_children() {
    #[cfg(unix)]
    {
        use rustix::process::{WaitOptions, wait};
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

/// The resident memory of this process in bytes, where the system reports it.
#[cfg(target_os = "linux")]
pub fn memory() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident: u64 = pages.split(' ').nth(1)?.parse().ok()?;
    Some(resident * rustix::param::page_size() as u64)
}

/// The resident memory of this process in bytes, where the system reports it.
#[cfg(not(target_os = "linux"))]
pub fn memory() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_allocated_and_used_counts() {
        let before = memory().unwrap();
        let block = vec![1u8; 64 << 20];
        assert!(memory().unwrap() - before > 32 << 20, "{}", block.len());
    }

    #[test]
    #[cfg(unix)]
    fn a_process_with_another_parent_is_an_orphan() {
        let parent = std::os::unix::process::parent_id();
        assert!(!is_orphan(None) && !is_orphan(Some(parent)) && is_orphan(Some(parent + 1)));
    }
}
