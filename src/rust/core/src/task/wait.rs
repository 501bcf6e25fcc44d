//! Waiting for tasks. A waiter registers once for its tasks, then reads one stream to which the end
//! of each task is written. The stream expires with its waiter. In case it is lost (a server
//! without persistence was restarted), the statuses are read again from time to time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::Cmd;

use crate::connection::{SLICE, Stop};
use crate::error::{Error, Result};
use crate::events::{self, ENDS, Event, LIFETIME, READ, VALUE};
use crate::queue::Queue;
use crate::scripts::{Call, TASK_WATCH};
use crate::status::Status;
use crate::task::confirm::{confirm, confirm_and_block};
use crate::task::newest;
use crate::task::result::TaskResult;
use crate::task::stream::{SharedWaitSet, WaitSet, lock};
use crate::value;
use crate::worker;

const CHUNK: usize = 1000;
const RECHECK: Duration = Duration::from_secs(30);
const RECHECK_REFUSED: Duration = Duration::from_secs(1);
/// A stream with fewer entries than this is left to expire, which saves a round trip.
const FEW: usize = 100;
/// A stream of which this many entries have been read gets rid of them.
const MANY: usize = 1000;
/// So many replies full of events are read before any of them is looked at.
const REPLIES: usize = 100;
const SWEEP: Duration = Duration::from_secs(1);
const ID_WIDTH: usize = 32;

/// The state of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitState {
    /// All tasks have ended.
    Done,
    /// Some have not.
    Waiting,
}

/// A wait for some tasks.
pub struct Waiter {
    set: SharedWaitSet,
    follow: bool,
    n_read: usize,
    recheck: Duration,
    checked: Instant,
    swept: Instant,
}

impl Waiter {
    /// Begin to wait for `ids`, all of which must exist. With `follow` an id that was retried stands
    /// for the newest of its chain.
    pub fn new(queue: &mut Queue, ids: &[String], follow: bool) -> Result<Self> {
        let now = Instant::now();
        let open = ids.iter().cloned().collect();
        queue.own_watch()?;
        let notified = queue.stream.will_notify(&open);
        let set = Arc::new(Mutex::new(WaitSet { open, ..WaitSet::default() }));
        queue.stream.join(&set);
        let mut waiter =
            Waiter { set, follow, n_read: 0, recheck: RECHECK, checked: now, swept: now };
        if !notified {
            confirm(queue)?;
            waiter.register(queue, ids)?;
        }
        Ok(waiter)
    }

    /// For tests, which cannot wait that long.
    #[doc(hidden)]
    pub fn set_recheck(&mut self, recheck: Duration) {
        self.recheck = recheck;
    }

    /// The tasks that have ended since the last call: those that had ended before the wait in the
    /// order given, then the others in the order in which they ended.
    pub fn take_ended(&mut self) -> Vec<(String, Status)> {
        std::mem::take(&mut lock(&self.set).ended)
    }

    /// How many tasks have not ended.
    pub fn n_open(&self) -> usize {
        lock(&self.set).open.len()
    }

    /// Some of the tasks that have not ended, at most `n`.
    pub fn some_open(&self, n: usize) -> Vec<String> {
        lock(&self.set).open.iter().take(n).cloned().collect()
    }

    fn has_ended(&self) -> bool {
        !lock(&self.set).ended.is_empty()
    }

    /// Wait until all tasks have ended, something ended and `any` is set, or `limit` has passed.
    /// With a limit of 0, tasks that have already ended are still reported.
    pub fn wait(
        &mut self,
        queue: &mut Queue,
        limit: Duration,
        any: bool,
        stop: &Stop,
    ) -> Result<WaitState> {
        let end = Instant::now() + limit;
        let mut may_be_more = true;
        loop {
            if self.n_open() == 0 {
                return Ok(WaitState::Done);
            }
            if stop() {
                return Err(Error::Interrupted);
            }
            let left = end.saturating_duration_since(Instant::now());
            if (left.is_zero() && !may_be_more) || (any && self.has_ended()) {
                return Ok(WaitState::Waiting);
            }
            // Whoever set that limit knows what to say.
            match self.look(queue, left) {
                Err(Error::TimedOut { .. }) => return Ok(WaitState::Waiting),
                n_read => may_be_more = n_read? >= READ,
            }
        }
    }

    /// End the wait. The stream is deleted unless another wait reads it, or it is so short that it may
    /// be left to expire. After many short waits, what they have read is dropped.
    pub fn finish(&self, queue: &mut Queue) -> Result<()> {
        let was_last = queue.stream.leave(&self.set);
        let key = queue.keys.events(queue.watch);
        let mut command = Cmd::new();
        if was_last && self.n_read >= FEW {
            queue.stream.close();
            command.arg("DEL").arg(key);
        } else if queue.stream.n_read >= MANY {
            command.arg("XTRIM").arg(key).arg("MINID").arg(&queue.stream.position);
        } else {
            return Ok(());
        }
        queue.stream.n_read = 0;
        queue.connection.command(&command).map(|_| ())
    }

