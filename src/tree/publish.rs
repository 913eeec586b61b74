//! Bulk publishing: rows become nodes below a path, in batches that land whole or not at all.
//!
//! Each batch is one `multi`, which checks the guard first. It is made from what exists at the time; where somebody
//! made or deleted one of its nodes in between, or its reply was lost, it is made again: setting a node to the same
//! value twice does no harm. Rows that are new make their missing parents, as empty plain nodes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::steps::{Step, Values, above, first_batch, steps};
use crate::error::{Error, Result};
use crate::path::child;
use crate::session::{NotWritten, Session, Write, check_size};

/// How many look-ups are on their way at once.
const IN_FLIGHT: usize = 256;

/// More rows than this do not fit into one batch: each needs 64 bytes and a path.
const LOOKED_UP: usize = 16_384;

/// What is ZooKeeper's own: quotas, and who is in the ensemble.
const RESERVED: &str = "/zookeeper";

/// How long one batch is made again where others write the same nodes: they win some rounds, not every one.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that must stand for a batch to land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it is, or the path of the lock or election that granted the token.
    pub path: String,
    /// Its version.
    pub version: Option<i32>,
    /// The creation zxid of the node at the path, or of one right below it: a fencing token.
    pub token: Option<i64>,
}

/// What was published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Batches that landed.
    pub batches: usize,
    /// Nodes that were written.
    pub rows: usize,
    /// Nodes that were deleted.
    pub deleted: usize,
}

/// Writes every row; with `overwrite` then deletes what else is below `root`, within the same batches.
///
/// A row's path is relative to `root`, or absolute and at or below it.
///
/// # Cancel safety
/// The batches that landed stay.
///
/// # Errors
/// `Config`, `InvalidPath`, `PayloadTooLarge` before anything is sent; `Fenced` where the guard does not stand;
/// `NotAuthorized`, `ConnectionLost` and the like; `NodeExists` or `NoNode` where others make and delete the same nodes
/// for a minute. The text says how many batches had landed.
pub async fn publish(
    session: &Session,
    root: &str,
    rows: Vec<(String, Vec<u8>)>,
    overwrite: bool,
    guard: Option<&Standing>,
) -> Result<Published> {
    let mut rows = checked(session, root, rows)?;
    let kept: BTreeSet<String> =
        rows.keys().flat_map(|path| above(path).into_iter().chain([path.as_str()])).map(str::to_owned).collect();
    let mut gone = None;
    let mut done = Published::default();
    let mut give_up = Instant::now() + PATIENCE;
    let stopped = |error: Error, done: Published| {
        error.reworded(|text| format!("publish below '{root}': {} batches landed before this: {text}", done.batches))
    };
    loop {
        let batch = next_batch(session, &rows, &mut gone, overwrite.then_some((root, &kept)), guard);
        match batch.await.map_err(|error| stopped(error, done))? {
            Sent::Nothing => return Ok(done),
            Sent::Landed(landed) => {
                give_up = Instant::now() + PATIENCE;
                done.batches += 1;
                for path in landed {
                    done.rows += usize::from(rows.remove(&path).is_some());
                    done.deleted += usize::from(gone.as_mut().is_some_and(|gone| gone.remove(&path)));
                }
            }
            Sent::Refused(error) => {
                gone = None;
                if Instant::now() >= give_up {
                    let seconds = PATIENCE.as_secs();
                    let error = error.reworded(|text| format!("for {seconds} s others wrote the same nodes: {text}"));
                    return Err(stopped(error, done));
                }
            }
        }
    }
}

async fn next_batch(
    session: &Session,
    rows: &Values,
    gone: &mut Option<BTreeSet<String>>,
    overwrite: Option<(&str, &BTreeSet<String>)>,
    guard: Option<&Standing>,
) -> Result<Sent> {
    if session.exists("/").await?.is_none() {
        // The namespace was never used before.
        session.make_root_of("/any").await?;
    }
    let guard = match guard {
        Some(guard) => Some(guard_check(session, guard).await?),
        None => None,
    };
    let gone = match (gone, overwrite) {
        (Some(gone), _) => gone,
        (unknown, Some((root, kept))) => unknown.insert(strangers(session, root, kept).await?),
        (unknown, None) => unknown.insert(BTreeSet::new()),
    };
    let there = existing(session, rows).await?;
    send(session, rows, gone, &there, guard.as_ref()).await
}

enum Sent {
    Nothing,
    /// The paths that were written or deleted.
    Landed(Vec<String>),
    /// Somebody else wrote there meanwhile, or nobody knows.
    Refused(Error),
}

async fn send(
    session: &Session,
    rows: &Values,
    gone: &BTreeSet<String>,
    there: &BTreeSet<String>,
    guard: Option<&(String, Option<i32>)>,
) -> Result<Sent> {
    let mut steps = steps(rows, gone, there);
    steps.truncate(first_batch(&steps, session.absolute("")?.len()));
    if steps.is_empty() {
        return Ok(Sent::Nothing);
    }
    let check = guard.map(|(path, version)| Write::Check(path, *version));
    let guards = usize::from(check.is_some());
    let writes: Vec<Write<'_>> = check.into_iter().chain(steps.iter().map(Step::write)).collect();
    match session.multi(&writes, &[]).await {
        Ok(_) => Ok(Sent::Landed(steps.iter().map(|step| step.path().to_owned()).collect())),
        Err(NotWritten { index: Some(index), error }) if index < guards => {
            Err(Error::fenced(format!("the guard stands no more, and this batch did not land: {error}")))
        }
        Err(NotWritten { error: error @ (Error::NodeExists(_) | Error::NoNode(_) | Error::NotEmpty(_)), .. }) => {
            Ok(Sent::Refused(error))
        }
        Err(NotWritten { error, .. }) if error.outcome_unknown() => Ok(Sent::Refused(error)),
        Err(NotWritten { error, .. }) => Err(error),
    }
}

