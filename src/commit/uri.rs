//! One spelling for a table's place: `/a`, `/a/`, `file:/a` and `file:///a` are one table, `s3` is `s3a`.
//!
//! An authority keeps the case and the port that it was written with, because Hadoop looks settings up under it; which
//! table it is does not depend on either.
//!
//! Paths are taken as Hadoop takes them: nothing in them is decoded, `%20` is three characters. The escaping of
//! [`Location::child_uri`] is that of Java's `URI`, which Spark writes into its own `_spark_metadata` and compares
//! as text.

use std::fmt::Write as _;

use crate::commit::layout;
use crate::error::{Error, Result};

/// What Hadoop takes where an HDFS authority names no port.
const NAMENODE_PORT: &str = ":8020";

/// Where a table lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    scheme: String,
    authority: String,
    /// Absolute, without a trailing slash.
    path: String,
}

impl Location {
    /// Reads an absolute path or URI. `default_fs` (say `file:///` or `hdfs://nn:8020`) stands where no scheme is given,
    /// and where its own scheme is given without an authority.
    ///
    /// # Errors
    /// `Config` where the path is relative, or the root.
    pub fn parse(text: &str, default_fs: &str) -> Result<Self> {
        let (scheme, rest) = split_scheme(text);
        let (default, default_rest) = split_scheme(default_fs);
        let (default, default_authority) = (default.unwrap_or("file"), split_authority(default_rest).0);
        let (scheme, authority, path) = if let Some(scheme) = scheme {
            let (authority, path) = split_authority(rest);
            let inherits = authority.is_empty() && scheme.eq_ignore_ascii_case(default);
            (scheme, if inherits { default_authority } else { authority }, path)
        } else {
            (default, default_authority, text)
        };
        if !path.starts_with('/') {
            return Err(Error::config(format!("directory '{text}' is relative; make it absolute")));
        }
        let path = normalised(path);
        if path.is_empty() {
            return Err(Error::config(format!("directory '{text}' is the root; name one below it")));
        }
        if let Some(private) = path.split('/').find(|part| layout::is_private(part)) {
            return Err(Error::config(format!(
                "directory '{text}' lies in {private}, which belongs to another table; name one beside it"
            )));
        }
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "s3" | "s3n" => "s3a".to_owned(),
            other => other.to_owned(),
        };
        let authority = match (scheme.as_str(), authority) {
            ("file", _) => String::new(),
            (_, authority) => authority.to_owned(),
        };
        Ok(Self { scheme, authority, path })
    }

    /// The scheme, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The absolute path within the file system, unescaped.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The one spelling, unescaped: `file:///a b`.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }

    /// The node that says which table lives here.
    #[must_use]
    pub fn znode(&self) -> String {
        let authority = self.authority.to_ascii_lowercase();
        let authority = match self.scheme.as_str() {
            "hdfs" => authority.strip_suffix(NAMENODE_PORT).unwrap_or(&authority),
            _ => &authority,
        };
        layout::path(&format!("{}://{authority}{}", self.scheme, self.path))
    }

    /// The escaped URI of a file below this place, as Spark writes it into a log.
    #[must_use]
    pub fn child_uri(&self, relative: &str) -> String {
        format!("{}://{}{}/{}", self.scheme, self.authority, escaped(&self.path), escaped(relative))
    }
}

/// A colon before the first slash ends a scheme, as Hadoop's `Path` has it.
fn split_scheme(text: &str) -> (Option<&str>, &str) {
    match (text.find(':'), text.find('/')) {
        (Some(colon), slash) if colon > 0 && slash.is_none_or(|slash| colon < slash) => {
            (Some(&text[..colon]), &text[colon + 1..])
        }
        _ => (None, text),
    }
}

fn split_authority(rest: &str) -> (&str, &str) {
    match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    }
}

/// Without empty and `.` components, with `..` resolved.
fn normalised(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            name => components.push(name),
        }
    }
    components.iter().fold(String::new(), |path, name| path + "/" + name)
}

