//! A wait that lasts says whom it waits for: a record under `sparkeeper.waiting`, and again where that has changed.

use std::time::{Duration, Instant};

use zookeeper_client as zk;

use crate::session::{Incarnation, letter};

/// How long a wait may last before it is told of.
const LONG: Duration = Duration::from_secs(3);

/// One wait, over all looks at what it waits for.
pub(super) struct Patience {
    began: Instant,
    due: Duration,
    said: String,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), due: LONG, said: String::new() }
    }

    /// Resolves when the wait has become long, and whenever it has become twice as long: time to look again.
    pub(super) async fn long(&mut self) {
        tokio::time::sleep(self.due.saturating_sub(self.began.elapsed())).await;
        self.due = self.began.elapsed() * 2;
    }

    /// Says it, where the wait is long and this was not the last that was said.
    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        if self.is_long() {
            let what = what();
            if self.said != what {
                tracing::info!(target: "sparkeeper::waiting", "{what}");
                self.said = what;
            }
        }
    }

    /// Says, where the wait is long, who owns the node at `holder` and how many `before` us wait for it.
    pub(super) async fn name(
        &mut self,
        incarnation: &Incarnation,
        client: &zk::Client,
        resource: &str,
        holder: &str,
        before: usize,
    ) {
        if !self.is_long() {
            return;
        }
        // Who may not read the node waits all the same; where the session ends, the wait does.
        if let Ok((data, _)) = incarnation.request("get", holder, client.get_data(holder)).await {
            let owner = letter::owner(&data);
            self.say(|| format!("waiting for '{resource}': {owner} has it, {before} in line before us"));
        }
    }

    fn is_long(&self) -> bool {
        self.began.elapsed() >= LONG
    }
}
