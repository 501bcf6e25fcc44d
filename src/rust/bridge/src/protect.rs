//! Calls into R that may fail. An R error is a jump; `protect.c` ends it before it reaches Rust.

use extendr_api::prelude::*;
use libR_sys::{R_NilValue, Rf_defineVar, Rf_install, SEXP};
use rrq_core::signals::Masks;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};

#[allow(improper_ctypes)] // extendr-ffi marks SEXP's target non-exhaustive; it is only pointed to
unsafe extern "C" {
    fn rrq_protect(
        callback: unsafe extern "C" fn(*mut c_void) -> SEXP,
        data: *mut c_void,
        jumped: *mut c_int,
    ) -> SEXP;
    fn rrq_end_on_term();
    fn rrq_heed_interrupts();
    fn rrq_hold_signals(hold: c_int);
    fn rrq_hold_sigpipe(hold: c_int);
    fn rrq_release_signals();
    fn rrq_block_signals(block: c_int);
    fn rrq_close_on_exec();
    fn rrq_fork() -> c_int;
    fn rrq_leave(status: c_int);
    fn rrq_flush();
    fn rrq_print(text: *const c_char, size: c_int);
    fn rrq_local_time(seconds: i64, text: *mut c_char, size: c_int) -> c_int;
    fn rrq_mark_state();
    fn rrq_state_changed() -> c_int;
    fn rrq_has_attributes(value: SEXP) -> c_int;
    fn rrq_interrupt_pending() -> c_int;
    fn rrq_set_interrupt_pending(pending: c_int);
    fn Rf_eval(expression: SEXP, environment: SEXP) -> SEXP;
}

/// Run `f`, which calls into R; `None` when R jumped out of it. What `f` owns is then leaked, so it
/// should own nothing.
pub fn protect<F: FnMut() -> SEXP>(mut f: F) -> Option<Robj> {
    unsafe extern "C" fn run<F: FnMut() -> SEXP>(data: *mut c_void) -> SEXP {
        // SAFETY: `data` is the `f` below, alive until rrq_protect returns.
        unsafe { (*data.cast::<F>())() }
    }
    let mut jumped: c_int = 0;
    // SAFETY: the main thread runs this, and a jump ends inside rrq_protect.
    let result = unsafe { rrq_protect(run::<F>, (&raw mut f).cast(), &raw mut jumped) };
    // SAFETY: nothing was allocated since R returned it.
    (jumped == 0).then(|| unsafe { Robj::from_sexp(result) })
}

/// Evaluate a call of an R function, with the handlers of the R code that called Rust in place. The
/// call is evaluated in `slot`, where its arguments are bound first: values in the call itself would be
/// evaluated if they are code, and would fill every traceback.
pub fn call(slot: &Robj, call: &Robj, arguments: &[(&CStr, &Robj)]) -> Option<Robj> {
    // SAFETY: everything is protected by its Robj.
    protect(|| unsafe {
        for (name, value) in arguments {
            Rf_defineVar(Rf_install(name.as_ptr()), value.get(), slot.get());
        }
        Rf_eval(call.get(), slot.get())
    })
}

/// The state of this process, such as R's options, is what `state_changed` compares it with.
pub fn mark_state() {
    // SAFETY: the main thread runs this, and protect() ends a jump.
    protect(|| unsafe {
        rrq_mark_state();
        R_NilValue
    });
}

/// Whether R code has changed the state of this process since it was marked.
pub fn state_changed() -> bool {
    // SAFETY: the main thread runs this, and it does not jump.
    unsafe { rrq_state_changed() != 0 }
}

/// Treat SIGTERM like Ctrl-C from now on.
pub fn end_on_term() {
    // SAFETY: it sets a signal handler that calls only what such a handler may call.
    unsafe { rrq_end_on_term() }
}

