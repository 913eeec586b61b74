//! Against a real server, through a proxy that breaks what can break. `make test-rust` starts the server.

mod harness;
mod proxy;

mod acquire;
mod create;
mod expiry;
mod line;
mod reconnect;
mod znode;
