//! What the real core says of a log: its manifests, as [`Attempt::draft`] makes them, and [`rules::rebase`] on them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::world::{Commit, FILES, World};
use crate::commit::chain::Chain;
use crate::commit::draft::Attempt;
use crate::commit::files::DataFile;
use crate::commit::head::Head;
use crate::commit::manifest::tests::sample;
use crate::commit::manifest::{Operation, Writer};
use crate::commit::rules::{self, Intent};

/// A job that an attempt is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) id: usize,
    pub(super) operation: Operation,
    pub(super) blind: bool,
}

impl Job {
    fn intent(&self, base: u8) -> Intent {
        Intent {
            operation: self.operation,
            blind: self.blind,
            create: false,
            merge: false,
            shape: sample(1, &[]).shape,
            base: base.into(),
        }
    }
}

/// A head and all the manifests behind it.
#[derive(Clone, Default)]
struct Book {
    head: Head,
    chain: Chain,
    live: BTreeSet<String>,
}

/// The books of every log that was met.
pub(super) struct Books {
    jobs: Vec<Job>,
    known: RefCell<HashMap<Vec<Commit>, Rc<Book>>>,
}

impl Books {
    pub(super) fn new(jobs: Vec<Job>) -> Self {
        Self { jobs, known: RefCell::default() }
    }

    /// Whether an attempt on `base` may be committed after everything that has been since.
    pub(super) fn admit(&self, world: &World, attempt: u8, base: u8) -> bool {
        let book = self.book(&world.commits().collect::<Vec<_>>());
        let rivals = book.head.manifest.as_deref().filter(|_| book.head.v > base.into());
        let rivals = rivals.map(|name| book.chain.since(name, base.into()).expect("all there")).unwrap_or_default();
        rules::rebase(&self.jobs[usize::from(attempt)].intent(base), &BTreeSet::new(), &rivals).is_ok()
    }

    /// Opens the book of a log, which fails where the core and a plain replay disagree about what is live.
    pub(super) fn check(&self, world: &World) {
        self.book(&world.commits().collect::<Vec<_>>());
    }

    fn book(&self, log: &[Commit]) -> Rc<Book> {
        if let Some(book) = self.known.borrow().get(log) {
            return book.clone();
        }
        let book = match log.split_last() {
            None => Rc::default(),
            Some((last, before)) => Rc::new(self.written(&self.book(before), *last)),
        };
        self.known.borrow_mut().insert(log.to_vec(), book.clone());
        book
    }

    fn written(&self, before: &Book, commit: Commit) -> Book {
        let (job, tx) = (self.jobs[usize::from(commit.attempt)], format!("t{}", commit.attempt));
        let added: Vec<DataFile> = (0..FILES).map(|file| DataFile::new(format!("{tx}-{file}"), 1, 1)).collect();
        let mut live = if job.operation.removes() { BTreeSet::new() } else { before.live.clone() };
        live.extend(added.iter().map(|file| file.path.clone()));
        let attempt = Attempt {
            table: "u".into(),
            tx,
            job_id: format!("job {}", job.id),
            intent: job.intent(commit.base),
            parameters: BTreeMap::new(),
            writer: Writer::default(),
            batch: None,
            token: None,
            started: 0,
            added,
        };
        assert_eq!(attempt.missing(&before.head, &before.chain), None);
        let draft = attempt.draft(&before.head, &before.chain, 0).expect("a draft");
        let mut chain = before.chain.clone();
        chain.insert(&draft.sealed.name, draft.manifest);
        let found = chain.live(&draft.sealed.name).expect("all there");
        assert_eq!(found.into_iter().map(|file| file.path).collect::<BTreeSet<_>>(), live, "{commit:?}");
        Book { head: draft.head, chain, live }
    }
}
