//! Nodes as an Arrow record batch: what a table of znodes has.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::de::IgnoredAny;

use crate::error::{Error, Result};
use crate::path::{name, parent};
use crate::session::Stat;

/// What the column `text` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decode {
    /// The data, where it is UTF-8.
    Text,
    /// The data, where it is JSON.
    Json,
    /// Nothing.
    None,
}

impl Decode {
    /// # Errors
    /// `Config` where there is no such decoding.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "none" => Ok(Self::None),
            _ => Err(Error::config(format!("decode '{name}': give text, json or none"))),
        }
    }

    fn text(self, data: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(data);
        match self {
            Self::Text => text.ok(),
            Self::Json => text.ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()),
            Self::None => None,
        }
    }
}

/// Rows that grow, to be taken as a batch.
#[derive(Debug)]
pub struct Rows {
    decode: Decode,
    count: usize,
    bytes: usize,
    path: StringBuilder,
    parent: StringBuilder,
    name: StringBuilder,
    data: BinaryBuilder,
    text: StringBuilder,
    version: Int32Builder,
    czxid: Int64Builder,
    mzxid: Int64Builder,
    ctime: TimestampMicrosecondBuilder,
    mtime: TimestampMicrosecondBuilder,
    ephemeral_owner: Int64Builder,
    num_children: Int32Builder,
}

impl Rows {
    /// None yet.
    #[must_use]
    pub fn new(decode: Decode) -> Self {
        Self {
            decode,
            count: 0,
            bytes: 0,
            path: StringBuilder::new(),
            parent: StringBuilder::new(),
            name: StringBuilder::new(),
            data: BinaryBuilder::new(),
            text: StringBuilder::new(),
            version: Int32Builder::new(),
            czxid: Int64Builder::new(),
            mzxid: Int64Builder::new(),
            ctime: TimestampMicrosecondBuilder::new().with_timezone(UTC),
            mtime: TimestampMicrosecondBuilder::new().with_timezone(UTC),
            ephemeral_owner: Int64Builder::new(),
            num_children: Int32Builder::new(),
        }
    }

    /// Adds a node.
    pub fn push(&mut self, path: &str, data: &[u8], stat: &Stat) {
        self.count += 1;
        self.bytes += data.len();
        self.path.append_value(path);
        self.parent.append_option(parent(path));
        self.name.append_value(name(path));
        self.data.append_value(data);
        self.text.append_option(self.decode.text(data));
        self.version.append_value(stat.version);
        self.czxid.append_value(stat.czxid);
        self.mzxid.append_value(stat.mzxid);
        self.ctime.append_value(stat.ctime.saturating_mul(1000));
        self.mtime.append_value(stat.mtime.saturating_mul(1000));
        self.ephemeral_owner.append_value(stat.ephemeral_owner);
        self.num_children.append_value(stat.num_children);
    }

    /// Adds a node of which nothing is known but where it was.
    pub fn push_gone(&mut self, path: &str) {
        self.count += 1;
        self.path.append_value(path);
        self.parent.append_option(parent(path));
        self.name.append_value(name(path));
        self.data.append_null();
        self.text.append_null();
        self.version.append_null();
        self.czxid.append_null();
        self.mzxid.append_null();
        self.ctime.append_null();
        self.mtime.append_null();
        self.ephemeral_owner.append_null();
        self.num_children.append_null();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of data in them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes them.
    ///
    /// # Errors
    /// None that is known: the columns are of one length.
    pub fn take(&mut self) -> Result<RecordBatch> {
        (self.count, self.bytes) = (0, 0);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.path.finish()),
            Arc::new(self.parent.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.data.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.version.finish()),
            Arc::new(self.czxid.finish()),
            Arc::new(self.mzxid.finish()),
            Arc::new(self.ctime.finish()),
            Arc::new(self.mtime.finish()),
            Arc::new(self.ephemeral_owner.finish()),
            Arc::new(self.num_children.finish()),
        ];
        RecordBatch::try_new(schema(), columns).map_err(|error| Error::server(error.to_string()))
    }
}

const UTC: &str = "UTC";

/// Spark's columns are all nullable, and it compares.
fn schema() -> SchemaRef {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
    let columns = [
        ("path", DataType::Utf8),
        ("parent", DataType::Utf8),
        ("name", DataType::Utf8),
        ("data", DataType::Binary),
        ("text", DataType::Utf8),
        ("version", DataType::Int32),
        ("czxid", DataType::Int64),
        ("mzxid", DataType::Int64),
        ("ctime", moment.clone()),
        ("mtime", moment),
        ("ephemeral_owner", DataType::Int64),
        ("num_children", DataType::Int32),
    ];
    Arc::new(Schema::new(columns.map(|(name, of)| Field::new(name, of, true)).to_vec()))
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::TimestampMicrosecondType;

    use super::*;

    fn stat() -> Stat {
        Stat {
            czxid: 1,
            mzxid: 2,
            pzxid: 0,
            ctime: 1_500,
            mtime: 2_500,
            version: 3,
            cversion: 0,
            aversion: 0,
            ephemeral_owner: 0,
            data_length: 0,
            num_children: 4,
        }
    }

    #[test]
    fn text_is_what_the_data_says_where_it_says_something() {
        let cases: [(Decode, [Option<&str>; 4]); 3] = [
            (Decode::Text, [Some("{\"a\": 1}"), Some("{\"a\""), Some(""), None]),
            (Decode::Json, [Some("{\"a\": 1}"), None, None, None]),
            (Decode::None, [None, None, None, None]),
        ];
        for (decode, expected) in cases {
            let mut rows = Rows::new(decode);
            for data in [&b"{\"a\": 1}"[..], b"{\"a\"", b"", b"\xff"] {
                rows.push("/a/b", data, &stat());
            }
            let batch = rows.take().expect("a batch");
            assert_eq!(batch.column(4).as_string::<i32>().iter().collect::<Vec<_>>(), expected, "{decode:?}");
        }
        assert!(matches!(Decode::parse("xml"), Err(Error::Config(text)) if text.contains("json")));
    }

    #[test]
    fn the_root_has_no_parent_and_times_are_microseconds() {
        let mut rows = Rows::new(Decode::None);
        rows.push("/", b"xy", &stat());
        rows.push("/a", b"z", &stat());
        rows.push_gone("/b");
        assert_eq!((rows.len(), rows.bytes()), (3, 3));
        let batch = rows.take().expect("a batch");
        assert!(rows.is_empty());
        assert_eq!(batch.column(1).as_string::<i32>().iter().collect::<Vec<_>>(), [None, Some("/"), Some("/")]);
        assert_eq!(batch.column(2).as_string::<i32>().value(1), "a");
        assert_eq!(batch.column(8).as_primitive::<TimestampMicrosecondType>().value(0), 1_500_000);
        let unknown: Vec<usize> = batch.columns().iter().map(Array::null_count).collect();
        assert_eq!(unknown, [0, 1, 0, 1, 3, 1, 1, 1, 1, 1, 1, 1]);
    }
}
