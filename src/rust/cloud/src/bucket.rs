//! A folder of a bucket as a place for large values.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use rrq_core::connection::Stop;
use rrq_core::store::{Draft, Entry, Offload};
use rrq_core::{Error, Result};
use tokio::time::sleep;

use crate::account::{Account, Settings};
use crate::draft::Upload;
use crate::read::Download;
use crate::request::{Failure, ask, reason};

/// The place at a URL; `check` asks the service whether it can be used. Waits end on `stop`.
pub fn open(url: &str, check: bool, stop: Stop) -> Result<Arc<dyn Offload>> {
    let bucket = Bucket::open(url, &Settings::default(), stop)?;
    if check {
        bucket.check()?;
    }
    Ok(Arc::new(bucket))
}

/// A folder of a bucket.
pub struct Bucket {
    url: String,
    folder: Path,
    account: Account,
    stop: Stop,
}

impl Bucket {
    /// The place at a URL. This makes no request.
    pub fn open(url: &str, settings: &Settings, stop: Stop) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let refused = |reason: String| Error::OffloadPath { path: url.clone(), reason };
        let (account, folder) = Account::find(&url, settings).map_err(refused)?;
        Ok(Bucket { url, folder, account, stop })
    }

    /// Whether its files can be listed, which needs a bucket and permission.
    pub fn check(&self) -> Result<()> {
        let refused = |reason: String| Error::OffloadPath { path: self.url.clone(), reason };
        let connection = self.account.connection().map_err(|error| refused(error.to_string()))?;
        let folder = self.folder.clone();
        let first = async move { connection.list(Some(&folder)).next().await.transpose() };
        match ask(first, &self.stop) {
            Ok(_) => Ok(()),
            Err(Failure::Interrupted) => Err(Error::Interrupted),
            Err(Failure::Failed(error)) => Err(refused(error.to_string())),
        }
    }

    fn failed(&self, action: &'static str, name: &str) -> impl FnOnce(Failure) -> Error {
        failed(action, name, &self.url)
    }

    /// What is needed for a request about a file.
    fn at(&self, name: &str) -> std::result::Result<(Arc<dyn ObjectStore>, Path), Failure> {
        let connection = self.account.connection();
        let connection = connection.map_err(|error| Failure::Failed(reason(&error)))?;
        let path = Path::parse(format!("{}/{name}", self.folder));
        let path = path.map_err(|error| Failure::Failed(io::Error::other(error)))?;
        Ok((connection, path))
    }
}

/// The error of a request about a file.
pub fn failed(action: &'static str, name: &str, url: &str) -> impl FnOnce(Failure) -> Error {
    let (file, path) = (name.to_owned(), url.to_owned());
    move |failure| match failure {
        Failure::Interrupted => Error::Interrupted,
        Failure::Failed(source) => Error::Offload { action, file, path, source },
    }
}

/// Delete a file. `object_store` does not repeat a deletion that the service may have received. Here
/// that is safe, because a name is never used again.
async fn delete(
    connection: Arc<dyn ObjectStore>,
    path: Path,
    patience: Duration,
) -> object_store::Result<()> {
    use object_store::Error::{Generic, NotFound};
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(100));
    loop {
        match connection.delete(&path).await {
            Err(Generic { .. }) if begun.elapsed() < patience => sleep(pause).await,
            Err(NotFound { .. }) => return Ok(()),
            other => return other,
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

impl Offload for Bucket {
    fn path(&self) -> &str {
        &self.url
    }

    fn create(&self, name: &str) -> Result<Box<dyn Draft>> {
        let (connection, path) = self.at(name).map_err(self.failed("write", name))?;
        let (name, url) = (name.to_owned(), self.url.clone());
        Ok(Box::new(Upload::new(connection, path, self.stop.clone(), name, url)))
    }

    fn open(&self, name: &str, size: u64) -> Result<Box<dyn Read>> {
        let open = || {
            let (connection, path) = self.at(name)?;
            Download::open(connection, path, size, self.stop.clone())
        };
        Ok(Box::new(open().map_err(self.failed("read", name))?))
    }

    fn delete(&self, name: &str) -> Result<()> {
        let delete = || {
            let (connection, path) = self.at(name)?;
            ask(delete(connection, path, self.account.patience), &self.stop)
        };
        delete().map_err(self.failed("delete", name))
    }

    fn list(&self, owner: &str) -> Result<Vec<Entry>> {
        let list = || {
            let (connection, path) = self.at(owner)?;
            ask(async move { connection.list_with_delimiter(Some(&path)).await }, &self.stop)
        };
        let listed = list().map_err(self.failed("list", owner))?;
        let entries = listed.objects.into_iter().filter_map(|found| {
            let name = format!("{owner}/{}", found.location.filename()?);
            Some(Entry { name, bytes: found.size, modified: found.last_modified.into() })
        });
        Ok(entries.collect())
    }

    fn forget(&self, _owner: &str) {
        // A bucket has no directories.
    }
}
