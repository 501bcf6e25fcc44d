//! Calls that are sent before their reply is needed, so that the server works on them meanwhile.
//!
//! The reply to a posted call is the next thing to read from the link. So every other request reads
//! it first, and keeps it until it is collected. Dropping the link loses it.

use redis::{RedisResult, Value};

use super::Connection;
use super::failure::is_refusal;
use super::posted::{Posted, lost, receive_last};
use crate::error::{Error, Result};
use crate::scripts::Call;

impl Connection {
    /// Send a call without waiting for its reply. Only the last call posted can be collected.
    pub fn post(&mut self, call: &Call) {
        self.post_packed(|shebang| call.command(shebang).get_packed_command(), 1);
    }

    /// Send packed commands with so many replies without waiting for them.
    pub(crate) fn post_packed(&mut self, pack: impl FnOnce(bool) -> Vec<u8>, n_replies: usize) {
        let sent = self.link().and_then(|(link, shebang)| link.send(&pack(shebang)));
        self.posted = sent.is_ok().then_some(Posted::Unread(n_replies));
        if sent.is_err() {
            self.link = None;
        }
    }

    /// The reply to the call that was posted. If it was lost, the call is sent again.
    pub fn collect(&mut self, call: &Call) -> Result<Value> {
        self.collect_packed().or_else(|_| self.call(call))
    }

    /// The last reply to the commands that were posted. If it is an error, they must be sent again.
    pub(crate) fn collect_packed(&mut self) -> RedisResult<Value> {
        let is_ours = self.owner == std::process::id();
        match self.posted.take() {
            Some(Posted::Unread(n)) if is_ours => receive_last(&mut self.link, n),
            Some(Posted::Read(reply)) => reply,
            _ => Err(lost()),
        }
    }

    /// Collect the reply to the posted call, and send a blocking command before that reply is read, so that
    /// the server goes from one to the other. Returns the reply to the command, too, or `None` if it must be
    /// sent again: because something was lost, or the reply to the call had already been read.
    pub fn collect_and_block(
        &mut self,
        call: &Call,
        command: &redis::Cmd,
    ) -> Result<(Value, Option<Value>)> {
        let is_sent = self.send_behind(command);
        match self.collect_packed() {
            Ok(reply) if is_sent => Ok((reply, receive_last(&mut self.link, 1).ok())),
            Ok(reply) => Ok((reply, None)),
            Err(_) => {
                // The server may be about to block.
                self.link = None;
                self.call(call).map(|reply| (reply, None))
            }
        }
    }

    /// Send a command although the reply to a posted call is still to be read; returns whether it was sent.
    fn send_behind(&mut self, command: &redis::Cmd) -> bool {
        let is_ours = self.owner == std::process::id();
        match (&self.posted, &mut self.link) {
            (Some(Posted::Unread(_)), Some(link)) if is_ours => {
                let sent = link.send(&command.get_packed_command());
                if sent.is_err() {
                    self.link = None;
                }
                sent.is_ok()
            }
            _ => false,
        }
    }

    /// Send a blocking command and with it a call, which the server runs as soon as it has replied to
    /// the command. Returns the reply to the call. If that was lost, the call is sent again, without
    /// blocking: what the command popped may be lost, too, and it could wait for something that has already
    /// come.
    pub fn block_then(&mut self, command: &redis::Cmd, call: &Call) -> Result<Value> {
        let pack = |shebang| {
            [command.get_packed_command(), call.command(shebang).get_packed_command()].concat()
        };
        self.post_packed(pack, 2);
        match self.collect_packed() {
            Ok(reply) => Ok(reply),
            Err(error) if is_refusal(&error) => Err(self.explain(error)),
            Err(_) if (self.stop)() => Err(Error::Interrupted),
            Err(_) => self.call(call),
        }
    }

    /// Call a script many times; the next call is prepared while the server works on the previous
    /// one. `next` returns a call, for which it may send other requests, and what `reply` needs besides
    /// the reply to it.
    pub fn call_each<C>(
        &mut self,
        mut next: impl FnMut(&mut Self) -> Result<Option<(Call, C)>>,
        mut reply: impl FnMut(&mut Self, C, Value) -> Result<()>,
    ) -> Result<()> {
        let mut sent: Option<(Call, C)> = None;
        loop {
            let upcoming = next(self)?;
            if let Some((call, context)) = sent.take() {
                let value = self.collect(&call)?;
                reply(self, context, value)?;
            }
            let Some((call, context)) = upcoming else {
                return Ok(());
            };
            self.post(&call);
            sent = Some((call, context));
        }
    }