/// The rows by absolute path, none twice and each of a size that can be sent.
fn checked(session: &Session, root: &str, rows: Vec<(String, Vec<u8>)>) -> Result<Values> {
    let root = rooted(root);
    not_reserved(&root, &session.absolute(&root)?)?;
    let mut found = Values::new();
    for (path, data) in rows {
        let path = place(&root, &path)?;
        let absolute = session.absolute(&path)?;
        not_reserved(&path, &absolute)?;
        check_size("publish", &absolute, data.len())?;
        if found.insert(path.clone(), data).is_some() {
            return Err(Error::config(format!("publish '{path}': two rows name it; give one row for each node")));
        }
    }
    Ok(found)
}

fn not_reserved(path: &str, absolute: &str) -> Result<()> {
    if absolute.strip_prefix(RESERVED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(Error::config(format!(
            "publish '{path}': what is at and below {RESERVED} is ZooKeeper's own; write elsewhere, or in a namespace"
        )));
    }
    Ok(())
}

/// With a leading slash, and none at the end.
fn rooted(path: &str) -> String {
    format!("/{}", path.trim_matches('/'))
}

/// Where a row goes.
fn place(root: &str, path: &str) -> Result<String> {
    if path.is_empty() {
        return Ok(root.to_owned());
    }
    if !path.starts_with('/') {
        return Ok(child(root, path));
    }
    let inside = root == "/" || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if inside {
        return Ok(path.to_owned());
    }
    Err(Error::config(format!(
        "publish '{path}': the row is not below '{root}'; give paths relative to that, or another option path"
    )))
}

/// The node that must stand, and its version, where one is given.
async fn guard_check(session: &Session, guard: &Standing) -> Result<(String, Option<i32>)> {
    let Standing { path, version, token } = guard;
    let Some(token) = *token else { return Ok((path.clone(), *version)) };
    let fenced = || {
        Error::fenced(format!(
            "guard '{path}': no node there or right below it was created at {token}; who held it holds it no more, and \
             nothing of this batch landed"
        ))
    };
    match session.exists(path).await? {
        None => return Err(fenced()),
        Some(stat) if stat.czxid == token => return Ok((path.clone(), *version)),
        Some(_) => {}
    }
    let names = match session.children(path).await {
        Err(Error::NoNode(_)) => return Err(fenced()),
        names => names?,
    };
    let below: Vec<String> = names.iter().map(|name| child(path, name)).collect();
    let stats = try_join_all(below.iter().map(|path| session.exists(path))).await?;
    let held = below.into_iter().zip(stats).find(|(_, stat)| stat.is_some_and(|stat| stat.czxid == token));
    held.map(|(path, _)| (path, *version)).ok_or_else(fenced)
}

/// Those of the rows' nodes, and of their parents, that exist.
async fn existing(session: &Session, rows: &Values) -> Result<BTreeSet<String>> {
    // Of more than one batch can have, the rest is looked up later.
    let paths: BTreeSet<&str> =
        rows.keys().take(LOOKED_UP).flat_map(|path| above(path).into_iter().chain([path.as_str()])).collect();
    let paths: Vec<&str> = paths.into_iter().collect();
    let mut found = BTreeSet::new();
    for some in paths.chunks(IN_FLIGHT) {
        let stats = try_join_all(some.iter().map(|path| session.exists(path))).await?;
        found.extend(some.iter().zip(stats).filter(|(_, stat)| stat.is_some()).map(|(path, _)| (*path).to_owned()));
    }
    Ok(found)
}

/// What is below the root and is not kept, however deep.
async fn strangers(session: &Session, root: &str, kept: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let (mut found, mut level) = (BTreeSet::new(), vec![rooted(root)]);
    while !level.is_empty() {
        let mut next = Vec::new();
        for some in level.chunks(IN_FLIGHT) {
            let listed = try_join_all(some.iter().map(|path| async move {
                match session.children(path).await {
                    Err(Error::NoNode(_)) => Ok(Vec::new()),
                    names => names,
                }
            }));
            for (path, names) in some.iter().zip(listed.await?) {
                next.extend(names.iter().map(|name| child(path, name)));
            }
        }
        found.extend(next.iter().filter(|path| !kept.contains(*path)).cloned());
        level = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_below_the_root_and_nowhere_else() {
        for (root, path, expected) in [
            ("/c", "a/b", "/c/a/b"),
            ("/c", "/c/a", "/c/a"),
            ("/c", "/c", "/c"),
            ("/c", "", "/c"),
            ("/", "a", "/a"),
            ("/", "/a", "/a"),
            ("/", "/", "/"),
        ] {
            assert_eq!(place(root, path).expect("inside"), expected, "{root} {path}");
        }
        for path in ["/cc", "/", "/d/c"] {
            assert!(matches!(place("/c", path), Err(Error::Config(text)) if text.contains("not below '/c'")), "{path}");
        }
        for absolute in ["/zookeeper", "/zookeeper/quota"] {
            assert!(
                matches!(not_reserved("a", absolute), Err(Error::Config(text)) if text.contains("own")),
                "{absolute}"
            );
        }
        not_reserved("a", "/zookeepers/a").expect("another name");
        assert_eq!((rooted("c/d"), rooted("/"), rooted("")), ("/c/d".into(), "/".into(), "/".into()));
    }
}
