//! How many tasks of a batch the main thread may begin before it announces more.
//!
//! When a worker is lost, nobody can ask it which tasks of its batch it had begun. So its record on
//! the server says how many tasks at the end of the batch are open: those have definitely not begun, and
//! go back to the queue. The others have died, although some of them may not have begun.
//!
//! A claim leaves a window of tasks that are not open. When three quarters of it are used up, the
//! main thread requests another window; when all of it is used up, it reads the reply before it begins
//! anything else. So the request costs no waiting. A report in the middle of a batch also moves the
//! window.
//!
//! The longer a window, the more tasks die that had not begun; the shorter, the more requests. It is
//! half of what a batch takes: one request per batch, none for the tiniest tasks. With requests each
//! half millisecond, two workers ran empty tasks at three fifths of the speed.

use std::time::Duration;

use crate::scripts::Call;
use crate::worker::batch::Batch;
use crate::worker::request::Registration;

/// About how long it takes to use up a window.
const WINDOW: Duration = Duration::from_millis(5);

/// The window of the current batch.
pub struct Window {
    /// How many tasks it lets begin at a time.
    size: usize,
    /// How many tasks may begin now.
    left: usize,
    /// The request that moves it on, once sent, and by how many tasks.
    posted: Option<(Call, usize)>,
}

impl Default for Window {
    fn default() -> Self {
        Window { size: 1, left: 0, posted: None }
    }
}

impl Window {
    /// How many tasks a step asks to begin.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Fit it to how long tasks take.
    pub fn adapt(&mut self, mean: Duration) {
        self.size = (WINDOW.as_nanos() / mean.as_nanos().max(1)).clamp(1, 1 << 16) as usize;
    }

    /// A batch was claimed.
    pub fn start(&mut self) {
        (self.left, self.posted) = (self.size, None);
    }

    /// A step in the middle of a batch was answered: it has opened the window as far as a claim does.
    /// A request on its way asked for tasks behind those that were allowed before, not behind these.
    pub fn advance(&mut self) {
        (self.left, self.posted) = (self.left.max(self.size), None);
    }

    /// Whether the next task may begin without a reply.
    pub fn is_open(&self) -> bool {
        self.left > 0
    }

    /// A task begins.
    pub fn use_up(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// The request that moves the window on, if it is time to send it: with the next task, three
    /// quarters of the window are used up, and there are more tasks than it holds.
    pub fn request(&mut self, registration: &Registration, batch: &Batch) -> Option<&Call> {
        let left = self.left.saturating_sub(1);
        if self.posted.is_some() || left > self.size / 4 {
            return None;
        }
        let n = self.size.min(batch.waiting.len().saturating_sub(self.left));
        let last = batch.waiting.get((self.left + n).checked_sub(1)?).filter(|_| n > 0)?;
        self.posted = Some((registration.begin(&last.id), n));
        self.posted.as_ref().map(|(call, _)| call)
    }

    /// The request that was sent, to collect its reply.
    pub fn take_posted(&mut self) -> Option<(Call, usize)> {
        self.posted.take()
    }

    /// Allow `n` more tasks to begin.
    pub fn widen(&mut self, n: usize) {
        self.left += n;
    }
}
