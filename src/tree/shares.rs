//! How a walk is shared among tasks: by subtree, from the listing of the upper levels.

use futures_util::future::try_join_all;

use super::scope::Scope;
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::Session;

/// Where a walk begins: a node, alone or with everything below it.
pub type Top = (String, bool);

/// How many subtrees for each task: the sizes of subtrees are not known, and many even out.
const EACH: usize = 8;

/// How many listings are on their way at once.
const IN_FLIGHT: usize = 64;

/// At most `tasks` lists of tops that together are all of the scope, each of it in one of them.
///
/// Levels are listed one after the other until there are subtrees enough. None where there is nothing to read.
///
/// # Errors
/// `NoNode` where the root is missing; `NotAuthorized`; `ConnectionLost` where the ensemble stays away.
pub async fn shares(session: &Session, scope: &Scope, tasks: usize) -> Result<Vec<Vec<Top>>> {
    if session.exists(scope.root()).await?.is_none() {
        return Err(scope.missing());
    }
    let (mut alone, mut frontier) = (Vec::new(), vec![scope.root().to_owned()]);
    while frontier.len() < tasks.saturating_mul(EACH) {
        let (open, closed): (Vec<_>, Vec<_>) = frontier.into_iter().partition(|path| scope.reaches(path));
        alone.extend(closed);
        if open.is_empty() {
            frontier = Vec::new();
            break;
        }
        frontier = below(session, &open).await?;
        alone.extend(open);
    }
    let tops = alone.into_iter().map(|path| (path, false)).chain(frontier.into_iter().map(|path| (path, true)));
    Ok(deal(tops.filter(|(path, below)| scope.contains(path) || (*below && scope.reaches(path))), tasks))
}

async fn below(session: &Session, paths: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for some in paths.chunks(IN_FLIGHT) {
        for names in try_join_all(some.iter().map(|path| children(session, path))).await? {
            found.extend(names);
        }
    }
    Ok(found)
}

async fn children(session: &Session, path: &str) -> Result<Vec<String>> {
    match session.children(path).await {
        // It went, and what was below it before.
        Err(Error::NoNode(_)) => Ok(Vec::new()),
        names => Ok(names?.iter().map(|name| child(path, name)).collect()),
    }
}

/// In turns, the rest of the tops one more for the first.
fn deal(tops: impl Iterator<Item = Top>, tasks: usize) -> Vec<Vec<Top>> {
    let mut shares = vec![Vec::new(); tasks];
    for (top, turn) in tops.zip((0..tasks).cycle()) {
        if let Some(share) = shares.get_mut(turn) {
            share.push(top);
        }
    }
    shares.retain(|share| !share.is_empty());
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_top_is_dealt_once_and_no_task_is_idle() {
        for (tops, tasks) in [(0, 3), (1, 3), (3, 3), (10, 3), (10, 1)] {
            let all: Vec<Top> = (0..tops).map(|n| (format!("/{n}"), true)).collect();
            let shares = deal(all.clone().into_iter(), tasks);
            assert_eq!(shares.len(), tops.min(tasks));
            let mut dealt = shares.concat();
            dealt.sort();
            assert_eq!(dealt, all, "{tops} {tasks}");
        }
    }
}
