//! One server per durable directory: a symbolic link in it names the scratch directory of its server.
//! A link appears whole or not at all, also on network file systems, and whether its server lives is
//! asked of the sockets there, so that nothing left behind by a killed session can block the next.

use super::files::SOCKET;
use super::poll::wait_until;
use crate::{Error, Result};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LINK: &str = "rrq-server.lock";
const STARTING: &str = "starting.sock";
/// A server whose session was killed needs a moment to end.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes the directory for the server in `scratch`. Keep what it returns until that server listens:
/// until then it is what shows others that the lock is alive.
pub(super) fn take(data: &Path, scratch: &Path) -> Result<UnixListener> {
    let starting =
        UnixListener::bind(scratch.join(STARTING)).map_err(Error::io("cannot open a socket"))?;
    let mut attempt = Ok(false);
    let decided = wait_until(TAKEOVER_TIMEOUT, || {
        attempt = try_take(data, scratch);
        !matches!(attempt, Ok(false))
    });
    attempt.map_err(Error::io(format!("cannot lock the directory '{}'", data.display())))?;
    if decided { Ok(starting) } else { Err(in_use(data)) }
}

/// Gives the directory back, if it is still ours.
pub(super) fn release(data: &Path, scratch: &Path) {
    let link = data.join(LINK);
    if fs::read_link(&link).is_ok_and(|holder| holder == scratch) {
        let _ = fs::remove_file(link);
    }
}

/// Whether anybody listens on a socket.
pub(super) fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

fn try_take(data: &Path, scratch: &Path) -> io::Result<bool> {
    let link = data.join(LINK);
    match symlink(scratch, &link) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    match fs::read_link(&link) {
        Ok(holder) if !is_alive(&holder) => discard(&link, &holder, scratch),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(false)
}

/// In this order: the first socket goes only after the second has come.
fn is_alive(holder: &Path) -> bool {
    [STARTING, SOCKET].iter().any(|name| answers(&holder.join(name)))
}

/// Removing the link by name could hit the new link of somebody who discarded the old one first;
/// so it is moved aside, looked at, and given back if it is not the stale one.
fn discard(link: &Path, stale: &Path, scratch: &Path) {
    let mut aside = PathBuf::from(link).into_os_string();
    aside.push(scratch.file_name().unwrap_or_default());
    let moved = fs::rename(link, &aside).and_then(|()| fs::read_link(&aside));
    let _ = fs::remove_file(&aside);
    if let Ok(holder) = moved {
        if holder != stale {
            let _ = symlink(holder, link);
        }
    }
}

fn in_use(data: &Path) -> Error {
    let data = data.display();
    let reason = format!(
        "another private server uses the directory '{data}'; stop it or choose another directory"
    );
    Error::ServerStart { reason }
}
