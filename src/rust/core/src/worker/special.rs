//! Tasks that do not simply run in the worker: isolated ones have a process of their own, and what
//! captured ones print is kept.

use crate::status::Status;
use crate::task::{Isolation, Special};
use crate::worker::evaluate::{Evaluate, Task, Verdict};
use crate::worker::run::Worker;

impl Worker {
    /// Run a task where and how it asks for.
    pub(super) fn run_task(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> Verdict {
        match &task.body.special {
            Some(special) if special.isolation != Isolation::None => {
                self.run_isolated(evaluate, task)
            }
            Some(Special { capture: true, .. }) => self.run_captured(evaluate, task),
            _ => evaluate.evaluate(task, &mut self.queue),
        }
    }
}

#[cfg(not(unix))]
pub(super) fn restore_output() {}

#[cfg(not(unix))]
pub(super) fn reap_left_behind() {}

#[cfg(not(unix))]
impl Worker {
    /// There are none.
    pub(super) fn end_processes(&mut self) {}

    pub(super) fn renew_processes(&mut self) {}

    fn run_isolated(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> Verdict {
        let reason = "there are no separate processes for tasks on this system yet";
        evaluate.ended(task, Status::Died, reason)
    }

    fn run_captured(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> Verdict {
        evaluate.evaluate(task, &mut self.queue)
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::Mutex;

    use rustix::stdio::{dup2_stderr, dup2_stdout, stderr, stdout};

    use super::*;
    use crate::worker::isolate::{Care, End, Why};
    use crate::worker::recorder::{Place, Recorder};

    impl Worker {
        /// End what was started for tasks.
        pub(in crate::worker) fn end_processes(&mut self) {
            self.renew_processes();
            self.recorder = None;
        }

        /// Isolated tasks get a new server, with a new environment.
        pub(in crate::worker) fn renew_processes(&mut self) {
            self.isolate.renew();
        }

        pub(in crate::worker) fn run_isolated(
            &mut self,
            evaluate: &mut dyn Evaluate,
            task: &Task,
        ) -> Verdict {
            let Some(launcher) = evaluate.launcher(task.body.isolation()) else {
                return evaluate.ended(task, Status::Died, "this worker starts no processes");
            };
            let recorder = match self.take_recorder() {
                Ok(recorder) => recorder,
                Err(error) => return evaluate.ended(task, Status::Died, &error.to_string()),
            };
            let care = Care {
                task,
                launcher: &launcher,
                batch: &self.batch,
                stop: &self.stop,
                config: &self.options.config,
                recorder: &recorder,
            };
            let end = self.isolate.run(&care);
            self.keep_recorder(recorder);
            let mut ended = |status, reason: &str| evaluate.ended(task, status, reason);
            match end {
                End::Said(verdict) => verdict,
                End::Died(reason) => ended(Status::Died, &reason),
                End::Stopped(Why::Cancelled) => ended(Status::Cancelled, "the task was cancelled"),
                End::Stopped(Why::Late) => {
                    let limit = task.body.timeout_s;
                    let reason =
                        format!("the task ran longer than the {limit} s it was allowed to");
                    ended(Status::Timeout, &reason)
                }
                End::Stopped(Why::Interrupted) => {
                    let reason = "the worker was interrupted while it ran this task";
                    Verdict { interrupted: true, ..ended(Status::Died, reason) }
                }
            }
        }

        pub(in crate::worker) fn run_captured(
            &mut self,
            evaluate: &mut dyn Evaluate,
            task: &Task,
        ) -> Verdict {
            let Ok(recorder) = self.take_recorder() else {
                return evaluate.evaluate(task, &mut self.queue);
            };
            recorder.begin(task);
            let redirected = Redirected::to(&recorder);
            let verdict = evaluate.evaluate(task, &mut self.queue);
            evaluate.flush();
            drop(redirected);
            self.keep_recorder(recorder);
            verdict
        }

        fn take_recorder(&mut self) -> io::Result<Recorder> {
            match self.recorder.take() {
                Some(recorder) => Ok(recorder),
                None => {
                    let place = Place {
                        keys: self.queue.keys.clone(),
                        worker: self.options.id.clone(),
                        folder: self.options.config.logdir.clone(),
                    };
                    Recorder::start(self.queue.connection.duplicate(), place)
                }
            }
        }

        /// What the task has printed is stored before its end is told.
        fn keep_recorder(&mut self, recorder: Recorder) {
            // A log that cannot be stored must not cost the result.
            let _ = recorder.end(&mut self.queue.connection);
            self.recorder = Some(recorder);
        }
    }

    /// A process that starts anew has the children of the one before, which end by themselves.
    pub(in crate::worker) fn reap_left_behind() {
        use rustix::process::{WaitOptions, wait};
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }

    /// Where this process printed to before its output was redirected.
    static SAVED: Mutex<Option<(OwnedFd, OwnedFd)>> = Mutex::new(None);

    /// While it lives, what this process prints goes to the recorder.
    struct Redirected;

    impl Redirected {
        fn to(recorder: &Recorder) -> Option<Self> {
            let (out, err) = (stdout().try_clone_to_owned(), stderr().try_clone_to_owned());
            *SAVED.lock().ok()? = Some((out.ok()?, err.ok()?));
            let writer = recorder.writer().ok()?;
            dup2_stdout(&writer).ok()?;
            dup2_stderr(&writer).ok()?;
            Some(Redirected)
        }
    }

    impl Drop for Redirected {
        fn drop(&mut self) {
            restore_output();
        }
    }

    /// Print where this process printed before.
    pub(in crate::worker) fn restore_output() {
        if let Some((out, err)) = SAVED.lock().ok().and_then(|mut saved| saved.take()) {
            let _ = dup2_stdout(out);
            let _ = dup2_stderr(err);
        }
    }
}

#[cfg(unix)]
pub(super) use unix::{reap_left_behind, restore_output};
