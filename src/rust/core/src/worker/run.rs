//! A worker's loop. One turn asks what to do and does it; the loop only repeats it.

use std::time::{Duration, Instant};

use crate::config::duration;
use crate::error::{Error, Result};
use crate::process::is_orphan;
use crate::worker::batch::lock;
use crate::worker::evaluate::Evaluate;
use crate::worker::request::StepReply;
use crate::worker::state::Worker;
use crate::worker::sweep::sweep_within;
use crate::worker::turn::{StopReason, Turn};

/// The longest sleep without asking for work, unless configured.
const POLL_S: f64 = 5.0;
/// Work may be due in less, but seldom is that worth another round trip.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);
/// After finding something that cannot be read, the worker tries again after this time.
const REPAIR_PAUSE: Duration = Duration::from_secs(1);

/// The pause after a reply that made no sense.
const PAUSE: Duration = Duration::from_secs(1);

impl Worker {
    /// Turn until there is a reason to leave, leave, and return the reason. With `immediate` also
    /// return, without leaving, when there is nothing to do.
    pub fn run(
        &mut self,
        evaluate: &mut dyn Evaluate,
        immediate: bool,
    ) -> Result<Option<StopReason>> {
        let reason = loop {
            match self.turn(evaluate, !immediate) {
                Ok(Turn::Stop(reason)) => break reason,
                Err(Error::Interrupted) => break StopReason::Interrupted,
                Err(error @ Error::Corrupt { .. }) if !immediate => {
                    self.await_repair(evaluate, &error)?;
                }
                // A reply other than that to a step made no sense. The next one may.
                Err(Error::Protocol { .. }) => {
                    self.queue.connection.close();
                    match self.queue.connection.rest(PAUSE) {
                        Err(Error::Interrupted) => break StopReason::Interrupted,
                        rested => rested?,
                    }
                }
                Err(error) => return Err(error),
                Ok(Turn::Idle) if immediate => return Ok(None),
                Ok(_) => {}
            }
        };
        self.leave(evaluate, reason).map(Some)
    }

    /// One turn. With `block` it waits for something to do, for as long as a poll takes.
    pub fn turn(&mut self, evaluate: &mut dyn Evaluate, block: bool) -> Result<Turn> {
        if let Some(reason) = self.stop_reason() {
            return Ok(Turn::Stop(reason));
        }
        let mut reply = self.step(self.claim_limit())?;
        if let StepReply::Idle { next, paused, due: false, at_ms } = reply {
            self.flush_log(evaluate);
            let left = self.idle_time_left();
            if left.is_zero() {
                return Ok(Turn::Stop(StopReason::IdleTimeout));
            }
            if !block {
                return Ok(Turn::Idle);
            }
            reply = self.sleep(left.min(next.max(SHORTEST_SLEEP)), paused, at_ms)?;
            // Leaving returns what this has claimed.
            if let Some(reason) = self.stop_reason() {
                return Ok(Turn::Stop(reason));
            }
        }
        let is_due = reply.is_due();
        let turn = match reply {
            StepReply::Gone => self.rejoin(),
            StepReply::Message(message) => self.answer(evaluate, &message),
            StepReply::Tasks { tasks, .. } => {
                lock(&self.batch).waiting.extend(tasks);
                self.run_batch(evaluate)
            }
            // The sweep may bring work.
            StepReply::Idle { due, .. } => Ok(if due { Turn::Swept } else { Turn::Idle }),
        }?;
        // Not before claimed tasks have run: they would wait here, where no other worker finds them.
        if is_due && !matches!(turn, Turn::Stop(_)) {
            sweep_within(&mut self.queue, Duration::ZERO)?;
        }
        Ok(turn)
    }

    /// Something that is stored cannot be read, and not just a task: say so, once, and try again. Keys that
    /// only wake this worker, or have messages for it, are cleared; `rrq_doctor()` repairs the others.
    fn await_repair(&mut self, evaluate: &mut dyn Evaluate, error: &Error) -> Result<()> {
        let text = error.to_string();
        if self.damage.as_deref() != Some(&text) {
            self.log_line("DAMAGE", &text);
            self.flush_log(evaluate);
            self.damage = Some(text);
        }
        self.clear_own_keys()?;
        match self.queue.connection.rest(REPAIR_PAUSE) {
            // The next turn finds out why.
            Err(Error::Interrupted) => Ok(()),
            rested => rested,
        }
    }

    /// If something else is stored where this worker's messages and markers are, that goes.
    fn clear_own_keys(&mut self) -> Result<()> {
        let own = self.queue.keys.worker(&self.options.id);
        let mut names = vec![own.messages(), own.wake()];
        names.extend(self.queues.iter().map(|name| self.queue.keys.wake(name)));
        self.queue.connection.clear_wrong_types(&names)
    }

    fn stop_reason(&self) -> Option<StopReason> {
        if (self.stop)() {
            return Some(StopReason::Interrupted);
        }
        if is_orphan(self.options.parent) {
            return Some(StopReason::ParentEnded);
        }
        self.recycle_reason()
    }

    fn idle_time_left(&self) -> Duration {
        let left = self.options.config.timeout_idle - self.idle_since.elapsed().as_secs_f64();
        let poll = self.options.config.poll_queue.unwrap_or(POLL_S).min(POLL_S);
        duration(left.min(poll).max(0.0))
    }

    /// Sleep in the server until woken, at most for so long, and take the next step. Both are one
    /// request, so that a task that comes soon is claimed while the worker itself wakes up. Later, the
    /// step only says that the worker is awake, see the script. What is popped only wakes: losing it costs
    /// one poll.
    ///
    /// The server takes that step even if this worker cannot read the reply any more, because its machine
    /// was lost meanwhile. So it claims a single task, the only one that is then taken for begun.
    fn sleep(&mut self, limit: Duration, paused: bool, at_ms: i64) -> Result<StepReply> {
        let keys = &self.queue.keys;
        let mut names = vec![keys.worker(&self.options.id).wake()];
        if !paused {
            names.extend(self.queues.iter().map(|name| keys.wake(name)));
        }
        let mut pop = redis::cmd("BZPOPMIN");
        pop.arg(&names).arg(limit.as_secs_f64().max(0.01));
        let call = self.next_step(1, at_ms);
        self.woken = true;
        let begun = Instant::now();
        self.queue.connection.set_full_timeout(Duration::ZERO);
        let reply = self.queue.connection.block_then(&pop, &call);
        self.queue.connection.set_full_timeout(Duration::MAX);
        let reply = match reply.and_then(StepReply::read) {
            Err(Error::ServerFull { .. }) => self.call_step(&call)?,
            Err(Error::Protocol { .. }) => {
                self.queue.connection.close();
                self.call_step(&call)?
            }
            reply => {
                let reply = reply?;
                self.stepped();
                reply
            }
        };
        // The server may have rejected the pop, because something else is stored under one of the keys.
        if matches!(reply, StepReply::Idle { .. }) && begun.elapsed() < SHORTEST_SLEEP {
            self.clear_own_keys()?;
        }
        // Whatever it has taken of the markers is not yet set again.
        self.woken = matches!(reply, StepReply::Idle { .. });
        Ok(reply)
    }
}
