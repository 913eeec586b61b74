//! A double barrier: so many parties begin together and end together, generation after generation.
//!
//! Znodes: `<path>/members/_c_<guid>-member-<sequence>`, ephemeral, one per party, from `enter` to `leave`; beside it
//! its answers `ready-<call>-<member>` and `leaving-<member>`, ephemeral as well. The data of `<path>/members` is the
//! state, which alone decides and is written at its version only. It is a container, as what is above: it stands
//! while a member does, and vanishes with the state, also where the last to leave ends at once.
//!
//! A generation begins when `parties` members have answered one call: nodes that a crashed run left behind
//! answer none. One multi, which checks all their nodes, lets all of them pass. A member whose timeout ends
//! first breaks the generation in the same node, so that either all passed or all get `AcquireTimeout`.
//! A member that dies, or whose handle is dropped, is not waited for by those who leave; where all or none are to leave,
//! it ends the generation for the others, in the same node. After an expiry while waiting to enter a member joins again;
//! after one inside it has left, and `leave` says so.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zookeeper_client as zk;

use super::contenders::{self, Contender, LineKind};
use super::double_barrier_members::{Members, Party};
use super::double_barrier_round::{MARKER, MARKERS, State, Step, View};
use super::holds::Holder;
use super::patience::Patience;
use super::place::Place;
use super::turn;
use crate::error::{Error, Result};
use crate::path::child;
use crate::retry::Deadline;
use crate::session::{GrantKind, Session, create_protected};

const LINE: LineKind =
    LineKind { marker: MARKER, markers: MARKERS, grant: GrantKind::Claim, rule: turn::first, settled: false };

/// How long a member whose timeout is over, or that does not wait, tries to agree with the others.
const AGREE: Duration = Duration::from_secs(1);

/// A handle on the double barrier at one path; each thread or task that enters through it is a party. Clones are one handle.
#[derive(Clone, Debug)]
pub struct DoubleBarrier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    parties: usize,
    /// Whether a member that is lost inside ends the generation for all.
    all_or_none: bool,
    members: Members,
    inside: Mutex<HashMap<Holder, Party>>,
}

impl DoubleBarrier {
    /// A handle on the double barrier at `path` for so many parties. With `all_or_none` one that is lost inside ends the
    /// generation for the rest. All parties must say the same.
    ///
    /// # Errors
    /// `InvalidPath`; `Config` where there are no parties.
    pub fn new(session: &Session, path: &str, parties: usize, all_or_none: bool) -> Result<Self> {
        let place = Place::new(session, "double barrier", path)?;
        let members = Members { barrier: place.name.clone(), path: child(&place.path, "members") };
        Ok(Self(Arc::new(Inner { place, parties, all_or_none, members, inside: Mutex::default() })))
    }

    /// Waits until all parties are there, and returns the generation's number.
    ///
    /// `timeout` is the total over everything, reconnects included. Zero tries once: it passes where we complete the
    /// generation, and breaks it otherwise, as any timeout does.
    ///
    /// # Cancel safety
    /// Leaves no node and no watch; the others go on waiting for one more.
    ///
    /// # Errors
    /// `AcquireTimeout` for all of the generation where one party's timeout ended; `MemberLost` where all had entered, and
    /// one was lost before we heard of it; `ConnectionLost` where the timeout ended and no server said what the others
    /// got; `NotOwner` where this holder is inside; `Config` where another asks for another number of parties; `Closed`,
    /// `AuthFailed`.
    pub async fn enter(&self, holder: Holder, timeout: Option<Duration>) -> Result<u64> {
        if self.inside().contains_key(&holder) {
            return Err(self.not_owner("is inside already; leave first"));
        }
        let once = tries_once(timeout);
        let deadline = Deadline::after(timeout.filter(|_| !once));
        let mut party = None;
        let passed = loop {
            match deadline.bound(self.gather(&mut party, once)).await {
                Some(Err(Error::SessionExpired(_))) => party = None,
                Some(Err(error)) => break Err(error),
                Some(Ok(Some(generation))) => break Ok(generation),
                Some(Ok(None)) | None => break self.give_up(party.as_mut(), false, timeout).await,
            }
        };
        let (generation, party) = (passed?, party);
        if let Some(mut party) = party {
            party.generation = generation;
            self.inside().insert(holder, party);
        }
        Ok(generation)
    }

    /// Waits until all live parties of the generation leave; with a zero timeout it passes where we are the last.
    ///
    /// # Cancel safety
    /// We have left; nothing stays behind.
    ///
    /// # Errors
    /// `AcquireTimeout` for all who leave where one party's timeout ended; `MemberLost` for all where all or none were to
    /// leave, and one is gone; `ConnectionLost` as [`DoubleBarrier::enter`];
    /// `NotOwner` where this holder did not enter; `SessionExpired` where we had left before, with our session.
    pub async fn leave(&self, holder: Holder, timeout: Option<Duration>) -> Result<()> {
        let party = self.inside().remove(&holder);
        let mut party = party.ok_or_else(|| self.not_owner("did not enter it through this handle"))?;
        let once = tries_once(timeout);
        let deadline = Deadline::after(timeout.filter(|_| !once));
        match deadline.bound(self.follow(&mut party, true, once)).await {
            Some(Err(error)) => Err(error),
            Some(Ok(Some(_))) => Ok(()),
            Some(Ok(None)) | None => self.give_up(Some(&mut party), true, timeout).await.map(drop),
        }
    }

