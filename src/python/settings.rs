//! The coordinator's arguments, from Python and back.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::type_hint_union;
use pyo3::types::PyDict;

use super::errors::raise;
use super::secret::{self, Given};
use crate::config::{Access, Auth, Config, Right, Tls};
use crate::error::{Error, Result};

/// What is sensible; the server narrows it further.
const SESSION_TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

/// Authorities, certificate, key, whether the host name is checked.
pub(super) type TlsFiles = (Option<PathBuf>, Option<PathBuf>, Option<PathBuf>, bool);

/// An `acl=` argument.
pub(super) enum Rights {
    /// "open", "read_open", "creator", or rights in one text.
    Text(String),
    /// (scheme, id, permissions) each.
    List(Vec<(String, String, String)>),
}

impl<'py> FromPyObject<'_, 'py> for Rights {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = type_hint_union!(String::INPUT_TYPE, Vec::<(String, String, String)>::INPUT_TYPE);

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.extract() {
            return Ok(Self::Text(text));
        }
        object.extract().map(Self::List).map_err(|_: PyErr| {
            // What was given is not repeated: it may hold a secret.
            PyTypeError::new_err(
                "acl: give \"open\", \"read_open\", \"creator\" or a list of (scheme, id, permissions)",
            )
        })
    }
}

impl Rights {
    /// # Errors
    /// `Config`.
    pub(super) fn access(self) -> Result<Access> {
        match self {
            Self::Text(text) => Access::parse(&text),
            Self::List(rights) => {
                let right = |(scheme, id, permissions): &(String, String, String)| Right::new(scheme, id, permissions);
                Access::explicit(rights.iter().map(right).collect::<Result<_>>()?)
            }
        }
    }

    /// As [`Rights::access`], for one node of a coordinator with these settings.
    ///
    /// # Errors
    /// `Config`.
    pub(super) fn access_in(self, config: &Config) -> Result<Access> {
        let access = self.access()?;
        config.check_access(&access)?;
        Ok(access)
    }
}

/// The constructor's arguments.
pub(super) struct Settings<'a, 'py> {
    pub(super) connect: &'a str,
    pub(super) session_timeout: Option<Duration>,
    pub(super) namespace: &'a str,
    pub(super) auth: Vec<(String, Given<'py>)>,
    pub(super) acl: Option<Rights>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) owner: Option<String>,
}

impl Settings<'_, '_> {
    /// # Errors
    /// `ConfigError`, `InvalidPath`; `TypeError` where a secret is none.
    pub(super) fn config(self, py: Python<'_>) -> PyResult<Config> {
        let auth = self.auth.into_iter().map(|(scheme, given)| Ok((scheme, given.secret()?)));
        let auth = auth.collect::<PyResult<Vec<_>>>()?;
        let config = || {
            let mut config = Config::parse(self.connect)?;
            self.namespace.trim_matches('/').clone_into(&mut config.namespace);
            config.acl = self.acl.map(Rights::access).transpose()?.unwrap_or_default();
            config.session_timeout = self.session_timeout.unwrap_or(config.session_timeout);
            if !SESSION_TIMEOUTS.contains(&config.session_timeout) {
                let asked = config.session_timeout.as_secs_f64();
                return Err(Error::config(format!("session_timeout {asked}: give seconds, from 0.1 to 86400")));
            }
            config.owner = self.owner.unwrap_or(config.owner);
            config.tls = self.tls.map(|(ca, cert, key, check_hostname)| Tls { ca, cert, key, check_hostname });
            config.auth =
                auth.into_iter().map(|(scheme, credential)| Auth::new(&scheme, credential)).collect::<Result<_>>()?;
            config.check()?;
            Ok(config)
        };
        config().map_err(|error| raise(py, &error))
    }
}

/// The arguments that make an equal coordinator in another process.
///
/// # Errors
/// `ConfigError` where one is a secret.
pub(super) fn portable<'py>(py: Python<'py>, config: &Config) -> PyResult<Bound<'py, PyAny>> {
    let reference = |auth: &Auth| Ok((auth.scheme.clone(), secret::portable(py, &auth.credential)?));
    let auth = config.auth.iter().map(reference).collect::<PyResult<Vec<_>>>()?;
    let settings = PyDict::new(py);
    settings.set_item("connect", format!("{}{}", config.hosts, config.chroot))?;
    settings.set_item("session_timeout", config.session_timeout.as_secs_f64())?;
    settings.set_item("namespace", &config.namespace)?;
    settings.set_item("auth", auth)?;
    settings.set_item("acl", rights(py, &config.acl)?)?;
    settings.set_item("tls", config.tls.as_ref().map(|tls| (&tls.ca, &tls.cert, &tls.key, tls.check_hostname)))?;
    settings.set_item("owner", &config.owner)?;
    Ok(settings.into_any())
}

fn rights<'py>(py: Python<'py>, access: &Access) -> PyResult<Bound<'py, PyAny>> {
    match access {
        Access::Open => "open".into_pyobject(py).map(Bound::into_any).map_err(PyErr::from),
        Access::ReadOpen => "read_open".into_pyobject(py).map(Bound::into_any).map_err(PyErr::from),
        Access::Creator => "creator".into_pyobject(py).map(Bound::into_any).map_err(PyErr::from),
        Access::Explicit(rights) => {
            let rights = rights.iter().map(|Right { scheme, id, permissions }| (scheme, id, permissions));
            rights.collect::<Vec<_>>().into_pyobject(py)
        }
    }
}