/// Quotes what `java.net.URI` quotes in a path: ASCII outside its path characters, and spaces and controls of Unicode.
fn escaped(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for c in path.chars() {
        let plain = if c.is_ascii() {
            c.is_ascii_alphanumeric() || "_-!.~'()*,;:$&+=@/".contains(c)
        } else {
            !(c.is_whitespace() || c.is_control())
        };
        if plain {
            uri.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Location::parse(text, "file:///").expect("valid").canonical()
    }

    #[test]
    fn five_spellings_are_one_table() {
        for text in ["/a/b", "/a/b/", "file:/a/b", "file:///a/b", "file://localhost/a/b", "/a//./x/../b", "FILE:/a/b/"]
        {
            assert_eq!(canonical(text), "file:///a/b", "{text}");
        }
        for text in ["s3://bucket/t", "s3a://bucket/t/", "s3n://bucket//t"] {
            assert_eq!(canonical(text), "s3a://bucket/t", "{text}");
        }
    }

    #[test]
    fn a_path_without_scheme_is_on_the_default_file_system() {
        let at = |text| Location::parse(text, "hdfs://NN:8020").expect("valid").canonical();
        assert_eq!(at("/t"), "hdfs://NN:8020/t");
        assert_eq!(at("hdfs:/t"), "hdfs://NN:8020/t");
        assert_eq!(at("HDFS:///t"), "hdfs://NN:8020/t");
        assert_eq!(at("file:/t"), "file:///t");
        assert_eq!(at("hdfs://nn:8020/t/"), "hdfs://nn:8020/t");
    }

    #[test]
    fn neither_case_nor_the_default_port_of_an_authority_makes_another_table() {
        let znode = |text| Location::parse(text, "file:///").expect("valid").znode();
        for text in ["hdfs://NN:8020/t", "hdfs://nn/t", "hdfs://Nn/t/"] {
            assert_eq!(znode(text), znode("hdfs://nn:8020/t"), "{text}");
        }
        for other in ["hdfs://nn:9000/t", "hdfs://other/t", "hdfs://nn/T", "viewfs://nn/t"] {
            assert_ne!(znode(other), znode("hdfs://nn:8020/t"), "{other}");
        }
        assert_eq!(canonical("viewfs://ClusterX/t"), "viewfs://ClusterX/t");
    }

    #[test]
    fn a_percent_sign_is_itself_and_a_colon_after_a_slash_is_no_scheme() {
        assert_eq!(canonical("/a%20b"), "file:///a%20b");
        assert_ne!(canonical("/a%20b"), canonical("/a b"));
        assert_eq!(canonical("/a/b:c"), "file:///a/b:c");
    }

    #[test]
    fn refuses_what_is_no_directory_of_a_table() {
        for text in ["", "a/b", "/", "file:///", "/..", "s3://bucket"] {
            assert!(matches!(Location::parse(text, "file:///"), Err(Error::Config(_))), "{text:?}");
        }
    }

    /// Expected values taken from Spark's own logs, versions 3.5 and 4.3.
    #[test]
    fn escapes_as_spark_does() {
        let root = Location::parse("/tmp/out tablé", "file:///").expect("valid");
        for (directory, uri) in [
            ("p=a%2Fb", "p=a%252Fb"),
            ("p=a;b&c@d,e$f!g~h(i)", "p=a;b&c@d,e$f!g~h(i)"),
            ("p=q%22#?[]{}|\\^`<>:*'", "p=q%2522%23%3F%5B%5D%7B%7D%7C%5C%5E%60%3C%3E:*'"),
            ("p=\u{a0}n", "p=%C2%A0n"),
            ("p=50%25", "p=50%2525"),
            ("p=é ü", "p=é%20ü"),
            ("p=日本\u{3000}", "p=日本%E3%80%80"),
        ] {
            assert_eq!(root.child_uri(&format!("{directory}/f")), format!("file:///tmp/out%20tablé/{uri}/f"));
        }
    }
}
