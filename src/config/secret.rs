//! Secrets and the references to them. Only references leave the process, and none is ever shown.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};

/// One identity: a scheme (`digest`, `sasl`) and its `user:password`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Auth {
    /// The server's name for the way to authenticate.
    pub scheme: String,
    /// The credential, or where it is.
    pub credential: Secret,
}

impl Auth {
    /// # Errors
    /// `Config` where the scheme is none; the message shows neither, since they may have been swapped.
    pub fn new(scheme: &str, credential: Secret) -> Result<Self> {
        if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(Error::config("auth: the scheme comes first: (\"digest\", \"user:password\")"));
        }
        Ok(Self { scheme: scheme.to_owned(), credential })
    }
}

/// Asked for a secret each time a session is opened; what it answers is not kept.
pub trait Source: Send + Sync + 'static {
    /// What it is called, which two sources of one secret share.
    fn name(&self) -> &str;
    /// The secret as it is now. It may block.
    ///
    /// # Errors
    /// `Config`, with a text that says nothing of the secret.
    fn ask(&self) -> Result<String>;
    /// For whoever made it.
    fn as_any(&self) -> &dyn Any;
}

/// A secret, or the reference to one.
#[derive(Clone)]
pub enum Secret {
    /// The value itself. Never shown, never sent to another process.
    Literal(String),
    /// The environment variable that has it.
    Env(String),
    /// The file that has it.
    File(PathBuf),
    /// Whoever is asked for it.
    Asked(Arc<dyn Source>),
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

    /// The inverse of [`Secret::parse`] for what may leave the process as text.
    ///
    /// # Errors
    /// `Config` where this is the secret itself, or whoever is asked for it.
    pub fn reference(&self) -> Result<String> {
        match self {
            Self::Literal(_) => Err(Error::config(
                "this coordinator holds a secret as a literal, which never leaves the process; to use it in another \
                 one give auth by reference: (\"digest\", \"env:NAME\"), (\"digest\", \"file:PATH\") or a function",
            )),
            Self::Asked(source) => Err(Error::config(format!("auth: {} cannot be written as text", source.name()))),
            Self::Env(_) | Self::File(_) => Ok(format!("{self:?}")),
        }
    }

    /// The secret's value, read now. It may block.
    ///
    /// # Errors
    /// `Config` where the variable or the file is missing, or whoever is asked fails.
    pub fn reveal(&self) -> Result<String> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Env(name) => std::env::var(name).map_err(|_| {
                Error::config(format!("auth: the environment variable {name} is not set in this process; set it"))
            }),
            Self::File(path) => std::fs::read_to_string(path).map(|text| text.trim_end().to_owned()).map_err(|error| {
                Error::config(format!("auth: cannot read the secret from {}: {error}", path.display()))
            }),
            Self::Asked(source) => source.ask(),
        }
    }

    /// True where reading it runs somebody else's code, which may fail now and succeed later.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("<secret>"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Asked(source) => f.write_str(source.name()),
        }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(mine), Self::Literal(theirs)) | (Self::Env(mine), Self::Env(theirs)) => mine == theirs,
            (Self::File(mine), Self::File(theirs)) => mine == theirs,
            (Self::Asked(mine), Self::Asked(theirs)) => mine.name() == theirs.name(),
            _ => false,
        }
    }
}

impl Eq for Secret {}

impl Hash for Secret {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Literal(value) | Self::Env(value) => value.hash(state),
            Self::File(path) => path.hash(state),
            Self::Asked(source) => source.name().hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_scheme_and_a_credential_that_were_swapped_are_not_shown() {
        let refused = Auth::new("user:hunter2", Secret::parse("digest")).expect_err("no scheme");
        assert!(!refused.to_string().contains("hunter2"));
    }
}
