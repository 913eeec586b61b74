//! The crate without Python: a lock, and a write that lands only while it is held.
//!
//! `cargo run --example plain_rust [HOST:PORT]`; without an address the one in `SPARKEEPER_TEST_SERVER`.

#![allow(clippy::print_stdout)] // An example tells its story.

use std::time::Duration;

use sparkeeper::recipes::{Holder, Lock};
use sparkeeper::session::CreateKind;
use sparkeeper::{Config, Error, Session};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).or_else(|| std::env::var("SPARKEEPER_TEST_SERVER").ok());
    let mut config = Config::parse(&address.ok_or("give the address of a server, such as localhost:2181")?)?;
    "plain-rust".clone_into(&mut config.namespace);
    let session = Session::open(config, Some(Duration::from_secs(10))).await?;

    let lock = Lock::new(&session, "nightly", None)?;
    // Whoever has the same number enters again; there is one holder here.
    let held = lock.acquire(Holder(1), Some(Duration::from_secs(30))).await?;
    println!("held with token {}, for at least {:?} more", held.grant().token(), held.valid_for());
    session
        .create("runs/run-", b"", CreateKind { sequence: true, ..CreateKind::default() }, true, &[held.grant()])
        .await?;

    held.release()?.done().await;
    match session.set("runs", b"late", None, &[held.grant()]).await {
        Err(Error::LockLost(why)) => println!("refused: {why}"),
        other => return Err(format!("a write without its guard: {other:?}").into()),
    }
    session.close().await;
    Ok(())
}
