//! Elections.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::watch;

use super::awaitable::{Awaitable, awaitable, awaitable_grant};
use super::candidate::{Candidate, Tally};
use super::coordinator::Coordinator;
use super::errors::raise;
use super::exit;
use super::handle::Rebuild;
use super::held::state_name;
use super::observer::Observer;
use super::runtime::block_on;
use super::seconds::{Seconds, timeout};
use super::term::Term;
use super::text::{self, Text};
use super::whole::{Whole, named};
use crate::error::{Error, Result};
use crate::recipes::ballot::Strategy;
use crate::recipes::{self, Candidature, Score};
use crate::session::Session;

/// What an election's handle is made from.
pub(super) struct Settings {
    candidature: Candidature,
    score: Option<Arc<Py<PyAny>>>,
}

pub(super) type Handle = super::handle::Handle<recipes::Election, Settings>;

/// The native half of an election's handle; `sparkeeper.Election` adds the loops.
#[pyclass(frozen, subclass, module = "sparkeeper._sparkeeper")]
pub(super) struct Election {
    handle: Handle,
    /// Set by `stop`, for good.
    stop: watch::Sender<bool>,
}

/// The score as the core calls it. What it raises is worded into the error.
fn score(path: &str, callable: Arc<Py<PyAny>>) -> Score {
    let path = path.to_owned();
    Score::new(move || {
        let called = exit::attach(|py| {
            let found = callable.call0(py).and_then(|found| found.extract::<f64>(py));
            found
                .map_err(|error| Error::config(format!("election '{path}': its score raised {error}; return a number")))
        });
        called.unwrap_or_else(|| Err(Error::closed("the interpreter is shutting down")))
    })
}

async fn campaign(handle: Handle, stop: watch::Receiver<bool>, timeout: Option<Duration>) -> Result<Term> {
    let (election, left) = handle.recipe_within("election", timeout).await?;
    Ok(Term::new(election.campaign(left).await?, stop))
}

/// Campaigns for ever, or until the handle is told to stop: `None` then.
async fn next_term(handle: Handle, stop: watch::Receiver<bool>) -> Result<Option<Term>> {
    let mut stopped = stop.clone();
    tokio::select! {
        biased;
        Ok(_) = stopped.wait_for(|stop| *stop) => Ok(None),
        term = campaign(handle, stop, None) => term.map(Some),
    }
}

async fn leader(handle: Handle) -> Result<Option<Candidate>> {
    Ok(handle.recipe().await?.leader().await?.map(Candidate::from))
}

async fn candidates(handle: Handle) -> Result<Vec<Candidate>> {
    Ok(handle.recipe().await?.candidates().await?.into_iter().map(Candidate::from).collect())
}

async fn tally(handle: Handle) -> Result<Option<Tally>> {
    Ok(handle.recipe().await?.tally().await?.map(Tally::from))
}

impl Election {
    /// # Errors
    /// `ConfigError` where arguments contradict each other; `InvalidPath`.
    fn open(
        link: &super::link::Link,
        path: String,
        id: Option<String>,
        strategy: &str,
        priority: Option<i64>,
        callable: Option<Py<PyAny>>,
    ) -> Result<Self> {
        let strategy = Strategy::parse(strategy)?;
        let refuse = |what: &str, other: Strategy| {
            let (mine, other) = (strategy.word(), other.word());
            let why =
                format!("election '{path}': {what}= is for strategy=\"{other}\", and this is \"{mine}\"; leave it out");
            Err(Error::config(why))
        };
        if priority.is_some() && strategy != Strategy::Priority {
            return refuse("priority", Strategy::Priority);
        }
        if callable.is_some() && strategy != Strategy::Vote {
            return refuse("score", Strategy::Vote);
        }
        let callable = callable.map(Arc::new);
        let score = callable.clone().map(|callable| self::score(&path, callable)).unwrap_or_default();
        let candidature = Candidature { id, strategy, priority: priority.unwrap_or_default(), score, settled: false };
        let open = |session: &Session, path: &str, settings: &Settings| {
            recipes::Election::new(session, path, settings.candidature.clone())
        };
        let handle = Handle::new(link.clone(), path, Settings { candidature, score: callable }, open)?;
        Ok(Self { handle, stop: watch::Sender::new(false) })
    }
}

#[pymethods]
impl Election {
    #[new]
    #[pyo3(signature = (coordinator, path, *, id=None, strategy="fair", priority=None, score=None))]
    fn new(
        py: Python<'_>,
        coordinator: &Coordinator,
        path: Text,
        id: Option<Text>,
        strategy: &str,
        priority: Option<Whole<i64>>,
        score: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        if let Some(score) = score.as_ref().filter(|score| !score.bind(py).is_callable()) {
            let why = Error::config(format!("score={}: give a function that returns a number", score.bind(py).repr()?));
            return Err(raise(py, &why));
        }
        Self::open(coordinator.link(), path.into(), text::plain(id), strategy, named(priority, py, "priority")?, score)
            .map_err(|error| raise(py, &error))
    }

