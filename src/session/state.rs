//! The states that a user of a session sees.

/// What a coordinator can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Requests reach a server.
    Connected,
    /// The link is down; the session may survive it.
    Suspended,
    /// The session is over; the next one is being opened.
    Expired,
    /// Closed, or refused for good.
    Closed,
}

impl SessionState {
    /// The name in the public interface.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Suspended => "SUSPENDED",
            Self::Expired => "EXPIRED",
            Self::Closed => "CLOSED",
        }
    }
}
