//! Sessions: what every recipe stands on.
//!
//! A [`Session`] is opened once and shared. Below it lives one [`Incarnation`] at a time, the
//! ZooKeeper session proper; after an expiry the supervisor opens the next, and grants of the
//! old one stay lost. Recipes take `&Session`; the session knows no recipe.
//!
//! | file | what it does |
//! |---|---|
//! | `connect` | one handshake |
//! | `handshake` | why TLS keeps us out, where it does |
//! | `incarnation` | one server session: client, lease, link, grants |
//! | `heartbeat` | beats, follows the connection, verifies and follows grants |
//! | `supervisor` | the next incarnation after an expiry |
//! | `lease`, `clock` | until when a grant is provably ours |
//! | `grant`, `grants` | HELD, `AT_RISK`, LOST |
//! | `create`, `together`, `delete`, `delete_marked` | protected create of one node or several, guaranteed delete |
//! | `leaf` | plain ephemerals |
//! | `create_kind` | what kinds of nodes there are |
//! | `letter` | what a holder's node says, and is asked |
//! | `metrics` | what happened to each path |
//! | `znode`, `limits` | plain access, with guards |
//! | `names` | names taken within one session |
//! | `succession` | the incarnations one after the other |
//! | `nodelay` | one flight stays one flight |

mod clock;
mod connect;
mod create;
mod create_kind;
mod delete;
mod delete_marked;
mod grant;
mod grants;
mod handshake;
mod heartbeat;
mod incarnation;
mod leaf;
mod lease;
pub mod letter;
mod limits;
mod metrics;
mod names;
mod nodelay;
mod state;
mod succession;
mod supervisor;
mod together;
mod znode;

pub use self::connect::each_host_once;
pub use self::create::{Attempt, Created, create_protected, list_again, make_parents, siblings};
pub use self::create_kind::CreateKind;
pub(crate) use self::delete::{delete_in_background, withdraw};
pub use self::grant::{Grant, GrantKind, GrantState, Release, Standing};
pub use self::incarnation::{Incarnation, Link};
pub use self::leaf::Leaf;
pub use self::letter::ReleaseRequest;
pub use self::limits::{MAX_REQUEST, check_size};
pub use self::metrics::{Metrics, PathMetrics};
pub use self::names::{Name, Names};
pub use self::state::SessionState;
pub use self::succession::Succession;
pub use self::supervisor::Session;
pub use self::together::{Together, Wanted, create_together};
pub use self::znode::{NotWritten, Write};
pub use zookeeper_client::{MultiWriteResult, Stat};
