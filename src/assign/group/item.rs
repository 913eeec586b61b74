//! The things that a group divides: JSON values, each with the name of its node. Pure.
//!
//! A name is the value's JSON text, with what a path cannot carry written as `%XX`; a text that looks like a plain
//! word goes without its quotes. So different values have different names, and most can be read. A long name is cut
//! and ends with the SHA-256 of the whole.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The longest name that is written out.
const LONGEST: usize = 96;

/// What a long name keeps of its beginning.
const BEGINNING: usize = 40;

/// One of the things that are divided. Equal values are equal items.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item {
    name: Arc<str>,
    text: Arc<str>,
}

impl Item {
    /// From a JSON value.
    #[must_use]
    pub fn new(value: &Value) -> Self {
        let text = value.to_string();
        Self { name: name(value, &text).into(), text: text.into() }
    }

    /// From JSON text.
    ///
    /// # Errors
    /// `Config` where it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text);
        value.map(|value| Self::new(&value)).map_err(|why| Error::config(format!("item {text}: no JSON: {why}")))
    }

    /// The name of its nodes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.text).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::new(&value))
    }
}

fn name(value: &Value, text: &str) -> String {
    let whole = match value {
        Value::String(word) if is_word(word) => word.clone(),
        _ => escaped(text),
    };
    if whole.len() <= LONGEST {
        return whole;
    }
    let mut digest = Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    digest.insert(0, '~');
    // An escape is not cut in two: names are only told apart, never read back.
    whole.chars().take(BEGINNING).collect::<String>() + &digest
}

/// True for what could be no other value's JSON.
fn is_word(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(plain)
        && !matches!(text, "true" | "false" | "null")
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut name, byte| {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b',' => name.push(byte.into()),
            // Writing to a string does not fail.
            _ => drop(write!(name, "%{byte:02X}")),
        }
        name
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn different_values_have_different_names_that_a_path_can_carry() {
        let long = "x".repeat(300);
        let values = [
            json!(7),
            json!("7"),
            json!(7.0),
            json!(-7),
            json!("a"),
            json!("-a"),
            json!("a/b"),
            json!("a%2Fb"),
            json!("."),
            json!(".."),
            json!(""),
            json!(null),
            json!("null"),
            json!(true),
            json!("true"),
            json!(["2024-01", 3]),
            json!("é"),
            json!(long),
            json!(format!("{long}y")),
        ];
        let names: HashSet<String> = values.iter().map(|value| Item::new(value).name().to_owned()).collect();
        assert_eq!(names.len(), values.len(), "{names:?}");
        for name in &names {
            assert!(!name.is_empty() && name != "." && name != ".." && !name.contains('/'), "{name}");
            assert!(name.is_ascii() && name.len() <= 128, "{name}");
        }
    }

    #[test]
    fn plain_ones_can_be_read() {
        assert_eq!(Item::new(&json!(7)).name(), "7");
        assert_eq!(Item::new(&json!("2024-01")).name(), "%222024-01%22");
        assert_eq!(Item::new(&json!("JFK")).name(), "JFK");
        assert_eq!(Item::new(&json!(["JFK", 1])).name(), "%5B%22JFK%22,1%5D");
    }

    #[test]
    fn they_travel_as_what_they_are() {
        let items = vec![Item::new(&json!(1)), Item::new(&json!(["a", 2]))];
        let text = serde_json::to_string(&items).expect("JSON");
        assert_eq!(text, r#"[1,["a",2]]"#);
        assert_eq!(serde_json::from_str::<Vec<Item>>(&text).expect("JSON"), items);
    }
}
