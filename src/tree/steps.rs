//! The writes that publish rows below a path, and how they are cut into batches. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::path::parent;
use crate::session::{CreateKind, MAX_REQUEST, Write};

/// What one write needs beside its path and its data, and every batch for its guard.
const OVERHEAD: usize = 64;
const RESERVED: usize = 4_096;

/// Values by path; the root is `/`.
pub(super) type Values = BTreeMap<String, Vec<u8>>;

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Make a node; one that no row names is empty.
    Create(&'a str, &'a [u8]),
    Set(&'a str, &'a [u8]),
    Delete(&'a str),
}

impl<'a> Step<'a> {
    pub(super) fn write(&self) -> Write<'a> {
        match *self {
            Self::Create(path, data) => Write::Create(path, data, CreateKind::PERSISTENT),
            Self::Set(path, data) => Write::Set(path, data, None),
            Self::Delete(path) => Write::Delete(path, None),
        }
    }

    pub(super) fn path(&self) -> &'a str {
        match self {
            Self::Create(path, _) | Self::Set(path, _) | Self::Delete(path) => path,
        }
    }

    fn bytes(&self) -> usize {
        let data = match self {
            Self::Create(_, data) | Self::Set(_, data) => data.len(),
            Self::Delete(_) => 0,
        };
        // Its own, and what the session puts before it, which is not longer than what is reserved.
        data + self.path().len() + OVERHEAD
    }
}

/// Every path above `path`, the highest first; not the root of the tree.
pub(super) fn above(path: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut next = parent(path);
    while let Some(one) = next.filter(|one| *one != "/") {
        found.push(one);
        next = parent(one);
    }
    found.reverse();
    found
}

/// The steps that make the tree have `rows`, and not have `gone`, where `there` are the nodes that exist: parents before
/// children, then deletions from the leaves up.
pub(super) fn steps<'a>(rows: &'a Values, gone: &'a BTreeSet<String>, there: &BTreeSet<String>) -> Vec<Step<'a>> {
    let mut made: BTreeSet<&str> = BTreeSet::new();
    let mut steps = Vec::with_capacity(rows.len() + gone.len());
    for (path, data) in rows {
        for parent in above(path) {
            if !there.contains(parent) && !rows.contains_key(parent) && made.insert(parent) {
                steps.push(Step::Create(parent, &[]));
            }
        }
        let known = path == "/" || there.contains(path);
        steps.push(if known { Step::Set(path, data) } else { Step::Create(path, data) });
    }
    steps.extend(gone.iter().rev().map(|path| Step::Delete(path)));
    steps
}

/// The steps of the first batch: as many as one request carries, at least one. `prefix` is how long the namespace is.
pub(super) fn first_batch(steps: &[Step<'_>], prefix: usize) -> usize {
    let mut room = MAX_REQUEST.saturating_sub(RESERVED);
    let fit = steps.iter().take_while(|step| {
        let needed = step.bytes() + prefix;
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    });
    fit.count().clamp(1, steps.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(paths: &[&str]) -> Values {
        paths.iter().map(|path| ((*path).to_owned(), path.as_bytes().to_vec())).collect()
    }

    fn set(paths: &[&str]) -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn parents_come_before_children_and_leaves_go_first() {
        let rows = rows(&["/a/b-c/d", "/a/b/c", "/a/b", "/x"]);
        let gone = set(&["/a/old", "/a/old/leaf", "/a/old-er"]);
        assert_eq!(
            steps(&rows, &gone, &set(&["/a", "/x"])),
            [
                Step::Create("/a/b", b"/a/b"),
                Step::Create("/a/b-c", b""),
                Step::Create("/a/b-c/d", b"/a/b-c/d"),
                Step::Create("/a/b/c", b"/a/b/c"),
                Step::Set("/x", b"/x"),
                Step::Delete("/a/old/leaf"),
                Step::Delete("/a/old-er"),
                Step::Delete("/a/old"),
            ]
        );
    }

    #[test]
    fn the_root_is_there() {
        assert_eq!(steps(&rows(&["/"]), &set(&[]), &set(&[])), [Step::Set("/", b"/")]);
        assert_eq!(above("/a/b/c"), ["/a", "/a/b"]);
        assert!(above("/a").is_empty() && above("/").is_empty());
    }

    #[test]
    fn a_batch_is_what_fits_and_at_least_one() {
        let large = vec![0; 400_000];
        let two = [Step::Set("/a", &large), Step::Set("/b", &large), Step::Set("/c", &large)];
        assert_eq!(first_batch(&two, 0), 2);
        let huge = vec![0; 2_000_000];
        assert_eq!(first_batch(&[Step::Set("/a", &huge), Step::Delete("/b")], 0), 1);
        let many: Vec<String> = (0..20_000).map(|n| format!("/{n:05}")).collect();
        let many: Vec<_> = many.iter().map(|path| Step::Delete(path)).collect();
        let (near, far) = (first_batch(&many, 0), first_batch(&many, 100));
        assert!((10_000..16_000).contains(&near) && far < near / 2, "{near} {far}");
    }
}
