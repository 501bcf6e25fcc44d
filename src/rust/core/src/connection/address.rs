//! Where a connection leads, for those who want to connect by other means.

/// The address of a server, with what is needed to log in.
#[derive(Debug, Clone)]
pub struct ServerAddress {
    /// The beginning of the URL, such as `redis` or `rediss+cluster`.
    pub scheme: String,
    /// Its host, unless reached through a socket file.
    pub host: Option<String>,
    /// Its port, unless reached through a socket file.
    pub port: Option<u16>,
    /// Its socket file.
    pub path: Option<String>,
    /// The number of the database.
    pub db: i64,
    /// The password.
    pub password: Option<String>,
}
