//! The first requests on a new link: logging in, and asking the server what it is.

use redis::{Cmd, ConnectionLike, RedisConnectionInfo, RedisResult, Value, cmd, from_redis_value};

use super::link::Link;

/// The oldest version that has all the commands used here.
const OLDEST: (u32, u32) = (6, 2);

/// A server's description of itself.
#[derive(Debug, Default)]
pub(super) struct ServerInfo {
    /// As it is, for messages.
    version: String,
    is_sentinel: bool,
    /// The address of its primary, if it is a replica.
    primary: Option<String>,
}

impl ServerInfo {
    fn parse(info: &str) -> Self {
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let primary = || Some(format!("{}:{}", field("master_host")?, field("master_port")?));
        // Valkey has renamed it.
        let mode = field("redis_mode").or_else(|| field("server_mode"));
        ServerInfo {
            version: field("redis_version").unwrap_or_default().to_owned(),
            is_sentinel: mode == Some("sentinel"),
            primary: (field("role") == Some("slave")).then(primary).flatten(),
        }
    }

    fn major_minor(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    }

    /// Whether scripts may begin with `#!lua`.
    pub(super) fn knows_shebang(&self) -> bool {
        self.major_minor().is_some_and(|version| version >= (7, 0))
    }

    pub(super) fn is_replica(&self) -> bool {
        self.primary.is_some()
    }

    /// Why the server cannot hold a queue, and what to do. One that was found may be a replica by now.
    pub(super) fn problem(&self, must_be_primary: bool) -> Option<String> {
        let version = &self.version;
        if self.is_sentinel {
            return Some("is a Sentinel; connect to the server that it monitors".into());
        }
        if self.major_minor().is_some_and(|version| version < OLDEST) {
            let (major, minor) = OLDEST;
            let needs = format!("rrq needs Redis {major}.{minor} or later, or Valkey");
            return Some(format!("is Redis {version}; {needs}"));
        }
        let primary = self.primary.as_ref().filter(|_| must_be_primary)?;
        Some(format!("is a replica, which rejects writes; connect to its primary, {primary}"))
    }
}

/// Log in, choose the database and ask what the server is, in one round trip.
pub(super) fn log_in(link: &mut Link, settings: &RedisConnectionInfo) -> RedisResult<ServerInfo> {
    let mut requests = Vec::new();
    if let Some(password) = settings.password() {
        let mut auth = cmd("AUTH");
        auth.arg(settings.username()).arg(password);
        requests.push(auth);
    }
    if settings.db() != 0 {
        let mut select = cmd("SELECT");
        select.arg(settings.db());
        requests.push(select);
    }
    // For the server's list of clients. Users may lack the right to it.
    let mut name = cmd("CLIENT");
    name.arg("SETNAME").arg(format!("rrq-{}", std::process::id()));
    let n_required = requests.len();
    requests.push(name);
    requests.extend(["server", "replication"].map(|section| {
        let mut info = cmd("INFO");
        info.arg(section);
        info
    }));
    let packed: Vec<u8> = requests.iter().flat_map(Cmd::get_packed_command).collect();
    let replies = link.req_packed_commands(&packed, 0, requests.len())?;
    let mut info = String::new();
    for (i, reply) in replies.into_iter().enumerate() {
        match reply {
            Value::ServerError(_) if i == n_required => {}
            Value::ServerError(error) => return Err(error.into()),
            Value::BulkString(_) => info.push_str(&from_redis_value::<String>(reply)?),
            _ => {}
        }
    }
    Ok(ServerInfo::parse(&info))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(info: &str) -> Option<String> {
        ServerInfo::parse(info).problem(true)
    }

    #[test]
    fn servers_that_cannot_hold_a_queue_are_told_from_others() {
        assert_eq!(problem("# Server\r\nredis_version:6.2.0\r\nredis_mode:standalone\r\n"), None);
        assert_eq!(problem("redis_version:7.2.4\r\nserver_name:valkey\r\nrole:master\r\n"), None);
        assert_eq!(problem("redis_version:10.0.0\r\n"), None);
        assert_eq!(problem("something_else:1\r\n"), None);
        for mode in ["redis_mode", "server_mode"] {
            let sentinel = format!("redis_version:7.2.4\r\n{mode}:sentinel\r\n");
            assert!(problem(&sentinel).unwrap().contains("Sentinel"));
        }
        let old = problem("redis_version:6.0.16\r\n").unwrap();
        assert!(old.contains("6.0.16") && old.contains("6.2"), "{old}");
        let replica = "redis_version:7.0.0\r\nrole:slave\r\nmaster_host:h\r\nmaster_port:12\r\n";
        assert!(problem(replica).unwrap().ends_with("h:12"));
    }

    #[test]
    fn only_servers_from_version_7_get_the_first_line_of_scripts() {
        let knows = |info: &str| ServerInfo::parse(info).knows_shebang();
        assert!(knows("# Server\r\nredis_version:7.0.15\r\n"));
        assert!(!knows("# Server\r\nredis_version:6.2.0\r\n"));
        assert!(!knows(""));
    }
}
