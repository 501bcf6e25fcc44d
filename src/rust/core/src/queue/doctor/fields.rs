//! Fields and members that cannot be read, of everything but tasks.

use std::collections::{HashMap, HashSet};

use redis::{Pipeline, Value};

use crate::config::WorkerConfig;
use crate::error::{Error, Result};
use crate::keys::{due, field, set};
use crate::message::Message;
use crate::queue::settings::Settings;
use crate::store::{Location, Place};
use crate::value::ID_WIDTH;
use crate::worker::Record;

use super::Doctor;

const UNREADABLE: &str = "it cannot be read";

impl Doctor<'_> {
    pub(super) fn check_fields(&mut self) -> Result<()> {
        self.check_config()?;
        self.check_workers()?;
        self.check_left_by_workers()?;
        self.check_objects()?;
        self.check_timers()?;
        self.check_sets()
    }

    fn check_config(&mut self) -> Result<()> {
        let key = self.queue.keys.config();
        for (name, stored) in self.hash(&key)? {
            let name = String::from_utf8_lossy(&name).into_owned();
            let is_good = if name.starts_with(field::WORKER_CONFIG) {
                rmp_serde::from_slice::<WorkerConfig>(&stored).is_ok()
            } else if name == field::DEFAULTS {
                Settings::unpack("", &stored).is_ok()
            } else if name == field::CONTROLLERS {
                rmp_serde::from_slice::<Vec<(String, f64)>>(&stored).is_ok()
            } else if name.starts_with(field::SUBMITTER) {
                stored.split(|byte| *byte == b',').all(is_number)
            } else {
                true
            };
            if !is_good {
                self.remove("HDEL", &key, &name, UNREADABLE)?;
            }
        }
        Ok(())
    }

    /// The tasks of a worker without a record are resolved below.
    fn check_workers(&mut self) -> Result<()> {
        let key = self.queue.keys.workers();
        for (id, packed) in self.hash(&key)? {
            let id = String::from_utf8_lossy(&id).into_owned();
            if Record::unpack(&id, &packed).is_err() {
                self.remove("HDEL", &key, &id, UNREADABLE)?;
            }
            let messages = self.queue.keys.worker(&id).messages();
            for message in self.list(&messages)? {
                if Message::parse(message.clone()).is_err() {
                    let text = String::from_utf8_lossy(&message).into_owned();
                    self.note(&messages, &text, UNREADABLE, "it is removed", || {
                        redis::cmd("LREM").arg(&messages).arg(0).arg(message).clone()
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Keys of workers without a record.
    fn check_left_by_workers(&mut self) -> Result<()> {
        let workers = self.queue.keys.workers();
        if self.wrong.contains(&workers) {
            return Ok(());
        }
        let records = self.hash(&workers)?;
        let known: HashSet<String> = records
            .iter()
            .flat_map(|(id, _)| self.queue.keys.worker(&String::from_utf8_lossy(id)).all())
            .collect();
        let prefix = self.queue.keys.all_workers();
        let left = self.keys.iter().filter(|key| key.starts_with(&prefix) && !known.contains(*key));
        for key in left.cloned().collect::<Vec<_>>() {
            self.note(&key, "", "there is no such worker", "it is deleted", || {
                redis::cmd("UNLINK").arg(&key).clone()
            })?;
        }
        Ok(())
    }

    fn check_objects(&mut self) -> Result<()> {
        let key = self.queue.keys.stored_objects();
        for (hash, stored) in self.hash(&key)? {
            let hash = String::from_utf8_lossy(&hash).into_owned();
            let is_good = match Location::unpack(&hash, &stored) {
                Ok(Location { place: Place::Chunks(_), .. }) => self.can_be_read(&hash)?,
                read => read.is_ok(),
            };
            if !is_good {
                self.remove("HDEL", &key, &hash, UNREADABLE)?;
            }
        }
        let key = self.queue.keys.objects();
        for (hash, stored) in self.hash(&key)? {
            let hash = String::from_utf8_lossy(&hash).into_owned();
            if crate::value::content_hash(&stored) != hash {
                let problem = "its content is not that of its name";
                self.remove("HDEL", &key, &hash, problem)?;
            }
        }
        self.check_chunks()?;
        let key = self.queue.keys.object_refs();
        let bad: Vec<String> = self.hash(&key)?.into_iter().filter_map(not_a_number).collect();
        if !bad.is_empty() {
            let counts = self.count_references()?;
            for hash in bad {
                let count = counts.get(&hash).copied().unwrap_or(0).to_string();
                self.note(&key, &hash, "it is not a number", "it is counted anew", || {
                    redis::cmd("HSET").arg(&key).arg(&hash).arg(count).clone()
                })?;
            }
        }
        Ok(())
    }

    /// Chunks belong to an object, or to one that is being sent.
    fn check_chunks(&mut self) -> Result<()> {
        let (prefix, due_key) = (self.queue.keys.object(""), self.queue.keys.due());
        let stored = self.queue.keys.stored_objects();
        if [&due_key, &stored].iter().any(|key| self.wrong.contains(*key)) {
            return Ok(());
        }
        for key in std::mem::take(&mut self.keys) {
            let Some(name) = key.strip_prefix(&prefix) else {
                continue;
            };
            let timer = format!("{}{name}", due::OBJECT);
            let mut pipeline = Pipeline::new();
            pipeline.cmd("HEXISTS").arg(&stored).arg(name);
            pipeline.cmd("ZSCORE").arg(&due_key).arg(timer);
            pipeline.cmd("EXISTS").arg(&key);
            let replies = self.queue.connection.pipeline(&pipeline)?;
            if let [Value::Int(0), Value::Nil, Value::Int(1)] = replies[..] {
                self.note(&key, "", "there is no such object", "it is deleted", || {
                    redis::cmd("UNLINK").arg(&key).clone()
                })?;
            }
        }
        Ok(())
    }

    /// Whether all chunks of an object are there. If not, those that are left go with it.
    fn can_be_read(&mut self, hash: &str) -> Result<bool> {
        let store = self.queue.store();
        let read = || -> Result<()> {
            let mut reader = store.reader(hash)?;
            let mut left = reader.size;
            while left > 0 {
                let n = reader.piece()?.len() as u64;
                if n == 0 {
                    return Err(Error::corrupt("an object", "it is too short"));
                }
                left = left.saturating_sub(n);
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(true),
            Err(Error::Corrupt { .. } | Error::ObjectMissing { .. }) => {
                if self.repair {
                    let chunks = self.queue.keys.object(hash);
                    self.queue.connection.command(redis::cmd("UNLINK").arg(chunks))?;
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// How many tasks refer to each object.
    fn count_references(&mut self) -> Result<HashMap<String, u64>> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for (_, body) in self.hash(&self.queue.keys.bodies())? {
            if let Ok(body) = crate::task::Body::unpack(&body) {
                for hash in body.objects() {
                    *counts.entry(hash.to_owned()).or_default() += 1;
                }
            }
        }
        Ok(counts)
    }

    fn check_timers(&mut self) -> Result<()> {
        let key = self.queue.keys.due();
        for (member, _) in self.sorted(&key)? {
            if !is_timer(&member) {
                self.remove_member(&key, &member, "it is not a timer")?;
            }
        }
        Ok(())
    }

    fn check_sets(&mut self) -> Result<()> {
        let key = self.queue.keys.dependents();
        for (member, _) in self.sorted(&key)? {
            let (id, set) = member.split_at(member.len().min(ID_WIDTH));
            let is_good = is_id(id) && set.split_first().is_some_and(|(_, set)| is_number(set));
            if !is_good {
                self.remove_member(&key, &member, "it is not a link to a set")?;
            }
        }
        let key = self.queue.keys.deferred();
        for (member, _) in self.sorted(&key)? {
            let parts: Vec<&[u8]> = member.split(|byte| *byte == b':').collect();
            let is_good = matches!(parts[..], [set, place, id] if is_number(set) && is_number(place) && is_id(id));
            if !is_good {
                self.remove_member(&key, &member, "it is not a task of a set")?;
            }
        }
        let key = self.queue.keys.sets();
        let texts = [set::ON, set::FAILED, set::QUEUE, set::AT];
        for (name, stored) in self.hash(&key)? {
            let name = String::from_utf8_lossy(&name).into_owned();
            let is_text =
                name.find(':').is_some_and(|at| texts.iter().any(|t| name[at..].starts_with(t)));
            let is_time =
                std::str::from_utf8(&stored).is_ok_and(|text| text.parse::<f64>().is_ok());
            if !is_text && !is_time {
                self.remove("HDEL", &key, &name, "it is not a number")?;
            }
        }
        Ok(())
    }

    fn remove_member(&mut self, key: &str, member: &[u8], problem: &str) -> Result<()> {
        let text = String::from_utf8_lossy(member).into_owned();
        self.note(key, &text, problem, "it is removed", || {
            redis::cmd("ZREM").arg(key).arg(member).clone()
        })
    }
}

/// The name of a field whose value should be a number.
pub(super) fn not_a_number((name, stored): (Vec<u8>, Vec<u8>)) -> Option<String> {
    (!is_number(&stored)).then(|| String::from_utf8_lossy(&name).into_owned())
}

pub(super) fn is_number(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok())
}

pub(super) fn is_id(text: &[u8]) -> bool {
    text.len() == ID_WIDTH && text.iter().all(u8::is_ascii_hexdigit)
}

fn is_timer(member: &[u8]) -> bool {
    let Some((kind, subject)) = member.split_at_checked(2) else {
        return false;
    };
    match std::str::from_utf8(kind).unwrap_or_default() {
        due::LEASE | due::OBJECT => !subject.is_empty(),
        due::SCHEDULED | due::EXPIRY | due::COMPLETE | due::FAILED | due::LINKS => is_id(subject),
        due::RELEASE | due::IMPOSSIBLE | due::SET | due::PREPARED => is_number(subject),
        due::NEEDED => subject.split(|byte| *byte == b':').all(is_number),
        _ => false,
    }
}
