//! Checking names of files, and listing the files of directories.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// A file to be stored.
pub struct Found {
    /// Its name, relative to the directory.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

fn refused(name: &str, reason: &'static str) -> Error {
    Error::FileRefused { name: name.to_owned(), reason }
}

/// The name as a relative path without `..`. Links are checked by `inside`.
pub fn relative(name: &str) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err(refused(name, "it is outside the directory")),
            Component::RootDir | Component::Prefix(_) => {
                return Err(refused(name, "it is an absolute path"));
            }
        }
    }
    if name.contains('\0') {
        return Err(refused(name, "it contains a zero byte"));
    }
    Ok(path)
}

/// Reject paths that leave the directory through a symbolic link. Every existing component of the
/// path is checked.
pub fn inside(root: &Path, path: &Path, name: &str) -> Result<()> {
    let Ok(home) = root.canonicalize() else {
        return Ok(());
    };
    let mut at = home.clone();
    for part in path.components() {
        at.push(part);
        let Ok(metadata) = at.symlink_metadata() else {
            return Ok(());
        };
        if metadata.is_symlink() {
            // A write would follow a dangling link.
            match at.canonicalize() {
                Ok(target) if target.starts_with(&home) => at = target,
                _ => return Err(refused(name, "a symbolic link points outside the directory")),
            }
        }
    }
    Ok(())
}

/// The files that the names stand for, each once, in the order given; those of a directory are
/// sorted.
pub fn walk(root: &Path, names: &[String]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for name in names {
        let path = relative(name)?;
        inside(root, &path, name)?;
        add(root, &path, name, &mut found)?;
    }
    let mut seen = HashSet::new();
    found.retain(|file| seen.insert(file.name.clone()));
    Ok(found)
}

fn add(root: &Path, path: &Path, name: &str, found: &mut Vec<Found>) -> Result<()> {
    let full = root.join(path);
    let metadata = full.metadata().map_err(Error::file("read", &full))?;
    if metadata.is_file() {
        found.push(Found { name: name_of(path)?, size: metadata.len() });
        return Ok(());
    }
    if !metadata.is_dir() {
        return Err(refused(name, "it is neither a file nor a directory"));
    }
    for entry in entries(&full).map_err(Error::file("read", &full))? {
        let path = path.join(entry);
        let name = name_of(&path)?;
        inside(root, &path, &name)?;
        let link = root.join(&path);
        if link.is_symlink() && link.is_dir() {
            // It could point to a parent directory: an endless recursion.
            return Err(refused(&name, "it is a symbolic link to a directory"));
        }
        add(root, &path, &name, found)?;
    }
    Ok(())
}

fn entries(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let names = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Names are UTF-8, with slashes on any system.
fn name_of(path: &Path) -> Result<String> {
    let parts = path.components().map(|part| part.as_os_str().to_str()).collect::<Option<Vec<_>>>();
    let lossy = || path.to_string_lossy().into_owned();
    parts.map(|parts| parts.join("/")).ok_or_else(|| refused(&lossy(), "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused<T>(outcome: &Result<T>) -> bool {
        matches!(outcome, Err(Error::FileRefused { .. }))
    }

    #[test]
    fn a_name_that_leaves_the_directory_is_refused() {
        for name in ["/etc/passwd", "..", "../a", "a/../../b", "a/../b", "a/..", "/", "a\0b"] {
            assert!(is_refused(&relative(name)), "{name}");
        }
        assert_eq!(relative("./a//b/").unwrap(), Path::new("a/b"));
        assert_eq!(relative("..a/b..").unwrap(), Path::new("..a/b.."));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_out_is_refused_wherever_it_stands() {
        let (root, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(out.path().join("secret"), "x").unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        fs::write(root.path().join("in/file"), "x").unwrap();
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, root.path().join(name)).unwrap();
        };
        link(out.path(), "folder");
        link(&out.path().join("secret"), "in/link");
        link(Path::new("/nowhere/at/all"), "dangling");
        link(&root.path().join("in/file"), "fine");
        for name in ["folder/secret", "folder/new", "folder", "in/link", "in", "dangling"] {
            assert!(is_refused(&walk(root.path(), &[name.to_owned()])), "{name}");
        }
        let fine = walk(root.path(), &["fine".to_owned()]).unwrap();
        assert_eq!(fine[0].name, "fine");
    }
}
