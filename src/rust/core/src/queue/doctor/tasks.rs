//! Tasks: what is stored of each, and whether somebody will run it.

use std::collections::{BTreeMap, HashMap, HashSet};

use redis::Pipeline;

use crate::error::Result;
use crate::keys::{field, set};
use crate::status::Status;
use crate::task::log::Log;
use crate::task::{Body, Header};
use crate::value;
use crate::worker::Record;

use super::fields::{is_id, is_number};
use super::{Doctor, SLICE};

const FAILS: &str = "the task becomes an ERROR";

impl Doctor<'_> {
    pub(super) fn check_tasks(&mut self) -> Result<()> {
        let key = self.queue.keys.tasks();
        let (mut bad, mut good) = (Vec::new(), Vec::new());
        for (id, stored) in self.hash(&key)? {
            let id = String::from_utf8_lossy(&id).into_owned();
            match Header::is_readable(&stored) {
                true => good.push((id, Header::parse(&stored))),
                false => bad.push(id),
            }
        }
        for id in bad {
            self.mend("rewrite", &id, &key, "it cannot be read", FAILS)?;
        }
        self.check_deferred(&good)?;
        self.check_bodies(&good)?;
        self.check_moves(&good)?;
        self.check_held(&good)?;
        self.check_lists(&good)?;
        self.check_logs()?;
        self.check_left()
    }

    /// Tasks that are still to run need a body.
    fn check_bodies(&mut self, tasks: &[(String, Header)]) -> Result<()> {
        let key = self.queue.keys.bodies();
        if self.wrong.contains(&key) {
            return Ok(());
        }
        for some in tasks.chunks(SLICE) {
            let mut get = redis::cmd("HMGET");
            get.arg(&key).arg(some.iter().map(|(id, _)| id).collect::<Vec<_>>());
            let bodies = value::array(self.queue.connection.command(&get)?)?;
            for ((id, header), body) in some.iter().zip(bodies) {
                let body = value::maybe_bytes(body)?;
                let is_good = body.as_deref().is_some_and(|body| Body::unpack(body).is_ok());
                if is_good || header.status == Status::Moved {
                    continue;
                }
                let problem = if body.is_none() { "it is missing" } else { "it cannot be read" };
                if !header.status.is_terminal() {
                    self.mend("fail", id, &key, problem, FAILS)?;
                    if self.repair {
                        let remove = redis::cmd("HDEL").arg(&key).arg(id).clone();
                        self.queue.connection.command(&remove)?;
                    }
                } else if body.is_some() {
                    self.remove("HDEL", &key, id, problem)?;
                }
            }
        }
        Ok(())
    }

    /// Each task that waits for others is listed in its set, and something will release that.
    fn check_deferred(&mut self, tasks: &[(String, Header)]) -> Result<()> {
        let key = self.queue.keys.deferred();
        let needed = [key.clone(), self.queue.keys.dependents(), self.queue.keys.sets()];
        if needed.iter().any(|key| self.wrong.contains(key)) {
            return Ok(());
        }
        for (id, header) in tasks {
            let Some((set, place)) = header.set else {
                continue;
            };
            let member = format!("{set}:{place:09}:{id}");
            let score = redis::cmd("ZSCORE").arg(&key).arg(&member).clone();
            if value::maybe_bytes(self.queue.connection.command(&score)?)?.is_none() {
                self.note(
                    &key,
                    &member,
                    "a task of a set is not there",
                    "it is put there",
                    || redis::cmd("ZADD").arg(&key).arg(0).arg(&member).clone(),
                )?;
            }
            if header.status == Status::Deferred {
                self.check_queue_of_set(set, &header.queue)?;
                let key = self.queue.keys.sets();
                let problem = "nothing will end the wait of a task for others";
                self.mend("strand", id, &key, problem, FAILS)?;
            }
        }
        Ok(())
    }

    /// A set knows to which queue its tasks will go.
    fn check_queue_of_set(&mut self, set: u64, queue: &str) -> Result<()> {
        let (key, field) = (self.queue.keys.sets(), format!("{set}{}", set::QUEUE));
        let stored = self.queue.connection.hash_get(key.clone(), &field)?;
        if stored.is_none_or(|stored| stored != queue.as_bytes()) {
            let problem = "it is not the queue of its tasks";
            self.note(&key, &field, problem, "it is set", || {
                redis::cmd("HSET").arg(&key).arg(&field).arg(queue).clone()
            })?;
        }
        Ok(())
    }

    /// A task that was retried leads to its retry.
    fn check_moves(&mut self, tasks: &[(String, Header)]) -> Result<()> {
        let key = self.queue.keys.moved();
        if self.wrong.contains(&key) {
            return Ok(());
        }
        let moved = tasks.iter().filter(|(_, header)| header.status == Status::Moved);
        let ids: Vec<String> = moved.map(|(id, _)| id.clone()).collect();
        let was = self.queue.keys.was();
        let back: HashMap<Vec<u8>, Vec<u8>> = self.hash(&was)?.into_iter().collect();
        for (id, found) in ids.iter().zip(crate::task::moves(self.queue, &ids)?) {
            let Some(found) = found else {
                self.mend("fail", id, &key, "it does not lead to a retry", FAILS)?;
                continue;
            };
            if !self.wrong.contains(&was)
                && back.get(found.to.as_bytes()) != Some(&id.clone().into_bytes())
            {
                let problem = "it does not lead back to what was retried";
                self.note(&was, &found.to, problem, "it is set", || {
                    redis::cmd("HSET").arg(&was).arg(&found.to).arg(id).clone()
                })?;
            }
        }
        Ok(())
    }

    /// Each task that runs is held by a worker.
    fn check_held(&mut self, tasks: &[(String, Header)]) -> Result<()> {
        let (workers, key) = (self.queue.keys.workers(), self.queue.keys.tasks());
        let records = self.hash(&workers)?;
        let readable = records.iter().filter_map(|(_, packed)| Record::unpack("", packed).ok());
        let held: HashSet<String> =
            readable.flat_map(|record| record.held().collect::<Vec<_>>()).collect();
        if self.wrong.contains(&workers) {
            return Ok(());
        }
        for (id, header) in tasks {
            if header.status == Status::Running && !held.contains(id) {
                let problem = "it is RUNNING, but no worker has it";
                self.mend("resolve", id, &key, problem, "as if its worker had been lost")?;
            }
        }
        Ok(())
    }

    /// Each task that waits is in the list of its queue, and what is there is a task.
    fn check_lists(&mut self, tasks: &[(String, Header)]) -> Result<()> {
        let mut waiting: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (id, header) in tasks.iter().filter(|(_, header)| header.is_queued()) {
            waiting.entry(&header.queue).or_default().push(id);
        }
        for (queue, mut ids) in waiting {
            let key = self.queue.keys.queue(queue);
            if self.wrong.contains(&key) {
                continue;
            }
            let mut listed = HashSet::new();
            for item in self.list(&key)? {
                if is_id(&item) {
                    listed.insert(String::from_utf8_lossy(&item).into_owned());
                } else {
                    let text = String::from_utf8_lossy(&item).into_owned();
                    self.note(&key, &text, "it is not a task", "it is removed", || {
                        redis::cmd("LREM").arg(&key).arg(0).arg(item).clone()
                    })?;
                }
            }
            // Those that come first are put in front last.
            let header: HashMap<&str, u64> =
                tasks.iter().map(|(id, header)| (id.as_str(), header.submit)).collect();
            ids.retain(|id| !listed.contains(*id));
            ids.sort_by_key(|id| std::cmp::Reverse(header[id]));
            for id in ids {
                self.mend("queue", id, &key, "a task that waits is not there", "it is put there")?;
            }
        }
        Ok(())
    }

    /// What tasks have printed. Values are checked by those who read them: only R knows their format.
    fn check_logs(&mut self) -> Result<()> {
        let key = self.queue.keys.logs();
        for (id, stored) in self.hash(&key)? {
            if Log::read("", &stored).is_err() {
                let id = String::from_utf8_lossy(&id).into_owned();
                self.remove("HDEL", &key, &id, "it cannot be read")?;
            }
        }
        Ok(())
    }

    /// What is stored for tasks that do not exist.
    fn check_left(&mut self) -> Result<()> {
        if self.wrong.contains(&self.queue.keys.tasks()) {
            return Ok(());
        }
        let mut keys = Vec::from(self.queue.keys.task_hashes());
        keys.push(self.queue.keys.emitted());
        for key in &keys[1..] {
            let fields: Vec<String> = self
                .hash(key)?
                .into_iter()
                .map(|(field, _)| String::from_utf8_lossy(&field).into_owned())
                .collect();
            for some in fields.chunks(SLICE) {
                let ids: Vec<&str> =
                    some.iter().map(|field| field.split(':').next().unwrap_or_default()).collect();
                for (name, exists) in some.iter().zip(self.exist(&ids)?) {
                    if !exists {
                        self.remove("HDEL", key, name, "there is no such task")?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The counters of tasks, if nobody changed them while the tasks were counted.
    pub(super) fn check_counters(&mut self) -> Result<()> {
        let (key, tasks) = (self.queue.keys.counters(), self.queue.keys.tasks());
        if self.wrong.contains(&key) || self.wrong.contains(&tasks) {
            return Ok(());
        }
        let before: BTreeMap<_, _> = self.hash(&key)?.into_iter().collect();
        let mut counted: BTreeMap<String, i64> = BTreeMap::new();
        for (_, stored) in self.hash(&tasks)? {
            let header = Header::parse(&stored);
            *counted.entry(format!("{}{}", field::STATUS, header.status.word())).or_default() += 1;
            // A counter of 0 says that there is such a queue.
            if header.status == Status::Pending {
                *counted.entry(format!("{}{}", field::QUEUE, header.queue)).or_default() +=
                    i64::from(header.is_queued());
            }
        }
        let after: BTreeMap<_, _> = self.hash(&key)?.into_iter().collect();
        let names = before.keys().map(|name| String::from_utf8_lossy(name).into_owned());
        let names: HashSet<String> = names.chain(counted.keys().cloned()).collect();
        let mut pipeline = Pipeline::new();
        for name in names {
            let stored = before.get(name.as_bytes());
            let is_good = stored.is_none_or(|stored| is_number(stored));
            let is_count = name.starts_with(field::STATUS) || name.starts_with(field::QUEUE);
            let count = counted.get(&name).copied().unwrap_or(0);
            let text = stored.map(|stored| String::from_utf8_lossy(stored).into_owned());
            let is_absent = stored.is_none() && name.starts_with(field::QUEUE);
            let is_wrong =
                is_absent || is_count && text.unwrap_or_else(|| "0".into()) != count.to_string();
            if !is_good || (is_wrong && before == after) {
                let count = if is_count { count } else { self.last_number(&name)? };
                pipeline.cmd("HSET").arg(&key).arg(&name).arg(count);
                let problem =
                    if is_good { "it is not the number of tasks" } else { "it is not a number" };
                self.push(&key, &name, problem, "it is counted anew", self.repair);
            }
        }
        if self.repair {
            self.queue.connection.pipeline(&pipeline)?;
        }
        Ok(())
    }

    /// A number from which numbers of waiters, workers or sets may go on: greater than all that can have been
    /// given out. Paused queues are counted.
    fn last_number(&mut self, name: &str) -> Result<i64> {
        if name == field::PAUSED {
            return Ok(i64::try_from(self.queue.paused()?.len()).unwrap_or(0));
        }
        let mut used = 1_000_000;
        for (_, packed) in self.hash(&self.queue.keys.workers())? {
            let record = Record::unpack("", &packed).unwrap_or_default();
            used = used.max(i64::try_from(record.incarnation).unwrap_or(0) + 1_000_000);
        }
        Ok(used)
    }
}
