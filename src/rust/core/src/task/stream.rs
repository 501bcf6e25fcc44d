//! What a controller knows of its event stream. The ends of tasks submitted while it is open are
//! written to it, so that a wait for them need not ask the server first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::status::Status;

/// How long the server keeps a stream that nobody renews.
pub const LIFETIME: Duration = Duration::from_secs(120);
/// For how long after a renewal it is relied on.
const FRESH: Duration = Duration::from_secs(60);
/// More tasks than this are not remembered: asking costs little then.
const REMEMBERED: usize = 10_000;

/// What one wait is about. Several may read one stream by turns (a wait within the code that
/// handles results of another, iterators), so that whoever reads tells all of them.
#[derive(Debug, Default)]
pub struct Ends {
    /// The tasks that have not ended.
    pub open: HashSet<String>,
    /// Those that have since this was last asked.
    pub ended: Vec<(String, Status)>,
    /// Under which ids an open task was asked for, where that is not just its own.
    pub asked_as: HashMap<String, Vec<String>>,
}

impl Ends {
    /// A task has ended.
    pub fn close(&mut self, id: &str, status: Status) {
        if self.open.remove(id) {
            let names = self.asked_as.remove(id).unwrap_or_else(|| vec![id.to_owned()]);
            self.ended.extend(names.into_iter().map(|name| (name, status)));
        }
    }

    /// A task was retried: the end of the newest of its chain is its own.
    pub fn stands_for(&mut self, newest: &str, id: &str) {
        self.open.remove(id);
        let is_asked_for = self.open.contains(newest);
        let names = self.asked_as.entry(newest.to_owned()).or_default();
        if is_asked_for && names.is_empty() {
            names.push(newest.to_owned());
        }
        names.push(id.to_owned());
        self.open.insert(newest.to_owned());
    }
}

/// A wait's own view of what ended.
pub type SharedEnds = Arc<Mutex<Ends>>;

/// Only one thread reads a stream: nobody holds this for long, and no panic leaves it half done.
pub fn lock(ends: &SharedEnds) -> MutexGuard<'_, Ends> {
    ends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A controller's side of its event stream.
#[derive(Debug)]
pub struct Stream {
    /// The entry read last.
    pub position: String,
    fresh_until: Option<Instant>,
    announced: HashSet<String>,
    waits: Vec<Weak<Mutex<Ends>>>,
}

impl Default for Stream {
    fn default() -> Self {
        Stream {
            position: "0-1".into(),
            fresh_until: None,
            announced: HashSet::new(),
            waits: Vec::new(),
        }
    }
}

impl Stream {
    fn is_fresh(&self) -> bool {
        self.fresh_until.is_some_and(|until| Instant::now() < until)
    }

    /// The server has just opened or renewed it.
    pub fn renew(&mut self) {
        self.fresh_until = Some(Instant::now() + FRESH);
    }

    /// Nothing is written to it any more.
    pub fn close(&mut self) {
        self.fresh_until = None;
        self.announced.clear();
    }

    /// These were submitted just now: their ends will be written to it if it is open.
    pub fn submitted(&mut self, ids: &[String]) {
        if !self.is_fresh() {
            self.announced.clear();
        } else if self.announced.len() + ids.len() <= REMEMBERED {
            self.announced.extend(ids.iter().cloned());
        }
    }

    /// Whether the ends of all these tasks are still to be read from it.
    pub fn will_tell(&self, ids: &HashSet<String>) -> bool {
        self.is_fresh() && ids.is_subset(&self.announced)
    }

    /// A wait begins: it is told of all ends from now on, until it leaves or is dropped.
    pub fn join(&mut self, ends: &SharedEnds) {
        self.waits.retain(|wait| wait.strong_count() > 0);
        self.waits.push(Arc::downgrade(ends));
    }

    /// A wait is over. Whether it was the last.
    pub fn leave(&mut self, ends: &SharedEnds) -> bool {
        self.waits.retain(|wait| wait.upgrade().is_some_and(|wait| !Arc::ptr_eq(&wait, ends)));
        self.waits.is_empty()
    }

    /// The end of a task was read from it.
    pub fn told(&mut self, id: &str, status: Status) {
        self.announced.remove(id);
        for wait in self.waits.iter().filter_map(Weak::upgrade) {
            lock(&wait).close(id, status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn asks(stream: &Stream, wanted: &[&str]) -> bool {
        !stream.will_tell(&ids(wanted).into_iter().collect())
    }

    #[test]
    fn only_tasks_submitted_while_it_is_open_need_not_be_asked_about() {
        let mut stream = Stream::default();
        stream.submitted(&ids(&["early"]));
        stream.renew();
        stream.submitted(&ids(&["a", "b"]));
        assert!(asks(&stream, &["early"]));
        assert!(!asks(&stream, &["a", "b"]));
        stream.told("a", Status::Complete);
        assert!(asks(&stream, &["a", "b"]));
        stream.close();
        assert!(asks(&stream, &["b"]));
    }

    #[test]
    fn every_wait_hears_of_its_own_tasks_until_it_leaves() {
        let mut stream = Stream::default();
        let wait_for = |wanted: &[&str]| -> SharedEnds {
            let open = ids(wanted).into_iter().collect();
            Arc::new(Mutex::new(Ends { open, ..Ends::default() }))
        };
        let (outer, inner) = (wait_for(&["a", "b"]), wait_for(&["b"]));
        stream.join(&outer);
        stream.join(&inner);
        stream.told("b", Status::Error);
        assert_eq!(lock(&outer).ended, [("b".to_owned(), Status::Error)]);
        assert_eq!(lock(&inner).ended, lock(&outer).ended);
        assert!(!stream.leave(&inner));
        stream.told("a", Status::Complete);
        assert!(lock(&outer).open.is_empty());
        assert!(stream.leave(&outer));
    }

    #[test]
    fn a_wait_that_is_dropped_needs_not_leave() {
        let mut stream = Stream::default();
        let (dropped, last) = (SharedEnds::default(), SharedEnds::default());
        stream.join(&dropped);
        stream.join(&last);
        drop(dropped);
        assert!(stream.leave(&last));
    }
}
