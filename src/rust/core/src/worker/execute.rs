//! Running the claimed tasks, one by one. Tiny tasks are claimed together; what has ended of them is
//! reported between two tasks when it has waited long enough.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::process::is_orphan;
use crate::status::Status;
use crate::value;
use crate::worker::batch::{Finish, Running, lock};
use crate::worker::evaluate::{Evaluate, Evaluation, Task};
use crate::worker::request::StepReply;
use crate::worker::state::Worker;
use crate::worker::turn::{StopReason, Turn};

/// As many tasks are claimed together as take about this long.
const BATCH: Duration = Duration::from_millis(10);
/// At most this many.
const BATCH_MAX: usize = 64;
/// Only tasks shorter than this are claimed together.
const TINY: Duration = Duration::from_millis(2);
/// What a batch has finished is reported at least this often.
const FLUSH: Duration = Duration::from_millis(10);

/// How often to ask whether tasks are back in the queue.
const RETURN_POLL: Duration = Duration::from_millis(1);

impl Worker {
    /// Run what was just claimed.
    pub(super) fn run_batch(&mut self, evaluate: &mut dyn Evaluate) -> Result<Turn> {
        self.window.start();
        let (begun, mut flushed, mut n) = (Instant::now(), Instant::now(), 0u32);
        loop {
            let Some(task) = self.start_next(evaluate)? else {
                break;
            };
            n += 1;
            if self.evaluate(evaluate, &task) {
                return Ok(Turn::Stop(StopReason::Interrupted));
            }
            if flushed.elapsed() > FLUSH && !lock(&self.batch).waiting.is_empty() {
                if let StepReply::Gone = self.step(0)? {
                    return self.rejoin();
                }
                self.window.advance();
                flushed = Instant::now();
            }
        }
        self.adapt(begun.elapsed() / n.max(1));
        self.idle_since = Instant::now();
        Ok(Turn::Ran(n as usize))
    }

    /// Start the next task of the batch, if it may begin.
    fn start_next(&mut self, evaluate: &mut dyn Evaluate) -> Result<Option<Task>> {
        if !self.knows_what_waits() || !self.may_begin()? {
            return Ok(None);
        }
        let call = self.window.request(&self.registration, &lock(&self.batch));
        if let Some(call) = call {
            self.queue.connection.post(call);
        }
        // Before what the task prints, and before its time begins: nobody takes it back meanwhile.
        let next = lock(&self.batch).waiting.front().map(|task| task.id.clone());
        if let Some(id) = next {
            self.log_line("TASK_START", &id);
            self.flush_log(evaluate);
        }
        let task = lock(&self.batch).start_next();
        self.window.use_up();
        Ok(task)
    }

    /// While tasks are on their way back to the queue, wait to learn whether they are still held
    /// here, unless the worker is to stop.
    fn knows_what_waits(&self) -> bool {
        while !lock(&self.batch).returning.is_empty() {
            if (self.stop)() || is_orphan(self.options.parent) {
                return false;
            }
            std::thread::sleep(RETURN_POLL);
        }
        true
    }

    /// Whether the next task may begin: it is in the window, or the server allows more. If it
    /// refuses, the worker was declared lost, as the next step will show, and it drops the rest of the
    /// batch.
    fn may_begin(&mut self) -> Result<bool> {
        if self.window.is_open() || lock(&self.batch).waiting.is_empty() {
            return Ok(true);
        }
        if let Some(call) = self.window.request(&self.registration, &lock(&self.batch)) {
            self.queue.connection.post(call);
        }
        let Some((call, n)) = self.window.take_posted() else {
            return Ok(false);
        };
        if value::integer(self.queue.connection.collect(&call)?)? == 1 {
            self.window.widen(n);
            return Ok(true);
        }
        let call = {
            let mut batch = lock(&self.batch);
            let waiting = std::mem::take(&mut batch.waiting);
            self.registration.return_tasks(&waiting, batch.sequence)
        };
        self.queue.connection.call(&call)?;
        Ok(false)
    }

    /// Run one task and keep its end for the next step; returns whether the user interrupted the
    /// worker meanwhile.
    ///
    /// Both a Ctrl-C of the user and an interrupt by another thread reach R as the same signal, and
    /// either may arrive after the task's end. `end_running` decides: from then on no thread
    /// interrupts this task, and what it returns says whether one did. If so, the signal is dropped,
    /// whether R has seen it or not, or it would hit the next task. A task that R took for
    /// interrupted by the user has then reached its limit: R measures the limit by a clock that
    /// starts a little later than ours.
    fn evaluate(&mut self, evaluate: &mut dyn Evaluate, task: &Task) -> bool {
        let started = Instant::now();
        let mut evaluation = self.run_task(evaluate, task);
        let ended = Instant::now();
        let running = lock(&self.batch).end_running();
        if let Some(running) = running.as_ref().filter(|running| running.interrupted) {
            evaluate.drop_interrupt();
            evaluation = after_interrupt(evaluation, running);
        }
        evaluation = self.store_value(evaluate, task, evaluation);
        self.log_line(&format!("TASK_{}", evaluation.status.word()), &task.id);
        self.n_run += 1;
        let interrupted = evaluation.interrupted;
        let process = running.and_then(|running| running.process);
        let (id, attempt) = (task.id.clone(), task.attempt);
        let finish = Finish { id, attempt, evaluation, process, started, ended };
        lock(&self.batch).finished.push(finish);
        interrupted
    }

    /// Claim more at a time while tasks are tiny, one by one as soon as they are not.
    fn adapt(&mut self, mean: Duration) {
        self.window.adapt(mean);
        self.batch_size = if mean < TINY {
            let fit = BATCH.as_nanos() / mean.as_nanos().max(1);
            (self.batch_size * 4).min(fit as usize).clamp(1, BATCH_MAX)
        } else {
            1
        };
    }
}

/// How a task ended that another thread interrupted. If it was cancelled and ignored that, it has
/// completed; any other end came from the interrupt.
fn after_interrupt(mut evaluation: Evaluation, running: &Running) -> Evaluation {
    if running.cancelled && evaluation.status != Status::Complete {
        return Evaluation::new(Status::Cancelled, Vec::new());
    }
    if evaluation.interrupted && !running.cancelled {
        evaluation.status = Status::Timeout;
        evaluation.value = Vec::new();
    }
    evaluation.interrupted = false;
    evaluation
}
