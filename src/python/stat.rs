//! A znode's stat.
#![expect(clippy::too_many_arguments, reason = "a pickle gives the constructor every field")]

use pyo3::prelude::*;

/// What the server keeps about a znode. Zxids order all changes of the ensemble; times are
/// milliseconds since 1970 on the server's wall clock.
#[pyclass(frozen, get_all, eq, new = "from_fields", skip_from_py_object, module = "sparkeeper._sparkeeper")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Zxid of the change that created the node.
    czxid: i64,
    /// Zxid of the last change of its data.
    mzxid: i64,
    /// Zxid of the last change of its children.
    pzxid: i64,
    /// When it was created.
    ctime: i64,
    /// When its data was last changed.
    mtime: i64,
    /// Number of changes of its data.
    version: i32,
    /// Number of changes of its children.
    cversion: i32,
    /// Number of changes of its ACL.
    aversion: i32,
    /// Session that owns it, where it is ephemeral, else 0.
    ephemeral_owner: i64,
    /// Bytes of data.
    data_length: i32,
    /// Number of children.
    num_children: i32,
}

pickles!(Stat {
    czxid,
    mzxid,
    pzxid,
    ctime,
    mtime,
    version,
    cversion,
    aversion,
    ephemeral_owner,
    data_length,
    num_children
});

impl From<crate::session::Stat> for Stat {
    fn from(stat: crate::session::Stat) -> Self {
        Self {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            ephemeral_owner: stat.ephemeral_owner,
            data_length: stat.data_length,
            num_children: stat.num_children,
        }
    }
}

impl From<&Stat> for crate::session::Stat {
    fn from(stat: &Stat) -> Self {
        Self {
            czxid: stat.czxid,
            mzxid: stat.mzxid,
            pzxid: stat.pzxid,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            ephemeral_owner: stat.ephemeral_owner,
            data_length: stat.data_length,
            num_children: stat.num_children,
        }
    }
}

#[pymethods]
impl Stat {
    fn __repr__(&self) -> String {
        let Self { czxid, mzxid, version, ephemeral_owner, data_length, num_children, .. } = self;
        format!(
            "Stat(version={version}, data_length={data_length}, num_children={num_children}, czxid={czxid}, \
             mzxid={mzxid}, ephemeral_owner={ephemeral_owner:#x})"
        )
    }
}
