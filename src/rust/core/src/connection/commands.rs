//! The few plain commands that many parts of the engine send.

use std::collections::HashSet;
use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};

use super::Connection;
use super::target::Target;
use crate::error::{Error, Result};
use crate::reply::RedisReply;
use crate::value;

/// About how many fields a reply returns.
const FIELDS: usize = 5000;

impl Connection {
    /// Send any command, given as its parts.
    pub fn raw_command(&mut self, parts: &[Vec<u8>]) -> Result<RedisReply> {
        let mut command = Cmd::new();
        command.arg(parts);
        let reply = self.command(&command).map(RedisReply::from)?;
        self.note_login(parts, &reply);
        Ok(reply)
    }

    /// Send any commands in one pipeline. A command that fails does not stop the others.
    pub fn raw_pipeline(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<RedisReply>> {
        let mut pipeline = Pipeline::new();
        pipeline.ignore_errors();
        for parts in commands {
            pipeline.add_command(Cmd::new()).arg(parts);
        }
        let replies: Vec<RedisReply> =
            self.pipeline(&pipeline)?.into_iter().map(RedisReply::from).collect();
        for (parts, reply) in commands.iter().zip(&replies) {
            self.note_login(parts, reply);
        }
        Ok(replies)
    }

    /// A later link must lead to the same database, as the same user.
    fn note_login(&mut self, parts: &[Vec<u8>], reply: &RedisReply) {
        if *reply != RedisReply::Status("OK".into()) {
            return;
        }
        let text = |part: &Vec<u8>| String::from_utf8_lossy(part).into_owned();
        let command = parts.first().map(|part| text(part).to_uppercase());
        let login = self.target.login.clone();
        let login = match (command.as_deref(), &parts[1..]) {
            (Some("SELECT"), [db]) => login.set_db(text(db).parse().unwrap_or(0)),
            (Some("AUTH"), [password]) => login.set_password(text(password)),
            (Some("AUTH"), [user, password]) => {
                login.set_username(text(user)).set_password(text(password))
            }
            _ => return,
        };
        self.target = Arc::new(Target { login, ..(*self.target).clone() });
    }

    /// A field of a hash.
    pub(crate) fn hash_get(&mut self, key: String, field: &str) -> Result<Option<Vec<u8>>> {
        value::maybe_bytes(self.command(Cmd::new().arg("HGET").arg(key).arg(field))?)
    }

    /// Read a hash of any size in slices, so that the server is not blocked for long. A field may come more
    /// than once, and one that is added meanwhile may be left out.
    pub(crate) fn hash_scan(
        &mut self,
        key: &str,
        slice: usize,
        mut each: impl FnMut(String, Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let command =
            |cursor: &str| redis::cmd("HSCAN").arg(key).arg(cursor).arg("COUNT").arg(slice).clone();
        self.scan(command, |items| {
            value::pairs(items)?.into_iter().try_for_each(|(field, stored)| each(field, stored))
        })
    }

    /// Send a command of the kind of `SCAN` from cursor to cursor until the server says that this was all.
    /// A server never names the same cursor twice: that would go on for ever.
    pub(crate) fn scan(
        &mut self,
        command: impl Fn(&str) -> Cmd,
        mut each: impl FnMut(Value) -> Result<()>,
    ) -> Result<()> {
        let mut cursor = "0".to_owned();
        let mut seen = HashSet::new();
        loop {
            let mut reply = value::array(self.command(&command(&cursor))?)?.into_iter();
            cursor = value::text(reply.next().unwrap_or_default())?;
            each(reply.next().unwrap_or_default())?;
            if cursor == "0" {
                return Ok(());
            }
            if !seen.insert(cursor.clone()) {
                let reason = format!("a scan is back at cursor '{cursor}'");
                return Err(Error::Protocol { reason });
            }
            if (self.stop())() {
                return Err(Error::Interrupted);
            }
        }
    }

    /// The server's time in microseconds.
    pub(crate) fn now_us(&mut self) -> Result<u64> {
        let mut times = value::texts(self.command(&redis::cmd("TIME"))?)?.into_iter();
        let mut next = || times.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Ok(next().saturating_mul(1_000_000).saturating_add(next()))
    }

    /// The names of the fields of a hash, in no order, read in slices: of one that is added meanwhile it is
    /// left open whether it is among them.
    pub(crate) fn hash_fields(&mut self, key: &str) -> Result<Vec<String>> {
        let mut fields = HashSet::new();
        self.hash_scan(key, FIELDS, |field, _| {
            fields.insert(field);
            Ok(())
        })?;
        Ok(fields.into_iter().collect())
    }
}
