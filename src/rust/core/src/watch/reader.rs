//! The thread that reads the event stream for the watches of a controller. It renews the stream, does
//! what is due in the queue while tasks are watched, and reads the statuses again from time to time and
//! after each lost connection, in case the stream was lost. No error of the server ends it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::Cmd;

use crate::connection::SLICE;
use crate::error::{Error, Result};
use crate::events::{self, EMITTED, ENDS, LIFETIME, READ};
use crate::queue::Queue;
use crate::scripts::{Call, WATCH_ADD};
use crate::status::Status;
use crate::task::{self, newest};
use crate::value;
use crate::watch::hub::Shared;
use crate::watch::ledger::Book;
use crate::worker;

/// How many tasks one request registers.
const CHUNK: usize = 1000;
const RECHECK: Duration = Duration::from_secs(30);
const SWEEP: Duration = Duration::from_secs(1);
/// The longest sleep in the server while no task is watched.
const BLOCK: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(500);
/// A stream of which this many entries have been read gets rid of them.
const MANY: usize = 1000;

/// What the server said of tasks when they were registered.
pub struct Registered {
    /// The status of each.
    pub statuses: Vec<Status>,
    /// Those that have emitted events.
    pub emitters: Vec<String>,
}

/// Register tasks for stream `number`, at most `CHUNK`.
fn register_chunk(queue: &mut Queue, number: u64, ids: &[String]) -> Result<Registered> {
    let keys = &queue.keys;
    let names = vec![keys.tasks(), keys.events(number), keys.config(), keys.emitted()];
    let call = Call::new(&WATCH_ADD, names).arg(number).arg(LIFETIME.as_millis() as u64).arg(ids);
    let mut reply = value::array(queue.connection.call(&call)?)?.into_iter();
    let letters = reply.next().ok_or_else(|| queue.missing())?;
    let statuses = value::bytes(letters)?
        .into_iter()
        .map(|letter| Status::from_letter(letter.to_ascii_uppercase()))
        .collect();
    Ok(Registered { statuses, emitters: reply.map(value::text).collect::<Result<_>>()? })
}

/// Register tasks.
pub fn register(queue: &mut Queue, number: u64, ids: &[String]) -> Result<Registered> {
    let mut all = Registered { statuses: Vec::with_capacity(ids.len()), emitters: Vec::new() };
    for chunk in ids.chunks(CHUNK) {
        let found = register_chunk(queue, number, chunk)?;
        all.statuses.extend(found.statuses);
        all.emitters.extend(found.emitters);
    }
    Ok(all)
}

/// Read the events of these tasks that one of the books does not know yet, and note them. A book to which
/// the main thread has just added a task may know less than when they were requested: nobody would be
/// notified of what it lacks, so that is read again.
pub fn fetch_events(queue: &mut Queue, ids: &[String], books: &[Arc<Book>]) -> Result<()> {
    let known = |id: &str| books.iter().filter_map(|book| book.lock().seen(id)).min();
    let mut wanted: Vec<(&str, u64)> =
        ids.iter().filter_map(|id| Some((id.as_str(), known(id)?))).collect();
    while !wanted.is_empty() {
        let mut behind = Vec::new();
        for chunk in wanted.chunks(task::EVENTS_CHUNK) {
            for ((id, _), found) in chunk.iter().zip(task::events_after(queue, chunk)?) {
                books.iter().for_each(|book| book.write(|ledger| ledger.note_events(id, &found)));
                let least = known(id).filter(|seen| seen + 1 < found.next);
                behind.extend(least.map(|seen| (*id, seen)));
            }
        }
        wanted = behind;
    }
    Ok(())
}

/// The thread's own view of the queue, whose connection gives up at once.
pub struct Reader {
    queue: Queue,
    shared: Arc<Shared>,
    position: String,
    n_read: usize,
    follow: bool,
    is_to_check: bool,
    checked: Instant,
    swept: Instant,
}

impl Reader {
    /// Read from `position` on.
    pub fn new(mut queue: Queue, shared: Arc<Shared>, position: String, follow: bool) -> Self {
        let quitting = shared.clone();
        let stop = Arc::new(move || quitting.is_quitting());
        queue.connection.set_retry_timeout(Duration::ZERO, stop);
        let now = Instant::now();
        let (checked, swept) = (now, now);
        Reader { queue, shared, position, n_read: 0, follow, is_to_check: false, checked, swept }
    }

