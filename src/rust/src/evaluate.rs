//! The trait `Evaluate` on R functions. They never throw: each returns an outcome. Objects that
//! many tasks share are kept as R values, so that a worker reads them once.

use extendr_api::prelude::*;
use rrq_core::worker::{Answer, Effect, Evaluate, Idle, Task, Verdict};
use rrq_core::{Result, Status, message::Message};

use crate::api::task::kind_word;
use crate::condition::{Failure, Outcome};
use crate::convert::field;
use crate::protect::{call, clear_interrupt};
use crate::serialize::{serialize, unserialize};

/// How many bytes of shared objects a worker keeps.
const CACHE_BYTES: usize = 256 * 1024 * 1024;
/// Redis refuses longer strings; a result near that is an error of its task.
const RESULT_MAX: usize = 500 * 1024 * 1024;

/// The R functions of a worker.
pub struct REvaluate {
    run: Robj,
    failed: Robj,
    answer: Robj,
    report: Robj,
    cache: Vec<(String, Robj, usize)>,
}

impl REvaluate {
    /// From a list with the functions `run`, `failed`, `answer` and `report`.
    pub fn new(functions: &List) -> Self {
        let function = |name| field(functions, name);
        REvaluate {
            run: function("run"),
            failed: function("failed"),
            answer: function("answer"),
            report: function("report"),
            cache: Vec::new(),
        }
    }

    /// A shared object, the one used last kept last.
    fn object(
        &mut self,
        hash: &str,
        fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>>,
    ) -> Outcome<Robj> {
        if let Some(at) = self.cache.iter().position(|(key, _, _)| key == hash) {
            let entry = self.cache.remove(at);
            let value = entry.1.clone();
            self.cache.push(entry);
            return Ok(value);
        }
        let bytes = fetch(hash)?;
        let value = unserialize(&bytes)?;
        self.cache
            .push((hash.to_owned(), value.clone(), bytes.len()));
        while self.cache.len() > 1
            && self.cache.iter().map(|(_, _, size)| size).sum::<usize>() > CACHE_BYTES
        {
            self.cache.remove(0);
        }
        Ok(value)
    }

    fn outcome(
        &mut self,
        task: &Task,
        fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>>,
    ) -> Outcome<Robj> {
        let (mut template, mut variables) = (Robj::from(()), Vec::new());
        for object in &task.body.shared {
            let value = self.object(&object.hash, fetch)?;
            if object.name.is_empty() {
                template = value;
            } else {
                variables.push((object.name.as_str(), value));
            }
        }
        let variables = if variables.is_empty() {
            ().into()
        } else {
            List::from_pairs(variables).into()
        };
        let arguments = [
            kind_word(task.body.kind).into(),
            unserialize(&task.body.payload)?,
            template,
            variables,
            task.id.as_str().into(),
            task.body.timeout_s.into(),
        ];
        let escaped = || Failure::Serialize("the evaluation was left by a jump".into());
        call(&self.run, &arguments).ok_or_else(escaped)
    }

    fn verdict(&mut self, task: &Task, outcome: Outcome<Robj>) -> Outcome<Verdict> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => self.failure(task, failure)?,
        };
        let list = outcome.as_list().ok_or_else(bad_outcome)?;
        let part = |at| list.elt(at).map_err(|_| bad_outcome());
        let status = part(0)?.as_str().and_then(Status::from_word);
        let value = serialize(&part(1)?)?;
        let extra = part(2)?;
        if value.len() > RESULT_MAX {
            let size = value.len();
            return Err(Failure::Serialize(format!(
                "the result has {size} bytes serialised, at most {RESULT_MAX} can be stored"
            )));
        }
        Ok(Verdict {
            status: status.ok_or_else(bad_outcome)?,
            value,
            extra: if extra.is_null() {
                Vec::new()
            } else {
                serialize(&extra)?
            },
            interrupted: part(3)?.as_bool().unwrap_or(false),
        })
    }

    /// The outcome of a task that could not be evaluated, or whose value could not be sent.
    fn failure(&mut self, task: &Task, failure: Failure) -> Outcome<Robj> {
        let reason = rrq_core::Error::from(failure).to_string();
        call(&self.failed, &[reason.into(), task.id.as_str().into()]).ok_or_else(bad_outcome)
    }
}

fn bad_outcome() -> Failure {
    Failure::Serialize("the evaluation did not return an outcome".into())
}

impl Evaluate for REvaluate {
    fn evaluate(&mut self, task: &Task, fetch: &mut dyn FnMut(&str) -> Result<Vec<u8>>) -> Verdict {
        let outcome = self.outcome(task, fetch);
        let verdict = self.verdict(task, outcome).or_else(|failure| {
            let outcome = self.failure(task, failure);
            self.verdict(task, outcome)
        });
        verdict.unwrap_or(Verdict {
            status: Status::Died,
            value: Vec::new(),
            extra: Vec::new(),
            interrupted: false,
        })
    }

    fn answer(&mut self, message: &Message, idle: Idle) -> Answer {
        let argument = match message.argument.as_slice() {
            [] => Ok(().into()),
            bytes => unserialize(bytes),
        };
        let argument = argument.unwrap_or_else(|_| ().into());
        let arguments = [
            message.command.as_str().into(),
            argument,
            idle.timeout_s.into(),
            idle.remaining_s.into(),
        ];
        let answer = call(&self.answer, &arguments).and_then(|answer| answer.as_list());
        let answer = answer.unwrap_or_default();
        let value = serialize(&field(&answer, "value")).unwrap_or_default();
        let argument = field(&answer, "argument");
        let effect = match field(&answer, "effect").as_str() {
            Some("stop") => Effect::Stop(argument.as_str().unwrap_or_default().to_owned()),
            Some("pause") => Effect::Pause,
            Some("resume") => Effect::Resume,
            Some("timeout") => Effect::TimeoutIdle(argument.as_real().unwrap_or(f64::INFINITY)),
            _ => Effect::None,
        };
        Answer { value, effect }
    }

    fn forget_interrupt(&mut self) {
        clear_interrupt();
    }

    fn report(&mut self, lines: &[(String, String)]) {
        let (commands, messages): (Vec<&str>, Vec<&str>) = lines
            .iter()
            .map(|(command, message)| (command.as_str(), message.as_str()))
            .unzip();
        if call(&self.report, &[commands.into(), messages.into()]).is_none() {
            // Printing was interrupted; the loop asks about interrupts by itself.
            clear_interrupt();
        }
    }
}
