//! Whatever is committed, and wherever a publisher dies: readers see committed snapshots, in order, and only whole ones.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::reader::Mirror;
use crate::commit::chain::Chain;
use crate::commit::draft::Attempt;
use crate::commit::files::DataFile;
use crate::commit::head::Head;
use crate::commit::manifest::tests::sample;
use crate::commit::manifest::{Manifest, Operation, Writer};
use crate::commit::mirror::{self, Publication};
use crate::commit::rules::Intent;
use crate::commit::uri::Location;

/// What may happen to a table.
#[derive(Clone, Debug)]
enum Event {
    Commit {
        operation: Operation,
        files: usize,
        /// The partition of its files, or the version to restore.
        at: prop::sample::Index,
    },
    /// Publish at most this many of the unpublished versions: the publisher dies then.
    Publish(usize),
    /// A publisher that was stopped long ago goes on.
    Republish(prop::sample::Index),
    /// A reader looks at the directory and is slow to go on.
    Glance,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let operation = prop_oneof![
        6 => Just(Operation::Append),
        1 => Just(Operation::Overwrite),
        2 => Just(Operation::OverwritePartitions),
        1 => Just(Operation::Restore),
    ];
    let event = prop_oneof![
        6 => (operation, 0..4_usize, any::<prop::sample::Index>())
            .prop_map(|(operation, files, at)| Event::Commit { operation, files, at }),
        4 => (0..5_usize).prop_map(Event::Publish),
        1 => any::<prop::sample::Index>().prop_map(Event::Republish),
        1 => Just(Event::Glance),
    ];
    proptest::collection::vec(event, 1..80)
}

/// A table's manifests on "disk", and what a correct history says about each version.
#[derive(Default)]
struct Table {
    head: Head,
    disk: BTreeMap<String, Vec<u8>>,
    names: Vec<String>,
    snapshots: Vec<BTreeSet<String>>,
}

impl Table {
    fn read(&self, chain: &mut Chain, missing: impl Fn(&Chain) -> Option<String>) -> usize {
        let mut reads = 0;
        while let Some(name) = missing(chain) {
            chain.provide(&name, &self.disk[&name]).expect("intact");
            reads += 1;
        }
        reads
    }

    fn commit(&mut self, mut operation: Operation, files: usize, at: prop::sample::Index) {
        let version = self.head.v + 1;
        if self.snapshots.is_empty() && operation == Operation::Restore {
            operation = Operation::Append;
        }
        let file = |path: String| DataFile::new(path, 7, 1);
        let partition = format!("p={}", at.index(3));
        let added: Vec<DataFile> = if operation == Operation::Restore {
            self.snapshots[at.index(self.snapshots.len())].iter().cloned().map(file).collect()
        } else {
            (0..files).map(|n| file(format!("{partition}/t{version}-part-{n}"))).collect()
        };
        let intent = Intent {
            operation,
            blind: false,
            create: false,
            merge: false,
            shape: sample(1, &[]).shape,
            base: self.head.v,
        };
        let attempt = Attempt {
            table: "u".into(),
            tx: format!("t{version}"),
            job_id: format!("job {version}"),
            intent,
            parameters: BTreeMap::new(),
            writer: Writer::default(),
            batch: None,
            token: None,
            started: 0,
            added: added.clone(),
        };
        let mut chain = Chain::default();
        self.read(&mut chain, |chain| attempt.missing(&self.head, chain));
        let draft = attempt.draft(&self.head, &chain, 0).expect("a draft");
        let mut live = self.snapshots.last().cloned().unwrap_or_default();
        live.retain(|path| match operation {
            Operation::Append | Operation::Adopt => true,
            Operation::Overwrite | Operation::Restore => false,
            Operation::OverwritePartitions => files == 0 || !path.starts_with(&partition),
        });
        live.extend(added.into_iter().map(|file| file.path));
        self.disk.insert(draft.sealed.name.clone(), draft.sealed.bytes);
        self.names.push(draft.sealed.name);
        self.snapshots.push(live);
        self.head = draft.head;
    }

    fn manifest(&self, at: usize) -> Manifest {
        Manifest::open(&self.names[at], &self.disk[&self.names[at]]).expect("intact")
    }

    /// The unpublished versions, through the chain, as a publisher that has read nothing yet finds them.
    fn unpublished(&self, newest: Option<u64>) -> Vec<Manifest> {
        let Some(name) = self.head.manifest.as_deref() else { return vec![] };
        let mut chain = Chain::default();
        self.read(&mut chain, |chain| chain.missing_unpublished(name, newest));
        chain.unpublished(name, newest).expect("read").into_iter().cloned().collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn readers_see_committed_snapshots_in_order(events in events(), begun: bool, configured in prop_oneof![Just(3), Just(5), Just(10), Just(25)]) {
        let root = Location::parse("/t", "file:///").expect("valid");
        let mut table = Table::default();
        let mut mirror = Mirror::default();
        if begun {
            mirror.publish(Publication::Directory(mirror::beginning()));
        }
        let mut published = 0;
        let mut glanced = None;
        for event in events {
            match event {
                Event::Commit { operation, files, at } => table.commit(operation, files, at),
                Event::Publish(limit) => {
                    let newest = mirror::newest(mirror.names());
                    let waiting = table.unpublished(newest);
                    prop_assert_eq!(waiting.len(), table.snapshots.len() - published);
                    for manifest in waiting.iter().take(limit) {
                        mirror.publish(mirror::publication(&root, manifest, mirror::newest(mirror.names())));
                        published += 1;
                        prop_assert_eq!(mirror.read(mirror.interval(configured)), table.snapshots[published - 1].clone());
                    }
                }
                Event::Republish(at) if published > 0 => {
                    let newest = mirror::newest(mirror.names());
                    mirror.publish(mirror::publication(&root, &table.manifest(at.index(published)), newest));
                }
                Event::Glance if published > 0 || begun => glanced = Some(mirror.interval(configured)),
                Event::Republish(_) | Event::Glance => {}
            }
            if published > 0 || begun {
                let seen = mirror.read(glanced.unwrap_or_else(|| mirror.interval(configured)));
                prop_assert_eq!(seen, published.checked_sub(1).map(|at| table.snapshots[at].clone()).unwrap_or_default());
            }
        }
    }

    #[test]
    fn what_is_live_is_known_from_few_manifests(events in events()) {
        let mut table = Table::default();
        for event in events {
            let Event::Commit { operation, files, at } = event else { continue };
            table.commit(operation, files, at);
        }
        for (at, name) in table.names.iter().enumerate() {
            let mut chain = Chain::default();
            let reads = table.read(&mut chain, |chain| chain.missing_for_live(name));
            prop_assert!(reads as u64 <= mirror::INTERVAL, "{reads} reads");
            let live = chain.live(name).expect("read");
            let paths: BTreeSet<String> = live.iter().map(|file| file.path.clone()).collect();
            prop_assert_eq!(&paths, &table.snapshots[at]);
            let totals = table.manifest(at).totals;
            prop_assert_eq!((totals.files, totals.bytes), (paths.len() as u64, 7 * paths.len() as u64));
        }
        if let Some(name) = table.names.last() {
            for version in 0..table.head.v {
                let mut chain = Chain::default();
                table.read(&mut chain, |chain| chain.missing_since(name, version));
                let since: Vec<u64> = chain.since(name, version).expect("read").iter().map(|m| m.version).collect();
                prop_assert_eq!(since, (version + 1..=table.head.v).collect::<Vec<_>>());
            }
        }
    }
}
