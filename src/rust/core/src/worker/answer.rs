//! Answering messages: the trait's answer goes back, and changes the worker where it must.

use std::time::Instant;

use crate::error::Result;
use crate::message::Message;
use crate::status::WorkerStatus;
use crate::value;
use crate::worker::evaluate::{Effect, Evaluate, Idle};
use crate::worker::state::Worker;
use crate::worker::turn::{StopReason, Turn};

impl Worker {
    /// Answer one message.
    pub(super) fn answer(
        &mut self,
        evaluate: &mut dyn Evaluate,
        message: &Message,
    ) -> Result<Turn> {
        self.log_line("MESSAGE", &message.command);
        // Before what the answer prints.
        self.flush_log(evaluate);
        let timeout_s = self.options.config.timeout_idle;
        let remaining_s = (timeout_s - self.idle_since.elapsed().as_secs_f64()).max(0.0);
        let answer = evaluate.answer(message, Idle { timeout_s, remaining_s });
        let to = match answer.effect {
            Effect::Pause => Some(WorkerStatus::Paused),
            Effect::Resume => Some(WorkerStatus::Idle),
            _ => None,
        };
        let call = self.registration.respond(message, answer.value, to);
        let stale = value::integer(self.queue.connection.call(&call)?)? == 0;
        self.log_line("RESPONSE", &message.command);
        match answer.effect {
            Effect::Stop(reason) => return Ok(Turn::Stop(StopReason::Message(reason))),
            Effect::Fail(reason) => return Ok(Turn::Stop(StopReason::Failed(reason))),
            Effect::TimeoutIdle(seconds) => {
                self.options.config.timeout_idle = seconds;
                self.idle_since = Instant::now();
            }
            Effect::Refresh => self.renew_processes(),
            Effect::None | Effect::Pause | Effect::Resume => {}
        }
        Ok(if stale { Turn::Idle } else { Turn::Answered })
    }
}
