//! A directory as a place for large values, on a local or a network file system. Files are written
//! under another name, flushed and then renamed, so that no process reads a part of one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};
use crate::store::offload::{Entry, Offload};
use crate::value;

/// Files that are not complete have names that begin like this.
const DRAFT: &str = ".part-";

/// A directory.
pub struct Disk {
    path: String,
    root: PathBuf,
}

impl Disk {
    /// The directory at `path`.
    pub fn open(path: &str, create: bool) -> Result<Self> {
        let refused = |reason: String| Error::OffloadPath { path: path.to_owned(), reason };
        if path.contains("://") {
            return Err(refused("only a directory can be used".to_owned()));
        }
        let root = PathBuf::from(path);
        if create {
            fs::create_dir_all(&root).map_err(|error| refused(error.to_string()))?;
        } else if !root.is_dir() {
            return Err(refused("there is no such directory on this machine".to_owned()));
        }
        // Another working directory must not mean another place.
        let root = root.canonicalize().map_err(|error| refused(error.to_string()))?;
        Ok(Disk { path: root.display().to_string(), root })
    }

    fn failed(&self, action: &'static str, name: &str) -> impl FnOnce(io::Error) -> Error {
        let (file, path) = (name.to_owned(), self.path.clone());
        move |source| Error::Offload { action, file, path, source }
    }

    fn write(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let parent = target.parent().unwrap_or(&self.root);
        // A directory that has vanished is not created again: it may be where nothing is mounted.
        if !self.root.is_dir() {
            return Err(io::Error::new(ErrorKind::NotFound, "the directory no longer exists"));
        }
        fs::create_dir_all(parent)?;
        let draft =
            parent.join(format!("{DRAFT}{}", value::random_id().map_err(io::Error::other)?));
        let written = write_through(&draft, bytes).and_then(|()| fs::rename(&draft, target));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written?;
        sync_directory(parent);
        Ok(())
    }
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
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

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(&self.root.join(name), bytes).map_err(self.failed("write", name))
    }

    fn get(&self, name: &str, size: u64) -> Result<Vec<u8>> {
        let read = || {
            let file = File::open(self.root.join(name))?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            file.take(size + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 == size {
                Ok(bytes)
            } else {
                let reason = format!("it should have {size} bytes");
                Err(io::Error::new(ErrorKind::InvalidData, reason))
            }
        };
        read().map_err(self.failed("read", name))
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
