//! The trait `Evaluate` on R functions. They never throw: each returns an outcome.

use std::cell::RefCell;

use extendr_api::prelude::*;
use rrq_core::store::Written;
use rrq_core::task::{Isolation, Kind};
use rrq_core::worker::{
    Answer, Effect, Evaluate, Evaluation, Fetch, Idle, Launcher, Printed, Task,
};
use rrq_core::{Error, Status, message::Message};

use crate::cache;
use crate::condition::{Failure, RResult, unreadable};
use crate::convert::{field, texts};
use crate::log_line::Second;
use crate::protect::{self, call, clear_interrupt, restore_interrupt};
use crate::serialize::{serialize, serialize_noting, serialize_to, unserialize, unserialize_from};

thread_local! {
    /// The task being run. R reads it only when it is needed: most tasks never do.
    static CURRENT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The id of the task being run.
pub fn current_task() -> String {
    CURRENT.with_borrow(Clone::clone)
}

/// The R functions of a worker, and values passed to them again and again.
pub struct REvaluate {
    slot: Robj,
    run: Robj,
    failed: Robj,
    ended: Robj,
    process: Robj,
    absent: Robj,
    answer: Robj,
    stateless: Robj,
    travels: Robj,
    report: Robj,
    keep_state: Robj,
    restore_state: Robj,
    null: Robj,
    no_limit: Robj,
    quiet: Robj,
    kinds: Vec<(Kind, Robj)>,
    second: Second,
}

impl REvaluate {
    /// From a list of calls and the environment `slot` in which they are evaluated.
    pub fn new(functions: &List) -> Self {
        let function = |name| field(functions, name);
        let kinds = [Kind::Expression, Kind::Call, Kind::BulkExpression, Kind::BulkCall];
        REvaluate {
            slot: function("slot"),
            run: function("run"),
            failed: function("failed"),
            ended: function("ended"),
            process: function("process"),
            absent: function("absent"),
            answer: function("answer"),
            stateless: function("stateless"),
            travels: function("travels"),
            report: function("report"),
            keep_state: function("keep_state"),
            restore_state: function("restore_state"),
            null: ().into(),
            no_limit: 0.0.into(),
            quiet: false.into(),
            kinds: kinds.into_iter().map(|kind| (kind, kind.word().into())).collect(),
            second: Second::default(),
        }
    }

    /// What the process is like now is what tasks shall find.
    pub fn keep_state(&self) {
        if !self.keep_state.is_null() {
            self.heedful(&self.keep_state);
        }
    }

    /// Undo what a task has changed in the process.
    fn restore_state(&self) {
        if !self.restore_state.is_null() && protect::state_changed() {
            self.heedful(&self.restore_state);
        }
    }

    /// Call a function that fails only if it is interrupted: the loop will see the interrupt.
    fn heedful(&self, function: &Robj) {
        if call(&self.slot, function, &[]).is_none() {
            restore_interrupt();
        }
    }

    fn kind(&self, kind: Kind) -> &Robj {
        self.kinds.iter().find(|(known, _)| *known == kind).map_or(&self.null, |(_, word)| word)
    }

    /// A shared object, from the cache or the store.
    fn object(&self, hash: &str, fetch: &mut dyn Fetch) -> RResult<Robj> {
        cache::object(hash, fetch, |value| {
            let stateless = call(&self.slot, &self.stateless, &[(c"value", value)]);
            stateless.and_then(|answer| answer.as_bool()) == Some(true)
        })
    }

    /// Read what the task shares with others, for a process that is about to be forked.
    pub fn preload(&self, task: &Task, fetch: &mut dyn Fetch) -> RResult<()> {
        task.body.shared.iter().try_for_each(|object| self.object(&object.hash, fetch).map(|_| ()))
    }

    fn outcome(&mut self, task: &Task, fetch: &mut dyn Fetch) -> RResult<Robj> {
        let (mut template, mut variables) = (self.null.clone(), Vec::new());
        for object in &task.body.shared {
            let value = self.object(&object.hash, fetch);
            let value =
                value.map_err(|error| unreadable(&fetch.keys().objects(), &object.hash, error))?;
            if object.name.is_empty() {
                template = value;
            } else {
                variables.push((object.name.as_str(), value));
            }
        }
        let variables = if variables.is_empty() {
            self.null.clone()
        } else {
            List::from_pairs(variables).into()
        };
        let payload = match task.body.payload_object() {
            Some(hash) => fetch
                .object(hash)
                .map_err(Failure::from)
                .and_then(unserialize_from)
                .map_err(|error| unreadable(&fetch.keys().objects(), hash, error))?,
            None => unserialize(&task.body.payload)
                .map_err(|error| unreadable(&fetch.keys().bodies(), &task.id, error))?,
        };
        let limit = match task.body.timeout_s {
            0.0 => self.no_limit.clone(),
            seconds => seconds.into(),
        };
        let seed = match task.body.special.as_ref().and_then(|special| special.seed) {
            Some(seed) => seed.to_vec().into(),
            None => self.null.clone(),
        };
        CURRENT.with_borrow_mut(|id| id.clone_from(&task.id));
        let parents = self.parents(task, fetch)?;
        // Where the output is captured, warnings are printed, too.
        let logged = task.body.keeps_log().then(|| true.into());
        let arguments = [
            (c"kind", self.kind(task.body.kind)),
            (c"payload", &payload),
            (c"template", &template),
            (c"variables", &variables),
            (c"parents", &parents),
            (c"timeout", &limit),
            (c"seed", &seed),
            (c"logged", logged.as_ref().unwrap_or(&self.quiet)),
        ];
        let escaped = || Failure::Serialize("a jump left the evaluation".into());
        call(&self.slot, &self.run, &arguments).ok_or_else(escaped)
    }

    /// The values of the tasks this one depends on, where it names them.
    fn parents(&mut self, task: &Task, fetch: &mut dyn Fetch) -> RResult<Robj> {
        let named = task.body.parents.iter().filter(|parent| !parent.name.is_empty());
        let (names, ids): (Vec<&str>, Vec<String>) =
            named.map(|parent| (parent.name.as_str(), parent.id.clone())).unzip();
        if ids.is_empty() {
            return Ok(self.null.clone());
        }
        let mut values = Vec::with_capacity(ids.len());
        for (id, outcome) in ids.iter().zip(fetch.results(&ids)?) {
            values.push(match (&outcome.value, &outcome.object) {
                (Some(bytes), _) => unserialize(bytes)?,
                (None, Some(hash)) => unserialize_from(fetch.object(hash)?)?,
                (None, None) => {
                    let arguments = [
                        (c"id", &id.as_str().into()),
                        (c"status", &outcome.status.word().into()),
                        (c"worker", &outcome.worker.into()),
                    ];
                    call(&self.slot, &self.absent, &arguments).ok_or_else(bad_outcome)?
                }
            });
        }
        Ok(List::from_names_and_values(names, values).map_err(|_| bad_outcome())?.into())
    }

    /// `fetch` takes the value, if there is one.
    fn evaluation(
        &mut self,
        task: &Task,
        outcome: RResult<Robj>,
        fetch: Option<&mut dyn Fetch>,
    ) -> RResult<Evaluation> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => self.failure(task, failure)?,
        };
        let mut list = outcome.as_list().ok_or_else(bad_outcome)?;
        let fetch = fetch.filter(|_| has_value(&list));
        let written = match fetch {
            Some(fetch) => self.store_value(&mut list, fetch)?,
            None => self.write_error(&mut list)?,
        };
        let (value, is_object) = match written {
            Written::Bytes(bytes) => (bytes, false),
            Written::Object(name) => (name.into_bytes(), true),
        };
        let part = |at| list.elt(at).map_err(|_| bad_outcome());
        let status = part(0)?.as_str().and_then(Status::from_word);
        let classes = task.body.special.as_ref().map(|special| &special.retry_classes);
        let is_final = match classes {
            Some(classes) if !classes.is_empty() && status == Some(Status::Error) => {
                let value = part(1)?;
                !classes.iter().any(|class| value.inherits(class))
            }
            _ => false,
        };
        // Most outcomes have two elements; only those with extras or an interrupt have four.
        let (extra, interrupted) = match list.len() {
            2 => (self.null.clone(), false),
            _ => (part(2)?, part(3)?.as_bool().unwrap_or(false)),
        };
        Ok(Evaluation {
            status: status.ok_or_else(bad_outcome)?,
            value,
            extra: if extra.is_null() { Vec::new() } else { serialize(&extra)? },
            interrupted,
            is_final,
            is_object,
        })
    }

    /// Write the value of a task where values of its size are stored.
    fn store_value(&mut self, list: &mut List, fetch: &mut dyn Fetch) -> RResult<Written> {
        let value = list.elt(1).map_err(|_| bad_outcome())?;
        let mut writer = fetch.value();
        if !serialize_to(&value, &mut writer)? {
            return writer.finish().map_err(Failure::Store);
        }
        drop(writer);
        self.check_travels(list)?;
        if !has_value(list) {
            return self.write_error(list);
        }
        let mut writer = fetch.value();
        serialize_to(&list.elt(1).map_err(|_| bad_outcome())?, &mut writer)?;
        writer.finish().map_err(Failure::Store)
    }

    fn write_error(&mut self, list: &mut List) -> RResult<Written> {
        let (bytes, pointers) = serialize_noting(&list.elt(1).map_err(|_| bad_outcome())?)?;
        if !pointers {
            return Ok(Written::Bytes(bytes));
        }
        self.check_travels(list)?;
        Ok(Written::Bytes(serialize(&list.elt(1).map_err(|_| bad_outcome())?)?))
    }

    /// R returns the outcome that stands: an error if the value does not survive being sent.
    fn check_travels(&mut self, list: &mut List) -> RResult<()> {
        let answer = call(&self.slot, &self.travels, &[(c"outcome", &list.clone().into())]);
        *list = answer.and_then(|answer| answer.as_list()).ok_or_else(bad_outcome)?;
        Ok(())
    }

    fn evaluate_task(&mut self, task: &Task, fetch: &mut dyn Fetch) -> Evaluation {
        let outcome = self.outcome(task, fetch);
        let evaluation = self.evaluation(task, outcome, Some(fetch));
        // While the value was sent: by the time limit, a cancellation or the user, as the loop knows.
        if let Err(Failure::Store(Error::Interrupted)) = evaluation {
            return Evaluation { interrupted: true, ..Evaluation::new(Status::Died, Vec::new()) };
        }
        let evaluation = evaluation.or_else(|failure| {
            let outcome = self.failure(task, failure);
            self.evaluation(task, outcome, None)
        });
        evaluation.unwrap_or_else(|_| Evaluation::new(Status::Died, Vec::new()))
    }

    /// The outcome of a task that could not be evaluated, or whose value could not be serialised.
    fn failure(&mut self, task: &Task, failure: Failure) -> RResult<Robj> {
        CURRENT.with_borrow_mut(|id| id.clone_from(&task.id));
        let is_corrupt = matches!(failure, Failure::Engine(Error::Corrupt { .. }));
        let reason = match failure {
            Failure::Store(error) => format!("its value cannot be stored: {error}"),
            other => Error::from(other).to_string(),
        };
        let class = if is_corrupt { "rrq_error_corrupt" } else { "" };
        let arguments = [(c"message", &reason.into()), (c"class", &class.into())];
        call(&self.slot, &self.failed, &arguments).ok_or_else(bad_outcome)
    }
}

