//! What a coordinator is opened with: servers, namespace, timeouts, identity, ACL, TLS.

mod access;
mod secret;

use std::path::PathBuf;
use std::time::Duration;

pub use self::access::{Access, Right};
pub use self::secret::{Auth, Secret, Source};
use crate::error::{Error, Result};
use crate::path::Namespace;

/// The session timeout asked for when none is given.
pub const DEFAULT_SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything needed to open a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// `host:port` list, without the chroot.
    pub hosts: String,
    /// The chroot of the connect string, or empty.
    pub chroot: String,
    /// The namespace below the chroot, or empty.
    pub namespace: String,
    /// Asked for; the server may negotiate another.
    pub session_timeout: Duration,
    /// Identities presented to the server.
    pub auth: Vec<Auth>,
    /// Rights on every node we create.
    pub acl: Access,
    /// TLS, where the servers want it.
    pub tls: Option<Tls>,
    /// Who we say we are on the nodes we create.
    pub owner: String,
}

/// PEM files for TLS. Their paths are shown, their content never is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Certificates of the authorities to trust; needed.
    pub ca: Option<PathBuf>,
    /// Our certificate, for servers that ask for one.
    pub cert: Option<PathBuf>,
    /// Our private key.
    pub key: Option<PathBuf>,
    /// Whether a server's certificate must name the host we connect to. Without it, whoever has any certificate of
    /// these authorities can pose as the server.
    pub check_hostname: bool,
}

impl Config {
    /// Parses `h1:2181,h2:2181/chroot`; a missing port is 2181.
    ///
    /// # Errors
    /// `Config` where no host is named or a port is not a number.
    pub fn parse(connect: &str) -> Result<Self> {
        if connect.contains("://") {
            return Err(Error::config(format!("connect string '{connect}': write host:port without a scheme")));
        }
        let (hosts, chroot) = match connect.find('/') {
            Some(at) => connect.split_at(at),
            None => (connect, ""),
        };
        let hosts = hosts
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(|host| with_port(host, connect))
            .collect::<Result<Vec<_>>>()?;
        if hosts.is_empty() {
            return Err(Error::config(format!(
                "connect string '{connect}' names no host; write host:port[,host:port…][/chroot]"
            )));
        }
        Namespace::new(chroot, "")?;
        Ok(Self {
            hosts: hosts.join(","),
            chroot: chroot.trim_end_matches('/').to_owned(),
            namespace: String::new(),
            session_timeout: DEFAULT_SESSION_TIMEOUT,
            auth: Vec::new(),
            acl: Access::default(),
            tls: None,
            owner: format!("pid {}", std::process::id()),
        })
    }

    /// What can be said against these settings before anybody is asked.
    ///
    /// # Errors
    /// `Config` where rights are kept for a creator who is nobody; `InvalidPath`.
    pub fn check(&self) -> Result<()> {
        self.check_access(&self.acl)?;
        self.prefix().map(drop)
    }

    /// # Errors
    /// `Config` where these rights are kept for the creator, and we are nobody.
    pub fn check_access(&self, access: &Access) -> Result<()> {
        // A certificate is an identity too: the server's x509 provider makes it one.
        let somebody = !self.auth.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.cert.is_some());
        if somebody || !access.needs_identity() {
            return Ok(());
        }
        Err(Error::config(
            "acl: these rights are the creator's, and without an identity that is nobody; give \
             auth=(\"digest\", \"env:NAME\"), or a client certificate with tls",
        ))
    }

    /// The prefix of every path.
    ///
    /// # Errors
    /// `InvalidPath` where chroot or namespace are none.
    pub fn prefix(&self) -> Result<Namespace> {
        Namespace::new(&self.chroot, &self.namespace)
    }
}

fn with_port(host: &str, connect: &str) -> Result<String> {
    if host.starts_with(':') || host.contains(char::is_whitespace) {
        return Err(Error::config(format!(
            "connect string '{connect}': '{host}' names no host; write host:port[,host:port…][/chroot]"
        )));
    }
    // An IPv6 address has colons of its own and needs brackets before a port.
    let port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).rsplit_once(':').map(|(_, port)| port);
    match port {
        None => Ok(format!("{host}:2181")),
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(host.to_owned()),
        Some(port) => {
            Err(Error::config(format!("connect string '{connect}': '{port}' is not a port between 1 and 65535")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_hosts_and_chroot() {
        let config = Config::parse("h1:2181, h2/chroot/deep/").expect("valid");
        assert_eq!(config.hosts, "h1:2181,h2:2181");
        assert_eq!(config.chroot, "/chroot/deep");
        assert_eq!(config.prefix().expect("valid").absolute("x").expect("valid"), "/chroot/deep/x");
    }

    #[test]
    fn refuses_nonsense() {
        for connect in ["", ",", "/only/chroot", "zk://h:2181", ":2181", "a b", "h:port", "h:0", "h:99999"] {
            assert!(matches!(Config::parse(connect), Err(Error::Config(_))), "{connect:?}");
        }
    }

    #[test]
    fn rights_of_a_creator_who_is_nobody_are_refused() {
        let mut config = Config::parse("h").expect("valid");
        config.acl = Access::Creator;
        assert!(matches!(config.check(), Err(Error::Config(_))));
        config.auth.push(Auth::new("digest", Secret::parse("bob:hunter2")).expect("valid"));
        config.check().expect("bob");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
