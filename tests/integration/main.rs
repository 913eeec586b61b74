//! Against a real server, through a proxy that breaks what can break. `make test-rust` starts the server.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "pub is for the sibling modules")]

mod harness;
mod proxy;

mod acquire;
mod branches;
mod cache;
mod changes;
mod counter;
mod create;
mod election;
mod election_faults;
mod expiry;
mod line;
mod reconnect;
mod semaphore;
mod znode;
