//! What a coordinator is opened with: servers, namespace, timeouts, identity, ACL, TLS.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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

/// One identity: a scheme (`digest`, `sasl`) and its `user:password`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Auth {
    /// The server's name for the way to authenticate.
    pub scheme: String,
    /// The credential, or where it is.
    pub credential: Secret,
}

/// A secret, or the reference to one. Only references leave the process.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Secret {
    /// The value itself. Never shown, never sent to another process.
    Literal(String),
    /// The environment variable that has it.
    Env(String),
    /// The file that has it.
    File(PathBuf),
}

impl Secret {
    /// Reads `env:NAME` and `file:PATH` as references, anything else as the secret itself.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some(("env", name)) => Self::Env(name.to_owned()),
            Some(("file", path)) => Self::File(PathBuf::from(path)),
            _ => Self::Literal(text.to_owned()),
        }
    }

    /// The inverse of [`Secret::parse`] for what may leave the process.
    ///
    /// # Errors
    /// `Config` where this is the secret itself.
    pub fn reference(&self) -> Result<String> {
        match self {
            Self::Literal(_) => Err(Error::config(
                "this coordinator holds a secret as a literal, which never leaves the process; to use it in another \
                 one give auth by reference: (\"digest\", \"env:NAME\") or (\"digest\", \"file:PATH\")",
            )),
            Self::Env(_) | Self::File(_) => Ok(format!("{self:?}")),
        }
    }

    /// The secret's value, read now.
    ///
    /// # Errors
    /// `Config` where the variable or the file is missing.
    pub fn reveal(&self) -> Result<String> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Env(name) => std::env::var(name).map_err(|_| {
                Error::config(format!("auth: the environment variable {name} is not set in this process; set it"))
            }),
            Self::File(path) => std::fs::read_to_string(path).map(|text| text.trim_end().to_owned()).map_err(|error| {
                Error::config(format!("auth: cannot read the secret from {}: {error}", path.display()))
            }),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("<secret>"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// Rights on the nodes we create.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody may do anything: the server's default.
    #[default]
    Open,
    /// Anybody may read, the creator's identity may do anything.
    ReadOpen,
    /// Only the creator's identity.
    Creator,
}

impl Access {
    /// Parses `open`, `read_open`, `creator`.
    ///
    /// # Errors
    /// `Config` for any other word.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "open" => Ok(Self::Open),
            "read_open" => Ok(Self::ReadOpen),
            "creator" => Ok(Self::Creator),
            other => Err(Error::config(format!("acl '{other}': use \"open\", \"read_open\" or \"creator\""))),
        }
    }

    /// The word that [`Access::parse`] reads.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ReadOpen => "read_open",
            Self::Creator => "creator",
        }
    }
}

/// PEM files for TLS; the host name is always checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Certificates of the authorities to trust; needed.
    pub ca: Option<PathBuf>,
    /// Our certificate, for servers that ask for one.
    pub cert: Option<PathBuf>,
    /// Our private key.
    pub key: Option<PathBuf>,
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

    /// The prefix of every path.
    ///
    /// # Errors
    /// `InvalidPath` where chroot or namespace are none.
    pub fn prefix(&self) -> Result<Namespace> {
        Namespace::new(&self.chroot, &self.namespace)
    }
}

fn with_port(host: &str, connect: &str) -> Result<String> {
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
        for connect in ["", ",", "/only/chroot", "zk://h:2181", "h:port", "h:0", "h:99999"] {
            assert!(matches!(Config::parse(connect), Err(Error::Config(_))), "{connect:?}");
        }
    }

    #[test]
    fn a_literal_secret_neither_travels_nor_shows() {
        let secret = Secret::parse("user:hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(!secret.reference().expect_err("refused").to_string().contains("hunter2"));
    }

    #[test]
    fn a_reference_travels() {
        for text in ["env:ZK_AUTH", "file:/etc/zk.auth"] {
            assert_eq!(Secret::parse(text).reference().expect("no secret"), text);
        }
    }
}
