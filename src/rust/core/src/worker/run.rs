//! A worker's loop. One turn asks what to do and does it; the loop only repeats it.

use std::time::Duration;

use crate::config::duration;
use crate::error::{Error, Result};
use crate::process::is_orphan;
use crate::value;
use crate::worker::batch::lock;
use crate::worker::evaluate::Evaluate;
use crate::worker::request::StepReply;
use crate::worker::state::Worker;
use crate::worker::sweep::sweep_within;
use crate::worker::turn::{StopReason, Turn};

/// The longest sleep without asking for work, unless configured.
const POLL_S: f64 = 5.0;

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
        let reply = self.step(self.claim_limit())?;
        let is_due = reply.is_due();
        let turn = match reply {
            StepReply::Gone => self.rejoin(),
            StepReply::Message(message) => self.answer(evaluate, &message),
            StepReply::Tasks { tasks, .. } => {
                lock(&self.batch).waiting.extend(tasks);
                self.run_batch(evaluate)
            }
            // The sweep may bring work.
            StepReply::Idle { due: true, .. } => Ok(Turn::Swept),
            StepReply::Idle { next, paused, .. } => {
                self.flush_log(evaluate);
                self.rest(next, paused, block)
            }
        }?;
        // Not before claimed tasks have run: they would wait here, where no other worker finds them.
        if is_due && !matches!(turn, Turn::Stop(_)) {
            sweep_within(&mut self.queue, Duration::ZERO)?;
        }
        Ok(turn)
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

    /// Sleep in the server until woken. What is popped there only wakes: losing it costs one poll.
    fn rest(&mut self, next: Duration, paused: bool, block: bool) -> Result<Turn> {
        let limit = self.options.config.timeout_idle;
        let left = limit - self.idle_since.elapsed().as_secs_f64();
        if left <= 0.0 {
            return Ok(Turn::Stop(StopReason::IdleTimeout));
        }
        if !block {
            return Ok(Turn::Idle);
        }
        let poll = self.options.config.poll_queue.unwrap_or(POLL_S).min(POLL_S);
        let pause = duration(poll.min(left)).min(next.max(Duration::from_millis(10)));
        let keys = &self.queue.keys;
        let mut names = vec![keys.worker(&self.options.id).wake()];
        if !paused {
            names.extend(self.queues.iter().map(|name| keys.wake(name)));
        }
        let mut command = redis::cmd("BZPOPMIN");
        command.arg(&names).arg(pause.as_secs_f64().max(0.01));
        let popped = self.queue.connection.block(&command)?.unwrap_or_default();
        if let Some(key) = value::array(popped)?.into_iter().next() {
            let key = value::text(key)?;
            self.popped_marker = names.iter().position(|name| *name == key).unwrap_or(0);
        }
        Ok(Turn::Idle)
    }
}
