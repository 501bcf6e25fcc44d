//! What the watches of one controller have in common with the thread that reads for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use crate::status::Status;
use crate::watch::ledger::Book;

/// What the thread and the main thread share.
pub struct Shared {
    /// The number of the stream.
    pub number: u64,
    /// Set to end the thread.
    pub quit: AtomicBool,
    /// Set when it has ended.
    pub ended: AtomicBool,
    failing_since: Mutex<Option<Instant>>,
    books: Mutex<Vec<Weak<Book>>>,
}

impl Shared {
    fn books_lock(&self) -> MutexGuard<'_, Vec<Weak<Book>>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watches that there are.
    pub fn books(&self) -> Vec<Arc<Book>> {
        let mut books = self.books_lock();
        books.retain(|book| book.strong_count() > 0);
        books.iter().filter_map(Weak::upgrade).collect()
    }

    /// Add a watch.
    pub fn join(&self, book: &Arc<Book>) {
        self.books_lock().push(Arc::downgrade(book));
    }

    /// The queue no longer exists.
    pub fn end_all(&self) {
        self.books().iter().for_each(|book| book.write(|ledger| ledger.end_all(Status::Missing)));
    }

    /// Whether the thread is to end.
    pub fn is_quitting(&self) -> bool {
        self.quit.load(Ordering::Relaxed)
    }

    /// The thread has reached the server, or failed to.
    pub fn note(&self, reached: bool) {
        let mut since = self.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if reached { None } else { since.or_else(|| Some(Instant::now())) };
    }

    /// Since when the thread has not reached the server.
    pub fn failing_since(&self) -> Option<Instant> {
        *self.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the watches of one controller: the thread ends with the last of them.
pub struct Hub {
    /// What they share with the thread.
    pub shared: Arc<Shared>,
    /// The process that has the thread: a forked child does not.
    pub owner: u32,
}

impl Hub {
    /// Of a thread that is about to start.
    pub fn new(number: u64) -> Self {
        let shared = Shared {
            number,
            quit: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            failing_since: Mutex::new(None),
            books: Mutex::new(Vec::new()),
        };
        Hub { shared: Arc::new(shared), owner: std::process::id() }
    }

    /// Whether this process has the thread.
    pub fn is_own(&self) -> bool {
        self.owner == std::process::id()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::Relaxed);
    }
}
