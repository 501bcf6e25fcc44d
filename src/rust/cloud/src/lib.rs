//! Buckets of S3 and compatible services, of Google Cloud Storage and of Azure as places for large
//! values. The engine knows nothing of this crate: an installation that has it registers it when R
//! loads the package. Credentials and addresses come from environment variables, as the crate
//! `object_store` reads them.
//!
//! Requests run on a thread of their own; the thread that needs an answer waits for it, and heeds
//! interrupts.

mod account;
mod bucket;
mod draft;
#[cfg(feature = "package")]
mod package;
mod read;
mod request;

pub use account::Settings;
pub use bucket::{Bucket, open};
