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
    let unknown = added.keys().find(|name| !present.contains_key(*name));
    unknown.map(|name| format!("the column '{name}' is not in the table")).or_else(|| retyped(&added, &present))
}

/// How a column that both have differs in its type, if one does; others may be missing on either side.
#[must_use]
pub fn clash(added: &Value, present: &Value) -> Option<String> {
    retyped(&columns(added), &columns(present))
}

/// The first column that stands elsewhere than in `present`: some formats know columns by their place alone.
/// Those in `partition_by` are in no file.
#[must_use]
pub fn misplaced(added: &Value, present: &Value, partition_by: &[String]) -> Option<String> {
    let order = |schema| fields(schema).filter(|name| !partition_by.contains(name)).collect::<Vec<_>>();
    let (added, present) = (order(added), order(present));
    let (here, there) = added.iter().zip(&present).find(|(here, there)| here != there)?;
    Some(format!(
        "the column '{here}' stands where the table has '{there}', and these files know columns by their place alone: \
         select them in the table's order, which is {}",
        present.join(", ")
    ))
}

/// The columns of `present`, then those that only `added` has. What one of them may lack may be NULL.
#[must_use]
pub fn union(added: &Value, present: &Value) -> Value {
    let list = |schema: &Value| schema.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
    let (theirs, ours) = (list(added), list(present));
    let named = |fields: &[Value], name: &Value| fields.iter().find(|field| field.get("name") == Some(name)).cloned();
    let nullable = |field: &Value| field.get("nullable").and_then(Value::as_bool).unwrap_or(true);
    let with = |mut field: Value, on: bool| {
        field["nullable"] = Value::Bool(on);
        field
    };
    let kept = ours.iter().map(|field| {
        let other = named(&theirs, &field["name"]);
        with(field.clone(), nullable(field) || other.as_ref().is_none_or(nullable))
    });
    let new = theirs.iter().filter(|field| named(&ours, &field["name"]).is_none());
    let fields: Vec<Value> = kept.chain(new.map(|field| with(field.clone(), true))).collect();
    let mut union = present.clone();
    union["fields"] = Value::Array(fields);
    union
}

fn retyped(added: &BTreeMap<String, String>, present: &BTreeMap<String, String>) -> Option<String> {
    added.iter().find_map(|(name, kind)| match present.get(name) {
        Some(other) if other != kind => Some(format!("the column '{name}' is {other} in the table and {kind} here")),
        _ => None,
    })
}

fn fields(schema: &Value) -> impl Iterator<Item = String> {
    let fields = schema.get("fields").and_then(Value::as_array).into_iter().flatten();
    fields.filter_map(|field| Some(field.get("name")?.as_str()?.to_owned()))
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

    #[test]
    fn a_union_keeps_the_order_and_lets_new_columns_be_null() {
        let table = schema(&[("b", json!("long")), ("a", json!("long"))]);
        let mut added = schema(&[("c", json!("string")), ("a", json!("long"))]);
        added["fields"][0]["nullable"] = json!(false);
        let merged = union(&added, &table);
        assert_eq!(fields(&merged).collect::<Vec<_>>(), ["b", "a", "c"]);
        assert!(merged["fields"].as_array().expect("fields").iter().all(|field| field["nullable"] == json!(true)));
        assert_eq!(clash(&added, &table), None);
        assert!(clash(&schema(&[("a", json!("string"))]), &table).is_some());
    }

    #[test]
    fn places_count_but_for_partition_columns() {
        let table = schema(&[("p", json!("long")), ("a", json!("long")), ("b", json!("long"))]);
        let other = schema(&[("a", json!("long")), ("b", json!("long")), ("p", json!("long"))]);
        assert_eq!(misplaced(&other, &table, &["p".into()]), None);
        assert!(misplaced(&other, &table, &[]).is_some());
    }
}
