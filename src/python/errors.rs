//! Errors on their way to Python: each outcome is one class of `sparkeeper.exceptions`.

use pyo3::prelude::*;

use crate::error::Error;

mod classes {
    use pyo3::import_exception;

    import_exception!(sparkeeper.exceptions, AcquireTimeout);
    import_exception!(sparkeeper.exceptions, AuthFailed);
    import_exception!(sparkeeper.exceptions, BadVersion);
    import_exception!(sparkeeper.exceptions, ClaimLost);
    import_exception!(sparkeeper.exceptions, Closed);
    import_exception!(sparkeeper.exceptions, CommitConflict);
    import_exception!(sparkeeper.exceptions, CommitUnknown);
    import_exception!(sparkeeper.exceptions, ConfigError);
    import_exception!(sparkeeper.exceptions, ConnectionLost);
    import_exception!(sparkeeper.exceptions, CorruptManifest);
    import_exception!(sparkeeper.exceptions, Fenced);
    import_exception!(sparkeeper.exceptions, ForkedProcessError);
    import_exception!(sparkeeper.exceptions, HistoryLost);
    import_exception!(sparkeeper.exceptions, InvalidPath);
    import_exception!(sparkeeper.exceptions, LockLost);
    import_exception!(sparkeeper.exceptions, MemberLost);
    import_exception!(sparkeeper.exceptions, NoNode);
    import_exception!(sparkeeper.exceptions, NodeExists);
    import_exception!(sparkeeper.exceptions, NotATable);
    import_exception!(sparkeeper.exceptions, NotAuthorized);
    import_exception!(sparkeeper.exceptions, NotOwner);
    import_exception!(sparkeeper.exceptions, PayloadTooLarge);
    import_exception!(sparkeeper.exceptions, SessionExpired);
    import_exception!(sparkeeper.exceptions, SparkeeperError);
    import_exception!(sparkeeper.exceptions, TermLost);
    import_exception!(sparkeeper.exceptions, Unsupported);
    import_exception!(sparkeeper.exceptions, WouldDeadlock);
}

/// The exception for an outcome.
pub(super) fn raise(_py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::AcquireTimeout(_) => classes::AcquireTimeout::new_err(text),
        Error::AuthFailed(_) => classes::AuthFailed::new_err(text),
        Error::BadVersion(_) => classes::BadVersion::new_err(text),
        Error::ClaimLost(_) => classes::ClaimLost::new_err(text),
        Error::Closed(_) => classes::Closed::new_err(text),
        Error::CommitConflict(_) => classes::CommitConflict::new_err(text),
        Error::CommitUnknown(_) => classes::CommitUnknown::new_err(text),
        Error::Config(_) => classes::ConfigError::new_err(text),
        Error::ConnectionLost(_) => classes::ConnectionLost::new_err(text),
        Error::CorruptManifest(_) => classes::CorruptManifest::new_err(text),
        Error::Fenced(_) => classes::Fenced::new_err(text),
        Error::ForkedProcess(_) => classes::ForkedProcessError::new_err(text),
        Error::HistoryLost(_) => classes::HistoryLost::new_err(text),
        Error::InvalidPath(_) => classes::InvalidPath::new_err(text),
        Error::LockLost(_) => classes::LockLost::new_err(text),
        Error::MemberLost(_) => classes::MemberLost::new_err(text),
        Error::NoNode(_) => classes::NoNode::new_err(text),
        Error::NodeExists(_) => classes::NodeExists::new_err(text),
        Error::NotATable(_) => classes::NotATable::new_err(text),
        Error::NotAuthorized(_) => classes::NotAuthorized::new_err(text),
        Error::NotOwner(_) => classes::NotOwner::new_err(text),
        Error::PayloadTooLarge(_) => classes::PayloadTooLarge::new_err(text),
        Error::NotEmpty(_) | Error::Server(_) => classes::SparkeeperError::new_err(text),
        Error::SessionExpired(_) => classes::SessionExpired::new_err(text),
        Error::TermLost(_) => classes::TermLost::new_err(text),
        Error::Unsupported(_) => classes::Unsupported::new_err(text),
        Error::WouldDeadlock(_) => classes::WouldDeadlock::new_err(text),
    }
}
