//! Writing fetched files: first to a staging directory, then, once all are there, into place.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::value;

/// Reject names that cannot all be files below one directory.
pub fn check(root: &Path, names: &[PathBuf]) -> Result<()> {
    let refused = |name: &Path, reason| {
        let name = name.to_string_lossy().into_owned();
        Err(Error::FileRefused { name, reason })
    };
    let mut seen = HashSet::new();
    for name in names {
        if name.as_os_str().is_empty() || root.join(name).is_dir() {
            return refused(name, "it is a directory");
        }
        if !seen.insert(name.as_path()) {
            return refused(name, "it appears twice");
        }
    }
    for name in names {
        for above in name.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
            if seen.contains(above) || root.join(above).is_file() {
                return refused(name, "its parent is a file");
            }
        }
    }
    Ok(())
}

/// Fetched files before they are moved into place. Files that are not moved are deleted.
pub struct Staged {
    root: PathBuf,
    folder: PathBuf,
    /// Whether the target directory was created for them.
    made_root: bool,
    names: Vec<PathBuf>,
}

impl Staged {
    /// Create the staging directory in the target directory, so that files can be renamed into
    /// place.
    pub fn new(root: &Path) -> Result<Self> {
        let made_root = !root.exists();
        let folder = root.join(format!(".rrq-{}", value::random_id()?));
        fs::create_dir_all(&folder).map_err(Error::file("write", &folder))?;
        Ok(Staged { root: root.to_owned(), folder, made_root, names: Vec::new() })
    }

    /// The file to write the next content to.
    pub fn add(&mut self, name: PathBuf) -> Result<File> {
        let path = self.folder.join(self.names.len().to_string());
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        self.names.push(name);
        file.map_err(Error::file("write", &path))
    }

    /// Move all of them.
    pub fn put_in_place(mut self) -> Result<()> {
        for (at, name) in self.names.iter().enumerate() {
            let (from, to) = (self.folder.join(at.to_string()), self.root.join(name));
            let moved = match to.parent() {
                Some(parent) => fs::create_dir_all(parent),
                None => Ok(()),
            };
            // A subdirectory may be on another file system.
            let moved =
                moved.and_then(|()| fs::rename(&from, &to)).or_else(|error| match error.kind() {
                    std::io::ErrorKind::CrossesDevices => fs::copy(&from, &to).map(|_| ()),
                    _ => Err(error),
                });
            moved.map_err(Error::file("write", &to))?;
        }
        self.made_root = false;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        if self.made_root {
            let _ = fs::remove_dir(&self.root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_put_in_place_leaves_no_trace() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("new");
        let mut staged = Staged::new(&root).unwrap();
        staged.add("a".into()).unwrap();
        drop(staged);
        assert!(!root.exists());
    }

    #[test]
    fn names_that_cannot_all_be_files_are_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        fs::write(root.path().join("file"), "x").unwrap();
        let refused = |names: &[&str]| {
            let names: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            matches!(check(root.path(), &names), Err(Error::FileRefused { .. }))
        };
        for names in [&["folder"][..], &["a", "a"], &["a", "a/b"], &["file/x"], &[""]] {
            assert!(refused(names), "{names:?}");
        }
        assert!(!refused(&["file", "folder/a", "folder/b"]));
    }
}
