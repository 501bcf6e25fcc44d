//! A watch, as the main thread uses it. It is dead in a forked child, which has no thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::connection::{SLICE, Stop};
use crate::error::{Error, Result};
use crate::events::{self, ENDS};
use crate::queue::Queue;
use crate::scripts::{Call, QUEUE_NUMBER};
use crate::signals;
use crate::status::Status;
use crate::task::newest;
use crate::value;
use crate::watch::hub::Hub;
use crate::watch::ledger::{Book, News, Wake};
use crate::watch::reader::{Reader, fetch_events, register, settle};

/// How long the last watch that is closed waits for the thread to end.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// For how long the thread may fail to reach the server until a wait reports it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a wait returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchState {
    /// There is news.
    News,
    /// No watched task is left.
    Idle,
    /// Time is up.
    Waiting,
    /// The server cannot be reached; the thread goes on trying.
    Failing,
}

/// Watches tasks of a queue.
pub struct Watch {
    hub: Option<Arc<Hub>>,
    book: Arc<Book>,
    follow: bool,
}

impl Watch {
    /// A watch without tasks. The first one of a controller starts the thread. With `follow` an id that
    /// was retried stands for the newest of its chain.
    pub fn open(queue: &mut Queue, follow: bool) -> Result<Self> {
        let hub = match queue.hub.upgrade().filter(|hub| hub.is_own()) {
            Some(hub) => hub,
            None => start(queue, follow)?,
        };
        let book = Arc::new(Book::default());
        hub.shared.join(&book);
        Ok(Watch { hub: Some(hub), book, follow })
    }

    fn hub(&self) -> Result<&Arc<Hub>> {
        self.hub.as_ref().filter(|hub| hub.is_own()).ok_or(Error::WatchClosed)
    }

    /// Whether it can be used: it is not closed, and this process has opened it.
    pub fn is_open(&self) -> bool {
        self.hub().is_ok()
    }

    /// Watch tasks, all of which must exist. Those that have ended are told of at once. If this fails,
    /// none is watched that was not before.
    pub fn add(&self, queue: &mut Queue, ids: &[String]) -> Result<()> {
        let number = self.hub()?.shared.number;
        let added = self.book.write(|ledger| ledger.hold(ids));
        let found = self.look(queue, number, &added);
        if found.is_err() {
            self.book.write(|ledger| ledger.give_up(&added));
        }
        found
    }

    fn look(&self, queue: &mut Queue, number: u64, ids: &[String]) -> Result<()> {
        let found = register(queue, number, ids)?;
        let with = |wanted: Status| -> Vec<String> {
            let pairs = ids.iter().zip(&found.statuses);
            pairs.filter(|(_, status)| **status == wanted).map(|(id, _)| id.clone()).collect()
        };
        let missing = with(Status::Missing);
        if !missing.is_empty() {
            return Err(Error::TaskMissing { ids: missing });
        }
        fetch_events(queue, &found.emitters, std::slice::from_ref(&self.book))?;
        let moved = if self.follow { with(Status::Moved) } else { Vec::new() };
        for (id, newest) in moved.iter().zip(newest(queue, &moved)?) {
            settle(queue, number, &self.book, id, &[newest])?;
        }
        self.book.write(|ledger| {
            for (id, status) in ids.iter().zip(&found.statuses) {
                if status.is_terminal() {
                    ledger.end(id, *status);
                }
            }
            ledger.confirm(ids);
        });
        Ok(())
    }

    /// Until the capture ends, the tasks that this controller submits are watched, which costs no
    /// request. Their ends are told of afterwards. Of nested captures, the inner one gets them.
    pub fn capture(&self, queue: &mut Queue) -> Result<()> {
        let number = self.hub()?.shared.number;
        queue.own_watch()?;
        queue.captures.push((number, self.book.clone(), Vec::new()));
        Ok(())
    }

    /// All news since the last call, in order. Sends nothing.
    pub fn drain(&self) -> Result<Vec<News>> {
        self.hub()?;
        // Nothing to be written: do not wake who waits for more.
        Ok(self.book.lock().take_news())
    }

    /// Wait for news.
    pub fn wait(&self, limit: Duration, stop: &Stop) -> Result<WatchState> {
        let shared = &self.hub()?.shared;
        let end = Instant::now() + limit;
        loop {
            let (has_news, n_open) = {
                let ledger = self.book.lock();
                (ledger.has_news(), ledger.n_open())
            };
            if has_news {
                return Ok(WatchState::News);
            }
            if n_open == 0 {
                return Ok(WatchState::Idle);
            }
            if stop() {
                return Err(Error::Interrupted);
            }
            if shared.failing_since().is_some_and(|since| since.elapsed() > PATIENCE) {
                return Ok(WatchState::Failing);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(WatchState::Waiting);
            }
            self.book.sleep(left.min(SLICE));
        }
    }

    /// How many of its tasks have not ended.
    pub fn n_open(&self) -> Result<usize> {
        self.hub()?;
        Ok(self.book.lock().n_open())
    }

    /// Call this when there is news, and again after that was read or `arm`ed.
    pub fn on_event(&self, wake: Option<Wake>) -> Result<()> {
        self.hub()?;
        self.book.lock().set_wake(wake);
        Ok(())
    }

    /// The call was received: the next news, or that which comes meanwhile, is called for again.
    pub fn answer(&self) -> Result<()> {
        self.hub()?;
        self.book.lock().answer();
        Ok(())
    }

    /// Stop watching. The last watch of a controller ends the thread, which deletes the stream; if that
    /// cannot be reached, the stream expires.
    pub fn close(&mut self, queue: &mut Queue) -> Result<()> {
        let Some(hub) = self.hub.take().filter(|hub| hub.is_own()) else { return Ok(()) };
        self.book = Arc::new(Book::default());
        let Some(last) = Arc::into_inner(hub) else { return Ok(()) };
        let shared = last.shared.clone();
        drop(last);
        let stream = queue.keys.events(shared.number);
        if let Err(Error::Interrupted) = queue.connection.command(&events::add(&stream, ENDS, "")) {
            return Err(Error::Interrupted);
        }
        let end = Instant::now() + END_TIMEOUT;
        while !shared.ended.load(Ordering::Relaxed) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // In a forked child the lock may be held by a thread that the child does not have.
        if let Some(hub) = self.hub.take().filter(|hub| !hub.is_own()) {
            std::mem::forget((hub, self.book.clone()));
        }
    }
}

/// A capture is over. Its tasks are watched from now on, or forgotten.
pub fn end_capture(queue: &mut Queue, keep: bool) {
    if let Some((_, book, ids)) = queue.captures.pop() {
        book.write(|ledger| if keep { ledger.confirm(&ids) } else { ledger.give_up(&ids) });
    }
}

fn start(queue: &mut Queue, follow: bool) -> Result<Arc<Hub>> {
    queue.own_watch()?;
    let names = vec![queue.keys.config(), queue.keys.counters()];
    let number = value::integer(queue.connection.call(&Call::new(&QUEUE_NUMBER, names))?)?;
    let number = u64::try_from(number).map_err(|_| queue.missing())?;
    let position = events::open(queue, number)?;
    let hub = Arc::new(Hub::new(number));
    let mut own = Queue::handle(queue.connection.duplicate(), &queue.id);
    let path = queue.storage.path().map(str::to_owned);
    own.storage = queue.storage.moved(queue.storage.max_size, path);
    let reader = Reader::new(own, hub.shared.clone(), position, follow);
    signals::spawn(move || reader.run());
    queue.hub = Arc::downgrade(&hub);
    Ok(hub)
}
