//! Answering messages: the trait's answer goes back, and changes the worker where it must.

use std::time::Instant;

use crate::error::Result;
use crate::message::Message;
use crate::scripts::{Call, MESSAGE_RESPOND};
use crate::value;
use crate::worker::evaluate::{Effect, Evaluate, Idle};
use crate::worker::run::{Turn, Worker};

impl Worker {
    /// Answer one message.
    pub(super) fn answer(
        &mut self,
        evaluate: &mut dyn Evaluate,
        message: &Message,
    ) -> Result<Turn> {
        self.say("MESSAGE", &message.command);
        let timeout_s = self.options.config.timeout_idle;
        let remaining_s = (timeout_s - self.idle_since.elapsed().as_secs_f64()).max(0.0);
        let answer = evaluate.answer(message, Idle { timeout_s, remaining_s });
        let state = match answer.effect {
            Effect::Pause => "PAUSED",
            Effect::Resume => "IDLE",
            _ => "",
        };
        let (keys, own) = (&self.queue.keys, self.queue.keys.worker(&self.options.id));
        let names = vec![
            own.messages(),
            own.responses(),
            own.log(),
            keys.events(message.watch),
            keys.workers(),
        ];
        let call = Call::new(&MESSAGE_RESPOND, names)
            .arg(&self.options.id)
            .arg(&message.id)
            .arg(&message.command)
            .arg(answer.value)
            .arg(message.raw.as_slice())
            .arg(state);
        let stale = value::integer(self.queue.connection.call(&call)?)? == 0;
        self.say("RESPONSE", &message.command);
        match answer.effect {
            Effect::Stop(reason) => return Ok(Turn::Stop(reason)),
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