/// Whether a task has completed, so that its outcome has a value.
fn has_value(outcome: &List) -> bool {
    outcome.elt(0).is_ok_and(|status| status.as_str() == Some(Status::Complete.word()))
}

fn bad_outcome() -> Failure {
    Failure::Serialize("the evaluation did not return an outcome".into())
}

impl Evaluate for REvaluate {
    fn evaluate(&mut self, task: &Task, fetch: &mut dyn Fetch) -> Evaluation {
        let evaluation = self.evaluate_task(task, fetch);
        self.restore_state();
        evaluation
    }

    fn launcher(&self, isolation: Isolation) -> Option<Launcher> {
        let process = self.process.as_list()?;
        let mut args = texts(&field(&process, "args"));
        args.push(isolation.word().to_owned());
        let env = field(&process, "env");
        let names: Vec<&str> = env.names().map(Iterator::collect).unwrap_or_default();
        let env = names.into_iter().map(str::to_owned).zip(texts(&env)).collect();
        let program = field(&process, "program").as_str()?.to_owned();
        let forks = field(&process, "forks").as_bool()?;
        Some(Launcher { forks, program, args, env })
    }

    fn ended(&mut self, task: &Task, status: Status, reason: &str) -> Evaluation {
        CURRENT.with_borrow_mut(|id| id.clone_from(&task.id));
        let arguments = [(c"status", &status.word().into()), (c"message", &reason.into())];
        let outcome = call(&self.slot, &self.ended, &arguments).ok_or_else(bad_outcome);
        let evaluation = outcome.and_then(|outcome| self.evaluation(task, Ok(outcome), None));
        evaluation.unwrap_or_else(|_| Evaluation::new(status, Vec::new()))
    }