    /// The thread.
    pub fn run(mut self) {
        while !self.shared.is_quitting() {
            let done = self.round();
            let is_missing = matches!(done, Err(Error::QueueMissing { .. }));
            self.shared.note(done.is_ok() || is_missing);
            if is_missing {
                self.shared.end_all();
                self.is_to_check = false;
                self.checked = Instant::now();
            } else if done.is_err() {
                self.is_to_check = true;
                self.pause();
            }
        }
        let _ = self.queue.connection.command(Cmd::new().arg("DEL").arg(self.stream()));
        self.shared.ended.store(true, Ordering::Relaxed);
    }

    fn stream(&self) -> String {
        self.queue.keys.events(self.shared.number)
    }

    fn round(&mut self) -> Result<()> {
        let books = self.shared.books();
        if self.is_to_check || self.checked.elapsed() >= RECHECK {
            self.check(&books)?;
        }
        let has_open = books.iter().any(|book| book.lock().n_open() > 0);
        if has_open && self.swept.elapsed() >= SWEEP {
            self.swept = Instant::now();
            worker::sweep_within(&mut self.queue, SLICE)?;
        }
        let block = if has_open { SWEEP.saturating_sub(self.swept.elapsed()) } else { BLOCK };
        drop(books);
        self.read(block)
    }

    /// Renew the stream, and read the statuses of all tasks again.
    fn check(&mut self, books: &[Arc<Book>]) -> Result<()> {
        let open: HashSet<String> = books.iter().flat_map(|book| book.lock().confirmed()).collect();
        let open: Vec<String> = open.into_iter().collect();
        events::open(&mut self.queue, self.shared.number)?;
        let found = register(&mut self.queue, self.shared.number, &open)?;
        fetch_events(&mut self.queue, &found.emitters, books)?;
        for (id, status) in open.iter().zip(&found.statuses) {
            if *status == Status::Moved && self.follow {
                self.follow(id, books)?;
            } else if status.is_terminal() || *status == Status::Missing {
                books.iter().for_each(|book| book.write(|ledger| ledger.end(id, *status)));
            }
        }
        self.is_to_check = false;
        self.checked = Instant::now();
        Ok(())
    }

    /// A task was retried while it was watched, and ended before that.
    fn follow(&mut self, id: &str, books: &[Arc<Book>]) -> Result<()> {
        let newest = newest(&mut self.queue, &[id.to_owned()])?;
        for book in books.iter().filter(|book| book.lock().seen(id).is_some()) {
            settle(&mut self.queue, self.shared.number, book, id, &newest)?;
        }
        Ok(())
    }

    /// If the events of a task cannot be fetched, the same entries are read again.
    fn read(&mut self, limit: Duration) -> Result<()> {
        let (stream, before) = (self.stream(), self.position.clone());
        let found = events::read(&mut self.queue.connection, &stream, &mut self.position, limit)?;
        let books = self.shared.books();
        let named = found.iter().filter(|event| event.kind == EMITTED);
        let mut emitters: Vec<String> =
            named.map(|event| String::from_utf8_lossy(&event.value).into_owned()).collect();
        emitters.sort_unstable();
        emitters.dedup();
        if let Err(error) = fetch_events(&mut self.queue, &emitters, &books) {
            self.position = before;
            return Err(error);
        }
        for event in found.iter().filter(|event| event.kind == ENDS) {
            let ends = events::ends(&event.value).filter(|(_, status)| *status != Status::Moved);
            for (id, status) in ends {
                books.iter().for_each(|book| book.write(|ledger| ledger.end(&id, status)));
            }
        }
        self.n_read += found.len();
        if self.n_read >= MANY && found.len() < READ {
            let mut trim = Cmd::new();
            trim.arg("XTRIM").arg(stream).arg("MINID").arg(&self.position);
            self.queue.connection.command(&trim)?;
            self.n_read = 0;
        }
        Ok(())
    }

    fn pause(&self) {
        let end = Instant::now() + RETRY;
        while Instant::now() < end && !self.shared.is_quitting() {
            std::thread::sleep(SLICE);
        }
    }
}

/// From now on `id` stands for the newest task of its chain: register that one.
pub fn settle(
    queue: &mut Queue,
    number: u64,
    book: &Arc<Book>,
    id: &str,
    newest: &[String],
) -> Result<()> {
    newest.iter().for_each(|newest| book.write(|ledger| ledger.stands_for(newest, id)));
    let found = register(queue, number, newest)?;
    fetch_events(queue, &found.emitters, std::slice::from_ref(book))?;
    book.write(|ledger| {
        for (newest, status) in newest.iter().zip(&found.statuses) {
            if status.is_terminal() || *status == Status::Missing {
                ledger.end(newest, *status);
            }
        }
        ledger.confirm(newest);
    });
    Ok(())
}
