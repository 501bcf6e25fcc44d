//! Where a process puts large values.

use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::store::disk::Disk;
use crate::store::offload::Offload;

/// Values of tasks above this size become objects.
const LARGE: usize = 1024 * 1024;

/// Opens the place at a URL; the flag says whether to check that it can be used.
pub type Opener = fn(&str, bool) -> Result<Arc<dyn Offload>>;

static OPENER: OnceLock<Opener> = OnceLock::new();

/// Let URLs be places for large values.
pub fn register(opener: Opener) {
    let _ = OPENER.set(opener);
}

/// The place at a path: a directory, or a URL if an opener is registered. With `create`, a directory is
/// created; otherwise it must exist: where a file system is not mounted, values would go to a place that
/// other machines do not see.
pub fn open(path: &str, create: bool) -> Result<Arc<dyn Offload>> {
    match OPENER.get() {
        Some(opener) if path.contains("://") => opener(path, create),
        _ => Ok(Arc::new(Disk::open(path, create)?)),
    }
}

/// Where a process puts large values.
pub struct Storage {
    /// Values above this size in bytes go outside the server.
    pub max_size: f64,
    /// Whether to compress what gets smaller by that.
    pub compress: bool,
    /// Is in the names of all files that the queue writes: two servers may have queues of the same name
    /// whose files are in the same place.
    pub mark: String,
    path: Option<String>,
    opened: OnceLock<Arc<dyn Offload>>,
}

impl Default for Storage {
    fn default() -> Self {
        Storage::new(f64::INFINITY, None)
    }
}

impl Storage {
    /// Values above `max_size` go to `path`, which is opened when it is first needed.
    pub fn new(max_size: f64, path: Option<String>) -> Self {
        let (mark, opened) = (String::new(), OnceLock::new());
        Storage { max_size, compress: false, mark, path, opened }
    }

    /// Values above `max_size` go to a place that is open already.
    pub fn with_offload(max_size: f64, offload: Arc<dyn Offload>) -> Self {
        let path = Some(offload.path().to_owned());
        Storage { opened: OnceLock::from(offload), ..Storage::new(max_size, path) }
    }

    /// The same with another limit and another place.
    pub fn moved(&self, max_size: f64, path: Option<String>) -> Self {
        let mark = self.mark.clone();
        Storage { compress: self.compress, mark, ..Storage::new(max_size, path) }
    }

    /// The path of the place outside the server, if the process knows of one.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The place outside the server.
    pub fn offload(&self) -> Result<Option<Arc<dyn Offload>>> {
        match (&self.path, self.opened.get()) {
            (None, _) => Ok(None),
            (_, Some(opened)) => Ok(Some(opened.clone())),
            (Some(path), None) => {
                let opened = open(path, false)?;
                Ok(Some(self.opened.get_or_init(|| opened).clone()))
            }
        }
    }

    /// Whether a value of a task is too large to be stored with the task itself.
    pub fn is_object(&self, size: usize) -> bool {
        size > LARGE || self.is_offloaded(size)
    }

    /// How much of a value must be known to decide where it goes.
    pub(super) fn undecided(&self) -> usize {
        if self.max_size.is_finite() { self.max_size as usize } else { LARGE }
    }

    pub(super) fn is_offloaded(&self, size: usize) -> bool {
        size as f64 > self.max_size
    }
}