    /// Leaves at once: the others see us gone. Nothing where this holder is not inside.
    pub fn withdraw(&self, holder: Holder) {
        drop(self.inside().remove(&holder));
    }

    /// The generation that `holder` is in.
    #[must_use]
    pub fn generation(&self, holder: Holder) -> Option<u64> {
        self.inside().get(&holder).map(|party| party.generation)
    }

    /// Everybody who waits or is inside, in order of arrival.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn members(&self) -> Result<Vec<Contender>> {
        let (session, path) = (&self.0.place.session, &self.0.members.path);
        let mut members =
            session.look(|incarnation| async move { contenders::contenders(&incarnation, path, LINE).await }).await?;
        // Answers carry the marker too, in the member's name; they have no owner.
        members.retain(|member| !member.owner.is_empty());
        for (position, member) in members.iter_mut().enumerate() {
            member.position = position;
        }
        Ok(members)
    }

    /// Joins, and waits for the generation as [`DoubleBarrier::follow`].
    async fn gather(&self, party: &mut Option<Party>, once: bool) -> Result<Option<u64>> {
        if party.is_none() {
            let Inner { place, members, .. } = &*self.0;
            let session = &place.session;
            let incarnation = if once { session.live().await? } else { session.next_live().await? };
            let owner = place.session.config().owner.as_bytes();
            // Answers are told from members by their data.
            let owner = if owner.is_empty() { &b"?"[..] } else { owner };
            let created = create_protected(&incarnation, &members.path, MARKER, owner, false).await?;
            created.attempt.keep();
            let members = members.path.clone();
            *party = Some(Party { incarnation, members, name: created.name, generation: 0, said: Vec::new() });
        }
        match party {
            Some(party) => self.follow(party, false, once).await,
            None => Err(Error::closed("no member")),
        }
    }

    /// Does what the state asks of us until it lets us pass. `once` waits for nobody who is not there yet, and
    /// only for a moment for those who are: `None` where that was not enough.
    async fn follow(&self, party: &mut Party, inside: bool, once: bool) -> Result<Option<u64>> {
        Deadline::after(once.then_some(AGREE)).bound(self.steps(party, inside, once)).await.unwrap_or(Ok(None))
    }

    async fn steps(&self, party: &mut Party, inside: bool, once: bool) -> Result<Option<u64>> {
        let incarnation = party.incarnation.clone();
        let client = incarnation.client()?;
        let (mut conductor, mut patience) = (false, Patience::new());
        loop {
            let followed = async {
                let (view, version, state, names) = self.0.members.view(&incarnation, &client, conductor).await?;
                match self.act(party, &client, &view, version, inside).await? {
                    Some(generation) => return Ok(ControlFlow::Break(Some(generation))),
                    None if self.step(party, &view, inside) != Step::Wait => return Ok(ControlFlow::Continue(())),
                    None if once && view.lacks(inside, self.0.parties) => return Ok(ControlFlow::Break(None)),
                    None => {}
                }
                let first = view.conductor(inside);
                if first == Some(&party.name) {
                    if !std::mem::replace(&mut conductor, true) {
                        return Ok(ControlFlow::Continue(()));
                    }
                } else {
                    conductor = false;
                }
                let other = match first {
                    Some(first) if !conductor => {
                        let path = child(&self.0.members.path, first);
                        match incarnation.request("watch", &path, client.get_and_watch_data(&path)).await {
                            Ok((_, _, watcher)) => Some(watcher),
                            Err(Error::NoNode(_)) => return Ok(ControlFlow::Continue(())),
                            Err(error) => return Err(error),
                        }
                    }
                    _ => names,
                };
                let (name, there) = (&self.0.place.name, view.members.len());
                patience.say(|| {
                    if inside {
                        return format!("waiting to leave '{name}': {there} are inside");
                    }
                    format!("waiting at '{name}': {there} of {} are there", self.0.parties)
                });
                tokio::select! {
                    _ = state.changed() => Ok(ControlFlow::Continue(())),
                    () = patience.long() => Ok(ControlFlow::Continue(())),
                    () = changed(other) => Ok(ControlFlow::Continue(())),
                    why = incarnation.ended() => Err(why),
                }
            };
            match followed.await {
                Ok(ControlFlow::Break(passed)) => return Ok(passed),
                Ok(ControlFlow::Continue(())) => {}
                Err(Error::ConnectionLost(_)) => incarnation.connected().await?,
                Err(error) => return Err(error),
            }
        }
    }

    fn step(&self, party: &Party, view: &View, inside: bool) -> Step {
        if inside {
            view.leave(&party.name, party.generation, self.0.all_or_none)
        } else {
            view.enter(&party.name, self.0.parties)
        }
    }

    /// One step. The generation, where it is our turn to go on.
    async fn act(
        &self,
        party: &mut Party,
        client: &zk::Client,
        view: &View,
        version: i32,
        inside: bool,
    ) -> Result<Option<u64>> {
        match self.step(party, view, inside) {
            Step::Pass => return Ok(Some(view.state.generation)),
            Step::Broken => return Err(self.broken(&view.state)),
            Step::Lost => return Err(self.lost(&view.state)),
            Step::Disagree(others) => return Err(self.disagree(others)),
            Step::Gone => return Err(self.0.members.gone()),
            Step::Say(name) => {
                let path = child(&self.0.members.path, &name);
                party.said.push(name);
                let options = zk::CreateMode::Ephemeral.with_acls(party.incarnation.acls());
                match party.incarnation.request("create", &path, client.create(&path, b"", &options)).await {
                    // Without the parent we are gone, as the next look tells.
                    Ok(_) | Err(Error::NodeExists(_) | Error::NoNode(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Step::Write(state, checks) => {
                self.0.members.write(&party.incarnation, client, &state, version, &checks).await?;
            }
            Step::Wait => {}
        }
        Ok(None)
    }

    /// The timeout is over: breaks the generation for all, unless it was decided meanwhile.
    async fn give_up(&self, party: Option<&mut Party>, inside: bool, timeout: Option<Duration>) -> Result<u64> {
        let Inner { place, parties, .. } = &*self.0;
        let (within, after) = match timeout.filter(|_| !tries_once(timeout)) {
            Some(after) => (format!("within {after:?}"), format!("after {after:?}")),
            None => ("at once".to_owned(), "at once".to_owned()),
        };
        let late = |what: &str| {
            Error::acquire_timeout(format!(
                "double barrier '{}': not {} {within}: {what}; try again together",
                place.name,
                if inside { "left" } else { "entered" }
            ))
        };
        let Some(party) = party else { return Err(late("no server answered by then")) };
        let gone = if inside { self.0.members.gone() } else { late("somebody deleted our node") };
        let agreed = async {
            let client = party.incarnation.client()?;
            loop {
                let (view, version, _, _) = self.0.members.view(&party.incarnation, &client, false).await?;
                match self.step(party, &view, inside) {
                    Step::Pass => return Ok(view.state.generation),
                    Step::Broken => return Err(self.broken(&view.state)),
                    Step::Lost => return Err(self.lost(&view.state)),
                    Step::Disagree(others) => return Err(self.disagree(others)),
                    Step::Gone => return Err(self.0.members.gone()),
                    _ if !inside && view.occupied() => {
                        return Err(late("the generation before is inside"));
                    }
                    _ => {}
                }
                let there = view.members.len();
                let owner = &place.session.config().owner;
                let why = format!("{owner} gave up {after}, when {there} of {parties} were there");
                let broken = view.broken(inside, why);
                if self.0.members.write(&party.incarnation, &client, &broken, version, &[]).await? {
                    return Err(self.broken(&broken));
                }
            }
        };
        match tokio::time::timeout(AGREE, agreed).await {
            // Our session stands, and our node was deleted: nobody counts on us, and we know it.
            Ok(Err(Error::SessionExpired(_))) if party.incarnation.client().is_ok() => Err(gone),
            Ok(Err(error @ (Error::ConnectionLost(_) | Error::SessionExpired(_)))) => {
                Err(self.undecided(&error.to_string()))
            }
            Ok(agreed) => agreed,
            Err(_) => Err(self.undecided("no server answered")),
        }
    }

    fn broken(&self, state: &State) -> Error {
        Error::acquire_timeout(format!(
            "double barrier '{}': generation {} is broken for all its members: {}; try again together",
            self.0.place.name, state.generation, state.why
        ))
    }

    fn lost(&self, state: &State) -> Error {
        Error::member_lost(format!(
            "double barrier '{}': generation {} is over for all its members: {}; do the work again, all together",
            self.0.place.name, state.generation, state.why
        ))
    }

    fn disagree(&self, others: usize) -> Error {
        Error::config(format!(
            "double barrier '{}': we ask for parties={}, and another member for parties={others}; give all the same",
            self.0.place.name, self.0.parties
        ))
    }

    fn undecided(&self, why: &str) -> Error {
        Error::connection_lost(format!(
            "double barrier '{}': the timeout is over and {why}: whether the others passed is not known here; our node goes, \
             and they see us gone",
            self.0.place.name
        ))
    }

    fn not_owner(&self, what: &str) -> Error {
        Error::not_owner(format!("double barrier '{}': this thread or task {what}", self.0.place.name))
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, HashMap<Holder, Party>> {
        self.0.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tries_once(timeout: Option<Duration>) -> bool {
    timeout.is_some_and(|timeout| timeout.is_zero())
}

async fn changed(watcher: Option<zk::OneshotWatcher>) {
    match watcher {
        Some(watcher) => drop(watcher.changed().await),
        None => std::future::pending().await,
    }
}
