//! Names of a table's znodes and files, in one place so that writers, recovery and operators agree.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Everything of ours below the table's directory; the leading underscore hides it from directory listers.
pub const PRIVATE: &str = "_zk";

/// True for the name of a directory that is a table's own, where nobody else's table may lie.
#[must_use]
pub fn is_private(name: &str) -> bool {
    [PRIVATE, MIRROR, "_delta_log"].contains(&name)
}
/// Which table this directory is.
pub const IDENTITY: &str = "_zk/table.json";
/// Where committed and candidate manifests lie.
pub const MANIFESTS: &str = "_zk/manifests";
/// Stagings, one directory an attempt.
pub const STAGINGS: &str = "_zk/tx";
/// Files on their way to a name under which they must appear whole.
pub const SCRATCH: &str = "_zk/tmp";
/// What plain Spark reads.
pub const MIRROR: &str = "_spark_metadata";

/// An id longer than this belongs into the job's parameters.
const ID_LIMIT: usize = 512;

/// The znode of a table.
#[must_use]
pub fn table(uuid: &str) -> String {
    format!("/tables/{uuid}")
}

/// The one mutable cell of a table.
#[must_use]
pub fn head(uuid: &str) -> String {
    format!("/tables/{uuid}/head")
}

/// The parent of a table's transactions.
#[must_use]
pub fn transactions(uuid: &str) -> String {
    format!("/tables/{uuid}/tx")
}

/// One attempt to write.
#[must_use]
pub fn transaction(uuid: &str, tx: &str) -> String {
    format!("/tables/{uuid}/tx/{tx}")
}

/// Ephemeral: its writer's session stands.
#[must_use]
pub fn alive(uuid: &str, tx: &str) -> String {
    format!("/tables/{uuid}/tx/{tx}/alive")
}

/// Made by the first who misses `alive`; its age says for how long it has been missed.
#[must_use]
pub fn suspect(uuid: &str, tx: &str) -> String {
    format!("/tables/{uuid}/tx/{tx}/suspect")
}

/// The line in which committers queue after losing the race too often.
#[must_use]
pub fn commit_lock(uuid: &str) -> String {
    format!("/tables/{uuid}/lock")
}

/// How far a streaming query came: its last batch, and who runs it.
///
/// # Errors
/// `Config` for an empty or oversized id.
pub fn app(uuid: &str, app_id: &str) -> Result<String> {
    Ok(format!("{}/{}", apps(uuid), id_name("app_id", app_id)?))
}

/// The parent of a table's streaming queries.
#[must_use]
pub fn apps(uuid: &str) -> String {
    format!("/tables/{uuid}/apps")
}

/// The oldest version whose files are kept; it only rises.
#[must_use]
pub fn floor(uuid: &str) -> String {
    format!("/tables/{uuid}/floor")
}

/// The parent of the pins that hold the floor down.
#[must_use]
pub fn pins(uuid: &str) -> String {
    format!("/tables/{uuid}/pins")
}

/// A version that somebody reads.
///
/// # Errors
/// `Config` for an empty or oversized name.
pub fn pin(uuid: &str, name: &str) -> Result<String> {
    Ok(format!("{}/{}", pins(uuid), id_name("pin", name)?))
}

/// The parent of a table's job shards.
#[must_use]
pub fn jobs(uuid: &str) -> String {
    format!("/tables/{uuid}/jobs")
}

/// The shard of a job: 256 of them keep each listing small.
#[must_use]
pub fn job_shard(uuid: &str, job_id: &str) -> String {
    format!("/tables/{uuid}/jobs/{}", &digest(job_id)[..2])
}

/// The node whose existence says that a job's commit happened.
///
/// # Errors
/// `Config` for an empty or oversized id.
pub fn job(uuid: &str, job_id: &str) -> Result<String> {
    Ok(format!("{}/{}", job_shard(uuid, job_id), id_name("job_id", job_id)?))
}

