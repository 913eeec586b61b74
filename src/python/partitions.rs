//! Groups that divide items among their members.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::{Awaitable, Nothing, awaitable, awaitable_grant};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::handle::{Handle, Rebuild};
use super::partition_member::PartitionMember;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::text::{self, Text};
use super::whole::{Range, Whole, named};
use crate::assign::Strategy;
use crate::assign::group::{self, Card, Change};
use crate::error::{Error, Result};
use crate::session::Session;

type Recipe = Handle<group::Partitions, Change>;

/// The native half of a group's handle; `sparkeeper.Partitions` words it in Python's values.
#[pyclass(frozen, subclass, module = "sparkeeper._sparkeeper")]
pub(super) struct Partitions(Recipe);

async fn join(handle: Recipe, id: Option<String>, card: Card, timeout: Option<Duration>) -> Result<PartitionMember> {
    let (group, left) = handle.recipe_within("partitions", timeout).await?;
    Ok(PartitionMember::new(group.join(id, card, left).await?))
}

async fn assignment(handle: Recipe) -> Result<Option<String>> {
    let published = handle.recipe().await?.assignment().await?;
    published.map(|published| json(&published)).transpose()
}

async fn progress(handle: Recipe) -> Result<String> {
    json(&handle.recipe().await?.progress().await?)
}

async fn spec(handle: Recipe) -> Result<String> {
    json(&handle.recipe().await?.spec().await?)
}

async fn members(handle: Recipe) -> Result<String> {
    json(&handle.recipe().await?.members().await?)
}

async fn update(handle: Recipe, change: Change) -> Result<Nothing> {
    handle.recipe().await?.update(&change).await?;
    Ok(Nothing)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|why| Error::server(format!("JSON: {why}")))
}

fn column<T: Range>(py: Python<'_>, name: &str, given: Option<Vec<Whole<T>>>) -> PyResult<Option<Vec<T>>> {
    given.map(|given| given.into_iter().map(|number| number.named(py, name)).collect()).transpose()
}

fn change(
    py: Python<'_>,
    items: Option<&str>,
    weights: Option<Vec<Whole<u64>>>,
    priorities: Option<Vec<Whole<i64>>>,
    zones: Option<Vec<Option<Text>>>,
    strategy: Option<Text>,
    quiet: Option<Seconds>,
) -> PyResult<Change> {
    let items = items
        .map(|items| serde_json::from_str(items).map_err(|why| raise(py, &Error::config(format!("items: {why}")))));
    let strategy = strategy.map(|strategy| Strategy::named(&strategy).map_err(|error| raise(py, &error)));
    let quiet = quiet.map(|quiet| quiet.duration(py, "quiet")).transpose()?;
    Ok(Change {
        items: items.transpose()?,
        weights: column(py, "weights", weights)?,
        priorities: column(py, "priorities", priorities)?,
        zones: zones.map(|zones| zones.into_iter().map(text::plain).collect()),
        strategy: strategy.transpose()?,
        quiet: quiet.map(|quiet| u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX)),
    })
}

