//! Values too large for the step that reports them: the worker stores them as objects before.

use crate::status::Status;
use crate::store::Naming;
use crate::worker::evaluate::{Evaluate, Evaluation, Task};
use crate::worker::state::Worker;

/// Errors are stored with the task whatever their size, up to this limit of the server.
const LONGEST: usize = 500 * 1024 * 1024;

impl Worker {
    /// Store a large value. If that is not possible, the task fails with the reason.
    pub(super) fn store_value(
        &mut self,
        evaluate: &mut dyn Evaluate,
        task: &Task,
        mut evaluation: Evaluation,
    ) -> Evaluation {
        let size = evaluation.value.len();
        if evaluation.is_object {
            return evaluation;
        }
        if evaluation.status == Status::Complete && self.queue.storage.is_object(size) {
            match self.queue.store().put(&evaluation.value, Naming::Unique) {
                Ok(name) => {
                    evaluation.value = name.into_bytes();
                    evaluation.is_object = true;
                }
                Err(error) => {
                    // Its memory is needed no longer.
                    evaluation.value = Vec::new();
                    let reason = format!("its value cannot be stored: {error}");
                    return evaluate.ended(task, Status::Error, &reason);
                }
            }
        } else if size > LONGEST {
            let reason = format!("its error has {size} bytes, but the limit is {LONGEST} bytes");
            return evaluate.ended(task, Status::Error, &reason);
        }
        evaluation
    }
}
