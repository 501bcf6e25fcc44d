//! Numbers the requests of a process that must be taken once and whose effect does not show whether they
//! were: chunks of tasks, because these may have run and been deleted since; messages and commands, because
//! another worker may have taken the name; settings, because somebody may have changed them.
//! `lua/_submitter.lua` is the other side.

use serde::Serialize;

use crate::error::Result;
use crate::keys::Keys;
use crate::scripts::{Call, TASK_WITHDRAW};
use crate::value;

/// What a process has sent through one handle of a queue. A numbered request is sent after the one before
/// it was answered or given up, so the server gets new ones in the order of their numbers; a number
/// that is not greater than the last one recorded is a copy. The token is random, and a forked child
/// generates its own: if two processes counted under the same token, the requests of one would look like
/// copies of the other's.
#[derive(Debug, Default)]
pub(crate) struct Submitter {
    token: String,
    n_sent: u64,
}

impl Submitter {
    /// The token, and the number of the next request.
    pub fn next(&mut self) -> Result<(String, u64)> {
        if self.token.is_empty() {
            self.token = value::random_id()?;
        }
        self.n_sent += 1;
        Ok((self.token.clone(), self.n_sent))
    }

    /// The request by which the server rejects what was sent so far and has not arrived: a chunk whose
    /// reply was lost may still be on its way when its submission is given up. None if nothing was sent.
    pub fn withdraw(&self, keys: &Keys) -> Option<Call> {
        let sent = Sent { token: &self.token, number: self.n_sent };
        let call = || Call::new(&TASK_WITHDRAW, vec![keys.config()]).options(&sent);
        (self.n_sent > 0).then(call)
    }
}

/// What `task_withdraw.lua` is told, by these names.
#[derive(Serialize)]
struct Sent<'a> {
    token: &'a str,
    number: u64,
}
