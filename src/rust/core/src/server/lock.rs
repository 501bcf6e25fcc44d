//! One server per durable directory: a symbolic link in it names the scratch directory of its
//! server. Creating a link is atomic, also on network file systems. Whether its server is alive is
//! checked through the sockets there, so a link left behind by a killed session does not block the
//! next one.

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
/// A server whose session was killed takes a moment to end.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Locks the directory for the server in `scratch`. Keep the returned listener until that server
/// listens: it shows other processes that the lock is held.
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

/// Releases the lock, if this server holds it.
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

/// In this order: the first socket is closed only after the second is open.
fn is_alive(holder: &Path) -> bool {
    [STARTING, SOCKET].iter().any(|name| answers(&holder.join(name)))
}

/// Removing the link by name could hit a new link, if another process has replaced the stale one
/// first. So it is renamed, checked, and restored if it is not the stale one.
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
        "another private server uses the directory '{data}'; stop it, or choose another directory"
    );
    Error::ServerStart { reason }
}
