//! How an attempt ends: its commit, or its abort, whichever lands first.
//!
//! Both set the transaction's znode at the version it has while ACTIVE, so the other can never pass. After a lost reply
//! the job's znode says what happened.

use std::sync::Arc;

use crate::commit::app::fenced;
use crate::commit::draft::Draft;
use crate::commit::files::Totals;
use crate::commit::layout;
use crate::commit::record::Committed;
use crate::commit::recover::State;
use crate::commit::transaction::{ACTIVE, NODE, Transaction};
use crate::error::{Error, Result};
use crate::session::{Grant, NotWritten, Write};

/// How many session timeouts to ask what became of a commit whose reply was lost.
const PATIENCE: u32 = 12;

/// How proposals end; there is one commit for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are their tables' next versions.
    Committed(Vec<Committed>),
    /// Another run of the same job was first; these attempts are to be rolled back.
    Replayed(Vec<Committed>),
    /// A head moved: propose again.
    Moved,
}

/// Which of a part's writes was refused.
enum Refused {
    Transaction,
    Job,
    Head,
    App,
    Floor,
    Alive,
}

/// What one attempt adds to the request.
struct Part {
    done: Committed,
    paths: [String; 3],
    data: [Vec<u8>; 3],
    head_version: i32,
    app: Option<(String, Vec<u8>, i32)>,
    floor: Option<(String, i32)>,
    alive: Option<String>,
}

/// Commits the proposals, one for each table, all or none.
///
/// # Cancel safety
/// A request that was sent takes effect all the same; [`Transaction::abort`] tells.
///
/// # Errors
/// `Fenced`, or the guard's own, where somebody took over; `CommitUnknown` where the reply was lost and the
/// ensemble stayed away: nothing may be deleted then, and the job is to be run again under the same id.
pub async fn commit(attempts: &mut [&mut Transaction]) -> Result<Outcome> {
    let parts = attempts.iter().map(|attempt| attempt.part()).collect::<Result<Vec<_>>>()?;
    let mut writes = Vec::new();
    // Whose it is, and what: the first refusal is the one reported. Being fenced, then being done, then being late.
    let mut order = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let ([tx, job, head], [turned, record, next]) = (&part.paths, &part.data);
        writes.push(Write::Set(tx, turned, ACTIVE));
        order.push((at, Refused::Transaction));
        if let Some((path, data, version)) = &part.app {
            writes.push(Write::Set(path, data, Some(*version)));
            order.push((at, Refused::App));
        }
        writes.extend([Write::Create(job, record, NODE), Write::Set(head, next, Some(part.head_version))]);
        order.extend([(at, Refused::Job), (at, Refused::Head)]);
        if let Some(path) = &part.alive {
            writes.push(Write::Check(path, None));
            order.push((at, Refused::Alive));
        }
        if let Some((path, version)) = &part.floor {
            writes.push(Write::Check(path, Some(*version)));
            order.push((at, Refused::Floor));
        }
    }
    let Some(session) = attempts.first().map(|attempt| attempt.table.session.clone()) else {
        return Ok(Outcome::Committed(Vec::new()));
    };
    let guards: Vec<Arc<Grant>> = attempts.iter().flat_map(|attempt| attempt.guards.clone()).collect();
    let guards: Vec<&Grant> = guards.iter().map(AsRef::as_ref).collect();
    let all = || Outcome::Committed(parts.iter().map(|part| part.done.clone()).collect());
    let outcome = loop {
        let Err(NotWritten { index, error }) = session.multi(&writes, &guards).await else { break all() };
        let refused = index.and_then(|index| order.get(index));
        match (refused, error) {
            (Some((at, Refused::Transaction)), error) => match attempts[*at].ours(&error).await? {
                Some(_) => break all(),
                None => return Err(attempts[*at].fenced()),
            },
            (Some((at, Refused::Job)), Error::NodeExists(why)) => {
                let error = Error::NodeExists(why);
                match attempts[*at].done(&error).await? {
                    Some(done) if done.tx == attempts[*at].attempt.tx => break all(),
                    Some(_) => break replayed(attempts, &error).await?,
                    // It was swept in between.
                    None => {}
                }
            }
            (Some((at, Refused::Head)), Error::BadVersion(_)) => {
                attempts[*at].losses += 1;
                break Outcome::Moved;
            }
            // The floor rose: whether the version is kept is to be seen again.
            (Some((_, Refused::Floor)), Error::BadVersion(_)) => break Outcome::Moved,
            (Some((at, Refused::Alive)), Error::NoNode(_)) => {
                return Err(Error::fenced(format!(
                    "write of job '{}' to {}: the session that it began in has ended, and fence(\"session\") asks for that; \
                     nothing of it is visible, run it again",
                    attempts[*at].attempt.job_id,
                    attempts[*at].place()
                )));
            }
            (Some((at, Refused::App)), Error::BadVersion(_) | Error::NoNode(_)) => {
                return Err(attempts[*at].turned_away());
            }
            // Sent again, the first refusal tells whether an attempt was fenced or another run was faster.
            (None, error) if error.outcome_unknown() => {
                if attempts[0].ours(&error).await?.is_some() {
                    break all();
                }
            }
            (_, error) => return Err(error),
        }
    };
    for attempt in attempts {
        match &outcome {
            Outcome::Moved => {}
            Outcome::Committed(_) => {
                attempt.leave_queue();
                if let Some(Draft { manifest, sealed, .. }) = &attempt.draft {
                    attempt.chain.insert(&sealed.name, manifest.clone());
                }
            }
            Outcome::Replayed(_) => attempt.leave_queue(),
        }
    }
    Ok(outcome)
}

