//! A wait that lasts says, once, whom it waits for: a record under `sparkeeper.waiting`.

use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, Instant};

use zookeeper_client as zk;

use crate::session::{GrantKind, Incarnation, letter};

/// How long a wait may last before it is told of.
const LONG: Duration = Duration::from_secs(3);

/// One wait, over all looks at what it waits for.
pub(super) struct Patience {
    began: Instant,
    told: bool,
}

impl Patience {
    /// For a lock or permits; who stands for election is there to wait.
    pub(super) fn new(kind: GrantKind) -> Self {
        Self { began: Instant::now(), told: !matches!(kind, GrantKind::Lock | GrantKind::Permits) }
    }

    /// Tells, when the wait has become long, who owns the node at `holder` and how many `before` us wait for it.
    /// Never resolves: it goes with what is waited for.
    pub(super) async fn tell(
        &mut self,
        incarnation: &Incarnation,
        client: &zk::Client,
        resource: &str,
        holder: &str,
        before: usize,
    ) -> Infallible {
        if self.told {
            return pending().await;
        }
        tokio::time::sleep(LONG.saturating_sub(self.began.elapsed())).await;
        // Who may not read the node waits all the same; where the session ends, the wait does.
        if let Ok((data, _)) = incarnation.request("get", holder, client.get_data(holder)).await {
            self.told = true;
            let owner = letter::owner(&data);
            tracing::info!(target: "sparkeeper::waiting", "waiting for '{resource}': {owner} has it, {before} in line before us");
        }
        pending().await
    }
}
