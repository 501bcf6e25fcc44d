//! What one watch knows. The thread that reads the event stream writes it, the main thread empties it.
//!
//! Invariants: an open task is told of once, as ended, and none of its events comes after that. Of a
//! task in `held`, the server may not know yet that it is watched, or that it exists; its end is kept
//! back until the main thread has confirmed it, which by then has delivered its earlier events.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::status::Status;
use crate::task::{Emitted, WaitSet};

/// How many bytes of events are kept for a main thread that does not read them.
const MOST_BYTES: usize = 64 << 20;

/// Called from any thread when there is news, once until it is armed again. Must be quick.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// What happened to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The task, by the id under which it is watched.
    pub id: String,
    /// How it ended; none for an event.
    pub status: Option<Status>,
    /// The event, serialised.
    pub event: Option<Vec<u8>>,
    /// How many events of the task before this were dropped.
    pub n_dropped: u64,
}

/// See the file.
#[derive(Default)]
pub struct Ledger {
    tasks: WaitSet,
    held: HashMap<String, Option<Status>>,
    /// The last event of each open task that has emitted any.
    seen: HashMap<String, u64>,
    /// How many events were dropped, by the id under which the task is watched.
    dropped: HashMap<String, u64>,
    news: VecDeque<News>,
    n_bytes: usize,
    wake: Option<Wake>,
    is_woken: bool,
}

impl Ledger {
    /// Watch tasks, whose ends are kept back. Returns those that were not watched.
    pub fn hold(&mut self, ids: &[String]) -> Vec<String> {
        let mut added = Vec::new();
        for id in ids {
            if self.tasks.open.insert(id.clone()) {
                self.held.insert(id.clone(), None);
                added.push(id.clone());
            }
        }
        added
    }

    /// The server knows that these are watched.
    pub fn confirm(&mut self, ids: &[String]) {
        for id in ids {
            if let Some(Some(status)) = self.held.remove(id) {
                self.end(id, status);
            }
        }
    }

    /// Do not watch these.
    pub fn give_up(&mut self, ids: &[String]) {
        for id in ids {
            self.held.remove(id);
            self.seen.remove(id);
            self.tasks.open.remove(id);
            self.tasks.aliases.remove(id);
        }
    }

    /// A task was retried: it ends when the newest of its chain does.
    pub fn stands_for(&mut self, newest: &str, id: &str) {
        self.held.remove(id);
        if !self.tasks.open.contains(newest) {
            self.held.insert(newest.to_owned(), None);
        }
        self.tasks.stands_for(newest, id);
    }

    /// A task has ended.
    pub fn end(&mut self, id: &str, status: Status) {
        if let Some(kept) = self.held.get_mut(id) {
            kept.get_or_insert(status);
            return;
        }
        self.tasks.close(id, status);
        self.seen.remove(id);
        for (id, status) in std::mem::take(&mut self.tasks.ended) {
            let n_dropped = self.dropped.remove(&id).unwrap_or(0);
            self.tell(News { id, status: Some(status), event: None, n_dropped });
        }
    }

    /// End all tasks, also those held.
    pub fn end_all(&mut self, status: Status) {
        self.held.clear();
        let open: Vec<String> = self.tasks.open.iter().cloned().collect();
        open.iter().for_each(|id| self.end(id, status));
    }

    /// The number of the last event known of a task, if it is open.
    pub fn seen(&self, id: &str) -> Option<u64> {
        self.tasks.open.contains(id).then(|| self.seen.get(id).copied().unwrap_or(0))
    }

