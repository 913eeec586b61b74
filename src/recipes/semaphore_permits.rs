//! Is there room for so many permits? Pure: from what is out, what is wanted and the limit.
//!
//! The limit is kept as Curator's `SharedCount` keeps it: four bytes, a big-endian int32.

use crate::error::{Error, Result};

/// Whether permits can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Now.
    Free,
    /// Not before others give some back, or the limit is raised.
    Full,
    /// Not even if nobody had any: only a higher limit helps.
    Never,
}

/// What `wanted` permits find where `out` are out and `limit` may be.
#[must_use]
pub fn room(out: usize, wanted: u32, limit: i32) -> Room {
    let wanted = wanted as usize;
    // Others may have stored a negative number: then nobody may have any.
    let limit = usize::try_from(limit).unwrap_or(0);
    if wanted > limit {
        Room::Never
    } else if out.saturating_add(wanted) <= limit {
        Room::Free
    } else {
        Room::Full
    }
}

/// Whether `out` permits, the newest among them ours, are within the limit.
#[must_use]
pub fn within(out: usize, limit: i32) -> bool {
    usize::try_from(limit).is_ok_and(|limit| out <= limit)
}

/// The bytes of a limit.
#[must_use]
pub fn encode(limit: i32) -> [u8; 4] {
    limit.to_be_bytes()
}

/// The limit in a node's data; `None` where nobody wrote one.
///
/// # Errors
/// `Config` where the data is something else.
pub fn decode(path: &str, data: &[u8]) -> Result<Option<i32>> {
    if data.is_empty() {
        return Ok(None);
    }
    let bytes: [u8; 4] = data.try_into().map_err(|_| {
        Error::config(format!(
            "semaphore limit '{path}': the node has {} bytes and a limit has four, a big-endian int32 as Curator's \
             SharedCount writes it; delete the node, or use another path",
            data.len()
        ))
    })?;
    Ok(Some(i32::from_be_bytes(bytes)))
}
