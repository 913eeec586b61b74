//! Turns Nagle's algorithm off on the connections to the servers.
//!
//! The client library opens its sockets without `TCP_NODELAY`, which makes the second of two
//! requests written back to back wait for the reply to the first: one flight becomes two.
//! It keeps its sockets to itself, so we find them among our own descriptors by their peer's
//! port, and set the option on a duplicate, which shares it. Best effort: where the kernel
//! refuses, requests are slower and nothing else changes.
//!
//! A look at all descriptors takes some microseconds for each, so one look serves all that connected meanwhile, on a
//! thread that may block: a look for each of a thousand sessions would keep the heartbeats waiting.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

/// How long the pause before the next look is at most; else it is as long as the look.
const PAUSE: Duration = Duration::from_millis(20);

/// Ports of servers that somebody connected to since the last look, and whether somebody looks.
static WANTED: Mutex<(BTreeSet<u16>, bool)> = Mutex::new((BTreeSet::new(), false));

/// Sets the option soon on every TCP socket of this process whose peer listens on one of `ports`.
pub(super) fn set_soon(runtime: &Handle, ports: &[u16]) {
    let mut wanted = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
    wanted.0.extend(ports);
    if !std::mem::replace(&mut wanted.1, true) {
        runtime.spawn_blocking(look);
    }
}

/// Looks until nobody connected meanwhile.
fn look() {
    loop {
        let ports = {
            let mut wanted = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
            if wanted.0.is_empty() {
                wanted.1 = false;
                return;
            }
            std::mem::take(&mut wanted.0)
        };
        let began = Instant::now();
        if let Err(error) = set(&ports) {
            tracing::debug!(%error, "TCP_NODELAY not set; requests written back to back will be slower");
        }
        std::thread::sleep(began.elapsed().min(PAUSE));
    }
}

/// Sets the option on every TCP socket of this process whose peer listens on one of `ports`.
#[cfg(target_os = "linux")]
fn set(ports: &BTreeSet<u16>) -> std::io::Result<usize> {
    use rustix::net::{getpeername, sockopt};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut set = 0;
    for entry in std::fs::read_dir("/proc/self/fd")?.flatten() {
        let is_socket = std::fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()).filter(|_| is_socket) else {
            continue;
        };
        let Ok(socket) = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) else { continue };
        let Ok(Some(peer)) = getpeername(&socket) else { continue };
        let Ok(peer) = std::net::SocketAddr::try_from(peer) else { continue };
        if ports.contains(&peer.port()) && sockopt::set_tcp_nodelay(&socket, true).is_ok() {
            set += 1;
        }
    }
    Ok(set)
}

/// Elsewhere the option stays as it is.
#[cfg(not(target_os = "linux"))]
fn set(_ports: &BTreeSet<u16>) -> std::io::Result<usize> {
    Ok(0)
}