    /// Events of a task, of which some may be known. If they were read for a watch that knew more than
    /// this one, they are ignored: those in between come first.
    pub fn note_events(&mut self, id: &str, found: &Emitted) {
        let Some(seen) = self.seen(id) else { return };
        let first = found.next.saturating_sub(found.events.len() as u64);
        if first > found.first.max(seen + 1) {
            return;
        }
        let names = self.tasks.aliases.get(id).cloned().unwrap_or_else(|| vec![id.to_owned()]);
        let n_lost = found.first.saturating_sub(seen + 1);
        for name in names {
            *self.dropped.entry(name.clone()).or_default() += n_lost;
            for (number, event) in (first..).zip(&found.events).filter(|(n, _)| *n > seen) {
                debug_assert!(number < found.next);
                let n_dropped = self.dropped.remove(&name).unwrap_or(0);
                self.n_bytes += event.len();
                let event = Some(event.clone());
                self.tell(News { id: name.clone(), status: None, event, n_dropped });
            }
        }
        self.seen.insert(id.to_owned(), seen.max(found.next.saturating_sub(1)));
        while self.n_bytes > MOST_BYTES && self.drop_oldest() {}
    }

    /// Nobody reads the news: drop the oldest event.
    fn drop_oldest(&mut self) -> bool {
        let at = self.news.iter().position(|news| news.event.is_some());
        let Some(oldest) = at.and_then(|at| self.news.remove(at)) else { return false };
        self.n_bytes -= oldest.event.map_or(0, |event| event.len());
        let n_dropped = oldest.n_dropped + 1;
        match self.news.iter_mut().find(|news| news.id == oldest.id) {
            Some(next) => next.n_dropped += n_dropped,
            None => *self.dropped.entry(oldest.id).or_default() += n_dropped,
        }
        true
    }

    fn tell(&mut self, news: News) {
        self.news.push_back(news);
        self.call_if_any();
    }

    fn call_if_any(&mut self) {
        if let Some(wake) = self.wake.as_ref().filter(|_| !self.is_woken && !self.news.is_empty()) {
            self.is_woken = true;
            wake();
        }
    }

    /// Whom to call when there is news, at once if there is any.
    pub fn set_wake(&mut self, wake: Option<Wake>) {
        self.wake = wake;
        self.arm();
    }

    /// Call again at the next news.
    pub fn arm(&mut self) {
        self.is_woken = false;
        self.call_if_any();
    }

    /// The next news is called for again, but not that which is there: it is about to be read.
    pub fn answer(&mut self) {
        self.is_woken = false;
    }

    /// All news since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        self.n_bytes = 0;
        self.is_woken = false;
        std::mem::take(&mut self.news).into()
    }

    /// Whether there is any.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// How many tasks have not ended.
    pub fn n_open(&self) -> usize {
        self.tasks.open.len()
    }

    /// Those of which the server knows that they are watched.
    pub fn confirmed(&self) -> HashSet<String> {
        self.tasks.open.iter().filter(|id| !self.held.contains_key(*id)).cloned().collect()
    }
}

/// A ledger that the threads share.
#[derive(Default)]
pub struct Book {
    ledger: Mutex<Ledger>,
    changed: Condvar,
}

impl Book {
    /// Change the ledger, and wake who waits for news. The lock is held for the time of `f` only.
    pub fn write<T>(&self, f: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.lock();
        let result = f(&mut ledger);
        if ledger.has_news() || ledger.n_open() == 0 {
            self.changed.notify_all();
        }
        result
    }