    fn register(&mut self, queue: &mut Queue, ids: &[String]) -> Result<()> {
        let (mut missing, mut moved) = (Vec::new(), Vec::new());
        for chunk in ids.chunks(CHUNK) {
            for (id, status) in chunk.iter().zip(self.watch(queue, chunk)?) {
                match status {
                    Status::Missing => missing.push(id.clone()),
                    Status::Moved if self.follow => moved.push(id.clone()),
                    status if status.is_terminal() => lock(&self.set).close(id, status),
                    _ => {}
                }
            }
        }
        self.checked = Instant::now();
        if !missing.is_empty() {
            return Err(Error::TaskMissing { ids: missing });
        }
        if moved.is_empty() { Ok(()) } else { self.follow(queue, &moved) }
    }

    fn follow(&mut self, queue: &mut Queue, moved: &[String]) -> Result<()> {
        let newest = newest(queue, moved)?;
        for (id, newest) in moved.iter().zip(&newest) {
            lock(&self.set).stands_for(newest, id);
        }
        self.register(queue, &newest)
    }

    fn watch(&mut self, queue: &mut Queue, ids: &[String]) -> Result<Vec<Status>> {
        let key_names =
            vec![queue.keys.tasks(), queue.keys.events(queue.watch), queue.keys.config()];
        let call = Call::new(&TASK_WATCH, key_names)
            .arg(queue.watch)
            .arg(LIFETIME.as_millis() as u64)
            .arg(ids);
        let letters = value::maybe_bytes(queue.connection.call(&call)?)?;
        let letters = letters.ok_or_else(|| queue.missing())?;
        queue.stream.renew();
        // Of a task with many waiters it is not told when it ends.
        if letters.iter().any(u8::is_ascii_lowercase) {
            self.recheck = self.recheck.min(RECHECK_REFUSED);
        }
        let status = |letter: u8| Status::from_letter(letter.to_ascii_uppercase());
        Ok(letters.into_iter().map(status).collect())
    }

    fn look(&mut self, queue: &mut Queue, left: Duration) -> Result<usize> {
        self.maintain(queue, left)?;
        self.read(queue, left.min(SLICE))
    }

    /// Read the events there are, waiting up to `limit` for the first; returns how many the last reply
    /// had. A task may have ended, and have been retried since: then only the latter counts, so this reads
    /// on while there are more.
    fn read(&mut self, queue: &mut Queue, limit: Duration) -> Result<usize> {
        let key = queue.keys.events(queue.watch);
        let (mut events, mut n, mut n_replies) = (Vec::new(), READ, 0);
        while n >= READ && n_replies < REPLIES {
            let limit = if events.is_empty() { limit } else { Duration::ZERO };
            let command = events::read_command(&key, &queue.stream.position, limit);
            let reply = match confirm_and_block(queue, &command)? {
                Some(reply) => reply,
                None => queue.connection.command(&command)?,
            };
            let some = events::parse(reply, &mut queue.stream.position)?;
            (n, n_replies) = (some.len(), n_replies + 1);
            events.extend(some);
        }
        self.n_read += events.len();
        queue.stream.n_read += events.len();
        note_ends(queue, &events);
        for event in events.iter().filter(|event| event.kind == VALUE) {
            note_value(queue, &event.value);
        }
        Ok(n)
    }

    /// Resolve lost workers, in case no other process is left to do it, and from time to time read
    /// the statuses again, in case the stream was lost. However much is due, most of the time is spent
    /// waiting.
    fn maintain(&mut self, queue: &mut Queue, left: Duration) -> Result<()> {
        if self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            worker::sweep_within(queue, left.min(SLICE))?;
        }
        let moved = std::mem::take(&mut lock(&self.set).moved);
        if !moved.is_empty() {
            self.register(queue, &moved)?;
        }
        if self.checked.elapsed() >= self.recheck {
            let open: Vec<String> = lock(&self.set).open.iter().cloned().collect();
            self.register(queue, &open)?;
        }
        Ok(())
    }
}

fn note_ends(queue: &mut Queue, events: &[Event]) {
    let ends = || {
        let ends = events.iter().filter(|event| event.kind == ENDS);
        ends.flat_map(|event| events::ends(&event.value))
    };
    let is_moved = |(_, status): &(String, Status)| *status == Status::Moved;
    let moved: HashSet<String> = ends().filter(is_moved).map(|(id, _)| id).collect();
    for (id, status) in ends() {
        if status == Status::Moved || !moved.contains(&id) {
            queue.stream.notify(&id, status);
        }
    }
}

fn note_value(queue: &mut Queue, told: &[u8]) {
    if let Some((id, result)) = read_value(told) {
        queue.stream.tell(id, result);
    }
}

fn read_value(told: &[u8]) -> Option<(String, TaskResult)> {
    let (id, rest) = told.split_at_checked(ID_WIDTH)?;
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let mut text = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned());
    let (worker, attempt) = (text()?, text()?.parse().ok()?);
    let result = TaskResult::complete(worker, attempt, parts.next()?.to_vec());
    Some((String::from_utf8_lossy(id).into_owned(), result))
}
