//! What happens when the system has no memory left. A failed allocation ends a Rust program at once,
//! and with it R. But large values are written in pieces, so what fails is a small allocation, and
//! nearly always while R holds the value that takes up the rest. So a *reserve* is set aside: the first
//! allocation that fails releases it and succeeds, and the value is then given up with an error.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Enough for several copies of a piece. It is never written to, so it takes up address space alone.
const RESERVE: Layout = match Layout::from_size_align(32 << 20, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a valid layout"),
};

static RESERVED: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static IS_SHORT: AtomicBool = AtomicBool::new(false);

/// The system's allocator with the reserve behind it.
pub struct Reserving;

/// Release the reserve; returns whether there was one.
fn release() -> bool {
    let reserve = RESERVED.swap(null_mut(), Ordering::AcqRel);
    IS_SHORT.store(true, Ordering::Release);
    if !reserve.is_null() {
        // SAFETY: it was allocated with this layout, and the swap has taken it from everybody else.
        unsafe { System.dealloc(reserve, RESERVE) };
    }
    !reserve.is_null()
}

// SAFETY: each method does what the system's allocator does, once or twice.
unsafe impl GlobalAlloc for Reserving {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() && release() {
            // SAFETY: as above.
            return unsafe { System.alloc(layout) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc_zeroed(layout) };
        if block.is_null() && release() {
            // SAFETY: as above.
            return unsafe { System.alloc_zeroed(layout) };
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises. If it fails, the old block stays.
        let moved = unsafe { System.realloc(block, layout, size) };
        if moved.is_null() && release() {
            // SAFETY: as above.
            return unsafe { System.realloc(block, layout, size) };
        }
        moved
    }
}

/// Before a value is written or read: set the reserve aside, if it is not.
pub fn begin() {
    IS_SHORT.store(false, Ordering::Release);
    if RESERVED.load(Ordering::Acquire).is_null() {
        // SAFETY: the layout is not empty.
        let reserve = unsafe { System.alloc(RESERVE) };
        let old = RESERVED.swap(reserve, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: another thread did the same; the swap has taken its reserve.
            unsafe { System.dealloc(old, RESERVE) };
        }
    }
}

/// Whether an allocation has failed since then.
pub fn is_short() -> bool {
    IS_SHORT.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_that_fails_releases_the_reserve() {
        begin();
        assert!(!is_short());
        let huge = Layout::from_size_align(1 << 62, 16).unwrap();
        // SAFETY: the layout is valid; the system refuses it.
        assert!(unsafe { Reserving.alloc(huge) }.is_null());
        assert!(is_short() && RESERVED.load(Ordering::Acquire).is_null());
        begin();
        assert!(!is_short() && !RESERVED.load(Ordering::Acquire).is_null());
    }
}
