//! Ending items before they are done: with an outcome, where outcomes are kept, and without a dead letter.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use zookeeper_client as zk;

use super::Queue;
use super::batch::{Refused, Step};
use super::dead::{every, read};
use super::name::{id, stem};
use super::outcomes::OUTCOMES;
use super::pages::append;
use super::record::{Ending, Header, Ticket, json, with};
use crate::error::{Error, Result};
use crate::path::{child, name, parent};
use crate::session::{Incarnation, list_again};

/// Items cancelled at once.
const TOGETHER: usize = 32;

impl Queue {
    /// Ends the items with these ids, or all, whether somebody works on them or not; returns how many. Whoever works on
    /// one finds that its claim is gone when it acknowledges it, or gives it back.
    ///
    /// # Cancel safety
    /// Some are cancelled and some are not.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away; `NotAuthorized`.
    pub async fn cancel(&self, wanted: Option<&[String]>) -> Result<usize> {
        let incarnation = self.0.place.session.live().await?;
        let client = incarnation.client()?;
        let wanted: Option<HashSet<&str>> = wanted.map(|ids| ids.iter().map(String::as_str).collect());
        let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(id(name)));
        let paths = every(&self.0.items, &incarnation, &client, is_wanted).await?;
        let mut count = 0;
        for paths in paths.chunks(TOGETHER) {
            let each: Vec<_> = paths.iter().map(|path| self.cancel_one(&incarnation, &client, path)).collect();
            count += try_join_all(each).await?.into_iter().filter(|cancelled| *cancelled).count();
        }
        Ok(count)
    }

    /// False where it ended otherwise.
    async fn cancel_one(&self, incarnation: &Incarnation, client: &zk::Client, path: &String) -> Result<bool> {
        let page = name(parent(path).unwrap_or("/"));
        let mark = child(&child(&self.0.claims, page), name(path));
        // Whether an earlier try may have landed.
        let mut doubt = false;
        loop {
            let Some((_, data, stat)) = read(incarnation, client, std::slice::from_ref(path)).await?.pop() else {
                return Ok(doubt);
            };
            let (header, payload) = Header::split(path, data)?;
            let claims = match list_again(incarnation, client, path).await {
                Err(Error::NoNode(_)) => continue,
                claims => claims?,
            };
            let mut steps: Vec<Step> = claims.iter().map(|claim| Step::Delete(child(path, claim))).collect();
            if !claims.is_empty() {
                steps.push(Step::Delete(mark.clone()));
            }
            steps.push(Step::Delete(path.clone()));
            if let Some(dedupe) = &header.dedupe {
                let over = Ticket { item: id(name(path)).to_owned(), done: true };
                steps.push(Step::Set(self.ticket(dedupe), json(&over), None));
            }
            let attempts = header.attempts + super::claim::made(&stat);
            let error = Some("cancelled".into());
            let ending = Ending { ok: false, attempts, worker: String::new(), capacity: 0.0, error };
            let entry = (stem(id(name(path)), 0), with(&ending, &payload));
            let outcome = self.0.outcomes.batch(OUTCOMES, std::slice::from_ref(&entry));
            let batches: Vec<_> = self.0.settings.outcomes.then_some(outcome).into_iter().collect();
            match append(incarnation, client, "cancel", &steps, &batches).await {
                Ok(_) => return Ok(true),
                Err(Refused { error: Error::ConnectionLost(_), .. }) => {
                    doubt = true;
                    incarnation.connected().await?;
                }
                // It was claimed, or its claim ended, or it ended, meanwhile: look again.
                Err(Refused { at: Some(_), error: Error::NoNode(_) | Error::NotEmpty(_) }) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
    }
}
