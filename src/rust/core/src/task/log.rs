//! The output of a task, kept while it runs and afterwards: the first and the last 64 KB. Each
//! request stores all of it, so that it can be repeated and the last one wins.

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::keys::Keys;
use crate::queue::Queue;
use crate::scripts::{Call, TASK_LOG};

/// How many bytes of the beginning are kept, and how many of the end.
const HALF: usize = 64 * 1024;

/// The output of one attempt at a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Which attempt.
    pub attempt: u64,
    /// The process that runs the task, 0 for the worker's own.
    pub pid: u32,
    /// How many bytes were printed, kept or not.
    pub total: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Log {
    /// An empty log.
    pub fn new(attempt: u64, pid: u32) -> Self {
        Log { attempt, pid, ..Log::default() }
    }

    /// Append output.
    pub fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HALF - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        // Up to twice as much is kept, so that it is moved rarely.
        if self.tail.len() > 2 * HALF {
            self.tail.drain(..self.tail.len() - HALF);
        }
        self.total += bytes.len() as u64;
    }

    fn tail(&self) -> &[u8] {
        &self.tail[self.tail.len().saturating_sub(HALF)..]
    }

    /// The output from byte `offset` on, with a line in place of the part that was not kept.
    pub fn since(&self, offset: u64) -> Vec<u8> {
        let tail = self.tail();
        let tail_at = self.total - tail.len() as u64;
        let mut text = Vec::new();
        let mut at = offset;
        if let Some(head) = self.head.get(at as usize..) {
            text.extend_from_slice(head);
            at = self.head.len() as u64;
        }
        if at < tail_at {
            let omitted = format!("\n[... {} bytes omitted ...]\n", tail_at - at);
            text.extend_from_slice(omitted.as_bytes());
            at = tail_at;
        }
        text.extend_from_slice(&tail[(at - tail_at).min(tail.len() as u64) as usize..]);
        text
    }

    /// The stored form: a line of numbers, then the bytes.
    fn pack(&self) -> Vec<u8> {
        let Log { attempt, pid, total, head, .. } = self;
        let numbers = format!("{attempt} {pid} {total} {}\n", head.len());
        [numbers.as_bytes(), head, self.tail()].concat()
    }

    /// Read the stored log of a task.
    pub(crate) fn read(id: &str, stored: &[u8]) -> Result<Self> {
        let corrupt = || Error::corrupt(format!("the log of task {id}"), "bad first line");
        Log::unpack(stored).ok_or_else(corrupt)
    }

    fn unpack(stored: &[u8]) -> Option<Self> {
        let at = stored.iter().position(|byte| *byte == b'\n')?;
        let (numbers, bytes) = (std::str::from_utf8(&stored[..at]).ok()?, &stored[at + 1..]);
        let numbers: Vec<u64> = numbers.split(' ').map_while(|part| part.parse().ok()).collect();
        let [attempt, pid, total, n_head] = numbers[..] else {
            return None;
        };
        let (head, tail) = bytes.split_at_checked(n_head as usize)?;
        let pid = u32::try_from(pid).ok()?;
        Some(Log { attempt, pid, total, head: head.to_vec(), tail: tail.to_vec() })
    }
}

/// The output of a task so far; `None` before it has printed anything or has a process of its own.
pub fn log(queue: &mut Queue, id: &str) -> Result<Option<Log>> {
    let Some(stored) = queue.connection.hash_get(queue.keys.logs(), id)? else {
        return Ok(None);
    };
    Log::read(id, &stored).map(Some)
}

/// Store the output of a task so far, if `worker` runs it in this attempt.
pub(crate) fn store(
    connection: &mut Connection,
    keys: &Keys,
    worker: &str,
    id: &str,
    log: &Log,
) -> Result<()> {
    let call = Call::new(&TASK_LOG, vec![keys.tasks(), keys.logs()])
        .arg(id)
        .arg(worker)
        .arg(log.attempt)
        .arg(log.total)
        .arg(log.pack());
    connection.call(&call).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_reads_back_as_written() {
        let mut log = Log::new(2, 17);
        log.push(b"one\ntwo\n");
        assert_eq!(Log::unpack(&log.pack()), Some(log.clone()));
        assert_eq!(log.since(0), b"one\ntwo\n");
        assert_eq!(log.since(4), b"two\n");
        assert_eq!(log.since(8), b"");
    }

    #[test]
    fn beginning_and_end_are_kept_and_what_is_between_is_counted() {
        let mut log = Log::new(1, 0);
        for i in 0..100_000 {
            log.push(format!("{i:07}\n").as_bytes());
        }
        let log = Log::unpack(&log.pack()).unwrap();
        let text = String::from_utf8(log.since(0)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[lines.len() - 1]), ("0000000", "0099999"));
        let omitted = 800_000 - 2 * HALF;
        assert!(lines.contains(&format!("[... {omitted} bytes omitted ...]").as_str()));
        assert_eq!(log.since(800_000 - 8), b"0099999\n");
        assert!(log.since(HALF as u64).starts_with(b"\n[... "));
    }

    #[test]
    fn what_is_no_log_is_none() {
        assert_eq!(Log::unpack(b"1 2 3\nabc"), None);
        assert_eq!(Log::unpack(b"1 2 3 9\nabc"), None);
    }
}
