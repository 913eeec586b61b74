//! Which nodes a walk is about, and below which it need not look. Pure.

use super::filter::Filter;
use super::glob::Glob;
use crate::error::{Error, Result};
use crate::path::Namespace;

/// The nodes at and below a path that are asked for.
#[derive(Clone, Debug)]
pub struct Scope {
    root: String,
    depth: Option<u32>,
    glob: Option<Glob>,
    filters: Vec<Filter>,
}

impl Scope {
    /// `depth` levels below `root`, which is level 0; all where there is none. `glob` is relative to `root`.
    ///
    /// # Errors
    /// `InvalidPath`; `Config` where the glob is none.
    pub fn new(root: &str, depth: Option<u32>, glob: Option<&str>, filters: Vec<Filter>) -> Result<Self> {
        Ok(Self {
            // In the namespace of a session, which has been checked by itself.
            root: Namespace::default().absolute(root)?,
            depth,
            glob: glob.map(Glob::parse).transpose()?,
            filters,
        })
    }

    /// With a leading slash.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Whether the node at `path`, at or below the root, is asked for.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        let below = self.below(path);
        self.depth.is_none_or(|depth| level(below) <= depth as usize)
            && self.glob.as_ref().is_none_or(|glob| glob.matches(below))
            && self.filters.iter().all(|filter| filter.accepts(path))
    }

    /// Whether something below `path` may be asked for.
    #[must_use]
    pub fn reaches(&self, path: &str) -> bool {
        let below = self.below(path);
        self.depth.is_none_or(|depth| level(below) < depth as usize)
            && self.glob.as_ref().is_none_or(|glob| glob.reaches(below))
            && self.filters.iter().all(|filter| filter.reaches(path))
    }

    /// Whether what is at or below `path` matters.
    #[must_use]
    pub fn concerns(&self, path: &str) -> bool {
        self.contains(path) || self.reaches(path)
    }

    /// # Errors
    /// `NoNode`, for a root that is not there.
    #[must_use]
    pub fn missing(&self) -> Error {
        Error::no_node(format!(
            "read '{}': no such node; check the path, which is relative to the namespace, or create the node first",
            self.root
        ))
    }

    fn below<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(self.root.as_str()).unwrap_or(path).trim_start_matches('/')
    }
}

fn level(below: &str) -> usize {
    if below.is_empty() { 0 } else { 1 + below.matches('/').count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(root: &str, depth: Option<u32>, glob: Option<&str>) -> Scope {
        Scope::new(root, depth, glob, Vec::new()).expect("a scope")
    }

    #[test]
    fn the_root_is_level_0() {
        let shallow = scope("/a", Some(1), None);
        assert!(shallow.contains("/a") && shallow.contains("/a/b") && !shallow.contains("/a/b/c"));
        assert!(shallow.reaches("/a") && !shallow.reaches("/a/b"));
        assert!(scope("/", Some(0), None).contains("/") && !scope("/", Some(0), None).reaches("/"));
    }

    #[test]
    fn a_glob_is_relative_to_the_root() {
        for root in ["/a", "a"] {
            let found = scope(root, None, Some("*/c"));
            assert!(found.contains("/a/b/c") && !found.contains("/a/b") && !found.reaches("/a/b/c"));
            assert!(found.concerns("/a/b") && found.concerns("/a/b/c") && !found.concerns("/a/b/d"));
        }
        assert!(scope("/", None, Some("a")).contains("/a"));
    }

    #[test]
    fn everything_that_is_said_must_hold() {
        let filters = vec![Filter::Name(vec!["c".to_owned()])];
        let found = Scope::new("/a", Some(2), Some("b/*"), filters).expect("a scope");
        assert!(found.contains("/a/b/c") && !found.contains("/a/b/d") && !found.contains("/a/c"));
    }

    #[test]
    fn a_root_that_is_no_path_is_refused() {
        assert!(matches!(Scope::new("a//b", None, None, Vec::new()), Err(Error::InvalidPath(_))));
    }
}
