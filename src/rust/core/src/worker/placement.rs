//! Where a task runs: in this process, with or without capturing its output, or in a separate one.

use std::io;

use crate::error::Error;
use crate::status::Status;
use crate::task::{Isolation, Special};
use crate::worker::evaluate::{Evaluate, Evaluation, Task};
use crate::worker::isolate::{End, IsolatedRun, Why};
use crate::worker::recorder::{LogTarget, Recorder};
use crate::worker::redirect::redirect;
use crate::worker::state::Worker;

impl Worker {
    /// Run a task as its options say.
    pub(super) fn run_task(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> Evaluation {
        if let Some(reason) = &task.damage {
            let error = Error::unreadable(self.queue.keys.bodies(), &task.id, reason);
            return evaluate.unreadable(task, error);
        }
        match &task.body.special {
            Some(special) if special.isolation != Isolation::None => {
                self.run_isolated(evaluate, task)
            }
            Some(Special { capture: true, .. }) => self.run_captured(evaluate, task),
            _ => evaluate.evaluate(task, &mut self.queue),
        }
    }

    /// End what was started for tasks.
    pub(super) fn end_processes(&mut self) {
        self.renew_processes();
        self.recorder = None;
    }

    /// Isolated tasks get a new server, with a new environment.
    pub(super) fn renew_processes(&mut self) {
        self.isolate.renew();
    }

    pub(super) fn run_isolated(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> Evaluation {
        let Some(launcher) = evaluate.launcher(task.body.isolation()) else {
            let reason = "this worker cannot start separate processes";
            return evaluate.ended(task, Status::Died, reason);
        };
        let recorder = match self.take_recorder() {
            Ok(recorder) => recorder,
            Err(error) => return evaluate.ended(task, Status::Died, &error.to_string()),
        };
        let run = IsolatedRun {
            task,
            launcher: &launcher,
            batch: &self.batch,
            stop: &self.stop,
            config: &self.options.config,
            recorder: &recorder,
            storage: &self.queue.storage,
        };
        let end = self.isolate.run(&run);
        self.keep_recorder(recorder);
        let mut ended = |status, reason: &str| evaluate.ended(task, status, reason);
        match end {
            End::Reported(evaluation) => evaluation,
            End::Died(reason) => ended(Status::Died, &reason),
            End::Stopped(Why::Cancelled) => ended(Status::Cancelled, "the task was cancelled"),
            End::Stopped(Why::Late) => {
                let limit = task.body.timeout_s;
                let reason = format!("the task exceeded its time limit of {limit} s");
                ended(Status::Timeout, &reason)
            }
            End::Stopped(Why::Interrupted) => {
                let reason = "the worker was interrupted while it ran this task";
                Evaluation { interrupted: true, ..ended(Status::Died, reason) }
            }
        }
    }

    pub(super) fn run_captured(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> Evaluation {
        let Ok(recorder) = self.take_recorder() else {
            return evaluate.evaluate(task, &mut self.queue);
        };
        recorder.begin(task);
        let evaluation = {
            let _redirected = redirect(&recorder);
            let evaluation = evaluate.evaluate(task, &mut self.queue);
            evaluate.flush();
            evaluation
        };
        self.keep_recorder(recorder);
        evaluation
    }

    fn take_recorder(&mut self) -> io::Result<Recorder> {
        match self.recorder.take() {
            Some(recorder) => Ok(recorder),
            None => {
                let target = LogTarget {
                    keys: self.queue.keys.clone(),
                    worker: self.options.id.clone(),
                    folder: self.options.config.logdir.clone(),
                };
                Recorder::start(self.queue.connection.duplicate(), target)
            }
        }
    }

    /// What the task has printed is stored before its end is reported.
    fn keep_recorder(&mut self, recorder: Recorder) {
        // A log that cannot be stored must not cost the result.
        let _ = recorder.end(&mut self.queue.connection);
        self.recorder = Some(recorder);
    }
}
