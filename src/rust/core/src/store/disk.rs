//! A directory as a place for large values, on a local or a network file system. Files are written
//! under another name, flushed and then renamed, so that no process reads a part of one.
//!
//! Files and directories that are created here belong to their owner alone, whatever the umask. Only
//! in a directory made for a group and nobody else (`chmod 770`) can that group use them.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::private;
use crate::store::offload::{Draft, Entry, Offload};
use crate::value;

/// Files that are not complete have names that begin like this.
const DRAFT: &str = ".part-";

/// What the user can do who gives a URL.
const NO_CLOUD: &str = "this installation of rrq cannot use cloud storage. To add it, install rrq from a clone: \
    `RRQ_FEATURES=cloud R CMD INSTALL .`";

/// A directory.
pub struct Disk {
    path: String,
    root: PathBuf,
    is_for_group: bool,
}

impl Disk {
    /// The directory at `path`.
    pub fn open(path: &str, create: bool) -> Result<Self> {
        let refused = |reason: String| Error::OffloadPath { path: path.to_owned(), reason };
        if path.contains("://") {
            return Err(refused(NO_CLOUD.to_owned()));
        }
        let root = PathBuf::from(path);
        if create {
            private::create_dir_all(&root).map_err(|error| refused(error.to_string()))?;
        } else if !root.is_dir() {
            return Err(refused("there is no such directory on this machine".to_owned()));
        }
        // Another working directory must not mean another place.
        let root = root.canonicalize().map_err(|error| refused(error.to_string()))?;
        let about = root.metadata().map_err(|error| refused(error.to_string()))?;
        let is_for_group = is_for_group(&about);
        Ok(Disk { path: root.display().to_string(), root, is_for_group })
    }

    fn failed(&self, action: &'static str, name: &str) -> impl FnOnce(io::Error) -> Error {
        let (file, path) = (name.to_owned(), self.path.clone());
        move |source| Error::Offload { action, file, path, source }
    }

    #[cfg(unix)]
    fn open_to_group(&self, path: &Path, mode: u32) -> io::Result<()> {
        if self.is_for_group {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn open_to_group(&self, _: &Path, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn draft(&self, name: &str) -> io::Result<DiskDraft> {
        let target = self.root.join(name);
        let parent = target.parent().unwrap_or(&self.root);
        // A directory that has vanished is not created again: it may be where nothing is mounted.
        if !self.root.is_dir() {
            return Err(io::Error::new(ErrorKind::NotFound, "the directory no longer exists"));
        }
        if !parent.is_dir() {
            private::create_dir_all(parent)?;
            self.open_to_group(parent, 0o770)?;
        }
        let random = value::random_id().map_err(io::Error::other)?;
        // The end of the name tells whose it is.
        let end = name.rsplit_once('-').map_or("", |(_, end)| end);
        let draft = parent.join(format!("{DRAFT}{random}-{end}"));
        let file = Some(private::open().write(true).create_new(true).open(&draft)?);
        self.open_to_group(&draft, 0o660)?;
        let (name, path) = (name.to_owned(), self.path.clone());
        Ok(DiskDraft { file, draft, target, name, path })
    }
}

#[cfg(unix)]
fn is_for_group(about: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 == 0o070
}

#[cfg(not(unix))]
fn is_for_group(_: &Metadata) -> bool {
    false
}

/// A file that is being written.
struct DiskDraft {
    file: Option<File>,
    draft: PathBuf,
    target: PathBuf,
    name: String,
    path: String,
}

impl DiskDraft {
    fn failed(&self, source: io::Error) -> Error {
        let (file, path) = (self.name.clone(), self.path.clone());
        Error::Offload { action: "write", file, path, source }
    }

    fn close(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_all()?;
        }
        self.file = None;
        fs::rename(&self.draft, &self.target)?;
        if let Some(parent) = self.target.parent() {
            sync_directory(parent);
        }
        Ok(())
    }
}

impl Draft for DiskDraft {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes));
        written.map_err(|error| self.failed(error))
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        self.close().map_err(|error| self.failed(error))
    }
}

impl Drop for DiskDraft {
    fn drop(&mut self) {
        // After the rename there is none of that name.
        let _ = fs::remove_file(&self.draft);
    }
}

/// So that the name is on the disk, too. Some file systems cannot do that, and need not.
fn sync_directory(path: &Path) {
    if let Ok(directory) = File::open(path) {
        let _ = directory.sync_all();
    }
}

impl Offload for Disk {
    fn path(&self) -> &str {
        &self.path
    }

    fn create(&self, name: &str) -> Result<Box<dyn Draft>> {
        let draft = self.draft(name).map_err(self.failed("write", name))?;
        Ok(Box::new(draft))
    }

    fn open(&self, name: &str, size: u64) -> Result<Box<dyn Read>> {
        let open = || {
            let file = File::open(self.root.join(name))?;
            if file.metadata()?.len() == size {
                Ok(file)
            } else {
                let reason = format!("it should have {size} bytes");
                Err(io::Error::new(ErrorKind::InvalidData, reason))
            }
        };
        Ok(Box::new(open().map_err(self.failed("read", name))?))
    }

    fn delete(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(self.failed("delete", name)(error))
            }
            _ => Ok(()),
        }
    }

    fn list(&self, owner: &str) -> Result<Vec<Entry>> {
        let read = || -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for item in fs::read_dir(self.root.join(owner))? {
                let item = item?;
                let (file, about) = (item.file_name(), item.metadata()?);
                if let (Some(file), true) = (file.to_str(), about.is_file()) {
                    let name = format!("{owner}/{file}");
                    let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    entries.push(Entry { name, bytes: about.len(), modified });
                }
            }
            Ok(entries)
        };
        match read() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map_err(self.failed("list", owner)),
        }
    }

    fn forget(&self, owner: &str) {
        // It stays if files of others are in it.
        let _ = fs::remove_dir(self.root.join(owner));
    }
}