/// The commits of another run of the job, which must have been to the same tables.
async fn replayed(attempts: &[&mut Transaction], after: &Error) -> Result<Outcome> {
    let mut all = Vec::new();
    for attempt in attempts {
        let Some(done) = attempt.done(after).await? else {
            return Err(Error::config(format!(
                "commit of job '{}': another run of it committed to other tables, and not to {}; give each its own job_id",
                attempt.attempt.job_id,
                attempt.place()
            )));
        };
        all.push(done);
    }
    Ok(Outcome::Replayed(all))
}

impl Transaction {
    fn part(&self) -> Result<Part> {
        let (Some(draft), Some((_, version))) = (&self.draft, &self.target) else {
            return Err(Error::config("commit: propose first"));
        };
        let totals = Totals::of(&draft.manifest.added);
        let done = Committed::new(&draft.head, &self.attempt.tx, totals.files, totals.bytes);
        let table = &self.attempt.table;
        Ok(Part {
            paths: [self.znode(), layout::job(table, &self.attempt.job_id)?, layout::head(table)],
            data: [self.record.turned(State::Committed).encode(), done.encode(), draft.head.encode()],
            head_version: *version,
            app: self.turn.as_ref().map(|turn| (turn.path.clone(), turn.record.encode(), turn.version)),
            alive: self.one_session.then(|| layout::alive(table, &self.attempt.tx)),
            floor: self.floor.map(|version| (layout::floor(table), version)),
            done,
        })
    }

    fn turned_away(&self) -> Error {
        let why = "another driver took it over";
        match &self.turn {
            Some(turn) => fenced(&turn.batch, self.place(), why),
            None => self.fenced(),
        }
    }

    /// Gives up, for good; or finds that it was committed after all.
    ///
    /// # Errors
    /// `CommitUnknown` where that cannot be told: nothing may be deleted.
    pub async fn abort(&mut self) -> Result<Option<Committed>> {
        self.leave_queue();
        let aborted = self.record.turned(State::Aborted).encode();
        loop {
            match self.table.session.set(&self.znode(), &aborted, ACTIVE, &[]).await {
                Ok(_) => return Ok(None),
                Err(error @ (Error::BadVersion(_) | Error::NoNode(_))) => return self.ours(&error).await,
                // To set it again is harmless: one of the two meets a version that moved.
                Err(error) if error.outcome_unknown() => {
                    if let Some(done) = self.ours(&error).await? {
                        return Ok(Some(done));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The commit, if it is this attempt's.
    async fn ours(&self, after: &Error) -> Result<Option<Committed>> {
        Ok(self.done(after).await?.filter(|done| done.tx == self.attempt.tx))
    }

    /// The commit of the job, by this attempt or another, asked for until a server answers.
    async fn done(&self, after: &Error) -> Result<Option<Committed>> {
        let asked = async {
            loop {
                let answer = async {
                    // In another session the server may lag behind the one that answered before.
                    self.table.session.sync(&self.znode()).await?;
                    self.table.job(&self.attempt.job_id).await
                };
                match answer.await {
                    Err(error) if error.outcome_unknown() => {}
                    answer => return answer,
                }
            }
        };
        let patience = self.table.session.config().session_timeout * PATIENCE;
        let found = match tokio::time::timeout(patience, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("for {patience:?} no server said whether it landed"),
        };
        Err(Error::commit_unknown(format!(
            "commit of job '{}' to {}: {after}; and then: {found}. \
             Run it again with the same job_id: it returns the commit, or makes it",
            self.attempt.job_id,
            self.place()
        )))
    }
}
