//! The cache's ledger against a simulated server: whatever the order of replies, events come in zxid order, none is
//! invented, and they lead to what the server has. The feed against its unreduced events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proptest::prelude::*;
use sparkeeper::recipes::cache::{Answer, Ask, Event, Feed, Kind, Ledger, Node, Note};
use sparkeeper::session::Stat;

#[derive(Clone, Debug)]
enum Step {
    /// Create, set or delete one of a few paths, whichever is possible; then its notification is under way.
    Change { path: usize, delete: bool },
    /// The server answers the oldest request; the answer is under way.
    Answer,
    /// The client gets what is under way, one message.
    Hear,
    /// The link breaks: everything under way is lost, and the client compares everything.
    Gap,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6usize, any::<bool>()).prop_map(|(path, delete)| Step::Change { path, delete }),
        6 => Just(Step::Answer),
        6 => Just(Step::Hear),
        1 => Just(Step::Gap),
    ];
    prop::collection::vec(step, 0..150)
}

const PATHS: [&str; 6] = ["", "a", "a/b", "a/b/c", "a-b", "d"];

#[derive(Clone)]
enum Message {
    Note(Note, String, i64),
    Answer(u64, Answer),
}

/// A server with one tree and the zxid of its last change; what is above the tree always stands.
#[derive(Default)]
struct Server {
    nodes: BTreeMap<String, (i64, i64)>,
    /// Zxid of the last change of the children of a path; of the tree's root's parent at `None`.
    children: BTreeMap<Option<String>, i64>,
    zxid: i64,
    done: Vec<(Kind, String, i64)>,
}

fn above(path: &str) -> Option<String> {
    (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(above, _)| above).to_owned())
}

impl Server {
    fn change(&mut self, path: &str, delete: bool) -> Option<Message> {
        let leaf = !self.nodes.keys().any(|other| above(other).as_deref() == Some(path));
        let parent = above(path);
        let there = self.nodes.contains_key(path);
        if !there && parent.as_ref().is_some_and(|parent| !self.nodes.contains_key(parent)) {
            return None;
        }
        self.zxid += 1;
        let zxid = self.zxid;
        let kind = match (there, delete && leaf) {
            (false, _) => Kind::Created,
            (true, true) => Kind::Deleted,
            (true, false) => Kind::Changed,
        };
        match kind {
            Kind::Created => drop(self.nodes.insert(path.to_owned(), (zxid, zxid))),
            Kind::Deleted => drop(self.nodes.remove(path)),
            Kind::Changed => self.nodes.entry(path.to_owned()).and_modify(|node| node.1 = zxid).or_default().1 = zxid,
        }
        if kind != Kind::Changed {
            self.children.insert(parent, zxid);
        }
        self.done.push((kind, path.to_owned(), zxid));
        let note = if kind == Kind::Deleted { Note::Gone } else { Note::Touched };
        Some(Message::Note(note, path.to_owned(), zxid))
    }

    fn answer(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Node { path, list } => {
                let children = || {
                    let below = self.nodes.keys().filter(|node| above(node).as_deref() == Some(path));
                    below.map(|node| node.rsplit('/').next().unwrap_or_default().to_owned()).collect()
                };
                Answer::Node(self.nodes.get(path).map(|times| node(*times)), list.then(children))
            }
            Ask::Death { path } => {
                let mut up = above(path);
                while up.as_ref().is_some_and(|node| !self.nodes.contains_key(node)) {
                    up = up.as_deref().and_then(above);
                }
                Answer::Death(self.children.get(&up).copied().unwrap_or(0))
            }
        }
    }
}

fn node((czxid, mzxid): (i64, i64)) -> Node {
    let stat = Stat {
        czxid,
        mzxid,
        pzxid: 0,
        ctime: 0,
        mtime: 0,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: 0,
        data_length: 0,
        num_children: 0,
    };
    Node { data: mzxid.to_string().into_bytes(), stat }
}

/// Runs the steps, then lets everything arrive. `dated`: the server tells the zxids of notifications, as 3.9 does.
fn run(steps: &[Step], dated: bool) -> (Server, Vec<Event>) {
    let (mut server, mut ledger, mut events) = (Server::default(), Ledger::default(), Vec::new());
    let mut asked: VecDeque<(u64, Ask)> = VecDeque::new();
    let mut stream: VecDeque<Message> = VecDeque::new();
    ledger.walk(false);
    let rest = (0..2_000).map(|at| if at % 2 == 0 { Step::Answer } else { Step::Hear });
    for step in steps.iter().cloned().chain(rest) {
        while let Some(ask) = ledger.ask() {
            asked.push_back(ask);
        }
        match step {
            Step::Change { path, delete } => stream.extend(server.change(PATHS[path], delete)),
            Step::Answer => {
                if let Some((id, ask)) = asked.pop_front() {
                    stream.push_back(Message::Answer(id, server.answer(&ask)));
                }
            }
            Step::Hear => match stream.pop_front() {
                Some(Message::Note(note, path, zxid)) => ledger.note(note, &path, dated.then_some(zxid)),
                Some(Message::Answer(id, answer)) => ledger.answer(id, answer),
                None => {}
            },
            Step::Gap => {
                stream.clear();
                asked.clear();
                ledger.walk(false);
            }
        }
        events.extend(ledger.publish());
    }
    assert!(ledger.settled(), "everything was answered");
    (server, events)
}

