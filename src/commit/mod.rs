//! Fault-tolerant writes: the commit point of a table is one `ZooKeeper` `multi`.
//!
//! Data files are write-once under names nobody else will ever use, and the only mutable cell is a znode.
//! Rust decides, Python moves files.
//!
//! ```text
//! /tables/<uuid>/head            the one mutable cell ([`head`])
//! /tables/<uuid>/tx/<txid>       ACTIVE | ABORTED | COMMITTED; its child `alive` is ephemeral
//! /tables/<uuid>/jobs/<hh>/<id>  created inside the commit: exactly once
//! /tables/<uuid>/apps/<id>       the last batch of a streaming query, set inside the commit ([`app`])
//! /tables/<uuid>/floor, pins     what may not be forgotten ([`floor`])
//! /paths/<digest>                which table lives at a path ([`identity`])
//! ```
//!
//! The writer creates and, once its files are in place, deletes its transaction; when it is gone, whoever writes
//! next does ([`recover`]). Tables, heads and paths stay until somebody drops the table.
//!
//! | file | what it does |
//! |---|---|
//! | `layout`, `uri` | names of znodes and files; one spelling for a place |
//! | `files`, `manifest`, `schema` | what a commit adds, and in which form |
//! | `chain`, `draft` | what is live after a commit; what the next one would be |
//! | `rules`, `recover`, `identity` | who may commit, what may be deleted, whose directory it is |
//! | `app`, `floor`, `rebuild` | streaming queries, what may be forgotten, a record that was lost |
//! | `mirror` | what plain Spark reads |
//! | `head`, `record` | what znodes hold |
//! | `table`, `transaction`, `decision`, `keeper` | all that, over a session |

pub mod app;
pub mod chain;
pub mod decision;
pub mod draft;
pub mod files;
pub mod floor;
pub mod head;
pub mod identity;
mod keeper;
pub mod layout;
pub mod manifest;
pub mod mirror;
pub mod rebuild;
pub mod record;
pub mod recover;
pub mod rules;
pub mod schema;
pub mod table;
pub mod transaction;
pub mod uri;

#[cfg(test)]
mod tests;
