//! The coordinator's arguments, from Python and back.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors::raise;
use crate::config::{Access, Auth, Config, Secret, Tls};
use crate::error::{Error, Result};

/// What is sensible; the server narrows it further.
const SESSION_TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

/// Authorities, certificate, key.
pub(super) type TlsFiles = (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>);

/// The constructor's arguments.
pub(super) struct Settings<'a> {
    pub(super) connect: &'a str,
    pub(super) session_timeout: Option<Duration>,
    pub(super) namespace: &'a str,
    pub(super) auth: Vec<(String, String)>,
    pub(super) acl: &'a str,
    pub(super) tls: Option<TlsFiles>,
    pub(super) owner: Option<String>,
}

impl Settings<'_> {
    /// # Errors
    /// `Config`, `InvalidPath`.
    pub(super) fn config(self) -> Result<Config> {
        let mut config = Config::parse(self.connect)?;
        self.namespace.trim_matches('/').clone_into(&mut config.namespace);
        config.acl = Access::parse(self.acl)?;
        config.session_timeout = self.session_timeout.unwrap_or(config.session_timeout);
        if !SESSION_TIMEOUTS.contains(&config.session_timeout) {
            let asked = config.session_timeout;
            return Err(Error::config(format!("session_timeout {asked:?}: give seconds, from 0.1 to 86400")));
        }
        config.owner = self.owner.unwrap_or(config.owner);
        config.tls = self.tls.map(|(ca, cert, key)| Tls { ca, cert, key });
        let identity = |(scheme, credential): (String, String)| Auth { scheme, credential: Secret::parse(&credential) };
        config.auth = self.auth.into_iter().map(identity).collect();
        config.prefix()?;
        Ok(config)
    }
}

/// The arguments that make an equal coordinator in another process.
///
/// # Errors
/// `ConfigError` where one is a secret.
pub(super) fn portable<'py>(py: Python<'py>, config: &Config) -> PyResult<Bound<'py, PyAny>> {
    let reference = |auth: &Auth| Ok((auth.scheme.clone(), auth.credential.reference()?));
    let auth: Result<Vec<(String, String)>> = config.auth.iter().map(reference).collect();
    let settings = PyDict::new(py);
    settings.set_item("connect", format!("{}{}", config.hosts, config.chroot))?;
    settings.set_item("session_timeout", config.session_timeout.as_secs_f64())?;
    settings.set_item("namespace", &config.namespace)?;
    settings.set_item("auth", auth.map_err(|error| raise(py, &error))?)?;
    settings.set_item("acl", config.acl.word())?;
    settings.set_item("tls", config.tls.as_ref().map(|tls| (&tls.ca, &tls.cert, &tls.key)))?;
    settings.set_item("owner", &config.owner)?;
    Ok(settings.into_any())
}