    fn unreadable(&mut self, task: &Task, error: Error) -> Evaluation {
        let outcome = self.failure(task, error.into());
        let evaluation = self.evaluation(task, outcome, None);
        evaluation.unwrap_or_else(|_| Evaluation::new(Status::Error, Vec::new()))
    }

    fn flush(&mut self) {
        protect::flush();
    }

    fn answer(&mut self, message: &Message, idle: Idle) -> Answer {
        let argument = match message.argument.as_slice() {
            [] => Ok(().into()),
            bytes => unserialize(bytes),
        };
        let argument = argument.unwrap_or_else(|_| ().into());
        let arguments = [
            (c"command", &message.command.as_str().into()),
            (c"argument", &argument),
            (c"timeout_idle", &idle.timeout_s.into()),
            (c"remaining", &idle.remaining_s.into()),
        ];
        let answer = call(&self.slot, &self.answer, &arguments);
        if answer.is_none() {
            restore_interrupt();
        }
        let answer = answer.and_then(|answer| answer.as_list()).unwrap_or_default();
        let value = serialize(&field(&answer, "value"))
            .or_else(|failure| serialize(&Error::from(failure).to_string().into()))
            .unwrap_or_default();
        self.keep_state();
        let argument = field(&answer, "argument");
        let effect = match field(&answer, "effect").as_str() {
            Some("stop") => Effect::Stop(argument.as_str().unwrap_or_default().to_owned()),
            Some("fail") => Effect::Fail(argument.as_str().unwrap_or_default().to_owned()),
            Some("refresh") => Effect::Refresh,
            Some("pause") => Effect::Pause,
            Some("resume") => Effect::Resume,
            Some("timeout") => Effect::TimeoutIdle(argument.as_real().unwrap_or(f64::INFINITY)),
            _ => Effect::None,
        };
        Answer { value, effect }
    }

    fn drop_interrupt(&mut self) {
        clear_interrupt();
    }

    fn print_log(&mut self, lines: &[Printed]) {
        let text: String = lines.iter().map(|line| self.second.line(line)).collect();
        // R converts other texts for the terminal.
        let printed = if text.is_ascii() {
            protect::print(&text)
        } else {
            call(&self.slot, &self.report, &[(c"text", &text.into())]).is_some()
        };
        if !printed {
            // Printing was interrupted: the loop will see the interrupt.
            restore_interrupt();
        }
    }
}
