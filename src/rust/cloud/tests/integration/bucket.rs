//! A bucket of the server, and what is in it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rrq_cloud::{Bucket, Settings};
use rrq_core::connection::never;
use rrq_core::store::{Offload, Storage};

/// The port of the S3 server, if there is one.
pub fn port() -> Option<u16> {
    let address = std::env::var("RRQ_TEST_S3").ok()?;
    Some(address.rsplit_once(':').unwrap().1.parse().unwrap())
}

/// A bucket of the server.
pub struct TestBucket {
    pub port: u16,
    pub name: String,
}

impl TestBucket {
    pub fn new() -> Option<Self> {
        static N: AtomicUsize = AtomicUsize::new(0);
        let n = N.fetch_add(1, Ordering::Relaxed);
        let bucket = TestBucket { port: port()?, name: format!("rrq-{}-{n}", std::process::id()) };
        bucket.ask("PUT", "");
        Some(bucket)
    }

    pub fn url(&self) -> String {
        format!("s3://{}/a folder", self.name)
    }

    /// A place in the bucket, by way of this server.
    pub fn open_by(&self, endpoint: &str) -> Arc<dyn Offload> {
        Arc::new(Bucket::open(&self.url(), &settings(endpoint), never()).unwrap())
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn open(&self) -> Arc<dyn Offload> {
        self.open_by(&self.endpoint())
    }

    /// A storage that keeps everything above 1000 bytes in the bucket.
    pub fn storage(&self) -> Storage {
        Storage::with_offload(1000.0, self.open())
    }

    /// How many files there are, those of which only parts exist included.
    pub fn n_files(&self) -> usize {
        let count = |query: &str, tag: &str| self.ask("GET", query).matches(tag).count();
        count("?list-type=2", "<Contents>") + count("?uploads", "<Upload>")
    }

    /// A request to the server, which does not check signatures.
    fn ask(&self, method: &str, query: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let (name, port) = (&self.name, self.port);
        let about =
            "Authorization: AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request";
        let head =
            format!("{method} /{name}{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{about}\r\n");
        let rest = "Content-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
        reply
    }
}

/// How to use this server.
pub fn settings(endpoint: &str) -> Settings {
    let options = [
        ("endpoint", endpoint),
        ("allow_http", "true"),
        ("access_key_id", "id"),
        ("secret_access_key", "secret"),
        ("region", "us-east-1"),
    ];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Settings { options: options.into(), patience: Duration::from_secs(3) }
}
