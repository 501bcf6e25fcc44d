//! A controller's view of its event stream. While the stream is open, the ends of the tasks that
//! the controller submits are written to it, so that a wait for these tasks need not query the
//! server first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::status::Status;
use crate::task::result::TaskResult;

/// For how long after a renewal the stream is taken to be open.
const FRESH: Duration = Duration::from_secs(60);
/// More tasks than this are not remembered: with so many, a query costs little.
const REMEMBERED: usize = 10_000;
/// For how long a value may stand for what the server has stored: other sessions may change that.
const VALID: Duration = Duration::from_secs(1);
/// At most so many values are kept, each of them small.
const VALUES: usize = 100;

/// The tasks of one wait. Several waits may read one stream by turns (a wait within code that
/// handles the results of another, iterators), so whichever reads the stream notifies all of them.
#[derive(Debug, Default)]
pub struct WaitSet {
    /// The tasks that have not ended.
    pub open: HashSet<String>,
    /// Those that have ended since the last query.
    pub ended: Vec<(String, Status)>,
    /// The open tasks that have ended and were retried: the server knows what they stand for.
    pub moved: Vec<String>,
    /// The ids under which an open task was requested, if that is not only its own id.
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

    /// A task was retried: it ends when the newest of its chain does.
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

/// A `WaitSet` that the wait and the stream share.
pub type SharedWaitSet = Arc<Mutex<WaitSet>>;

/// Only one thread reads a stream: the lock is never held for long, and no panic leaves the set
/// inconsistent.
pub fn lock(set: &SharedWaitSet) -> MutexGuard<'_, WaitSet> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A controller's side of its event stream.
#[derive(Debug)]
pub struct Stream {
    /// The entry read last.
    pub position: String,
    /// How many entries were read since the server last dropped them.
    pub n_read: usize,
    fresh_until: Option<Instant>,
    announced: HashSet<String>,
    waits: Vec<Weak<Mutex<WaitSet>>>,
    /// Values of tasks that have just completed, and when they were read from the stream.
    values: HashMap<String, (Instant, TaskResult)>,
}

impl Default for Stream {
    fn default() -> Self {
        Stream {
            position: "0-1".into(),
            n_read: 0,
            fresh_until: None,
            announced: HashSet::new(),
            waits: Vec::new(),
            values: HashMap::new(),
        }
    }
}

impl Stream {
    /// Whether it is taken to be open.
    pub fn is_fresh(&self) -> bool {
        self.fresh_until.is_some_and(|until| Instant::now() < until)
    }

    /// The server has just opened or renewed it.
    pub fn renew(&mut self) {
        self.fresh_until = Some(Instant::now() + FRESH);
    }

    /// The stream was deleted.
    pub fn close(&mut self) {
        self.fresh_until = None;
        self.announced.clear();
    }

    /// These tasks were just submitted: their ends will be written to the stream if it is open.
    pub fn submitted(&mut self, ids: &[String]) {
        if !self.is_fresh() {
            self.announced.clear();
        } else if self.announced.len() + ids.len() <= REMEMBERED {
            self.announced.extend(ids.iter().cloned());
        }
    }

    /// Whether the ends of all these tasks will be read from the stream.
    pub fn will_notify(&self, ids: &HashSet<String>) -> bool {
        self.is_fresh() && ids.is_subset(&self.announced)
    }

    /// A wait begins: it is notified of all ends from now on, until it leaves or is dropped.
    pub fn join(&mut self, set: &SharedWaitSet) {
        self.waits.retain(|wait| wait.strong_count() > 0);
        self.waits.push(Arc::downgrade(set));
    }

    /// A wait is over; returns whether it was the last.
    pub fn leave(&mut self, set: &SharedWaitSet) -> bool {
        self.waits.retain(|wait| wait.upgrade().is_some_and(|wait| !Arc::ptr_eq(&wait, set)));
        self.waits.is_empty()
    }

    /// The end of a task was read from the stream, or that it was retried after its end: notify all waits.
    pub fn notify(&mut self, id: &str, status: Status) {
        self.forget(id);
        for wait in self.waits.iter().filter_map(Weak::upgrade) {
            let mut wait = lock(&wait);
            if status != Status::Moved {
                wait.close(id, status);
            } else if wait.open.contains(id) {
                wait.moved.push(id.to_owned());
            }
        }
    }

    /// What the stream says of the end of this task does not hold, or is over.
    pub fn forget(&mut self, id: &str) {
        self.announced.remove(id);
    }

    /// The value of a task was read from the stream: whoever has waited for the task will want it next.
    pub fn tell(&mut self, id: String, result: TaskResult) {
        if self.values.len() >= VALUES {
            self.values.clear();
        }
        self.values.insert(id, (Instant::now(), result));
    }

    /// The results of these tasks, if the stream has told all of them a moment ago. Each is told once.
    pub fn take_told(&mut self, ids: &[String]) -> Option<Vec<TaskResult>> {
        if !ids.iter().all(|id| self.values.get(id).is_some_and(|(at, _)| at.elapsed() < VALID)) {
            return None;
        }
        ids.iter().map(|id| self.values.remove(id).map(|(_, result)| result)).collect()
    }

    /// Tasks are about to be changed here.
    pub fn forget_values(&mut self) {
        self.values.clear();
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
    fn a_value_is_told_once_and_only_together_with_all_that_are_asked_for() {
        let mut stream = Stream::default();
        let result = TaskResult::complete("w", 1, vec![1]);
        stream.tell("a".into(), result.clone());
        assert!(stream.take_told(&ids(&["a", "b"])).is_none());
        let told = stream.take_told(&ids(&["a"])).unwrap();
        assert_eq!((told[0].worker.as_str(), told[0].value.as_deref()), ("w", Some(&[1][..])));
        assert!(stream.take_told(&ids(&["a"])).is_none());
        stream.tell("a".into(), result.clone());
        stream.forget_values();
        assert!(stream.take_told(&ids(&["a"])).is_none());
        (0..=VALUES).for_each(|i| stream.tell(i.to_string(), result.clone()));
        assert_eq!(stream.values.len(), 1);
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