#[pymethods]
impl Partitions {
    #[new]
    #[pyo3(signature = (
        coordinator, path, items=None, weights=None, priorities=None, zones=None, strategy=None, quiet=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn new(
        py: Python<'_>,
        coordinator: &Coordinator,
        path: Text,
        items: Option<&str>,
        weights: Option<Vec<Whole<u64>>>,
        priorities: Option<Vec<Whole<i64>>>,
        zones: Option<Vec<Option<Text>>>,
        strategy: Option<Text>,
        quiet: Option<Seconds>,
    ) -> PyResult<Self> {
        let asked = change(py, items, weights, priorities, zones, strategy, quiet)?;
        let open = |session: &Session, path: &str, asked: &Change| group::Partitions::new(session, path, asked.clone());
        let made = asked.check(&path).and_then(|()| Handle::new(coordinator.link().clone(), path, asked, open));
        made.map(Self).map_err(|error| raise(py, &error))
    }

    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.0.path()
    }

    #[pyo3(signature = (id, capacity, limit, zone, priority, reserve, timeout))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn _join(
        &self,
        py: Python<'_>,
        id: Option<Text>,
        capacity: f64,
        limit: Option<Whole<u64>>,
        zone: Option<Text>,
        priority: i64,
        reserve: Option<Seconds>,
        timeout: Option<Seconds>,
    ) -> PyResult<PartitionMember> {
        let (card, timeout) =
            (card(py, capacity, named(limit, py, "limit")?, zone, priority, reserve)?, self::timeout(py, timeout)?);
        block_on(py, join(self.0.clone(), text::plain(id), card, timeout)).map(PartitionMember::arrived)
    }

    #[pyo3(signature = (id, capacity, limit, zone, priority, reserve, timeout))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn _join_async<'py>(
        &self,
        py: Python<'py>,
        id: Option<Text>,
        capacity: f64,
        limit: Option<Whole<u64>>,
        zone: Option<Text>,
        priority: i64,
        reserve: Option<Seconds>,
        timeout: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, PartitionMember>> {
        let (card, timeout) =
            (card(py, capacity, named(limit, py, "limit")?, zone, priority, reserve)?, self::timeout(py, timeout)?);
        awaitable_grant(py, join(self.0.clone(), text::plain(id), card, timeout))
    }

    fn _assignment(&self, py: Python<'_>) -> PyResult<Option<String>> {
        block_on(py, assignment(self.0.clone()))
    }

    fn _assignment_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<String>>> {
        awaitable(py, assignment(self.0.clone()))
    }

    fn _progress(&self, py: Python<'_>) -> PyResult<String> {
        block_on(py, progress(self.0.clone()))
    }

    fn _progress_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, String>> {
        awaitable(py, progress(self.0.clone()))
    }

    fn _spec(&self, py: Python<'_>) -> PyResult<String> {
        block_on(py, spec(self.0.clone()))
    }

    fn _spec_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, String>> {
        awaitable(py, spec(self.0.clone()))
    }

    fn _members(&self, py: Python<'_>) -> PyResult<String> {
        block_on(py, members(self.0.clone()))
    }

    fn _members_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, String>> {
        awaitable(py, members(self.0.clone()))
    }

    #[pyo3(signature = (items, weights, priorities, zones, strategy, quiet))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn _update(
        &self,
        py: Python<'_>,
        items: Option<&str>,
        weights: Option<Vec<Whole<u64>>>,
        priorities: Option<Vec<Whole<i64>>>,
        zones: Option<Vec<Option<Text>>>,
        strategy: Option<Text>,
        quiet: Option<Seconds>,
    ) -> PyResult<Nothing> {
        let change = change(py, items, weights, priorities, zones, strategy, quiet)?;
        block_on(py, update(self.0.clone(), change))
    }

    #[pyo3(signature = (items, weights, priorities, zones, strategy, quiet))]
    #[expect(clippy::too_many_arguments, reason = "each is a setting with a default")]
    fn _update_async<'py>(
        &self,
        py: Python<'py>,
        items: Option<&str>,
        weights: Option<Vec<Whole<u64>>>,
        priorities: Option<Vec<Whole<i64>>>,
        zones: Option<Vec<Option<Text>>>,
        strategy: Option<Text>,
        quiet: Option<Seconds>,
    ) -> PyResult<Awaitable<'py, Nothing>> {
        let change = change(py, items, weights, priorities, zones, strategy, quiet)?;
        awaitable(py, update(self.0.clone(), change))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let asked = self.0.settings();
        let keywords = PyDict::new(py);
        if let Some(items) = &asked.items {
            let text = json(items).map_err(|error| raise(py, &error))?;
            keywords.set_item("items", py.import("json")?.call_method1("loads", (text,))?)?;
        }
        keywords.set_item("weights", asked.weights.clone())?;
        keywords.set_item("priorities", asked.priorities.clone())?;
        keywords.set_item("zones", asked.zones.clone())?;
        keywords.set_item("strategy", asked.strategy.map(Strategy::name))?;
        keywords.set_item("quiet", asked.quiet.map(|quiet| Duration::from_millis(quiet).as_secs_f64()))?;
        self.0.reduce(py, "partitions", keywords)
    }

    fn __repr__(&self) -> String {
        let items = self.0.settings().items.as_ref().map(|items| format!(" {} items", items.len()));
        format!("<Partitions '{}'{}>", self.0.path(), items.unwrap_or_default())
    }
}

fn card(
    py: Python<'_>,
    capacity: f64,
    limit: Option<u64>,
    zone: Option<Text>,
    priority: i64,
    reserve: Option<Seconds>,
) -> PyResult<Card> {
    let reserve = reserve.map(|reserve| reserve.duration(py, "static")).transpose()?.unwrap_or_default();
    let zone = text::plain(zone);
    Ok(Card { capacity, limit, zone, priority, reserve: u64::try_from(reserve.as_millis()).unwrap_or(u64::MAX) })
}
