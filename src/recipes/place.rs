//! Where a recipe lives: a session, and a path as the user wrote it and as the server knows it.

use crate::error::{Error, Result};
use crate::session::Session;

/// The place of one recipe. Clones are the same place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) session: Session,
    /// As the user wrote it.
    pub(crate) name: String,
    /// Absolute.
    pub(crate) path: String,
}

impl Place {
    /// `what` is the recipe's name, for the message.
    ///
    /// # Errors
    /// `InvalidPath`; the root is none either, because a recipe needs a node of its own.
    pub(crate) fn new(session: &Session, what: &str, path: &str) -> Result<Self> {
        let absolute = session.absolute(path)?;
        if absolute == "/" {
            return Err(Error::invalid_path(format!("{what} '/': a {what} needs a path of its own; name one")));
        }
        Ok(Self { session: session.clone(), name: path.to_owned(), path: absolute })
    }

    /// Refuses what is not the name of one node below this place.
    ///
    /// # Errors
    /// `InvalidPath`.
    pub(crate) fn component(&self, what: &str, name: &str) -> Result<()> {
        if name.is_empty() || name.contains('/') {
            return Err(Error::invalid_path(format!("{what} '{name}': it names one node; leave out the slashes")));
        }
        self.session.absolute(&format!("{}/{name}", self.name.trim_end_matches('/'))).map(drop)
    }
}
