//! Waking R's event loop from another thread, through the package later.

use extendr_api::prelude::*;
use libR_sys::{R_NilValue, SEXP};
use std::os::raw::c_int;

use crate::protect::protect;

#[allow(improper_ctypes)] // as in protect.rs
unsafe extern "C" {
    fn rrq_later_find(callback: SEXP);
    fn rrq_later_wake(number: usize, r#loop: c_int);
}

/// Find the function of later, which must be loaded; returns whether there is one. `callback` is the R
/// function to be called, with the number of whoever woke it.
pub fn find(callback: &Robj) -> bool {
    // SAFETY: the main thread runs this, and a jump ends inside `protect`.
    let found = protect(|| unsafe {
        rrq_later_find(callback.get());
        R_NilValue
    });
    found.is_some()
}

/// Have the callback called from an event loop of R, with this number. After `find`, any thread may ask.
pub fn wake(number: usize, event_loop: i32) {
    // SAFETY: later's function may be called from any thread, and the callback exists for ever.
    unsafe { rrq_later_wake(number, event_loop) }
}
