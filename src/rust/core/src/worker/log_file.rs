//! Log files that do not grow without bound. When one exceeds its limit, a part in the middle is
//! replaced by a line that says how much: the beginning says how it started, the end what happened
//! last.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::private;
use crate::worker::side_thread::SideThread;

/// At most this many bytes are in a file for long.
const LIMIT: u64 = 64 << 20;
/// How much of the beginning is kept.
const HEAD: u64 = 64 << 10;
/// How much of the end is kept.
const TAIL: u64 = 1 << 20;

/// An open log file.
pub struct LogFile {
    file: File,
    limit: u64,
    omitted: u64,
    /// The size of the line that says so.
    note: u64,
}

impl LogFile {
    /// The file at `path`, which is created if necessary.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = private::open().read(true).append(true).create(true).open(path)?;
        Ok(LogFile { file, limit: LIMIT, omitted: 0, note: 0 })
    }

    /// Append to it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.trim()
    }

    /// Shorten it if it is too long. Others may append meanwhile; at worst, what they write between
    /// the two steps is lost.
    fn trim(&mut self) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        if size <= self.limit {
            return Ok(());
        }
        self.omitted += size - HEAD - self.note - TAIL;
        let mut kept = format!("\n[... {} bytes omitted ...]\n", self.omitted).into_bytes();
        self.note = kept.len() as u64;
        self.file.seek(SeekFrom::Start(size - TAIL))?;
        (&self.file).take(TAIL).read_to_end(&mut kept)?;
        self.file.set_len(HEAD)?;
        self.file.write_all(&kept)
    }
}

/// Start a thread that bounds the file to which this process prints.
pub fn bound_output(path: &Path) -> Option<SideThread> {
    append_output().ok()?;
    let mut file = LogFile::open(path).ok()?;
    Some(SideThread::start(move || drop(file.trim())))
}

/// Make this process append, or it would continue at its old offset in a shortened file and leave a
/// hole before it. stdout and stderr are one open file.
#[cfg(unix)]
fn append_output() -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let output = rustix::stdio::stdout();
    Ok(fcntl_setfl(output, fcntl_getfl(output)? | OFlags::APPEND)?)
}

#[cfg(not(unix))]
fn append_output() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_of_a_long_file_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile { limit: 2 * TAIL, ..LogFile::open(&path).unwrap() };
        let lines = 400_000;
        for i in 0..lines {
            log.write(format!("{i:07}\n").as_bytes()).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() as u64 <= 2 * TAIL, "{}", text.len());
        assert!(text.starts_with("0000000\n0000001\n"));
        assert!(text.ends_with(&format!("{:07}\n{:07}\n", lines - 2, lines - 1)));
        let omitted = text.lines().find_map(|line| line.strip_prefix("[... ")).unwrap();
        let (omitted, _) = omitted.split_once(' ').unwrap();
        let notes = text.len() - text.lines().filter(|line| line.len() == 7).count() * 8;
        assert_eq!(omitted.parse::<usize>().unwrap() + text.len() - notes, lines * 8);
    }
}
