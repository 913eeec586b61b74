//! The counter's record: whatever others write, a client in doubt is told the truth or nothing.

use proptest::prelude::*;
use sparkeeper::recipes::counter_record::{AT_LEAST, AT_MOST, Doubt, Fate, KEPT_FOR, Record};

/// The node of a counter, as a server keeps it.
struct Node {
    record: Record,
    version: Option<i32>,
    mtime: i64,
}

impl Node {
    /// One client's add of 1, which lands.
    fn add(&mut self, by: &str, seq: u64, now: i64) -> i64 {
        let operation = Doubt { by, seq, base: self.version };
        self.record = self.record.after(operation, self.mtime, self.record.value + 1);
        self.version = Some(self.version.map_or(0, |version| version.wrapping_add(1)));
        self.mtime = now;
        self.record.value
    }
}

/// Who writes next, and how many milliseconds later.
fn writes(clients: usize, most: usize) -> impl Strategy<Value = Vec<(usize, i64)>> {
    prop::collection::vec((0..clients, prop_oneof![0..5_i64, 0..KEPT_FOR]), 0..most)
}

/// Plays `before`, then our write, which lands or does not, then `after`; and asks.
fn ask(before: &[(usize, i64)], lands: bool, after: &[(usize, i64)], start: Option<i32>) -> (Fate, Option<i64>, Node) {
    let mut node = Node { record: Record::new(0), version: start, mtime: 0 };
    let mut now = 0;
    let mut seqs = 0;
    let mut play = |node: &mut Node, writes: &[(usize, i64)]| {
        for (client, pause) in writes {
            now += pause;
            seqs += 1;
            node.add(&format!("client-{client}"), seqs, now);
        }
        now
    };
    play(&mut node, before);
    let base = node.version;
    // Client 0 is us, too: it has an entry of an older operation, or none.
    let landed = lands.then(|| {
        let now = node.mtime;
        node.add("client-0", u64::MAX, now)
    });
    let others: Vec<_> = after.iter().map(|(client, pause)| (client + 1, *pause)).collect();
    play(&mut node, &others);
    (node.record.fate(node.version, Doubt { by: "client-0", seq: u64::MAX, base }), landed, node)
}

fn start() -> impl Strategy<Value = Option<i32>> {
    prop_oneof![Just(None), Just(Some(0)), Just(Some(i32::MAX - 20)), any::<i32>().prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_answer_is_the_truth_or_none(
        before in writes(200, 300), lands in any::<bool>(), after in writes(200, 300), start in start()
    ) {
        let (fate, landed, _) = ask(&before, lands, &after, start);
        match fate {
            Fate::Landed(value) => prop_assert_eq!(Some(value), landed),
            Fate::Never => prop_assert!(!lands && !after.is_empty()),
            Fate::Open => prop_assert!(!lands && after.is_empty()),
            Fate::Unknown => {}
        }
    }

    #[test]
    fn so_few_others_never_hide_it(
        before in writes(AT_LEAST - 1, 100), lands in any::<bool>(), after in writes(AT_LEAST - 1, 2_000), start in start()
    ) {
        let (fate, _, _) = ask(&before, lands, &after, start);
        prop_assert_ne!(fate, Fate::Unknown);
    }

    #[test]
    fn for_a_minute_many_others_do_not_hide_it_either(
        others in prop::collection::vec(0..AT_MOST - 1, 0..3_000), lands in any::<bool>()
    ) {
        let others: Vec<_> = others.into_iter().map(|client| (client, KEPT_FOR / 3_000)).collect();
        let (fate, _, _) = ask(&[(0, 1)], lands, &others, None);
        prop_assert_ne!(fate, Fate::Unknown);
    }

    #[test]
    fn it_stays_small_and_in_order_and_reads_as_it_was_written(before in writes(3_000, 2_500)) {
        let (_, _, node) = ask(&before, false, &[], None);
        let recent = &node.record.recent;
        prop_assert!(recent.len() <= AT_MOST);
        prop_assert!(recent.windows(2).all(|pair| pair[0].version < pair[1].version));
        let mut clients: Vec<_> = recent.iter().map(|entry| &entry.by).collect();
        clients.sort();
        clients.dedup();
        prop_assert_eq!(clients.len(), recent.len(), "one entry for each client");
        let data = node.record.encode().unwrap();
        prop_assert!(data.len() < 200_000);
        prop_assert_eq!(Record::decode("p", &data, 0).unwrap(), node.record);
    }
}

#[test]
fn what_cannot_be_known_is_not_guessed() {
    let others: Vec<_> = (0..2 * AT_MOST).map(|client| (client, 1)).collect();
    for lands in [true, false] {
        assert_eq!(ask(&[], lands, &others, None).0, Fate::Unknown);
    }
}
