//! Random changes of a subtree, and the record of what was done at which zxid.

use std::collections::{HashMap, HashSet};

use zookeeper_client as zk;

/// Everything that was done. Paths are below the cache's.
#[derive(Default)]
pub struct Record {
    pub created: HashSet<(String, i64)>,
    pub deleted: Vec<(String, i64)>,
    /// What was written, creations included, by path and zxid.
    pub data: HashMap<(String, i64), Vec<u8>>,
}

impl Record {
    pub fn merge(&mut self, other: Self) {
        self.created.extend(other.created);
        self.deleted.extend(other.deleted);
        self.data.extend(other.data);
    }

    pub fn check_enough(&self, changes: usize) {
        assert!(self.data.len() + self.deleted.len() >= changes, "{}", self.data.len() + self.deleted.len());
    }
}

/// Changes `<root>/w<number>` and below, alone, so that it knows the zxid of each change.
pub struct Writer {
    client: zk::Client,
    root: String,
    top: String,
    nodes: Vec<String>,
    random: u64,
    pub record: Record,
}

impl Writer {
    pub async fn new(server: &str, root: &str, number: u64) -> Self {
        let client = zk::Client::connect(server).await.expect("a session");
        let top = format!("w{number}");
        let mut writer = Self {
            client,
            root: root.to_owned(),
            top: top.clone(),
            nodes: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15 ^ (number + 1),
            record: Record::default(),
        };
        writer.create(top).await;
        writer
    }

    /// Makes so many random changes.
    pub async fn change(&mut self, times: usize) {
        for _ in 0..times {
            let dice = self.below(100);
            let at = self.below(self.nodes.len());
            let node = self.nodes[at].clone();
            if dice < 40 || self.nodes.len() < 5 {
                // Few names, so that they come again.
                let name = self.below(6);
                let path = format!("{node}/n{name}");
                if !self.nodes.contains(&path) && path.matches('/').count() < 6 {
                    self.create(path).await;
                    continue;
                }
            }
            let leaf = !self.nodes.iter().any(|other| other.starts_with(&format!("{node}/")));
            if dice < 70 && leaf && node != self.top {
                self.delete(at).await;
            } else {
                self.set(&node).await;
            }
        }
    }

    async fn create(&mut self, path: String) {
        let data = self.data();
        let mode = zk::CreateMode::Persistent.with_acls(zk::Acls::anyone_all());
        let (stat, _) = self.client.create(&self.absolute(&path), &data, &mode).await.expect("made");
        self.record.created.insert((path.clone(), stat.czxid));
        self.record.data.insert((path.clone(), stat.czxid), data);
        self.nodes.push(path);
    }

    async fn set(&mut self, path: &str) {
        let data = self.data();
        let stat = self.client.set_data(&self.absolute(path), &data, None).await.expect("set");
        self.record.data.insert((path.to_owned(), stat.mzxid), data);
    }

    async fn delete(&mut self, at: usize) {
        let path = self.nodes.swap_remove(at);
        let parent = self.absolute(path.rsplit_once('/').expect("never the top").0);
        self.client.delete(&self.absolute(&path), None).await.expect("deleted");
        let stat = self.client.check_stat(&parent).await.expect("asked").expect("stands");
        self.record.deleted.push((path, stat.pzxid));
    }

    fn absolute(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    fn data(&mut self) -> Vec<u8> {
        self.next().to_string().into_bytes()
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("small");
        usize::try_from(self.next() % end).expect("small")
    }

    /// xorshift64*: the same changes in every run.
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}
