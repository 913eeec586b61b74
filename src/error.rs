//! The one error type: each variant is an outcome that a caller tells apart.

use zookeeper_client as zk;

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $variant:ident, $constructor:ident;)+) => {
        /// What went wrong, told apart by what a caller can do about it.
        ///
        /// The text of each says what was attempted, on which path, what was found, and what to do.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Error {
            $($(#[doc = $doc])+ #[error("{0}")] $variant(String),)+
        }

        impl Error {
            $($(#[doc = $doc])+ pub fn $constructor(message: impl Into<String>) -> Self {
                Self::$variant(message.into())
            })+

            /// The same outcome with another text.
            #[must_use]
            pub fn reworded(&self, reword: impl FnOnce(&str) -> String) -> Self {
                match self {
                    $(Self::$variant(text) => Self::$variant(reword(text)),)+
                }
            }
        }
    };
}

outcomes! {
    /// The wait ended before the grant.
    AcquireTimeout, acquire_timeout;
    /// No server could be reached, or the link broke before the reply.
    ConnectionLost, connection_lost;
    /// The ensemble ended the session.
    SessionExpired, session_expired;
    /// The credentials were refused; final.
    AuthFailed, auth_failed;
    /// The node's ACL forbids the operation.
    NotAuthorized, not_authorized;
    /// A lock is no longer provably held.
    LockLost, lock_lost;
    /// A leadership is no longer provably held.
    TermLost, term_lost;
    /// A partition or task is no longer provably owned.
    ClaimLost, claim_lost;
    /// A member of a group that goes on together is gone.
    MemberLost, member_lost;
    /// Somebody else was granted what the caller held.
    Fenced, fenced;
    /// Another commit changed what this one was based on.
    CommitConflict, commit_conflict;
    /// The reply to a commit was lost and the ensemble stayed away.
    CommitUnknown, commit_unknown;
    /// The table's files are ahead of ZooKeeper's record.
    HistoryLost, history_lost;
    /// The directory is no table of ours.
    NotATable, not_a_table;
    /// A manifest's bytes do not match its name.
    CorruptManifest, corrupt_manifest;
    /// The znode does not exist.
    NoNode, no_node;
    /// The znode exists already.
    NodeExists, node_exists;
    /// The znode's version is not the expected one.
    BadVersion, bad_version;
    /// The request would not fit into `jute.maxbuffer`; nothing was sent.
    PayloadTooLarge, payload_too_large;
    /// The path is not one ZooKeeper accepts; nothing was sent.
    InvalidPath, invalid_path;
    /// A setting is missing, contradictory or out of range.
    Config, config;
    /// The caller released something it does not hold.
    NotOwner, not_owner;
    /// The wait would never end, because the caller holds what it would wait for.
    WouldDeadlock, would_deadlock;
    /// The coordinator was closed.
    Closed, closed;
    /// The coordinator belongs to the parent process.
    ForkedProcess, forked_process;
    /// The server does not know this kind of node or request.
    Unsupported, unsupported;
    /// The znode has children.
    NotEmpty, not_empty;
    /// The server refused for a reason that has no outcome of its own; the text has it.
    Server, server;
}

impl Error {
    /// Words a client error as "`attempt` `path`: what was found".
    #[must_use]
    pub fn from_client(error: &zk::Error, attempt: &str, path: &str) -> Self {
        use zk::Error as E;
        let say = |found: &str| format!("{attempt} '{path}': {found}");
        match error {
            E::NoNode => Self::no_node(say("no such node; create it, or its parents, first")),
            E::NodeExists => Self::node_exists(say("the node exists already")),
            E::BadVersion => Self::bad_version(say("somebody wrote the node in between; read it again")),
            E::NotEmpty => Self::not_empty(say("the node has children; delete them first or pass recursive=True")),
            E::NoChildrenForEphemerals => Self::server(say("the parent is ephemeral and cannot have children")),
            E::NoAuth => {
                Self::not_authorized(say("the node's ACL does not allow it to this session; check auth and acl"))
            }
            E::InvalidAcl => Self::config(say("the server refused the ACL; acl=\"creator\" needs auth")),
            E::AuthFailed => {
                Self::auth_failed(say("the server refused the credentials; check auth, no retry will help"))
            }
            E::SessionExpired | E::SessionMoved => {
                Self::session_expired(say("the session ended before the reply; what was ephemeral in it is gone"))
            }
            E::ClientClosed => Self::closed(say("the coordinator is closed; connect again")),
            // Whatever broke the link ("broken pipe", "no response") reaches requests as it is.
            E::ConnectionLoss | E::Custom(_) => {
                Self::connection_lost(say("the link broke before the reply; the request may have taken effect or not"))
            }
            E::NoHosts | E::Timeout => {
                Self::connection_lost(say("no server answered; check the address and that it runs"))
            }
            E::BadArguments(why) => Self::invalid_path(say(why)),
            E::Unimplemented => Self::unsupported(say(
                "the server does not know this kind of node or request; containers need ZooKeeper 3.5.1, TTL nodes \
                 3.5.4 started with -Dzookeeper.extendedTypesEnabled=true",
            )),
            other => Self::server(say(&other.to_string())),
        }
    }

    /// True where the operation may have taken effect although it failed here.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::ConnectionLost(_) | Self::SessionExpired(_) | Self::CommitUnknown(_))
    }

    /// True where this session (but perhaps not the next) can do no more.
    #[must_use]
    pub fn session_ended(&self) -> bool {
        matches!(self, Self::SessionExpired(_))
    }

    /// True where no retry will help, whatever the network does.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        matches!(self, Self::AuthFailed(_) | Self::Closed(_) | Self::ForkedProcess(_))
    }
}