/// The node's name for a name that a user gives.
fn id_name(what: &str, id: &str) -> Result<String> {
    if id.is_empty() || id.len() > ID_LIMIT {
        return Err(Error::config(format!("{what} of {} bytes: give a name between 1 and {ID_LIMIT} bytes", id.len())));
    }
    Ok(encoded(id))
}

/// The node that says which table lives at a canonical URI.
#[must_use]
pub fn path(canonical: &str) -> String {
    format!("/paths/{}", &digest(canonical)[..32])
}

/// Where `df.write` of one attempt goes.
#[must_use]
pub fn staged_data(tx: &str) -> String {
    format!("{STAGINGS}/{tx}/data")
}

/// The names an attempt is about to give its files, for whoever has to take them away again.
#[must_use]
pub fn relocation(tx: &str) -> String {
    format!("{STAGINGS}/{tx}/relocation.json")
}

/// Empty files, named as the manifests an attempt wrote or was about to write.
#[must_use]
pub fn candidates(tx: &str) -> String {
    format!("{STAGINGS}/{tx}/manifests")
}

/// A manifest's file.
#[must_use]
pub fn manifest(name: &str) -> String {
    format!("{MANIFESTS}/{name}")
}

/// The final name of a staged data file: the same directory, the transaction in front of the name.
///
/// `None` for what Spark itself would not read: `_SUCCESS`, checksums, `_temporary`.
#[must_use]
pub fn final_name(tx: &str, staged: &str) -> Option<String> {
    // Spark reads `_p=1`: an underscore hides a name only where it is no partition.
    let hidden = |name: &str| name.starts_with('.') || (name.starts_with('_') && !name.contains('='));
    if staged.is_empty() || staged.split('/').any(|name| name.is_empty() || hidden(name)) {
        return None;
    }
    Some(match staged.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/{tx}-{name}"),
        None => format!("{tx}-{staged}"),
    })
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn digest(data: impl AsRef<[u8]>) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(data) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A job id as a znode name. A leading dot is encoded too: `.` and `..` are no names.
fn encoded(job_id: &str) -> String {
    let mut name = String::with_capacity(job_id.len());
    for (at, byte) in job_id.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if at > 0 => name.push('.'),
            _ => {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_operator_recognises_an_ordinary_job() {
        let node = job("u", "nightly-2024.01.01").expect("valid");
        assert!(node.ends_with("/nightly-2024.01.01"), "{node}");
        assert!(node.starts_with(&job_shard("u", "nightly-2024.01.01")));
    }

    #[test]
    fn refuses_ids_that_are_no_name() {
        assert!(matches!(job("u", ""), Err(Error::Config(_))));
        assert!(matches!(job("u", &"x".repeat(513)), Err(Error::Config(_))));
    }

    #[test]
    fn takes_what_spark_reads_and_nothing_else() {
        assert_eq!(final_name("t", "part-0.parquet").as_deref(), Some("t-part-0.parquet"));
        assert_eq!(final_name("t", "p=a b/_q=1/part-0").as_deref(), Some("p=a b/_q=1/t-part-0"));
        for hidden in ["_SUCCESS", ".part-0.crc", "p=1/.part.crc", "_temporary/0/part-0", "", "a//b"] {
            assert_eq!(final_name("t", hidden), None, "{hidden}");
        }
    }

    proptest! {
        #[test]
        fn every_job_id_is_one_znode_name(ids in proptest::collection::hash_set(".{1,20}", 1..20)) {
            let nodes: HashSet<String> = ids.iter().map(|id| job("u", id).expect("valid")).collect();
            prop_assert_eq!(nodes.len(), ids.len());
            for node in nodes {
                let name = node.rsplit('/').next().unwrap_or_default();
                prop_assert_eq!(node.matches('/').count(), 5);
                prop_assert!(name.bytes().all(|b| b.is_ascii_graphic()) && name != "." && name != "..");
            }
        }
    }
}
