//! Our own membership in a group that divides items.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::arrival::Arrival;
use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_grant, present};
use super::claim::Claim;
use super::errors::raise;
use super::runtime::{block_on, core};
use super::seconds::Seconds;
use super::text::{self, Text};
use super::whole::{Whole, named};
use crate::assign::group::{Amendment, Member};
use crate::error::Result;

async fn next(member: Member) -> Result<Option<Claim>> {
    Ok(member.next_claim().await?.map(Claim::new))
}

async fn update(member: Member, amendment: Amendment) -> Result<Nothing> {
    member.update(amendment).await?;
    Ok(Nothing)
}

async fn left(member: Member, wait: bool) -> Result<Nothing> {
    if wait {
        member.gone().await;
    }
    Ok(Nothing)
}

/// The native half of a membership; `sparkeeper.PartitionMember` adds the loops.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct PartitionMember {
    member: Member,
    arrival: Arrival,
}

impl PartitionMember {
    pub(super) fn new(member: Member) -> Self {
        Self { member, arrival: Arrival::default() }
    }

    pub(super) fn arrived(self) -> Self {
        self.arrival.arrive();
        self
    }
}

fn amendment(
    py: Python<'_>,
    capacity: Option<f64>,
    limit: Option<u64>,
    no_limit: bool,
    zone: Option<Text>,
    priority: Option<i64>,
    reserve: Option<Seconds>,
) -> PyResult<Amendment> {
    let reserve = reserve.map(|reserve| reserve.duration(py, "static")).transpose()?;
    let reserve = reserve.map(|reserve| u64::try_from(reserve.as_millis()).unwrap_or(u64::MAX));
    let zone = text::plain(zone);
    Ok(Amendment { capacity, limit, no_limit, zone, priority, reserve })
}

#[pymethods]
impl PartitionMember {
    /// Who we are in the group.
    #[getter]
    fn id(&self) -> &str {
        self.member.id()
    }

    /// The group's path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.member.group()
    }

    /// "JOINED", "AT_RISK" (nobody can confirm it now), "ABSENT" (lost; it joins again by itself), "LEFT" (for good).
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        core().map_err(|error| raise(py, &error))?;
        Ok(self.member.presence().name())
    }

    /// The JSON texts of what is held now.
    fn _held(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        core().map_err(|error| raise(py, &error))?;
        Ok(self.member.held())
    }

    fn _next(&self, py: Python<'_>) -> PyResult<Option<Claim>> {
        Ok(block_on(py, next(self.member.clone()))?.map(Claim::arrived))
    }

    fn _next_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Claim>>> {
        awaitable_grant(py, next(self.member.clone()))
    }

    #[pyo3(signature = (capacity, limit, no_limit, zone, priority, reserve))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn _update(
        &self,
        py: Python<'_>,
        capacity: Option<f64>,
        limit: Option<Whole<u64>>,
        no_limit: bool,
        zone: Option<Text>,
        priority: Option<i64>,
        reserve: Option<Seconds>,
    ) -> PyResult<Nothing> {
        let amendment = amendment(py, capacity, named(limit, py, "limit")?, no_limit, zone, priority, reserve)?;
        block_on(py, update(self.member.clone(), amendment))
    }

    #[pyo3(signature = (capacity, limit, no_limit, zone, priority, reserve))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn _update_async<'py>(
        &self,
        py: Python<'py>,
        capacity: Option<f64>,
        limit: Option<Whole<u64>>,
        no_limit: bool,
        zone: Option<Text>,
        priority: Option<i64>,
        reserve: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        let amendment = amendment(py, capacity, named(limit, py, "limit")?, no_limit, zone, priority, reserve)?;
        awaitable(py, update(self.member.clone(), amendment))
    }

    /// Leaves for good: all claims are given up, those in the user's hands too. Once more is a no-op.
    ///
    /// Args:
    ///     wait: Return only when nothing of it is left. Without it the requests are on their way, and are repeated
    ///         in the background should a reply be lost.
    #[pyo3(signature = (wait=false))]
    fn leave(&self, py: Python<'_>, wait: bool) -> PyResult<Nothing> {
        core().map_err(|error| raise(py, &error))?;
        self.member.leave();
        block_on(py, left(self.member.clone(), wait))
    }

    /// As `leave`, to be awaited.
    #[pyo3(signature = (wait=false))]
    fn leave_async<'py>(&self, py: Python<'py>, wait: bool) -> PyResult<Awaitable<'py, Nothing>> {
        core().map_err(|error| raise(py, &error))?;
        self.member.leave();
        if wait { awaitable(py, left(self.member.clone(), wait)) } else { present(py, Nothing) }
    }

    /// The caller has it now.
    fn _arrive(&self) {
        self.arrival.arrive();
    }

    fn __reduce__(&self) -> PyResult<String> {
        Err(PyTypeError::new_err(format!(
            "a membership ('{}' in '{}') belongs to the session that joined and does not pickle; send the group, and \
             join there",
            self.member.id(),
            self.member.group()
        )))
    }
}
