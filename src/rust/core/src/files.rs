//! Transferring files through the server: they are stored in chunks under the md5 sum of their
//! content and expire some time after they were last used. Both ends reject names that lead out of
//! the directory.

mod place;
mod walk;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::connection::Stop;
use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::scripts::{Call, FILE_CHUNK, FILE_KEEP, FILE_USE};
use crate::value;

use place::Staged;
use walk::{inside, relative, walk};

/// The server takes no string above 512 MB. Chunks are smaller, so that each request is short.
const CHUNK: usize = 8 * 1024 * 1024;
/// How long files are kept after they were last stored or fetched.
const LIFETIME_MS: u64 = 24 * 3600 * 1000;

/// A file in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its name, relative to the directory it comes from and is written to.
    pub name: String,
    /// The md5 sum of its content.
    pub md5: String,
}

/// Reject names that lead out of the directory they are used in.
pub fn check_names(names: &[String]) -> Result<()> {
    names.iter().try_for_each(|name| relative(name).map(|_| ()))
}

/// Store files of the directory `root`; a directory stands for all files below it. Nothing is
/// stored unless all names are valid and the total size is at most `limit` bytes.
pub fn store(
    queue: &mut Queue,
    root: &Path,
    names: &[String],
    limit: u64,
    stop: &Stop,
) -> Result<Vec<Packed>> {
    let found = walk(root, names)?;
    let bytes = found.iter().map(|file| file.size).sum();
    if bytes > limit {
        return Err(Error::FilesLarge { bytes, limit });
    }
    let mut sums = Vec::with_capacity(found.len());
    for file in found {
        let path = root.join(&file.name);
        let md5 = content_sum(&path, stop)?;
        if chunks_if_stored(queue, &md5)?.is_none() {
            upload(queue, &path, &md5, stop)?;
        }
        sums.push(Packed { name: file.name, md5 });
    }
    Ok(sums)
}

/// Write stored files into the directory `root`, which is created if necessary. All files are
/// fetched and verified before the first is moved into place.
pub fn fetch(queue: &mut Queue, root: &Path, files: &[Packed], stop: &Stop) -> Result<()> {
    let mut names = Vec::with_capacity(files.len());
    for file in files {
        let name = relative(&file.name)?;
        inside(root, &name, &file.name)?;
        names.push(name);
    }
    place::check(root, &names)?;
    let mut lost = Vec::new();
    let mut stored = Vec::with_capacity(files.len());
    for file in files {
        match chunks_if_stored(queue, &file.md5)? {
            Some(chunks) => stored.push(chunks),
            None => lost.push(file.name.clone()),
        }
    }
    if !lost.is_empty() {
        return Err(Error::FilesMissing { names: lost });
    }
    let mut staged = Staged::new(root)?;
    for ((file, name), chunks) in files.iter().zip(names).zip(stored) {
        let mut into = staged.add(name)?;
        download(queue, file, chunks, &mut into, stop)?;
    }
    staged.put_in_place()
}

/// The number of chunks of a stored content; `None` if it is not stored. This counts as a use.
fn chunks_if_stored(queue: &mut Queue, md5: &str) -> Result<Option<u64>> {
    let keys = vec![queue.keys.config(), queue.keys.files(), queue.keys.file(md5)];
    let call = Call::new(&FILE_USE, keys).arg(md5).arg(LIFETIME_MS);
    Ok(u64::try_from(value::integer(queue.connection.call(&call)?)?).ok())
}

/// Store a content, under a random name until all of it is there and its sum is `md5`.
fn upload(queue: &mut Queue, path: &Path, md5: &str, stop: &Stop) -> Result<()> {
    let draft = value::random_id()?;
    let (config, index) = (queue.keys.config(), queue.keys.files());
    let key = queue.keys.file(&draft);
    let mut chunks: u64 = 0;
    let sum = each_chunk(path, stop, |chunk| {
        let keys = vec![config.clone(), index.clone(), key.clone()];
        let call = Call::new(&FILE_CHUNK, keys).arg(&draft).arg(chunks).arg(chunk).arg(LIFETIME_MS);
        chunks += 1;
        match value::integer(queue.connection.call(&call)?)? {
            1 => Ok(()),
            _ => Err(queue.missing()),
        }
    })?;
    let keys = vec![config, index, key, queue.keys.file(md5)];
    let keep = sum == md5;
    let call = Call::new(&FILE_KEEP, keys)
        .arg(&draft)
        .arg(if keep { md5 } else { "" })
        .arg(chunks)
        .arg(LIFETIME_MS);
    let kept = value::integer(queue.connection.call(&call)?)? == 1;
    match (keep, kept) {
        (true, true) => Ok(()),
        (true, false) => Err(queue.missing()),
        (false, _) => {
            Err(Error::file("read", path)(io::Error::other("it changed while it was read")))
        }
    }
}

fn download(
    queue: &mut Queue,
    file: &Packed,
    chunks: u64,
    into: &mut dyn io::Write,
    stop: &Stop,
) -> Result<()> {
    let key = queue.keys.file(&file.md5);
    let mut sum = md5::Context::new();
    for chunk in 0..chunks {
        if stop() {
            return Err(Error::Interrupted);
        }
        let bytes = queue.connection.hash_get(key.clone(), &chunk.to_string())?;
        let bytes = bytes.ok_or_else(|| Error::FilesMissing { names: vec![file.name.clone()] })?;
        sum.consume(&bytes);
        into.write_all(&bytes).map_err(Error::file("write", Path::new(&file.name)))?;
    }
    if format!("{:x}", sum.finalize()) != file.md5 {
        let what = format!("stored file '{}'", file.name);
        return Err(Error::corrupt(what, "its content does not match its md5 sum"));
    }
    Ok(())
}

fn content_sum(path: &Path, stop: &Stop) -> Result<String> {
    each_chunk(path, stop, |_| Ok(()))
}

/// Read a file chunk by chunk; returns its md5 sum.
fn each_chunk(
    path: &Path,
    stop: &Stop,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<String> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut sum = md5::Context::new();
    let mut chunk = Vec::new();
    loop {
        if stop() {
            return Err(Error::Interrupted);
        }
        chunk.clear();
        let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk);
        if read.map_err(Error::file("read", path))? == 0 {
            return Ok(format!("{:x}", sum.finalize()));
        }
        sum.consume(&chunk);
        take(&chunk)?;
    }
}

/// The names of the contents that may be stored.
pub(crate) fn stored(queue: &mut Queue) -> Result<HashSet<String>> {
    let mut command = redis::cmd("ZRANGE");
    command.arg(queue.keys.files()).arg(0).arg(-1);
    Ok(value::texts(queue.connection.command(&command)?)?.into_iter().collect())
}
