//! What a URL names: one server, the nodes of a cluster, or the Sentinels that know the server.

use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use url::form_urlencoded;

use super::place::Place;
use crate::error::{Error, Result};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// How to reach a server, and what to say there.
#[derive(Clone)]
pub(super) struct Target {
    /// The URL, credentials included.
    pub(super) url: String,
    /// What the places are.
    pub(super) kind: Kind,
    /// Where to begin, at least one.
    pub(super) seeds: Vec<Place>,
    /// User, password and database.
    pub(super) login: RedisConnectionInfo,
    /// Settings of TLS, if it is to be used.
    pub(super) tls: Option<TlsSettings>,
}

/// What stands at the places that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The server.
    Server,
    /// Nodes of a cluster.
    Cluster,
    /// Sentinels, which know where the server of this name is.
    Sentinel { service: String, user: Option<String>, password: Option<String> },
}

/// Whom to trust, and who to be. What is not set here may be set in the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TlsSettings {
    /// A file with certificates of authorities to trust, besides those of the system.
    pub(super) ca: Option<PathBuf>,
    /// A file with the certificate of this client.
    pub(super) cert: Option<PathBuf>,
    /// A file with the key to that.
    pub(super) key: Option<PathBuf>,
    /// Whether to trust anyone.
    pub(super) insecure: bool,
}

impl TlsSettings {
    fn or_environment(self) -> Self {
        let set =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        TlsSettings {
            ca: self.ca.or_else(|| set("RRQ_TLS_CA")),
            cert: self.cert.or_else(|| set("RRQ_TLS_CERT")),
            key: self.key.or_else(|| set("RRQ_TLS_KEY")),
            insecure: self.insecure,
        }
    }
}

/// What stands in place of a password.
const MASK: &str = "***";

/// The URL with its passwords masked: it may be shown and saved.
pub fn masked(url: &str) -> Result<String> {
    Target::parse(url)?;
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, query) =
        rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let rest = match rest.rsplit_once('@') {
        Some((login, place)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{place}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let settings = query.map(|query| {
        let mask = |setting: &str| match setting.split_once('=') {
            Some((name, _)) if name.contains("pass") => format!("{name}={MASK}"),
            _ => setting.to_owned(),
        };
        format!("?{}", query.split('&').map(mask).collect::<Vec<_>>().join("&"))
    });
    Ok(format!("{scheme}://{rest}{}", settings.unwrap_or_default()))
}

impl Target {
    /// The beginning of the URL.
    pub(super) fn scheme(&self) -> &str {
        self.url.split("://").next().unwrap_or_default()
    }

    pub(super) fn parse(url: &str) -> Result<Self> {
        read(url).map_err(|reason| Error::Url { url: without_credentials(url), reason })
    }
}

fn read(url: &str) -> std::result::Result<Target, String> {
    let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
    let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    let is_tls = match scheme {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        "unix" if kind.is_empty() => return read_unix(url),
        _ => return Err(SCHEMES.into()),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    let mut query = Query::new(query);
    let (kind, port, db) = match kind {
        "" => (Kind::Server, PORT, path),
        "cluster" if path.is_empty() || path == "0" => (Kind::Cluster, PORT, ""),
        "cluster" => return Err("a cluster has no databases".into()),
        "sentinel" => {
            let (service, db) = path.split_once('/').unwrap_or((path, ""));
            let (user, password) = (query.take("sentinel_user"), query.take("sentinel_password"));
            let service = service.to_owned();
            if service.is_empty() {
                return Err("the name of the server must follow its Sentinels: \
                            redis+sentinel://host1,host2/name"
                    .into());
            }
            (Kind::Sentinel { service, user, password }, SENTINEL_PORT, db)
        }
        "unix" if !is_tls => return read_unix(url),
        _ => return Err(SCHEMES.into()),
    };
    let settings = TlsSettings {
        ca: query.take("ca").map(PathBuf::from),
        cert: query.take("cert").map(PathBuf::from),
        key: query.take("key").map(PathBuf::from),
        insecure: query.take("insecure").is_some_and(|value| value.is_empty() || value == "true"),
    };
    if query.has_more() {
        return Err(SETTINGS.into());
    }
    if !is_tls && settings != TlsSettings::default() {
        return Err("it has settings of TLS, so it must begin with rediss".into());
    }
    let mut seeds = Vec::new();
    for host in hosts.split(',') {
        let is_first = seeds.is_empty();
        let info = parse(&format!("redis://{}{host}", if is_first { &login } else { "" }))?;
        seeds.push(match info.addr() {
            ConnectionAddr::Tcp(name, _) => {
                let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
                Place::Tcp(name, port_of(host).unwrap_or(port))
            }
            _ => return Err(SCHEMES.into()),
        });
    }
    if seeds.len() > 1 && kind == Kind::Server {
        return Err("several hosts need redis+cluster:// or redis+sentinel://".into());
    }
    let login = parse(&format!("redis://{login}h/{db}"))?.redis_settings().clone();
    let tls = is_tls.then(|| settings.or_environment());
    Ok(Target { url: url.to_owned(), kind, seeds, login, tls })
}

const SCHEMES: &str = "it must begin with redis://, rediss:// or redis+unix://, or with \
                       redis+cluster:// or redis+sentinel://";

const SETTINGS: &str = "its settings may be `ca`, `cert`, `key` and `insecure`, of Sentinels also \
                        `sentinel_user` and `sentinel_password`";

fn read_unix(url: &str) -> std::result::Result<Target, String> {
    let info = parse(url)?;
    let ConnectionAddr::Unix(path) = info.addr() else { return Err(SCHEMES.into()) };
    let (seeds, login) = (vec![Place::Unix(path.clone())], info.redis_settings().clone());
    Ok(Target { url: url.to_owned(), kind: Kind::Server, seeds, login, tls: None })
}

fn port_of(host: &str) -> Option<u16> {
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    after.rsplit_once(':')?.1.parse().ok()
}

/// The client library's messages say what is wrong before a dash, and quote the URL behind it.
fn parse(url: &str) -> std::result::Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|error| {
        let text = error.to_string();
        match text.split(" - ").next().unwrap_or(&text) {
            "Redis URL did not parse" => "its host, port or password cannot be read; \
                                          in a password, write special characters as %.."
                .to_owned(),
            reason => reason.to_owned(),
        }
    })
}