    /// The path, as it was given.
    #[getter]
    fn path(&self) -> &str {
        self.handle.path()
    }

    /// Who we say we are.
    #[getter]
    fn id(&self) -> &str {
        self.handle.settings().candidature.id.as_deref().unwrap_or(&self.handle.link().config().owner)
    }

    /// How leaders are found: "fair", "random", "priority" or "vote".
    #[getter]
    fn strategy(&self) -> &'static str {
        self.handle.settings().candidature.strategy.word()
    }

    /// Wants to lead, and waits until it does.
    ///
    /// Args:
    ///     timeout: Seconds or timedelta, the total over everything, reconnects included. 0 tries once,
    ///         None waits for ever.
    ///
    /// Returns:
    ///     The term, to be used in a `with` that ends it. It stands until it is given up or lost, also
    ///     when this object is dropped.
    ///
    /// Raises:
    ///     AcquireTimeout: It took longer; the message names the leader.
    ///     ConfigError: Others on this path are elected by another strategy; or the score failed.
    ///     Closed: The coordinator was closed meanwhile.
    #[pyo3(signature = (timeout=None))]
    fn campaign(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Term> {
        let timeout = self::timeout(py, timeout)?;
        block_on(py, campaign(self.handle.clone(), self.stop.subscribe(), timeout)).map(Term::arrived)
    }

    /// As `campaign`, to be awaited. Cancelling leaves nothing behind.
    #[pyo3(signature = (timeout=None))]
    fn campaign_async<'py>(&self, py: Python<'py>, timeout: Option<Seconds>) -> PyResult<Awaitable<'py, Term>> {
        let timeout = self::timeout(py, timeout)?;
        awaitable_grant(py, campaign(self.handle.clone(), self.stop.subscribe(), timeout))
    }

    /// The next term of `run`, or None when it was told to stop.
    fn _next_term(&self, py: Python<'_>) -> PyResult<Option<Term>> {
        let next = block_on(py, next_term(self.handle.clone(), self.stop.subscribe()))?;
        Ok(next.map(Term::arrived))
    }

    /// As `_next_term`, to be awaited.
    fn _next_term_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Term>>> {
        awaitable_grant(py, next_term(self.handle.clone(), self.stop.subscribe()))
    }

    /// Ends every `run` of this handle, for good: one that waits to lead returns at once; one that leads is
    /// asked through `term.lost`, and returns when its callable has.
    fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Who leads, or None.
    fn leader(&self, py: Python<'_>) -> PyResult<Option<Candidate>> {
        block_on(py, leader(self.handle.clone()))
    }

    /// As `leader`, to be awaited.
    fn leader_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Candidate>>> {
        awaitable(py, leader(self.handle.clone()))
    }

    /// Everybody who leads or wants to: the leader first, then the others in order of arrival.
    fn candidates(&self, py: Python<'_>) -> PyResult<Vec<Candidate>> {
        block_on(py, candidates(self.handle.clone()))
    }

    /// As `candidates`, to be awaited.
    fn candidates_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Vec<Candidate>>> {
        awaitable(py, candidates(self.handle.clone()))
    }

    /// How the last vote went, or None where there was none. It is kept as long as there are candidates.
    fn tally(&self, py: Python<'_>) -> PyResult<Option<Tally>> {
        block_on(py, tally(self.handle.clone()))
    }

    /// As `tally`, to be awaited.
    fn tally_async<'py>(&self, py: Python<'py>) -> PyResult<Awaitable<'py, Option<Tally>>> {
        awaitable(py, tally(self.handle.clone()))
    }

    /// What `observe` iterates over.
    fn _observe(&self) -> Observer {
        Observer::new(self.handle.clone())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Rebuild<'py>> {
        let Settings { candidature, score } = self.handle.settings();
        let keywords = PyDict::new(py);
        keywords.set_item("id", &candidature.id)?;
        keywords.set_item("strategy", candidature.strategy.word())?;
        if candidature.strategy == Strategy::Priority {
            keywords.set_item("priority", candidature.priority)?;
        }
        keywords.set_item("score", score.as_ref().map(|score| score.bind(py)))?;
        self.handle.reduce(py, "election", keywords)
    }

    fn __repr__(&self) -> String {
        let election = self.handle.existing();
        let state = match election.and_then(recipes::Election::term) {
            Some((token, state)) => format!("leading ({}, token={token})", state_name(state)),
            None => "not leading".to_owned(),
        };
        let leader = election.and_then(recipes::Election::known_leader).unwrap_or_else(|| "unknown".to_owned());
        let (path, strategy, id) = (self.path(), self.strategy(), self.id());
        format!("<Election '{path}' {strategy} id='{id}' {state}, last seen leader: {leader}>")
    }
}
