//! Paths: what ZooKeeper accepts, and how a coordinator's namespace is put before them.

use crate::error::{Error, Result};

/// The prefix (chroot of the connect string, then namespace) under which a coordinator lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Empty, or absolute without a trailing slash.
    prefix: String,
}

impl Namespace {
    /// Joins chroot and namespace, each with or without slashes at its ends.
    ///
    /// # Errors
    /// `InvalidPath` where a component is one that ZooKeeper refuses.
    pub fn new(chroot: &str, namespace: &str) -> Result<Self> {
        let mut prefix = String::new();
        for part in [chroot, namespace] {
            let part = part.trim_matches('/');
            if !part.is_empty() {
                validate(part)?;
                prefix.push('/');
                prefix.push_str(part);
            }
        }
        Ok(Self { prefix })
    }

    /// The absolute path of `path`, which may or may not start with a slash.
    ///
    /// # Errors
    /// `InvalidPath`, saying which component is wrong and why.
    pub fn absolute(&self, path: &str) -> Result<String> {
        let relative = path.strip_prefix('/').unwrap_or(path);
        if relative.is_empty() {
            return Ok(if self.prefix.is_empty() { "/".to_owned() } else { self.prefix.clone() });
        }
        validate(relative)?;
        Ok(format!("{}/{relative}", self.prefix))
    }

    /// The inverse of [`Namespace::absolute`]: `path` as the user sees it, with a leading slash.
    #[must_use]
    pub fn relative<'a>(&self, path: &'a str) -> &'a str {
        match path.strip_prefix(self.prefix.as_str()) {
            Some("") => "/",
            Some(rest) => rest,
            None => path,
        }
    }

    /// The prefix itself: empty, or absolute.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// The parent of an absolute path, or `None` for the root.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/') {
        Some(("", "")) | None => None,
        Some(("", _)) => Some("/"),
        Some((parent, _)) => Some(parent),
    }
}

/// The child `name` of an absolute path.
#[must_use]
pub fn child(parent: &str, name: &str) -> String {
    if parent == "/" { format!("/{name}") } else { format!("{parent}/{name}") }
}

/// The last component of a path.
#[must_use]
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn validate(relative: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid_path(format!("path '{}': {why}", relative.escape_debug())));
    for component in relative.split('/') {
        match component {
            "" => return refuse("it has an empty component; remove the doubled or trailing slash"),
            "." | ".." => return refuse("'.' and '..' are not names; write the path out"),
            _ => {}
        }
    }
    match relative.chars().find(|c| forbidden(*c)) {
        Some(c) => refuse(&format!("ZooKeeper does not allow the character U+{:04X}", u32::from(c))),
        None => Ok(()),
    }
}

/// The characters that the server's `PathUtils` refuses. Java has those past U+FFFF as two surrogates, which it refuses.
fn forbidden(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_chroot_and_namespace() {
        let ns = Namespace::new("/chroot/", "team-a").expect("valid");
        assert_eq!(ns.absolute("jobs/nightly").expect("valid"), "/chroot/team-a/jobs/nightly");
        assert_eq!(ns.absolute("/jobs").expect("valid"), "/chroot/team-a/jobs");
        assert_eq!(ns.absolute("/").expect("valid"), "/chroot/team-a");
        assert_eq!(ns.relative("/chroot/team-a/jobs"), "/jobs");
        assert_eq!(ns.relative("/chroot/team-a"), "/");
    }

    #[test]
    fn an_empty_namespace_is_the_root() {
        let ns = Namespace::new("", "").expect("valid");
        assert_eq!(ns.absolute("").expect("valid"), "/");
        assert_eq!(ns.absolute("a").expect("valid"), "/a");
    }

    #[test]
    fn refuses_what_the_server_would() {
        let ns = Namespace::default();
        for path in ["a//b", "a/", "a/./b", "..", "a\u{0}b", "a\nb", "a\u{9f}", "a\u{e000}", "a\u{fff0}"] {
            assert!(matches!(ns.absolute(path), Err(Error::InvalidPath(_))), "{path:?}");
        }
        let refused = ns.absolute("cfg/😀").expect_err("past U+FFFF");
        assert!(
            refused.to_string().contains("path 'cfg/😀': ZooKeeper does not allow the character U+1F600"),
            "{refused}"
        );
    }

    #[test]
    fn parents_and_children_are_inverse() {
        assert_eq!(parent("/"), None);
        assert_eq!(parent("/a"), Some("/"));
        assert_eq!(parent("/a/b"), Some("/a"));
        assert_eq!(child("/", "a"), "/a");
        assert_eq!(child("/a", "b"), "/a/b");
    }
}
