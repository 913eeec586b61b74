//! Double barriers.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, Nothing, awaitable};
use super::contender::Contender;
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::Rebuild;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::task;
use super::text::Text;
use super::whole::Whole;
use crate::error::{Error, Result};
use crate::recipes::{self, Holder};
use crate::session::Session;

/// So many parties begin together and end together; `Coordinator.double_barrier` makes them.
///
/// Each thread (each task under asyncio) that enters through it is one party. It can be entered again after each
/// generation. Dropped while its parties are inside, they have left. It pickles as configuration.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct DoubleBarrier {
    handle: Handle,
    timeout: Option<Duration>,
}

/// How many parties, and whether all or none leave.
type Handle = super::handle::Handle<recipes::DoubleBarrier, (usize, bool)>;

async fn enter(handle: Handle, holder: Holder, timeout: Option<Duration>) -> Result<u64> {
    let (barrier, left) = handle.recipe_within("double barrier", timeout).await?;
    barrier.enter(holder, left).await
}

async fn leave(handle: Handle, holder: Holder, timeout: Option<Duration>) -> Result<Nothing> {
    handle.recipe().await?.leave(holder, timeout).await?;
    Ok(Nothing)
}

/// The end of a `with`: after an exception nobody is waited for, and the others see us gone.
async fn exit(handle: Handle, holder: Holder, timeout: Option<Duration>, failed: bool) -> Result<Nothing> {
    let barrier = handle.recipe().await?;
    if failed {
        barrier.withdraw(holder);
        return Ok(Nothing);
    }
    match barrier.leave(holder, timeout).await {
        // The body of the `with` may have left already.
        Ok(()) | Err(Error::NotOwner(_)) => Ok(Nothing),
        Err(error) => Err(error),
    }
}

async fn members(handle: Handle) -> Result<Vec<Contender>> {
    Ok(handle.recipe().await?.members().await?.into_iter().map(Contender::from).collect())
}

fn failed(kind: Option<&Bound<'_, PyAny>>) -> bool {
    kind.is_some_and(|kind| !kind.is_none())
}

#[pymethods]
impl Coordinator {
    /// A double barrier at `path`.
    ///
    /// Args:
    ///     path: Where its members meet.
    ///     parties: How many begin and end together; all must say the same.
    ///     timeout: How long `with` waits at each end, and `enter` and `leave` by default: seconds or timedelta; None
    ///         waits for ever.
    ///     all_or_none: Where a member is lost inside, or leaves its `with` by an exception, those who leave get
    ///         `MemberLost` instead of going on without it; all must say the same.
    #[pyo3(signature = (path, *, parties, timeout=None, all_or_none=false))]
    fn double_barrier(
        &self,
        py: Python<'_>,
        path: Text,
        parties: Whole<usize>,
        timeout: Option<Seconds>,
        all_or_none: bool,
    ) -> PyResult<DoubleBarrier> {
        let parties = parties.named(py, "parties")?;
        let timeout = self::timeout(py, timeout)?;
        if parties == 0 {
            return Err(raise(py, &Error::config("double barrier: parties=0; give 1 or more")));
        }
        let open = |session: &Session, path: &str, (parties, all_or_none): &(usize, bool)| {
            recipes::DoubleBarrier::new(session, path, *parties, *all_or_none)
        };
        let handle =
            Handle::new(self.link().clone(), path, (parties, all_or_none), open).map_err(|error| raise(py, &error))?;
        Ok(DoubleBarrier { handle, timeout })
    }
}

#[pymethods]
impl DoubleBarrier {
    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.handle.path()
    }

    /// How many begin and end together.
    #[getter]
    fn parties(&self) -> usize {
        self.handle.settings().0
    }

    /// Waits until all parties are there.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included; the handle's by default. 0
    ///         tries once: it passes where we complete the generation, and breaks it otherwise, as any timeout does.
    ///
    /// Returns:
    ///     The generation's number.
    ///
    /// Raises:
    ///     AcquireTimeout: It took one of the parties longer than its timeout: all of the generation get this.
    ///     MemberLost: All had entered, all or none were to leave, and one was lost before we heard that we may go on.
    ///     ConnectionLost: The timeout is over, and no server said what the others got.
    ///     NotOwner: This thread or task is inside already.
    #[pyo3(signature = (timeout=None))]
    fn enter(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<u64> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        block_on(py, enter(self.handle.clone(), task::thread(), timeout))
    }

    /// As `enter`, to be awaited. Cancelling leaves nothing behind; the others wait for one more.
    #[pyo3(signature = (timeout=None))]
    fn enter_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, u64>> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        awaitable(py, enter(self.handle.clone(), task::task(py)?, timeout))
    }

    /// Waits until all parties of the generation that live leave.
    ///
    /// Args:
    ///     timeout: As for `enter`.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer than the timeout of one of those who leave: all of them get this.
    ///     MemberLost: All or none were to leave, and one is gone: all the others get this.
    ///     ConnectionLost: The timeout is over, and no server said what the others got.
    ///     SessionExpired: We had left before, with our session.
    ///     NotOwner: This thread or task is not inside.
    #[pyo3(signature = (timeout=None))]
    fn leave(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Nothing> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        block_on(py, leave(self.handle.clone(), task::thread(), timeout))
    }

    /// As `leave`, to be awaited. Cancelled, we have left.
    #[pyo3(signature = (timeout=None))]
    fn leave_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Nothing>> {
        let timeout = self::timeout(py, timeout)?.or(self.timeout);
        awaitable(py, leave(self.handle.clone(), task::task(py)?, timeout))
    }

    /// Everybody who waits or is inside, in order of arrival.
    fn members(&self, py: Python<'_>) -> PyResult<Vec<Contender>> {
        block_on(py, members(self.handle.clone()))
    }

    /// As `members`, to be awaited.
    fn members_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Contender>>> {
        awaitable(py, members(self.handle.clone()))
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<u64> {
        block_on(py, enter(self.handle.clone(), task::thread(), self.timeout))
    }

    #[pyo3(signature = (kind=None, _error=None, _trace=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<Bound<'_, PyAny>>,
        _error: Option<Bound<'_, PyAny>>,
        _trace: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Nothing> {
        block_on(py, exit(self.handle.clone(), task::thread(), self.timeout, failed(kind.as_ref())))
    }

    fn __aenter__<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, u64>> {
        awaitable(py, enter(self.handle.clone(), task::task(py)?, self.timeout))
    }

    #[pyo3(signature = (kind=None, _error=None, _trace=None))]
    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        kind: Option<Bound<'py, PyAny>>,
        _error: Option<Bound<'py, PyAny>>,
        _trace: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        awaitable(py, exit(self.handle.clone(), task::task(py)?, self.timeout, failed(kind.as_ref())))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let keywords = PyDict::new(py);
        keywords.set_item("parties", self.parties())?;
        keywords.set_item("all_or_none", self.handle.settings().1)?;
        keywords.set_item("timeout", self.timeout.map(|timeout| timeout.as_secs_f64()))?;
        self.handle.reduce(py, "double_barrier", keywords)
    }

    fn __repr__(&self) -> String {
        let inside = self.handle.existing().and_then(|barrier| barrier.generation(task::thread()));
        let state = inside.map_or("this thread is not inside".to_owned(), |generation| {
            format!("this thread is inside generation {generation}")
        });
        format!("<DoubleBarrier '{}' parties={} {state}>", self.handle.path(), self.parties())
    }
}
