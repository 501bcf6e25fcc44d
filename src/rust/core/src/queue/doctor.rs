//! Finds what is damaged in a queue, and repairs it or removes it: keys that hold something else, fields that
//! cannot be read, tasks that nobody runs. Workers go on without: they end what they cannot read as an error,
//! but what a whole key holds, or who held which task, only this can find out.
//!
//! It reads the queue in slices and never blocks the server. Each repair is one request that checks again what
//! it repairs, so others may use the queue meanwhile. Checks in this order: a later one relies on what an
//! earlier one has repaired.

mod fields;
mod tasks;

use std::collections::HashSet;

use redis::{Cmd, Pipeline};

use crate::config::WorkerConfig;
use crate::error::Result;
use crate::keys::field;
use crate::queue::{LAYOUT, Queue};
use crate::scripts::{Call, TASK_MEND};
use crate::value;

/// About how many fields a reply returns.
const SLICE: usize = 1000;

/// Something that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key.
    pub key: String,
    /// Its field or member, if only that is damaged, as text.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What repairs it.
    pub repair: &'static str,
    /// Whether that was done.
    pub repaired: bool,
}

/// One examination.
struct Doctor<'a> {
    queue: &'a mut Queue,
    repair: bool,
    /// Keys that hold something else, and so cannot be looked into.
    wrong: HashSet<String>,
    /// All others.
    keys: Vec<String>,
    found: Vec<Finding>,
}

impl Queue {
    /// Find what is damaged. With `repair`, also repair it.
    pub fn examine(&mut self, repair: bool) -> Result<Vec<Finding>> {
        let (wrong, keys, found) = (HashSet::new(), Vec::new(), Vec::new());
        let mut doctor = Doctor { queue: self, repair, wrong, keys, found };
        doctor.check_types()?;
        doctor.check_settings()?;
        doctor.check_fields()?;
        doctor.check_tasks()?;
        doctor.check_counters()?;
        Ok(doctor.found)
    }
}

impl Doctor<'_> {
    /// Note a finding. If it is to be repaired, this sends the command that does.
    fn note(
        &mut self,
        key: &str,
        field: &str,
        problem: &str,
        repair: &'static str,
        command: impl FnOnce() -> Cmd,
    ) -> Result<()> {
        if self.repair {
            self.queue.connection.command(&command())?;
        }
        self.push(key, field, problem, repair, self.repair);
        Ok(())
    }

    fn push(
        &mut self,
        key: &str,
        field: &str,
        problem: &str,
        repair: &'static str,
        repaired: bool,
    ) {
        let (key, field, problem) = (key.to_owned(), field.to_owned(), problem.to_owned());
        self.found.push(Finding { key, field, problem, repair, repaired });
    }

    /// A field or member that goes.
    fn remove(&mut self, command: &str, key: &str, field: &str, problem: &str) -> Result<()> {
        let mut cmd = redis::cmd(command);
        cmd.arg(key);
        if command == "LREM" {
            cmd.arg(0);
        }
        cmd.arg(field);
        self.note(key, field, problem, "it is removed", || cmd)
    }

    /// A task to be mended, for the reason that this key and field cannot be read.
    fn mend(
        &mut self,
        action: &str,
        id: &str,
        key: &str,
        problem: &str,
        repair: &'static str,
    ) -> Result<()> {
        let keys = &self.queue.keys;
        let names = vec![keys.workers(), keys.tasks(), keys.counters(), keys.due()];
        let call = Call::new(&TASK_MEND, names)
            .arg(keys.prefix())
            .arg(id)
            .arg(action)
            .arg(i64::from(!self.repair));
        if value::integer(self.queue.connection.call(&call)?)? == 1 {
            self.push(key, id, problem, repair, self.repair);
        }
        Ok(())
    }

    /// Keys that hold something else. Tasks that wait come back into their lists below.
    fn check_types(&mut self) -> Result<()> {
        for key in self.queue.scan_keys()? {
            if let Some(problem) = self.queue.connection.wrong_type(&key)? {
                if !self.repair {
                    self.wrong.insert(key.clone());
                }
                self.note(&key, "", &problem, "it is deleted", || {
                    redis::cmd("UNLINK").arg(&key).clone()
                })?;
            } else {
                self.keys.push(key);
            }
        }
        Ok(())
    }

    /// The settings without which nobody can attach.
    fn check_settings(&mut self) -> Result<()> {
        let key = self.queue.keys.config();
        if self.wrong.contains(&key) {
            return Ok(());
        }
        let layout = self.queue.connection.hash_get(key.clone(), field::LAYOUT)?;
        if layout.as_deref() != Some(LAYOUT.as_bytes()) {
            let (config, mark) = (WorkerConfig::default().pack()?, self.queue.storage.mark.clone());
            let localhost = format!("{}localhost", field::WORKER_CONFIG);
            let problem = "the layout of the data is not that of this version";
            self.note(&key, field::LAYOUT, problem, "it is set", || {
                let mut set = redis::cmd("HSET");
                set.arg(&key).arg(field::LAYOUT).arg(LAYOUT).arg(localhost).arg(config);
                set.arg(field::MARK).arg(mark);
                set
            })?;
        }
        Ok(())
    }

    /// All fields of a hash, in slices; none if another type is stored there.
    fn hash(&mut self, key: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.scan("HSCAN", key)
    }

    /// All members of a sorted set, and their scores.
    fn sorted(&mut self, key: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.scan("ZSCAN", key)
    }

    fn scan(&mut self, command: &str, key: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut pairs = Vec::new();
        if self.wrong.contains(key) {
            return Ok(pairs);
        }
        let command =
            |cursor: &str| redis::cmd(command).arg(key).arg(cursor).arg("COUNT").arg(SLICE).clone();
        self.queue.connection.scan(command, |items| {
            let mut items = value::array(items)?.into_iter();
            while let (Some(field), Some(stored)) = (items.next(), items.next()) {
                pairs.push((value::bytes(field)?, value::bytes(stored)?));
            }
            Ok(())
        })?;
        Ok(pairs)
    }

    /// The elements of a list.
    fn list(&mut self, key: &str) -> Result<Vec<Vec<u8>>> {
        if self.wrong.contains(key) {
            return Ok(Vec::new());
        }
        let range = redis::cmd("LRANGE").arg(key).arg(0).arg(-1).clone();
        let items = value::array(self.queue.connection.command(&range)?)?;
        items.into_iter().map(value::bytes).collect()
    }

    /// Whether these tasks exist.
    fn exist(&mut self, ids: &[&str]) -> Result<Vec<bool>> {
        let mut pipeline = Pipeline::new();
        for id in ids {
            pipeline.cmd("HEXISTS").arg(self.queue.keys.tasks()).arg(id);
        }
        let replies = self.queue.connection.pipeline(&pipeline)?;
        replies.into_iter().map(|reply| Ok(value::integer(reply)? == 1)).collect()
    }
}
