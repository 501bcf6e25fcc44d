//! What a controller knows of its event stream. The ends of tasks submitted while it is open are
//! written to it, so that a wait for them need not ask the server first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::status::Status;

/// For how long after a renewal it is relied on.
const FRESH: Duration = Duration::from_secs(60);
/// More tasks than this are not remembered: asking costs little then.
const REMEMBERED: usize = 10_000;

/// What one wait is about. Several may read one stream by turns (a wait within the code that
/// handles results of another, iterators), so that whoever reads tells all of them.
#[derive(Debug, Default)]
pub struct WaitSet {
    /// The tasks that have not ended.
    pub open: HashSet<String>,
    /// Those that have since this was last asked.
    pub ended: Vec<(String, Status)>,
    /// Under which ids an open task was asked for, where that is not just its own.
    pub aliases: HashMap<String, Vec<String>>,
}

impl WaitSet {
    /// A task has ended.
    pub fn close(&mut self, id: &str, status: Status) {
        if self.open.remove(id) {
            let names = self.aliases.remove(id).unwrap_or_else(|| vec![id.to_owned()]);
            self.ended.extend(names.into_iter().map(|name| (name, status)));
        }
    }

    /// A task was retried: the end of the newest of its chain is its own.
    pub fn stands_for(&mut self, newest: &str, id: &str) {
        self.open.remove(id);
        let is_asked_for = self.open.contains(newest);
        let names = self.aliases.entry(newest.to_owned()).or_default();
        if is_asked_for && names.is_empty() {
            names.push(newest.to_owned());
        }
        names.push(id.to_owned());
        self.open.insert(newest.to_owned());
    }
}

/// A wait's own view of what ended.
pub type SharedWaitSet = Arc<Mutex<WaitSet>>;

/// Only one thread reads a stream: nobody holds this for long, and no panic leaves it half done.
pub fn lock(set: &SharedWaitSet) -> MutexGuard<'_, WaitSet> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A controller's side of its event stream.
#[derive(Debug)]
pub struct Stream {
    /// The entry read last.
    pub position: String,
    fresh_until: Option<Instant>,
    announced: HashSet<String>,
    waits: Vec<Weak<Mutex<WaitSet>>>,
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
    pub fn will_notify(&self, ids: &HashSet<String>) -> bool {
        self.is_fresh() && ids.is_subset(&self.announced)
    }

    /// A wait begins: it is told of all ends from now on, until it leaves or is dropped.
    pub fn join(&mut self, set: &SharedWaitSet) {
        self.waits.retain(|wait| wait.strong_count() > 0);
        self.waits.push(Arc::downgrade(set));
    }

    /// A wait is over. Whether it was the last.
    pub fn leave(&mut self, set: &SharedWaitSet) -> bool {
        self.waits.retain(|wait| wait.upgrade().is_some_and(|wait| !Arc::ptr_eq(&wait, set)));
        self.waits.is_empty()
    }

    /// The end of a task was read from it.
    pub fn notify(&mut self, id: &str, status: Status) {
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
        !stream.will_notify(&ids(wanted).into_iter().collect())
    }

    #[test]
    fn only_tasks_submitted_while_it_is_open_need_not_be_asked_about() {
        let mut stream = Stream::default();
        stream.submitted(&ids(&["early"]));
        stream.renew();
        stream.submitted(&ids(&["a", "b"]));
        assert!(asks(&stream, &["early"]));
        assert!(!asks(&stream, &["a", "b"]));
        stream.notify("a", Status::Complete);
        assert!(asks(&stream, &["a", "b"]));
        stream.close();
        assert!(asks(&stream, &["b"]));
    }

    #[test]
    fn every_wait_hears_of_its_own_tasks_until_it_leaves() {
        let mut stream = Stream::default();
        let wait_for = |wanted: &[&str]| -> SharedWaitSet {
            let open = ids(wanted).into_iter().collect();
            Arc::new(Mutex::new(WaitSet { open, ..WaitSet::default() }))
        };
        let (outer, inner) = (wait_for(&["a", "b"]), wait_for(&["b"]));
        stream.join(&outer);
        stream.join(&inner);
        stream.notify("b", Status::Error);
        assert_eq!(lock(&outer).ended, [("b".to_owned(), Status::Error)]);
        assert_eq!(lock(&inner).ended, lock(&outer).ended);
        assert!(!stream.leave(&inner));
        stream.notify("a", Status::Complete);
        assert!(lock(&outer).open.is_empty());
        assert!(stream.leave(&outer));
    }

    #[test]
    fn a_wait_that_is_dropped_needs_not_leave() {
        let mut stream = Stream::default();
        let (dropped, last) = (SharedWaitSet::default(), SharedWaitSet::default());
        stream.join(&dropped);
        stream.join(&last);
        drop(dropped);
        assert!(stream.leave(&last));
    }
}