/// Heed SIGINT from now on, even if this process was started with it ignored.
pub fn heed_interrupts() {
    // SAFETY: it sets a signal handler that only writes an int.
    unsafe { rrq_heed_interrupts() }
}

/// Run `f` with signals such as SIGCHLD blocked: they would interrupt a wait for a reply that
/// cannot be requested again. SIGINT is not blocked.
pub fn undisturbed<T>(f: impl FnOnce() -> T) -> T {
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            // SAFETY: it sets the signal mask of this thread.
            unsafe { rrq_hold_signals(0) }
        }
    }
    // SAFETY: as above.
    unsafe { rrq_hold_signals(1) };
    let _held = Held;
    f()
}

/// Keep open files and this thread's signal mask from the program that replaces this one. Any thread
/// may call this, just before the exec.
pub fn prepare_exec() {
    // SAFETY: they set flags of open files and the signal mask of this thread.
    unsafe {
        rrq_close_on_exec();
        rrq_release_signals();
    }
}

/// R calls this when it loads the library.
#[unsafe(no_mangle)]
pub extern "C" fn rrq_on_load() {
    // SAFETY: they set the signal mask of the calling thread.
    rrq_core::signals::set_masks(Masks {
        pipe: |hold| unsafe { rrq_hold_sigpipe(c_int::from(hold)) },
        all: |block| unsafe { rrq_block_signals(c_int::from(block)) },
    });
}

/// Whether a value has no attributes.
pub fn is_bare(value: &Robj) -> bool {
    // SAFETY: `value` keeps the object alive.
    unsafe { is_bare_object(value.get()) }
}

/// The same without a handle.
///
/// # Safety
/// The object must be alive.
pub unsafe fn is_bare_object(value: SEXP) -> bool {
    // SAFETY: reading a field of a live object.
    unsafe { rrq_has_attributes(value) == 0 }
}

/// Whether the user has pressed Ctrl-C and R has not seen it yet. Any thread may ask.
pub fn interrupt_pending() -> bool {
    // SAFETY: R's signal handler writes this int; a stale value is corrected at the next call.
    unsafe { rrq_interrupt_pending() != 0 }
}

/// Set an interrupt again that R has consumed where it could not be handled.
pub fn restore_interrupt() {
    // SAFETY: as above; only the main thread calls this.
    unsafe { rrq_set_interrupt_pending(1) }
}

/// Clear a pending interrupt. If it was meant for the session, the R half raises it again where a
/// jump is safe.
pub fn clear_interrupt() {
    // SAFETY: as above; only the main thread calls this.
    unsafe { rrq_set_interrupt_pending(0) }
}

/// Fork this process: returns the pid in the parent, 0 in the child, a negative number on failure.
pub fn fork() -> i32 {
    // SAFETY: the processes that call this have one thread.
    unsafe { rrq_fork() }
}

/// End this process without R's finalizers.
pub fn leave(status: i32) {
    // SAFETY: nothing runs after it.
    unsafe { rrq_leave(status) }
}

/// Write out what C code has printed.
pub fn flush() {
    // SAFETY: it touches C's own buffers only.
    unsafe { rrq_flush() }
}

/// Print ASCII text as R does, so that `sink()` has its way. Returns whether that was not interrupted.
pub fn print(text: &str) -> bool {
    let size = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
    // SAFETY: `text` has `size` bytes; a jump out of R's output ends inside rrq_protect.
    let done = protect(|| unsafe {
        rrq_print(text.as_ptr().cast(), size);
        R_NilValue
    });
    done.is_some()
}

/// A time as text, in the time zone of the process. Only the main thread calls this.
pub fn local_time(seconds: u64) -> String {
    let mut text = [0u8; 32];
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    // SAFETY: it writes at most the size of `text` and returns how much.
    let n = unsafe { rrq_local_time(seconds, text.as_mut_ptr().cast(), text.len() as c_int) };
    let text = text.get(..usize::try_from(n).unwrap_or(0)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
