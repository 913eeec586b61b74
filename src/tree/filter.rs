//! What a query asks of a node's place in the tree, for walks to leave out what cannot answer it. Pure.

use crate::error::{Error, Result};
use crate::path::{name, parent};

/// A condition on a node's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// It is one of these.
    Path(Vec<String>),
    /// It begins with this text.
    PathPrefix(String),
    /// Its parent is one of these; the root has none.
    Parent(Vec<String>),
    /// Its last component is one of these.
    Name(Vec<String>),
    /// Its last component begins with this text.
    NamePrefix(String),
}

impl Filter {
    /// By its kind as Python writes it.
    ///
    /// # Errors
    /// `Config` where there is no such kind.
    pub fn new(kind: &str, values: Vec<String>) -> Result<Self> {
        let text = |values: Vec<String>| values.into_iter().next().unwrap_or_default();
        Ok(match kind {
            "path" => Self::Path(values),
            "path_prefix" => Self::PathPrefix(text(values)),
            "parent" => Self::Parent(values),
            "name" => Self::Name(values),
            "name_prefix" => Self::NamePrefix(text(values)),
            _ => return Err(Error::config(format!("no filter is called '{kind}'"))),
        })
    }

    /// Whether the node at `path` answers it.
    #[must_use]
    pub fn accepts(&self, path: &str) -> bool {
        match self {
            Self::Path(paths) => paths.iter().any(|one| one == path),
            Self::PathPrefix(prefix) => path.starts_with(prefix),
            Self::Parent(parents) => parent(path).is_some_and(|above| parents.iter().any(|one| one == above)),
            Self::Name(names) => names.iter().any(|one| one == name(path)),
            Self::NamePrefix(prefix) => name(path).starts_with(prefix),
        }
    }

    /// Whether a node below `path` can answer it.
    #[must_use]
    pub fn reaches(&self, path: &str) -> bool {
        match self {
            Self::Path(paths) => paths.iter().any(|one| is_below(one, path)),
            Self::PathPrefix(prefix) => {
                let below = below(path);
                below.starts_with(prefix) || prefix.starts_with(&below)
            }
            Self::Parent(parents) => parents.iter().any(|one| one == path || is_below(one, path)),
            Self::Name(_) | Self::NamePrefix(_) => true,
        }
    }
}

/// What every path below `path` begins with.
fn below(path: &str) -> String {
    if path == "/" { "/".to_owned() } else { format!("{path}/") }
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(&below(above)).is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 8] = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/ab/b", "/b", "/b/a"];

    fn filter(kind: &str, value: &str) -> Filter {
        Filter::new(kind, vec![value.to_owned()]).expect("a filter")
    }

    #[test]
    fn each_accepts_what_it_says() {
        let cases: [(&str, &str, &[&str]); 7] = [
            ("path", "/a/b", &["/a/b"]),
            ("path", "/", &["/"]),
            ("path_prefix", "/a", &["/a", "/a/b", "/a/b/c", "/ab", "/ab/b"]),
            ("parent", "/a", &["/a/b"]),
            ("parent", "/", &["/a", "/ab", "/b"]),
            ("name", "b", &["/a/b", "/ab/b", "/b"]),
            ("name_prefix", "a", &["/a", "/ab", "/b/a"]),
        ];
        for (kind, value, accepted) in cases {
            let filter = filter(kind, value);
            let found: Vec<_> = PATHS.into_iter().filter(|path| filter.accepts(path)).collect();
            assert_eq!(found, accepted, "{kind} {value}");
        }
    }

    #[test]
    fn nothing_that_is_accepted_stands_below_what_is_left_out() {
        for kind in ["path", "path_prefix", "parent", "name", "name_prefix"] {
            for value in ["/a/b", "/a", "/a/", "/", "/ab/b", "a", "b", "/nowhere/at/all"] {
                let filter = filter(kind, value);
                for path in PATHS.into_iter().filter(|path| filter.accepts(path)) {
                    let mut above = parent(path);
                    while let Some(one) = above {
                        assert!(filter.reaches(one), "{kind} {value}: {path} is below {one}");
                        above = parent(one);
                    }
                }
            }
        }
        assert!(!filter("path", "/a/b").reaches("/ab") && !filter("path", "/a/b").reaches("/a/b"));
        assert!(!filter("parent", "/a").reaches("/a/b") && !filter("path_prefix", "/a/b").reaches("/ab"));
    }
}
