//! Rights on the nodes we create: recipes' nodes, plain ones, and the parents of both.

use zookeeper_client as zk;

use crate::error::{Error, Result};

/// The letters of `zkCli`, and what they stand for.
const PERMISSIONS: [(char, zk::Permission); 5] = [
    ('r', zk::Permission::READ),
    ('w', zk::Permission::WRITE),
    ('c', zk::Permission::CREATE),
    ('d', zk::Permission::DELETE),
    ('a', zk::Permission::ADMIN),
];

/// Characters of the shortest hash in a digest id: SHA-1 in base64.
const SHORTEST_HASH: usize = 28;

/// Rights on the nodes we create.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody may do anything: the server's default.
    #[default]
    Open,
    /// Anybody may read, the creator's identity may do anything.
    ReadOpen,
    /// Only the creator's identity.
    Creator,
    /// These and no others.
    Explicit(Vec<Right>),
}

/// What one identity may do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Right {
    /// `world`, `auth`, `digest`, `sasl`, `ip`, `x509`.
    pub scheme: String,
    /// Who, in the scheme's notation: `anyone`, `user:hash`, `10.0.0.0/8`.
    pub id: String,
    /// Some of `rwcda`: read, write, create, delete, administer.
    pub permissions: String,
}

impl Right {
    /// # Errors
    /// `Config` where a part is missing or the permissions are none. A digest id that looks like a password is not shown.
    pub fn new(scheme: &str, id: &str, permissions: &str) -> Result<Self> {
        let known = |letter: char| PERMISSIONS.iter().any(|(known, _)| *known == letter);
        if permissions.is_empty() || !permissions.chars().all(known) {
            return Err(Error::config(format!("acl: permissions '{permissions}': use letters of \"rwcda\"")));
        }
        if scheme.is_empty() || scheme.contains(':') || (id.is_empty() && scheme != "auth") {
            return Err(Error::config(
                "acl: a right is (scheme, id, permissions), such as (\"world\", \"anyone\", \"r\")",
            ));
        }
        if scheme == "digest" && !id.rsplit_once(':').is_some_and(|(user, hash)| !user.is_empty() && is_hash(hash)) {
            return Err(Error::config(
                "acl: a digest id is \"user:hash\", and what follows the colon is no hash; the hash is the base64 \
                 form of the SHA-1 of \"user:password\"",
            ));
        }
        Ok(Self { scheme: scheme.to_owned(), id: id.to_owned(), permissions: permissions.to_owned() })
    }

    fn parse(text: &str) -> Result<Self> {
        // The id may have colons of its own.
        match text.trim().split_once(':').and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?))) {
            Some((scheme, (id, permissions))) => Self::new(scheme, id, permissions),
            None => Err(Error::config("acl: write rights as scheme:id:permissions[,…], such as world:anyone:r")),
        }
    }

    fn acl(&self) -> zk::Acl {
        let bits = PERMISSIONS.iter().filter(|(letter, _)| self.permissions.contains(*letter));
        let permission = bits.fold(zk::Permission::NONE, |all, (_, bit)| all | *bit);
        zk::Acl::new(permission, zk::AuthId::new(&self.scheme, &self.id))
    }
}

/// A hash and not a password somebody meant to be hashed: as written, the password would be readable for all.
fn is_hash(text: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    text.len() >= SHORTEST_HASH && text.len().is_multiple_of(4) && text.chars().all(base64)
}

impl Access {
    /// Parses `open`, `read_open`, `creator`, or rights as `zkCli` writes them: `scheme:id:permissions[,…]`.
    ///
    /// # Errors
    /// `Config` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "open" => Ok(Self::Open),
            "read_open" => Ok(Self::ReadOpen),
            "creator" => Ok(Self::Creator),
            rights if rights.contains(':') => {
                rights.split(',').map(Right::parse).collect::<Result<_>>().map(Self::Explicit)
            }
            other => Err(Error::config(format!(
                "acl '{other}': use \"open\", \"read_open\", \"creator\", or rights: (scheme, id, permissions)"
            ))),
        }
    }

    /// # Errors
    /// `Config` where there is none: nobody could ever touch the nodes.
    pub fn explicit(rights: Vec<Right>) -> Result<Self> {
        if rights.is_empty() {
            return Err(Error::config("acl: the list of rights is empty; name one, or leave acl out"));
        }
        Ok(Self::Explicit(rights))
    }

    /// True where it speaks of the creator, who must be somebody then.
    #[must_use]
    pub fn needs_identity(&self) -> bool {
        match self {
            Self::Open => false,
            Self::ReadOpen | Self::Creator => true,
            Self::Explicit(rights) => rights.iter().any(|right| right.scheme == "auth"),
        }
    }

    /// As the server takes it.
    #[must_use]
    pub fn acls(&self) -> Vec<zk::Acl> {
        let anyone = |permission| zk::Acl::new(permission, zk::AuthId::anyone());
        let creator = || zk::Acl::new(zk::Permission::ALL, zk::AuthId::authed());
        match self {
            Self::Open => vec![anyone(zk::Permission::ALL)],
            Self::ReadOpen => vec![anyone(zk::Permission::READ), creator()],
            Self::Creator => vec![creator()],
            Self::Explicit(rights) => rights.iter().map(Right::acl).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rights_as_zkcli_writes_them() {
        let hash = "ZNnpvTNw0dJ1HZEhjmVa7ozrdDE=";
        let access = Access::parse(&format!("digest:bob:{hash}:rwcda, world:anyone:r")).expect("valid");
        let right = |scheme, id: &str, permissions| Right::new(scheme, id, permissions).expect("valid");
        let bob = format!("bob:{hash}");
        assert_eq!(access, Access::Explicit(vec![right("digest", &bob, "rwcda"), right("world", "anyone", "r")]));
        assert_eq!(access.acls()[0].permission(), zk::Permission::ALL);
        assert_eq!(access.acls()[1].permission(), zk::Permission::READ);
    }

    #[test]
    fn refuses_nonsense_and_shows_no_password() {
        for text in
            ["everybody", "world:anyone:x", "world:anyone:", ":anyone:r", "digest:bob:hunter2:r", "world::r", "a:b"]
        {
            let refused = Access::parse(text).expect_err(text).to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert!(Access::explicit(Vec::new()).is_err());
    }
}
