//! One multi on one session, with which of its steps was refused.

use std::future::Future;

use zookeeper_client as zk;
use zookeeper_client::MultiWriteResult;

use crate::error::Error;
use crate::session::{Incarnation, MAX_REQUEST};

/// Room for what a step needs beside its path and data.
const STEP: usize = 96;

/// One step; paths are absolute.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Check(String, i32),
    Create(String, Vec<u8>, zk::CreateMode),
    Set(String, Vec<u8>, Option<i32>),
    Delete(String),
}

/// Why nothing landed; with `ConnectionLost` and `SessionExpired` it may have.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The step that was refused, where it was one.
    pub(crate) at: Option<usize>,
    pub(crate) error: Error,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { at: None, error }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

impl Step {
    fn path(&self) -> &str {
        match self {
            Self::Check(path, _) | Self::Create(path, ..) | Self::Set(path, ..) | Self::Delete(path) => path,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let data = match self {
            Self::Create(_, data, _) | Self::Set(_, data, _) => data.len(),
            Self::Check(..) | Self::Delete(_) => 0,
        };
        data + self.path().len() + STEP
    }

    fn add(&self, multi: &mut zk::MultiWriter<'_>, acls: zk::Acls<'_>) -> Result<(), zk::Error> {
        match self {
            Self::Check(path, version) => multi.add_check_version(path, *version),
            Self::Create(path, data, mode) => multi.add_create(path, data, &mode.with_acls(acls)),
            Self::Set(path, data, version) => multi.add_set_data(path, data, *version),
            Self::Delete(path) => multi.add_delete(path, None),
        }
    }
}

/// Sends the steps as one; they are queued when this returns, and what is sent next comes after them.
pub(crate) fn send<'a>(
    incarnation: &'a Incarnation,
    client: &'a zk::Client,
    attempt: &'static str,
    steps: &'a [Step],
) -> impl Future<Output = Result<Vec<MultiWriteResult>, Refused>> + Send + 'a {
    let first = steps.first().map_or("", Step::path);
    let bytes: usize = steps.iter().map(Step::bytes).sum();
    let fits = if bytes < MAX_REQUEST {
        Ok(())
    } else {
        Err(Error::payload_too_large(format!(
            "{attempt} '{first}': {bytes} bytes, and one request carries {MAX_REQUEST}; nothing was sent; keep large \
             values in files and their addresses here"
        )))
    };
    let sent = fits.and_then(|()| {
        let mut multi = client.new_multi_writer();
        let filled = steps.iter().try_for_each(|step| step.add(&mut multi, incarnation.acls()));
        filled.map(|()| multi.commit()).map_err(|error| Error::from_client(&error, attempt, first))
    });
    async move {
        let commit = sent?;
        let landed = async { Ok::<_, zk::Error>(commit.await) };
        match incarnation.request(attempt, first, landed).await? {
            Ok(results) => Ok(results),
            Err(zk::MultiWriteError::RequestFailed { source }) => {
                Err(Error::from_client(&source, attempt, first).into())
            }
            Err(zk::MultiWriteError::OperationFailed { index, source }) => {
                let path = steps.get(index).map_or(first, Step::path);
                Err(Refused { at: Some(index), error: Error::from_client(&source, attempt, path) })
            }
        }
    }
}
