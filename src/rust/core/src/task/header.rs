//! The header of a task: its status and what goes with it. Only scripts write headers;
//! `lua/_header.lua` is the scripts' counterpart of this file, and a test below compares the two.

use crate::status::Status;
use crate::task::Rules;

/// How many lines a header has; the last one, the result, may have line ends.
const N_FIELDS: usize = 12;

/// Properties of a task besides its status. The numbers are those of `lua/_header.lua`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// Rare attributes are stored for it.
    Extra = 1,
    /// Its result is too large for the header.
    Large = 2,
    /// Other tasks depend on it.
    Parent = 4,
    /// Its worker was asked to stop it.
    Cancel = 8,
    /// It was removed from its queue.
    Unqueued = 16,
    /// Its start time has not been reached.
    Scheduled = 32,
    /// Its result is the hash of an object.
    Object = 64,
    /// It died because too many workers were lost while they ran it.
    Poison = 128,
}

/// The state of a task.
#[derive(Debug, Clone)]
pub struct Header {
    /// Its status.
    pub status: Status,
    /// How many times a worker claimed it.
    pub attempt: u64,
    /// When it was submitted, in µs of server time.
    pub submit: u64,
    /// When it was started, or 0.
    pub start: u64,
    /// When it ended, or 0.
    pub end: u64,
    flags: u64,
    /// The queue it was submitted to.
    pub queue: String,
    /// The worker that claimed it, or empty.
    pub worker: String,
    /// Whether it is retried and when it expires after its end.
    pub rules: Rules,
    /// The number of its set of tasks, and its place there; none if it has no dependencies.
    pub set: Option<(u64, u64)>,
    /// Its result, when small; else empty.
    pub result: Vec<u8>,
}

impl Header {
    /// Read a stored header. One that cannot be read stands for a task that failed without a value; so one
    /// such task does not hide the others.
    pub fn parse(stored: &[u8]) -> Self {
        Header::read(stored).unwrap_or_else(Header::damaged)
    }

    /// Whether a stored header can be read.
    pub(crate) fn is_readable(stored: &[u8]) -> bool {
        Header::read(stored).is_some()
    }

    fn damaged() -> Self {
        Header {
            status: Status::Error,
            attempt: 0,
            submit: 0,
            start: 0,
            end: 0,
            flags: 0,
            queue: String::new(),
            worker: String::new(),
            rules: Rules::default(),
            set: None,
            result: Vec::new(),
        }
    }

    fn read(stored: &[u8]) -> Option<Self> {
        let mut fields = stored.splitn(N_FIELDS, |byte| *byte == b'\n');
        let letter = fields.next().filter(|letter| letter.len() == 1)?;
        let status = Some(stored_status(letter)).filter(|_| is_letter(letter[0]))?;
        let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<u64>().ok();
        let (attempt, submit, start) = (number()?, number()?, number()?);
        let (end, flags) = (number()?, number()?);
        let mut text = || String::from_utf8(fields.next()?.to_vec()).ok();
        let (queue, worker, _waiters) = (text()?, text()?, text()?);
        let (rules, set) = (Rules::parse(&text()?), read_set(&text()?));
        let result = fields.next()?.to_vec();
        Some(Header {
            status,
            attempt,
            submit,
            start,
            end,
            flags,
            queue,
            worker,
            rules,
            set,
            result,
        })
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u64 != 0
    }

    /// Whether it is running and its worker was told to stop it.
    pub fn is_to_stop(&self) -> bool {
        self.status == Status::Running && self.has(Flag::Cancel)
    }

    /// Whether it waits in its queue, where workers claim it.
    pub fn is_queued(&self) -> bool {
        self.status == Status::Pending && !self.has(Flag::Unqueued) && !self.has(Flag::Scheduled)
    }
}

fn read_set(stored: &str) -> Option<(u64, u64)> {
    let (set, place) = stored.split_once(':')?;
    Some((set.parse().ok()?, place.parse().ok()?))
}

/// The status in a stored header, without reading the rest: status queries are frequent. What is no header
/// counts as a failed task.
pub fn stored_status(stored: &[u8]) -> Status {
    match stored.first() {
        None => Status::Missing,
        Some(letter) if is_letter(*letter) => Status::from_letter(*letter),
        Some(_) => Status::Error,
    }
}

fn is_letter(letter: u8) -> bool {
    Status::from_letter(letter) != Status::Missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_keeps_a_result_with_line_ends() {
        let header =
            Header::parse(b"C\n2\n10\n20\n30\n1\nq\nw_1\n7\n500,0,0,0,0,0\n4:0012\na\nb\n");
        assert_eq!((header.status, header.attempt, header.end), (Status::Complete, 2, 30));
        assert_eq!((header.queue.as_str(), header.worker.as_str()), ("q", "w_1"));
        assert_eq!(header.result, b"a\nb\n");
        assert!(header.has(Flag::Extra) && !header.has(Flag::Large));
        assert_eq!((header.rules.ttl_s, header.set), (Some(0.5), Some((4, 12))));
    }

    #[test]
    fn what_is_no_header_is_that_of_a_failed_task() {
        for stored in [&b"C\n2"[..], b"junk", &[0xff; 40]] {
            assert_eq!(Header::parse(stored).status, Status::Error);
        }
        assert_eq!(stored_status(b"junk"), Status::Error);
        assert_eq!(stored_status(&[]), Status::Missing);
    }

    /// The names in a Lua list that follows `start`.
    fn lua_list(start: &str, end: &str, separator: &str) -> Vec<String> {
        let scripts = include_str!("../../lua/_header.lua");
        let (list, _) = scripts.split_once(start).unwrap().1.split_once(end).unwrap();
        list.split(separator).map(|name| name.trim().to_owned()).collect()
    }

    /// Rust's order is that of `Header::read`, which the test of a whole header above checks.
    #[test]
    fn the_fields_of_the_scripts_are_in_the_same_order_wherever_they_are_listed() {
        let fields = [
            "status", "attempt", "submit", "start", "ended", "flags", "queue", "worker", "waiters",
            "rules", "set", "result",
        ];
        assert_eq!(fields.len(), N_FIELDS);
        assert_eq!(lua_list("  local ", " =\n    string.match(packed, HEADER)", ","), fields);
        let packed = lua_list("local function pack_header(h)\n  return ", "\nend", "..");
        let packed = packed.iter().filter_map(|part| part.strip_prefix("h."));
        assert_eq!(packed.collect::<Vec<_>>(), fields);
        let packer = lua_list("local function header_packer(h)", "\nend", "..");
        let packer = packer.iter().flat_map(|part| part.split_whitespace());
        let packer: Vec<&str> = packer.filter_map(|part| part.strip_prefix("h.")).collect();
        let left_out = |name: &&&str| !["submit", "set"].contains(*name);
        assert_eq!(packer, fields.iter().filter(left_out).copied().collect::<Vec<_>>());
    }

    #[test]
    fn flags_are_those_of_the_scripts() {
        let scripts = include_str!("../../lua/_header.lua");
        let all = [
            Flag::Extra,
            Flag::Large,
            Flag::Parent,
            Flag::Cancel,
            Flag::Unqueued,
            Flag::Scheduled,
            Flag::Object,
            Flag::Poison,
        ];
        for flag in all {
            let name = format!("{flag:?}").to_uppercase();
            let line = format!("local FLAG_{name} = {} ", flag as u64);
            assert!(scripts.contains(&line), "{line}");
        }
        assert_eq!(scripts.matches("local FLAG_").count(), all.len());
    }
}
