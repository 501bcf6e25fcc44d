//! Processes, as far as systems differ: signals to this one, groups of child processes, memory, whether
//! the parent has gone.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use elsewhere::*;
#[cfg(unix)]
pub use unix::*;

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

#[cfg(all(test, unix))]
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
    fn a_process_with_another_parent_is_an_orphan() {
        let parent = std::os::unix::process::parent_id();
        assert!(!is_orphan(None) && !is_orphan(Some(parent)) && is_orphan(Some(parent + 1)));
    }
}
