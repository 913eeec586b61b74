//! Schemas as Spark writes them in JSON, compared the way an append has to.

use std::collections::BTreeMap;

use serde_json::Value;

/// How the columns of `added` differ from those of `present`, if they do: by name and type.
///
/// Order, nullability and comments are no difference: files are read by column name, and every column of a file
/// may be NULL to its reader.
#[must_use]
pub fn difference(added: &Value, present: &Value) -> Option<String> {
    let (added, present) = (columns(added), columns(present));
    let missing = present.keys().find(|name| !added.contains_key(*name));
    if let Some(name) = missing {
        return Some(format!("the table's column '{name}' is missing here"));
    }
    added.iter().find_map(|(name, kind)| match present.get(name) {
        None => Some(format!("the column '{name}' is not in the table")),
        Some(other) if other == kind => None,
        Some(other) => Some(format!("the column '{name}' is {other} in the table and {kind} here")),
    })
}

fn columns(schema: &Value) -> BTreeMap<String, String> {
    let fields = schema.get("fields").and_then(Value::as_array);
    fields
        .into_iter()
        .flatten()
        .filter_map(|field| Some((field.get("name")?.as_str()?.to_owned(), kind(field.get("type")?))))
        .collect()
}

/// A type without what is no part of it: `"long"`, `{"type":"array","elementType":"long"}`.
fn kind(data_type: &Value) -> String {
    match data_type {
        Value::String(name) => name.clone(),
        other => stripped(other).to_string(),
    }
}

fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "nullable" | "containsNull" | "valueContainsNull" | "metadata"))
            .map(|(key, member)| (key.clone(), stripped(member)))
            .collect(),
        Value::Array(items) => items.iter().map(stripped).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(fields: &[(&str, Value)]) -> Value {
        let fields: Vec<Value> = fields
            .iter()
            .map(|(name, kind)| json!({"name": name, "type": kind, "nullable": true, "metadata": {}}))
            .collect();
        json!({"type": "struct", "fields": fields})
    }

    #[test]
    fn order_and_nullability_are_no_difference() {
        let mut one = schema(&[
            ("a", json!("long")),
            ("b", json!({"type": "array", "elementType": "long", "containsNull": true})),
        ]);
        let other = schema(&[
            ("b", json!({"type": "array", "elementType": "long", "containsNull": false})),
            ("a", json!("long")),
        ]);
        one["fields"][0]["nullable"] = json!(false);
        assert_eq!(difference(&one, &other), None);
    }

    #[test]
    fn names_and_types_are() {
        let table = schema(&[("a", json!("long"))]);
        for (added, word) in [
            (schema(&[("a", json!("string"))]), "long in the table"),
            (schema(&[]), "missing"),
            (schema(&[("a", json!("long")), ("b", json!("long"))]), "'b' is not in the table"),
        ] {
            let found = difference(&added, &table).expect("a difference");
            assert!(found.contains(word), "{found}");
        }
    }
}
