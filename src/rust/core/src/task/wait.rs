//! Waiting for tasks. A waiter says once which tasks it waits for, then reads one stream to which
//! each task's end is written. The stream expires with its waiter. Should it be lost (a server
//! without persistence was restarted), the statuses are read again after a while.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::connection::{SLICE, Stop};
use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, TASK_WATCH};
use crate::status::Status;
use crate::task::newest;
use crate::task::stream::LIFETIME;
use crate::value;
use crate::worker;

const CHUNK: usize = 1000;
const RECHECK: Duration = Duration::from_secs(30);
/// A stream with fewer entries than this may be left to expire: small waits save a round trip.
const FEW: usize = 100;
const SWEEP: Duration = Duration::from_secs(1);
const ID_WIDTH: usize = 32;

/// Where a wait stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All tasks have ended.
    Done,
    /// Some have not.
    Waiting,
}

/// A wait for some tasks.
pub struct Waiter {
    open: HashSet<String>,
    follow: bool,
    ended: Vec<(String, Status)>,
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
        let mut waiter = Waiter {
            open: ids.iter().cloned().collect(),
            follow,
            ended: Vec::new(),
            n_read: 0,
            recheck: RECHECK,
            checked: now,
            swept: now,
        };
        queue.own_watch()?;
        if !queue.stream.will_tell(&waiter.open) {
            waiter.register(queue)?;
        }
        Ok(waiter)
    }

    /// For tests, which cannot wait that long.
    #[doc(hidden)]
    pub fn set_recheck(&mut self, recheck: Duration) {
        self.recheck = recheck;
    }

    /// The tasks that ended since this was last asked.
    pub fn take_ended(&mut self) -> Vec<(String, Status)> {
        std::mem::take(&mut self.ended)
    }

    /// How many tasks have not ended.
    pub fn n_open(&self) -> usize {
        self.open.len()
    }

    /// Wait until all tasks have ended, something ended and `any` is set, or `limit` has passed.
    pub fn wait(
        &mut self,
        queue: &mut Queue,
        limit: Duration,
        any: bool,
        stop: &Stop,
    ) -> Result<Progress> {
        let end = Instant::now() + limit;
        loop {
            if self.open.is_empty() {
                return Ok(Progress::Done);
            }
            if stop() {
                return Err(Error::Interrupted);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || (any && !self.ended.is_empty()) {
                return Ok(Progress::Waiting);
            }
            self.read(queue, left.min(SLICE))?;
            self.maintain(queue)?;
        }
    }

    /// Drop the stream, unless so little was written to it that its expiry will do.
    pub fn finish(&self, queue: &mut Queue) -> Result<()> {
        if self.n_read < FEW {
            return Ok(());
        }
        queue.stream.close();
        let key = queue.keys.events(queue.watch);
        queue.connection.command(Cmd::new().arg("DEL").arg(key)).map(|_| ())
    }

    fn register(&mut self, queue: &mut Queue) -> Result<()> {
        let ids: Vec<String> = self.open.iter().cloned().collect();
        let (mut missing, mut moved) = (Vec::new(), Vec::new());
        for chunk in ids.chunks(CHUNK) {
            for (id, status) in chunk.iter().zip(self.watch(queue, chunk)?) {
                match status {
                    Status::Missing => missing.push(id.clone()),
                    Status::Moved if self.follow => moved.push(id.clone()),
                    status if status.is_terminal() => self.close(id, status),
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
        self.open.retain(|id| !moved.contains(id));
        self.open.extend(newest(queue, moved)?);
        self.register(queue)
    }

    fn watch(&mut self, queue: &mut Queue, ids: &[String]) -> Result<Vec<Status>> {
        let key_names = vec![queue.keys.tasks(), queue.keys.events(queue.watch)];
        let call = Call::new(&TASK_WATCH, key_names)
            .arg(queue.watch)
            .arg(LIFETIME.as_millis() as u64)
            .arg(ids);
        let letters = value::bytes(queue.connection.call(&call)?)?;
        queue.stream.renew();
        Ok(letters.into_iter().map(Status::from_letter).collect())
    }

    fn close(&mut self, id: &str, status: Status) {
        if self.open.remove(id) {
            self.ended.push((id.to_owned(), status));
        }
    }

    /// Read what was written to the stream, waiting up to `limit` for something.
    fn read(&mut self, queue: &mut Queue, limit: Duration) -> Result<()> {
        let mut command = Cmd::new();
        command.arg("XREAD").arg("COUNT").arg(1000);
        command.arg("BLOCK").arg(limit.as_millis().max(1) as u64);
        command.arg("STREAMS").arg(queue.keys.events(queue.watch)).arg(&queue.stream.position);
        for stream in value::array(queue.connection.command(&command)?)? {
            let entries = value::array(stream)?.pop().unwrap_or_default();
            for entry in value::array(entries)? {
                self.read_entry(queue, entry)?;
            }
        }
        Ok(())
    }

    fn read_entry(&mut self, queue: &mut Queue, entry: Value) -> Result<()> {
        self.n_read += 1;
        let mut parts = value::array(entry)?.into_iter();
        queue.stream.position = value::text(parts.next().unwrap_or_default())?;
        let mut fields = value::array(parts.next().unwrap_or_default())?.into_iter();
        let (Some(field), Some(events)) = (fields.next(), fields.next()) else {
            return Ok(());
        };
        if value::text(field)? == "t" {
            for event in value::bytes(events)?.chunks_exact(ID_WIDTH + 1) {
                let status = Status::from_letter(event[ID_WIDTH]);
                let id = String::from_utf8_lossy(&event[..ID_WIDTH]);
                queue.stream.told(&id);
                self.close(&id, status);
            }
        }
        Ok(())
    }

    /// Settle lost workers where nobody else may be left to do it, and distrust the stream now and then.
    fn maintain(&mut self, queue: &mut Queue) -> Result<()> {
        if self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            worker::sweep(queue)?;
        }
        if self.checked.elapsed() >= self.recheck {
            self.register(queue)?;
        }
        Ok(())
    }
}