    /// The ledger, for reading it.
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleep until there is news or nothing left to wait for, at most so long.
    pub fn sleep(&self, limit: Duration) {
        let is_over = |ledger: &mut Ledger| !ledger.has_news() && ledger.n_open() > 0;
        drop(self.changed.wait_timeout_while(self.lock(), limit, is_over));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn emitted(first: u64, next: u64, events: &[&[u8]]) -> Emitted {
        Emitted { first, next, events: events.iter().map(|event| event.to_vec()).collect() }
    }

    /// Ids with the status, the event, or both empty.
    fn told(ledger: &mut Ledger) -> Vec<(String, String, u64)> {
        let text = |news: News| {
            let event = news.event.map(|event| String::from_utf8(event).unwrap());
            let what = news.status.map(|status| status.word().to_owned()).or(event);
            (news.id, what.unwrap(), news.n_dropped)
        };
        ledger.take_news().into_iter().map(text).collect()
    }

    fn item(id: &str, what: &str, n_dropped: u64) -> (String, String, u64) {
        (id.to_owned(), what.to_owned(), n_dropped)
    }

    #[test]
    fn an_end_is_kept_back_until_the_task_is_confirmed_and_told_once() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.hold(&ids(&["a", "b"])), ids(&["a", "b"]));
        assert!(ledger.hold(&ids(&["a"])).is_empty());
        ledger.end("a", Status::Complete);
        assert!(!ledger.has_news());
        ledger.note_events("a", &emitted(1, 2, &[b"one"]));
        ledger.confirm(&ids(&["a", "b"]));
        ledger.end("a", Status::Died);
        assert_eq!(told(&mut ledger), [item("a", "one", 0), item("a", "COMPLETE", 0)]);
        assert_eq!(ledger.n_open(), 1);
        ledger.give_up(&ids(&["b"]));
        assert_eq!(ledger.n_open(), 0);
    }

    #[test]
    fn each_event_is_told_once_and_dropped_ones_are_counted() {
        let mut ledger = Ledger::default();
        ledger.hold(&ids(&["a"]));
        ledger.confirm(&ids(&["a"]));
        ledger.note_events("a", &emitted(1, 3, &[b"1", b"2"]));
        ledger.note_events("a", &emitted(1, 4, &[b"1", b"2", b"3"]));
        assert_eq!(told(&mut ledger), [item("a", "1", 0), item("a", "2", 0), item("a", "3", 0)]);
        ledger.note_events("a", &emitted(6, 7, &[b"6"]));
        ledger.end("a", Status::Error);
        ledger.note_events("a", &emitted(6, 8, &[b"7"]));
        assert_eq!(told(&mut ledger), [item("a", "6", 2), item("a", "ERROR", 0)]);
    }

    #[test]
    fn events_behind_a_gap_are_ignored_until_those_in_between_come() {
        let mut ledger = Ledger::default();
        ledger.hold(&ids(&["a"]));
        ledger.note_events("a", &emitted(1, 4, &[b"3"]));
        assert!(!ledger.has_news());
        ledger.note_events("a", &emitted(1, 4, &[b"1", b"2", b"3"]));
        assert_eq!(told(&mut ledger), [item("a", "1", 0), item("a", "2", 0), item("a", "3", 0)]);
    }

    #[test]
    fn events_that_nobody_reads_are_dropped_and_counted() {
        let mut ledger = Ledger::default();
        ledger.hold(&ids(&["a"]));
        ledger.confirm(&ids(&["a"]));
        let large = vec![b'x'; MOST_BYTES - 10];
        ledger.note_events("a", &emitted(1, 4, &[b"1", b"2", &large]));
        ledger.note_events("a", &emitted(1, 5, &[b"more than ten"]));
        ledger.end("a", Status::Complete);
        assert_eq!(told(&mut ledger), [item("a", "more than ten", 3), item("a", "COMPLETE", 0)]);
    }

    #[test]
    fn who_is_called_is_called_once_until_the_news_is_read() {
        let n = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = n.clone();
        let calls = || n.load(std::sync::atomic::Ordering::Relaxed);
        let mut ledger = Ledger::default();
        ledger.hold(&ids(&["a", "b", "c"]));
        ledger.confirm(&ids(&["a", "b", "c"]));
        ledger.end("a", Status::Complete);
        ledger.set_wake(Some(Box::new(move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })));
        assert_eq!(calls(), 1);
        ledger.end("b", Status::Complete);
        assert_eq!(calls(), 1);
        ledger.take_news();
        ledger.end("c", Status::Complete);
        assert_eq!(calls(), 2);
    }

    #[test]
    fn a_retried_task_is_told_of_under_the_id_that_is_watched() {
        let mut ledger = Ledger::default();
        ledger.hold(&ids(&["old"]));
        ledger.stands_for("new", "old");
        ledger.confirm(&ids(&["new"]));
        ledger.note_events("new", &emitted(1, 2, &[b"1"]));
        ledger.end("new", Status::Complete);
        assert_eq!(told(&mut ledger), [item("old", "1", 0), item("old", "COMPLETE", 0)]);
    }
}
