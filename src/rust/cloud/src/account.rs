//! Which service a URL means, and the connection to it.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreScheme, Result, RetryConfig};
use url::Url;

/// How to use a service, apart from what the environment says.
pub struct Settings {
    /// Settings of the service, such as `endpoint`.
    pub options: Vec<(String, String)>,
    /// How long a request is repeated that fails.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { options: Vec::new(), patience: Duration::from_secs(10) }
    }
}

/// The builder of a service with its settings; those it does not know are ignored.
macro_rules! builder {
    ($builder:ty, $url:expr, $settings:expr) => {{
        let builder = <$builder>::from_env().with_url($url).with_retry(retries($settings.patience));
        let options = $settings.options.iter();
        Box::new(options.fold(builder, |builder, (key, value)| match key.parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        }))
    }};
}

enum Service {
    Amazon(Box<AmazonS3Builder>),
    Google(Box<GoogleCloudStorageBuilder>),
    Azure(Box<MicrosoftAzureBuilder>),
}

/// A bucket as this process may use it.
pub struct Account {
    service: Service,
    /// How long a request is repeated that fails.
    pub patience: Duration,
    /// The connection, and the process that has opened it.
    current: Mutex<Option<(u32, Arc<dyn ObjectStore>)>>,
}

impl Account {
    /// The service that a URL means, and the folder in the bucket. The error is a text.
    pub fn find(url: &str, settings: &Settings) -> std::result::Result<(Self, Path), String> {
        const KNOWN: &str = "it must be a directory or a URL such as `s3://bucket/folder`, \
            `gs://bucket/folder` or `az://container/folder`";
        let parsed = Url::parse(url).map_err(|error| format!("{error}; {KNOWN}"))?;
        let found = ObjectStoreScheme::parse(&parsed);
        let (scheme, folder) = found.map_err(|_| KNOWN.to_owned())?;
        let service = match scheme {
            ObjectStoreScheme::AmazonS3 => {
                Service::Amazon(builder!(AmazonS3Builder, url, settings))
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                Service::Google(builder!(GoogleCloudStorageBuilder, url, settings))
            }
            ObjectStoreScheme::MicrosoftAzure => {
                Service::Azure(builder!(MicrosoftAzureBuilder, url, settings))
            }
            _ => return Err(KNOWN.to_owned()),
        };
        let account = Account { service, patience: settings.patience, current: Mutex::new(None) };
        account.connection().map_err(|error| error.to_string())?;
        Ok((account, folder))
    }

    /// The connection of this process. A forked child must not use those of its parent.
    pub fn connection(&self) -> Result<Arc<dyn ObjectStore>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if let Some((owner, connection)) = &*current {
            if *owner == process {
                return Ok(connection.clone());
            }
        }
        let connection = self.connect()?;
        // Dropping the parent's would close its connections.
        mem::forget(current.replace((process, connection.clone())));
        Ok(connection)
    }

    fn connect(&self) -> Result<Arc<dyn ObjectStore>> {
        // Another crate may have chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(match &self.service {
            // Not all compatible services can delete several files at once.
            Service::Amazon(builder) => {
                Arc::new(builder.as_ref().clone().with_disable_bulk_delete(true).build()?)
            }
            Service::Google(builder) => Arc::new(builder.as_ref().clone().build()?),
            Service::Azure(builder) => Arc::new(builder.as_ref().clone().build()?),
        })
    }
}

fn retries(patience: Duration) -> RetryConfig {
    let (init_backoff, max_backoff) = (Duration::from_millis(100), Duration::from_secs(2));
    let backoff = BackoffConfig { init_backoff, max_backoff, base: 2.0 };
    RetryConfig { backoff, max_retries: 20, retry_timeout: patience }
}
