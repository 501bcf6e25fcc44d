//! The settings of a queue, which are chosen before anybody attaches to it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::Storage;
use crate::task::{Retry, Rules};

/// The settings of a queue. One that is not set is not stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)] // those stored by another version may have fewer fields
pub struct Settings {
    /// When tasks expire.
    pub ttl_s: Option<f64>,
    /// How tasks are retried.
    pub retry: Option<Retry>,
    /// Values above this size in bytes are stored outside the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_max_size: Option<f64>,
    /// Where to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offload_path: Option<String>,
    /// Whether objects are compressed that get smaller by that; they are unless this says no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// Tasks are submitted only while the queue stores less than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<f64>,
}

impl Settings {
    /// The stored form.
    pub fn pack(&self) -> Result<Vec<u8>> {
        rmp_serde::to_vec_named(self)
            .map_err(|error| Error::corrupt("the settings of a queue", error))
    }

    /// Read the stored form.
    pub fn unpack(id: &str, packed: &[u8]) -> Result<Self> {
        rmp_serde::from_slice(packed)
            .map_err(|error| Error::corrupt(format!("the settings of queue '{id}'"), error))
    }

    /// The default rules of tasks.
    pub fn rules(&self) -> Rules {
        Rules { ttl_s: self.ttl_s, retry: self.retry.clone() }
    }

    /// Where a process puts large values unless it was told another place.
    pub fn storage(&self) -> Storage {
        let max_size = self.store_max_size.unwrap_or(f64::INFINITY);
        let mut storage = Storage::new(max_size, self.offload_path.clone());
        storage.compress = self.compress.unwrap_or(true);
        storage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_storage_are_stored_as_by_earlier_versions() {
        let rules = Rules { ttl_s: Some(2.0), retry: None };
        let settings = Settings { ttl_s: Some(2.0), ..Settings::default() };
        assert_eq!(settings.pack().unwrap(), rmp_serde::to_vec_named(&rules).unwrap());
        assert_eq!(settings.rules(), rules);
    }

    #[test]
    fn settings_read_back_as_written() {
        let settings = Settings {
            store_max_size: Some(1000.0),
            offload_path: Some("/data".into()),
            compress: Some(false),
            max_bytes: Some(1e9),
            ..Settings::default()
        };
        assert_eq!(Settings::unpack("x", &settings.pack().unwrap()).unwrap(), settings);
        assert_eq!(settings.storage().path(), Some("/data"));
    }
}
