//! Redirects the output of this process to the recorder while it runs a captured task.

#[cfg(not(unix))]
pub use elsewhere::{redirect, restore_output};
#[cfg(unix)]
pub use unix::{redirect, restore_output};

/// Nothing is redirected elsewhere.
#[cfg(not(unix))]
mod elsewhere {
    use crate::worker::recorder::Recorder;

    /// Says that nothing is redirected.
    pub fn redirect(_recorder: &Recorder) -> Option<()> {
        None
    }

    pub fn restore_output() {}
}

#[cfg(unix)]
mod unix {
    use std::os::fd::OwnedFd;
    use std::sync::Mutex;

    use rustix::stdio::{dup2_stderr, dup2_stdout, stderr, stdout};

    use crate::worker::recorder::Recorder;

    /// Where this process printed to before its output was redirected. The thread that enforces limits
    /// restores it when it replaces the process in the middle of a task.
    static SAVED: Mutex<Option<(OwnedFd, OwnedFd)>> = Mutex::new(None);

    /// While it lives, what this process prints goes to the recorder.
    pub struct Redirected;

    /// Print to the recorder.
    pub fn redirect(recorder: &Recorder) -> Option<Redirected> {
        let (out, err) = (stdout().try_clone_to_owned(), stderr().try_clone_to_owned());
        *SAVED.lock().ok()? = Some((out.ok()?, err.ok()?));
        dup2_stdout(recorder.writer()).ok()?;
        dup2_stderr(recorder.writer()).ok()?;
        Some(Redirected)
    }

    impl Drop for Redirected {
        fn drop(&mut self) {
            restore_output();
        }
    }

    /// Print where this process printed before.
    pub fn restore_output() {
        if let Some((out, err)) = SAVED.lock().ok().and_then(|mut saved| saved.take()) {
            let _ = dup2_stdout(out);
            let _ = dup2_stderr(err);
        }
    }
}
