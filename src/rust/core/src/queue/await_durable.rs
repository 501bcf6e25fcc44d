//! Submissions that wait until the tasks are safe: on the disk of the server, on a replica, or both,
//! whichever there are. A server confirms a write before that, and loses the last second of them if its
//! machine fails, and whatever a replica does not have yet if that takes over.

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::queue::durable::Durable;
use crate::scripts::{Call, QUEUE_TOUCH};
use crate::status::Status;
use crate::task::query;
use crate::value;

impl Queue {
    /// From now on submissions wait. It is an error if the server has neither a disk nor a replica that
    /// could confirm anything.
    pub fn set_durable(&mut self) -> Result<()> {
        let mut info = String::new();
        for section in ["server", "persistence", "replication"] {
            info += &value::text(self.connection.command(redis::cmd("INFO").arg(section))?)?;
        }
        let Some(durable) = Durable::of(&info) else {
            let problem = "cannot confirm that tasks are safe: `durable = TRUE` needs a replica, or an \
                           append-only file (`appendonly yes`) and version 7.2";
            let (address, problem) = (self.connection.address(), problem.to_owned());
            return Err(Error::ServerUnsuitable { address, problem });
        };
        self.durable = Some(durable);
        Ok(())
    }

    /// Wait until these tasks, which have just been submitted, are safe. `n_links` is how many links had
    /// been opened before: if there is another one now, it may lead to a server that has never had the
    /// tasks.
    pub(crate) fn await_durable(&mut self, ids: &[String], n_links: u64) -> Result<()> {
        let Some(durable) = self.durable else {
            return Ok(());
        };
        let not_durable =
            |reason: &str| Error::NotDurable { ids: ids.to_vec(), reason: reason.to_owned() };
        let call = Call::new(&QUEUE_TOUCH, vec![self.keys.config()]);
        let confirmed = self.connection.run(|link, shebang| {
            call.run(link, shebang)?;
            durable.wait(link)
        })?;
        if let Some(reason) = confirmed {
            return Err(not_durable(reason));
        }
        if self.connection.n_links() != n_links
            && query::statuses(self, ids)?.contains(&Status::Missing)
        {
            return Err(not_durable(
                "another server has taken over that does not have all of them",
            ));
        }
        Ok(())
    }
}