/// The settings at the end of a URL.
struct Query(Vec<(String, String)>);

impl Query {
    fn new(text: &str) -> Self {
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    /// Whether there are any that were not taken, besides what some libraries write.
    fn has_more(&self) -> bool {
        self.0.iter().any(|(key, _)| key != "protocol")
    }
}

/// The part of a URL that may be shown when it cannot be parsed: nothing of it, if there is doubt which
/// part that is.
fn without_credentials(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let is_known =
        scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+:/".contains(&byte));
    let scheme = if is_known { scheme } else { "" };
    let (login, rest) = rest.rsplit_once('@').map_or((false, rest), |(_, rest)| (true, rest));
    let shown = rest.split('?').next().unwrap_or_default();
    // Without a host, what stands behind the colon may be a password.
    let is_port = |text: &str| {
        let port = text.split(['/', ',']).next().unwrap_or_default();
        port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_place = login || shown.split(':').skip(1).all(is_port);
    format!("{scheme}{}", if is_place { shown } else { "..." })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(url: &str) -> Vec<String> {
        Target::parse(url).unwrap().seeds.iter().map(Place::to_string).collect()
    }

    #[test]
    fn credentials_are_never_shown() {
        for url in [
            "redis://:secret@host:1/x",
            "redis+unix:///a@b?pass=secret",
            "x://secret@h",
            ":secret@h:1",
            "redis://:secret",
            "redis://user:secret",
            "redis://:a?secret@h:x",
            "redis://:a/secret@h:x",
            "redis//:secret@h:1",
            "redis://h:1,h2:secret",
            "rediss://h?sentinel_password=secret&x=secret",
        ] {
            assert!(!without_credentials(url).contains("secret"), "{url}");
            if let Err(error) = Target::parse(url) {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
        assert_eq!(without_credentials("redis://h:1/x"), "redis://h:1/x");
    }

    #[test]
    fn a_masked_url_differs_only_in_its_passwords() {
        for (url, expected) in [
            ("redis://h:1/2", "redis://h:1/2"),
            ("redis://:pw@h", "redis://:***@h"),
            ("rediss+cluster://u:p%40w@a,b?ca=/x", "rediss+cluster://u:***@a,b?ca=/x"),
            ("redis+unix:///tmp/s?db=1&pass=pw", "redis+unix:///tmp/s?db=1&pass=***"),
            (
                "redis+sentinel://u:pw@a/m?sentinel_password=pw",
                "redis+sentinel://u:***@a/m?sentinel_password=***",
            ),
        ] {
            assert_eq!(masked(url).unwrap(), expected);
            assert_eq!(masked(expected).unwrap(), expected);
        }
    }

    #[test]
    fn urls_name_servers_clusters_and_sentinels() {
        assert_eq!(places("redis://h"), ["h:6379"]);
        assert_eq!(places("rediss://u:p@h:1/2"), ["h:1"]);
        assert_eq!(places("redis+unix:///tmp/a.sock?db=3&pass=x"), ["/tmp/a.sock"]);
        assert_eq!(places("redis+cluster://:p@a,b:7"), ["a:6379", "b:7"]);
        let target = Target::parse("rediss+sentinel://u:p%40@a,b:7/main/3?ca=/x%20y").unwrap();
        assert_eq!(target.seeds.len(), 2);
        assert_eq!(target.seeds[0].to_string(), "a:26379");
        assert_eq!((target.login.username(), target.login.db()), (Some("u"), 3));
        assert_eq!(target.login.password(), Some("p@"));
        assert_eq!(target.tls.unwrap().ca, Some(PathBuf::from("/x y")));
        let Kind::Sentinel { service, .. } = target.kind else { panic!() };
        assert_eq!(service, "main");
        assert_eq!(places("redis://[::1]:7"), ["::1:7"]);
    }

    #[test]
    fn urls_that_cannot_be_used_say_why() {
        for (url, what) in [
            ("http://h", "must begin with redis://"),
            ("localhost", "must begin with redis://"),
            ("redis://h/abc", "database number"),
            ("redis://a,b", "redis+cluster"),
            ("redis+sentinel://a,b", "name of the server"),
            ("redis+cluster://a/1", "no databases"),
            ("redis://h?ca=/x", "rediss"),
            ("rediss://h?cert_file=/x", "may be `ca`, `cert`"),
            ("redis://h:x", "special characters"),
        ] {
            match Target::parse(url) {
                Err(Error::Url { reason, .. }) => assert!(reason.contains(what), "{reason}"),
                other => panic!("{:?}", other.map(|_| ())),
            }
        }
    }
}
