//! Where the tasks of a worker print to, and how the recorder waits for their output. On Unix this is
//! a pipe; elsewhere a file, which needs no system calls of its own but is looked at every 0.2 s.

#[cfg(unix)]
pub use pipe::{Watch, Writer, open};

#[cfg(not(unix))]
pub use growing_file::{Watch, Writer, open};

#[cfg(unix)]
mod pipe {
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::OwnedFd;
    use std::process::Stdio;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::{FdFlags, fcntl_setfd};

    use crate::signals::held;

    /// The recorder's end.
    pub struct Writer {
        output: OwnedFd,
        bell: File,
    }

    /// What the recorder's thread waits on.
    pub struct Watch {
        output: OwnedFd,
        bell: OwnedFd,
    }

    /// Where to print to, what to read without blocking, and how to wait for it.
    pub fn open() -> io::Result<(Writer, File, Watch)> {
        let (reader, output) = private_pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let (waker, bell) = private_pipe()?;
        let watch = Watch { output: reader.try_clone()?, bell: waker };
        Ok((Writer { output, bell: File::from(bell) }, File::from(reader), watch))
    }

    /// A pipe that programs started from here do not inherit. macOS cannot create one in a single
    /// step.
    fn private_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
        let (reader, writer) = rustix::pipe::pipe()?;
        fcntl_setfd(&reader, FdFlags::CLOEXEC)?;
        fcntl_setfd(&writer, FdFlags::CLOEXEC)?;
        Ok((reader, writer))
    }

    impl Writer {
        pub fn stdio(&self) -> io::Result<Stdio> {
            Ok(Stdio::from(self.output.try_clone()?))
        }

        pub fn output(&self) -> &OwnedFd {
            &self.output
        }

        /// Wake the thread.
        pub fn ring(&self) {
            let _ = held(|| (&self.bell).write_all(b"!"));
        }
    }

    impl Watch {
        /// Wait until there is output, the bell rings, or the time is over. Returns whether the
        /// recorder is still there: dropping it closes the writing end of the bell.
        pub fn wait(&self, left: Option<Duration>) -> bool {
            let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
            let mut sources =
                [PollFd::new(&self.output, PollFlags::IN), PollFd::new(&self.bell, PollFlags::IN)];
            let _ = poll(&mut sources, left.as_ref());
            let rung = sources[1].revents();
            if rung.contains(PollFlags::IN) {
                let _ = rustix::io::read(&self.bell, &mut [0; 64]);
            }
            rung.is_empty() || rung.contains(PollFlags::IN)
        }
    }
}

#[cfg(any(not(unix), test))]
mod growing_file {
    use std::fs::File;
    use std::io;
    use std::process::Stdio;
    use std::time::Duration;

    use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
    use tempfile::{NamedTempFile, TempPath};

    const LOOK: Duration = Duration::from_millis(200);

    /// The recorder's end.
    pub struct Writer {
        output: File,
        bell: Sender<()>,
        _path: TempPath,
    }

    /// What the recorder's thread waits on.
    pub struct Watch {
        bell: Receiver<()>,
    }

    /// Where to print to, what to read without blocking, and how to wait for it.
    pub fn open() -> io::Result<(Writer, File, Watch)> {
        let (reader, path) = NamedTempFile::with_prefix("rrq-")?.into_parts();
        let output = File::options().append(true).open(&path)?;
        let (bell, rung) = bounded(1);
        Ok((Writer { output, bell, _path: path }, reader, Watch { bell: rung }))
    }

    impl Writer {
        pub fn stdio(&self) -> io::Result<Stdio> {
            Ok(Stdio::from(self.output.try_clone()?))
        }

        /// Wake the thread.
        pub fn ring(&self) {
            let _ = self.bell.try_send(());
        }
    }

    impl Watch {
        /// Wait until it is time to look, or the bell rings. Returns whether the recorder is still
        /// there.
        pub fn wait(&self, left: Option<Duration>) -> bool {
            let woken = self.bell.recv_timeout(left.unwrap_or(LOOK).min(LOOK));
            woken != Err(RecvTimeoutError::Disconnected)
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read;
    use std::process::Command;
    use std::time::Duration;

    use super::growing_file::open;

    #[test]
    fn what_is_printed_to_a_file_can_be_read_until_the_recorder_goes() {
        let (writer, mut reader, watch) = open().unwrap();
        let mut read = String::new();
        for text in ["one", "two"] {
            let mut echo = Command::new("echo");
            assert!(echo.arg(text).stdout(writer.stdio().unwrap()).status().unwrap().success());
            writer.ring();
            assert!(watch.wait(None));
            reader.read_to_string(&mut read).unwrap();
        }
        assert_eq!(read, "one\ntwo\n");
        assert!(watch.wait(Some(Duration::ZERO)));
        drop(writer);
        assert!(!watch.wait(None));
    }
}
