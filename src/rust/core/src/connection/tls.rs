//! TLS on top of a socket, by the library of the system. Without the feature `tls` there is none: its
//! headers were missing when the package was built.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use redis::{ErrorKind, RedisError};

/// The error of settings, files and certificates. Its detail says what is wrong.
pub(super) fn refusal(detail: String) -> RedisError {
    (ErrorKind::InvalidClientConfig, "no TLS", detail).into()
}

/// A socket for whose user a signal is the same as a time-out: try again.
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
#[derive(Debug)]
pub(super) struct Retried(pub(super) TcpStream);

fn as_unready(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    }
}

impl Read for Retried {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(as_unready)
    }
}

impl Write for Retried {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(as_unready)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "tls")]
mod secured {
    use std::error::Error as _;
    use std::fs;
    use std::io;
    use std::path::Path;
    use std::time::Instant;

    use native_tls::{Certificate, HandshakeError, Identity, TlsConnector, TlsStream};
    use redis::{RedisError, RedisResult};

    use super::super::limits::Limits;
    use super::super::target::TlsSettings;
    use super::{Retried, refusal};

    pub(in super::super) type Secured = TlsStream<Retried>;

    /// Agree on a key with a server that proves to be this host. The socket has the slices of `limits`.
    pub(in super::super) fn secure(
        socket: Retried,
        host: &str,
        settings: &TlsSettings,
        limits: &Limits,
    ) -> RedisResult<Secured> {
        let connector = connector(settings)?;
        let since = Instant::now();
        let mut attempt = connector.connect(host, socket);
        loop {
            let begun = match attempt {
                Ok(stream) => return Ok(stream),
                Err(HandshakeError::Failure(error)) => return Err(explain(&error)),
                Err(HandshakeError::WouldBlock(begun)) => begun,
            };
            if let Some(error) = limits.end(since.elapsed()) {
                return Err(error.into());
            }
            attempt = begun.handshake();
        }
    }

    fn connector(settings: &TlsSettings) -> RedisResult<TlsConnector> {
        let mut builder = TlsConnector::builder();
        if let Some(path) = &settings.ca {
            let wrong = |error: native_tls::Error| unusable(path, &error.to_string());
            let certificates = Certificate::stack_from_pem(&read(path)?).map_err(wrong)?;
            if certificates.is_empty() {
                return Err(unusable(path, "it contains no certificate"));
            }
            builder.disable_built_in_roots(true);
            for certificate in certificates {
                builder.add_root_certificate(certificate);
            }
        }
        if let Some(cert) = &settings.cert {
            let key = settings.key.as_ref().unwrap_or(cert);
            let wrong = |error: native_tls::Error| unusable(key, &error.to_string());
            let identity = Identity::from_pkcs8(&read(cert)?, &read_key(key)?).map_err(wrong)?;
            builder.identity(identity);
        }
        builder.danger_accept_invalid_certs(settings.insecure);
        builder.danger_accept_invalid_hostnames(settings.insecure);
        builder.build().map_err(|error| refusal(error.to_string()))
    }

    fn read(path: &Path) -> RedisResult<Vec<u8>> {
        fs::read(path).map_err(|error| unusable(path, &error.to_string()))
    }

    /// The library wants the key at the beginning.
    fn read_key(path: &Path) -> RedisResult<Vec<u8>> {
        const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let hint = "it must contain a private key in PKCS #8; \
                    convert others by `openssl pkcs8 -topk8 -nocrypt`";
        let start = text.find(BEGIN).ok_or_else(|| unusable(path, hint))?;
        Ok(text.as_bytes()[start..].to_vec())
    }

    fn unusable(path: &Path, reason: &str) -> RedisError {
        refusal(format!("cannot use '{}': {reason}", path.display()))
    }

    /// A link that was lost meanwhile is no verdict on certificates.
    fn explain(error: &native_tls::Error) -> RedisError {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(error) = inner.downcast_ref::<io::Error>() {
                return io::Error::from(error.kind()).into();
            }
            source = inner.source();
        }
        let text = error.to_string();
        match text.contains("unexpected eof") {
            true => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
            false => refusal(describe(&text)),
        }
    }

    fn describe(text: &str) -> String {
        if text.contains("wrong version number") || text.contains("packet length too long") {
            return "the server does not speak TLS; use redis:// in place of rediss://".into();
        }
        if text.contains("certificate required") || text.contains("handshake failure") {
            return format!("the server refuses this client, which may need a certificate: {text}");
        }
        format!("no trust in the server: {text}")
    }
}

#[cfg(feature = "tls")]
pub(super) use secured::{Secured, secure};
