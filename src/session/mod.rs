//! Sessions: what every recipe stands on.
//!
//! A [`Session`] is opened once and shared. Below it lives one [`Incarnation`] at a time, the
//! ZooKeeper session proper; after an expiry the supervisor opens the next, and grants of the
//! old one stay lost. Recipes take `&Session`; the session knows no recipe.
//!
//! | file | what it does |
//! |---|---|
//! | `branch`, `scope` | several that share one session, and end with the task that they are for |
//! | `connect` | one handshake |
//! | `handshake` | why TLS keeps us out, where it does |
//! | `incarnation` | one server session: client, lease, link, grants |
//! | `heartbeat` | beats, follows the connection, verifies and follows grants |
//! | `supervisor` | the next incarnation after an expiry |
//! | `lease`, `clock` | until when a grant is provably ours |
//! | `standing`, `grant`, `grants`, `asked` | HELD, `AT_RISK`, LOST; what others ask of a holder |
//! | `create`, `together`, `delete`, `delete_marked` | protected create of one node or several, guaranteed delete |
//! | `leaf` | plain ephemerals |
//! | `create_kind` | what kinds of nodes there are |
//! | `letter` | what a holder's node says, and is asked |
//! | `metrics` | what happened to each path |
//! | `znode`, `multi`, `limits` | plain access, and writes with guards |
//! | `names` | names taken within one session |
//! | `succession` | the incarnations one after the other |
//! | `nodelay` | one flight stays one flight |
//! | `read_many` | many reads in one request |

mod asked;
mod branch;
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
mod look;
mod metrics;
mod multi;
mod names;
mod nodelay;
mod read_many;
mod scope;
mod standing;
mod state;
mod succession;
mod supervisor;
mod together;
mod znode;

pub use self::connect::each_host_once;
pub use self::create::{Attempt, Created, create_protected, list_again, make_parents, siblings};
pub use self::create_kind::CreateKind;
pub(crate) use self::delete::{delete_in_background, withdraw};
pub use self::grant::{Grant, Release};
pub use self::incarnation::{Incarnation, Link};
pub use self::leaf::Leaf;
pub use self::letter::ReleaseRequest;
pub use self::limits::{MAX_REQUEST, check_size};
pub use self::metrics::{Metrics, PathMetrics};
pub use self::multi::{NotWritten, Write};
pub use self::names::{Name, Names};
pub use self::read_many::{Answer, Read};
pub use self::scope::Scope;
pub use self::standing::{GrantKind, GrantState, Standing};
pub use self::state::SessionState;
pub use self::succession::Succession;
pub use self::supervisor::Session;
pub use self::together::{Together, Wanted, create_together};

pub use zookeeper_client::{MultiWriteResult, Stat};
