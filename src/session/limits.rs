//! What fits into one request, checked before it is sent.
//!
//! A server drops the connection that sends more than `jute.maxbuffer`; the client would
//! reconnect, send it again, and so on for ever.

use crate::error::{Error, Result};

/// The default `jute.maxbuffer`, in bytes.
pub const MAX_REQUEST: usize = 0xf_ffff;

/// Room for headers, ACL and flags beside path and value.
const OVERHEAD: usize = 512;

/// How much of a path a message quotes.
const SHOWN: usize = 200;

/// # Errors
/// `PayloadTooLarge`, where `path` and `bytes` bytes of data do not fit together.
pub fn check_size(attempt: &str, path: &str, bytes: usize) -> Result<()> {
    let limit = MAX_REQUEST - OVERHEAD;
    if bytes.saturating_add(path.len()) <= limit {
        return Ok(());
    }
    let shown: String = path.chars().take(SHOWN).collect();
    let cut = if shown.len() < path.len() { "…" } else { "" };
    Err(Error::payload_too_large(format!(
        "{attempt} '{shown}{cut}': the value has {bytes} bytes, the path {}, and one request carries {limit}; \
         nothing was sent; keep large values in files and their addresses here",
        path.len()
    )))
}

/// As [`check_size`], for so many nodes that are made together, of which `path` is the first.
///
/// # Errors
/// `PayloadTooLarge`.
pub(super) fn check_nodes(path: &str, nodes: usize, bytes: usize) -> Result<()> {
    let limit = MAX_REQUEST - OVERHEAD;
    if nodes == 1 || bytes <= limit {
        return check_size("create", path, bytes);
    }
    Err(Error::payload_too_large(format!(
        "create: {nodes} nodes together need {bytes} bytes, and one request carries {limit}; nothing was sent; ask for \
         fewer at once"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mebibyte_is_the_limit() {
        assert!(check_size("set", "/a", 1_000_000).is_ok());
        assert!(matches!(check_size("set", "/a", 2 << 20), Err(Error::PayloadTooLarge(_))));
        let refused = check_size("set", &"a".repeat(2 << 20), 0).expect_err("the path alone is too long");
        assert!(refused.to_string().len() < 1000);
    }
}