#[test]
fn what_may_not_be_read_is_named_until_it_may() {
    let (mut server, mut ledger) = (Server::default(), Ledger::default());
    for path in ["", "a", "a/b", "d"] {
        server.change(path, false);
    }
    let hidden = |ledger: &mut Ledger, closed: &[&str]| {
        while let Some((id, ask)) = ledger.ask() {
            let answer = match &ask {
                Ask::Node { path, .. } if closed.contains(&path.as_str()) => Answer::Unreadable,
                ask => server.answer(ask),
            };
            ledger.answer(id, answer);
        }
        assert!(ledger.settled());
        ledger.hidden().iter().cloned().collect::<Vec<_>>()
    };
    ledger.walk(false);
    assert_eq!(hidden(&mut ledger, &["a", "d"]), ["a", "d"]);
    assert_eq!(ledger.known().keys().collect::<Vec<_>>(), [""]);
    ledger.note(Note::Touched, "a", Some(9));
    ledger.note(Note::Gone, "d", Some(10));
    assert_eq!(hidden(&mut ledger, &[]), [""; 0]);
    ledger.note(Note::Touched, "a", Some(11));
    assert_eq!(hidden(&mut ledger, &["a"]), ["a"]);
    ledger.walk(false);
    assert_eq!(hidden(&mut ledger, &["d"]), ["d"]);
    assert_eq!(ledger.known().keys().collect::<Vec<_>>(), ["", "a", "a/b"]);
}

proptest! {
    #[test]
    fn events_are_ordered_real_and_complete(steps in steps(), dated: bool) {
        let (server, events) = run(&steps, dated);
        let mut copy: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        let mut last = 0;
        for Event { kind, path, zxid, node } in &events {
            prop_assert!(*zxid >= last, "{path} at {zxid} after {last}");
            last = *zxid;
            let real = server.done.iter().any(|(done, at, when)| {
                // The date of a deletion is an upper bound, where nobody told it.
                done == kind && at == path && if *kind == Kind::Deleted { when <= zxid } else { when == zxid }
            });
            prop_assert!(real, "invented: {kind:?} {path} at {zxid}");
            match kind {
                Kind::Deleted => prop_assert!(copy.remove(path).is_some(), "{path} deleted twice"),
                Kind::Created => {
                    let there = copy.insert(path.clone(), (node.stat.czxid, node.stat.mzxid));
                    prop_assert!(there.is_none(), "{path} created twice");
                }
                Kind::Changed => {
                    let there = copy.insert(path.clone(), (node.stat.czxid, node.stat.mzxid));
                    prop_assert!(there.is_some(), "{path} changed before it was created");
                }
            }
        }
        prop_assert_eq!(copy, server.nodes);
    }

    #[test]
    fn what_a_slow_reader_gets_leads_to_the_same(steps in steps(), limit in 1..20usize, reads in 0..5usize) {
        let (_, events) = run(&steps, true);
        let feed = Feed::new(limit);
        let (mut all, mut reduced) = (BTreeMap::new(), BTreeMap::new());
        let mut last = 0;
        let mut read = |copy: &mut BTreeMap<String, Arc<Node>>| {
            let event = feed.take()?;
            assert!(event.zxid >= last, "in order");
            last = event.zxid;
            match event.kind {
                Kind::Deleted => assert!(copy.remove(&event.path).is_some(), "deleted what was not there"),
                Kind::Created => {
                    assert!(copy.insert(event.path.clone(), event.node.clone()).is_none(), "created twice");
                }
                Kind::Changed => {
                    assert!(copy.insert(event.path.clone(), event.node.clone()).is_some(), "changed what was not there");
                }
            }
            Some(())
        };
        for (at, event) in events.into_iter().enumerate() {
            match event.kind {
                Kind::Deleted => drop(all.remove(&event.path)),
                Kind::Created | Kind::Changed => drop(all.insert(event.path.clone(), event.node.clone())),
            }
            feed.push(Arc::new(event));
            if reads > 0 && at % 3 == 0 {
                for _ in 0..reads {
                    read(&mut reduced);
                }
            }
        }
        while read(&mut reduced).is_some() {}
        prop_assert_eq!(reduced, all);
    }
}