    /// Read the reply to a posted call off the link, for a request that comes before it is collected.
    pub(super) fn read_posted(&mut self) {
        if let Some(Posted::Unread(n)) = self.posted {
            self.posted = Some(Posted::Read(receive_last(&mut self.link, n)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::connection::never;
    use crate::keys::Keys;
    use crate::scripts::WORKER_LOG;
    use crate::server::{Server, ServerOptions};
    use crate::value;

    /// A call that adds a line to a log.
    fn add(line: &str) -> Call {
        let keys = Keys::new("jobs");
        let names = vec![keys.worker("w").log(), keys.workers()];
        Call::new(&WORKER_LOG, names).arg("TEST").arg(line).arg("w")
    }

    fn length(connection: &mut Connection) -> i64 {
        let log = Keys::new("jobs").worker("w").log();
        value::integer(connection.command(redis::cmd("LLEN").arg(log)).unwrap()).unwrap()
    }

    fn start() -> (Server, Connection) {
        let server = Server::start(&ServerOptions::default()).unwrap();
        let mut connection = Connection::open(&server.url(), never()).unwrap();
        let workers = Keys::new("jobs").workers();
        connection.command(redis::cmd("HSET").arg(workers).arg("w").arg("")).unwrap();
        connection.call(&add("loads the script")).unwrap();
        (server, connection)
    }

    #[test]
    fn a_request_between_a_post_and_its_reply_gets_its_own_reply() {
        let (_server, mut connection) = start();
        let call = add("posted");
        connection.post(&call);
        assert_eq!(length(&mut connection), 2);
        connection.collect(&call).unwrap();
        assert_eq!(length(&mut connection), 2);
    }

    #[test]
    fn a_reply_that_is_not_collected_disturbs_no_later_request() {
        let (_server, mut connection) = start();
        connection.post(&add("first"));
        connection.post(&add("second"));
        assert_eq!(length(&mut connection), 3);
    }

    #[test]
    fn a_call_whose_reply_was_lost_is_sent_again() {
        let (_server, mut connection) = start();
        let call = add("posted");
        for lose_link in [true, false] {
            let before = length(&mut connection);
            connection.post(&call);
            if lose_link {
                connection.close();
                assert!(length(&mut connection) >= before);
            } else {
                connection.posted = None;
                connection.link = None;
            }
            connection.collect(&call).unwrap();
            assert!(length(&mut connection) > before);
        }
    }

    fn block_on(list: &str) -> redis::Cmd {
        redis::cmd("BLPOP").arg(list).arg(20).clone()
    }

    #[test]
    fn a_command_behind_a_posted_call_gets_its_own_reply() {
        let (_server, mut connection) = start();
        let call = add("posted");
        let pop = block_on(&Keys::new("jobs").worker("w").log());
        connection.post(&call);
        let (_, popped) = connection.collect_and_block(&call, &pop).unwrap();
        let popped = value::array(popped.unwrap()).unwrap().pop().unwrap();
        assert!(value::text(popped).unwrap().ends_with("loads the script"));
        assert_eq!(length(&mut connection), 1);
    }

    #[test]
    fn a_command_behind_a_call_that_failed_does_not_block() {
        let (_server, mut connection) = start();
        connection.command(redis::cmd("SCRIPT").arg("FLUSH")).unwrap();
        let call = add("posted");
        let began = Instant::now();
        connection.post(&call);
        let (_, popped) = connection.collect_and_block(&call, &block_on("nothing")).unwrap();
        assert!(popped.is_none() && began.elapsed() < Duration::from_secs(20));
        assert_eq!(length(&mut connection), 2);
    }

    #[test]
    fn a_command_is_not_sent_behind_a_reply_that_was_read_or_lost() {
        let (_server, mut connection) = start();
        let call = add("posted");
        for lose_link in [true, false] {
            connection.post(&call);
            if lose_link {
                connection.close();
            } else {
                length(&mut connection);
            }
            let (_, popped) = connection.collect_and_block(&call, &block_on("nothing")).unwrap();
            assert!(popped.is_none());
        }
    }

    #[test]
    fn a_script_that_the_server_does_not_know_is_loaded() {
        let (_server, mut connection) = start();
        connection.command(redis::cmd("SCRIPT").arg("FLUSH")).unwrap();
        let call = add("posted");
        connection.post(&call);
        connection.collect(&call).unwrap();
        assert_eq!(length(&mut connection), 2);
    }
}
