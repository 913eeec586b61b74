//! `AssignmentProblem` for Python: columns in, by position, and the owners out.

use arrow_array::{Array, UInt32Array, UInt64Array, make_array};
use arrow_data::ArrayData;
use arrow_pyarrow::PyArrowType;
use pyo3::exceptions::PyTypeError;
use pyo3::inspect::PyStaticExpr;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::assign::Certificate;
use super::errors::raise;
use crate::arrow;
use crate::assign::{self, Eligible, Member, NONE, Problem, Strategy};

/// An Arrow array. It must be tried before a list: PyArrow's are sequences too, of objects that are slow to read.
pub(super) struct ArrowArray(ArrayData);

impl<'py> FromPyObject<'_, 'py> for ArrowArray {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = <PyArrowType<ArrayData> as FromPyObject<'_, '_>>::INPUT_TYPE;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // A list must not cost an import of PyArrow, which would say no more than this.
        if value.hasattr(intern!(value.py(), "__arrow_c_array__"))? {
            Ok(Self(value.extract::<PyArrowType<ArrayData>>()?.0))
        } else {
            Err(PyTypeError::new_err("not an Arrow array"))
        }
    }
}

/// A column of whole numbers: Arrow's, whose memory is used as it is where its type allows, or a list.
#[derive(FromPyObject)]
pub(super) enum Column {
    Arrow(ArrowArray),
    List(Vec<u64>),
}

impl Column {
    fn weights(self) -> crate::error::Result<UInt64Array> {
        match self {
            Self::Arrow(array) => arrow::weights(&make_array(array.0)),
            Self::List(values) => Ok(UInt64Array::from(values)),
        }
    }
}

/// A column of positions among the members, or of lengths: Arrow's, where null is [`NONE`], or a list.
#[derive(FromPyObject)]
pub(super) enum Positions {
    Arrow(ArrowArray),
    List(Vec<Option<u32>>),
}

impl Positions {
    fn numbers(self) -> crate::error::Result<Vec<u32>> {
        match self {
            Self::Arrow(array) => arrow::positions(&make_array(array.0)),
            Self::List(values) => Ok(values.into_iter().map(|value| value.unwrap_or(NONE)).collect()),
        }
    }
}

/// Owners as a caller would have them.
#[derive(IntoPyObject)]
pub(super) enum Owners {
    Arrow(PyArrowType<ArrayData>),
    List(Vec<u32>),
}

/// Who can own items: columns of one length.
///
/// Args:
///     names: A sequence, or an Arrow column.
///     capacities: Relative sizes.
///     limits: The most that each may own; None is no limit.
///     zones: A number for each zone; None is nowhere.
///     priorities: Higher ones fill up first.
type Members<'py> = (Bound<'py, PyAny>, Vec<f64>, Vec<Option<u64>>, Vec<Option<u32>>, Vec<i64>);

/// How many members each item names, where None is all there are; then those members, one after the other.
type Choices = (Positions, Positions);

/// Everything that an assignment depends on, as numbers by position.
#[pyclass(frozen, module = "sparkeeper._sparkeeper")]
pub(super) struct AssignmentProblem {
    strategy: Strategy,
    members: Vec<Member>,
    keys: Vec<u64>,
    weights: Option<UInt64Array>,
    current: Option<Vec<u32>>,
    classes: Vec<Vec<u32>>,
    of: Option<Vec<u32>>,
    zones: Option<Vec<u32>>,
    priorities: Option<Vec<i64>>,
}

impl AssignmentProblem {
    fn borrow(&self) -> Problem<'_> {
        Problem {
            strategy: self.strategy,
            members: &self.members,
            items: self.keys.len(),
            weights: self.weights.as_ref().map(|weights| &**weights.values()),
            current: self.current.as_deref(),
            eligible: self.of.as_deref().map(|of| Eligible { classes: &self.classes, of }),
            zones: self.zones.as_deref(),
            priorities: self.priorities.as_deref(),
            keys: Some(&self.keys),
        }
    }
}

#[pymethods]
impl AssignmentProblem {
    #[new]
    #[pyo3(signature = (strategy, members, names, *, weights=None, current=None, eligible=None, zones=None, priorities=None))]
    #[expect(clippy::too_many_arguments, reason = "an assignment depends on so many things")]
    fn new(
        py: Python<'_>,
        strategy: &str,
        members: Members<'_>,
        names: &Bound<'_, PyAny>,
        weights: Option<Column>,
        current: Option<Positions>,
        eligible: Option<Choices>,
        zones: Option<Vec<Option<u32>>>,
        priorities: Option<Vec<i64>>,
    ) -> PyResult<Self> {
        let none = |column: Vec<Option<u32>>| column.into_iter().map(|value| value.unwrap_or(NONE)).collect();
        let (who, capacities, limits, places, ranks) = members;
        let keys = name_keys(names)?;
        let members = name_keys(&who)?
            .into_iter()
            .zip(capacities)
            .zip(limits.into_iter().zip(places))
            .zip(ranks)
            .map(|(((key, capacity), (limit, zone)), priority)| Member {
                capacity,
                limit,
                zone: zone.unwrap_or(NONE),
                priority,
                key,
            })
            .collect();
        let eligible = eligible.map(classes).transpose().map_err(|error| raise(py, &error))?;
        let (classes, of) = eligible.unzip();
        Ok(Self {
            strategy: Strategy::named(strategy).map_err(|error| raise(py, &error))?,
            members,
            keys,
            weights: weights.map(Column::weights).transpose().map_err(|error| raise(py, &error))?,
            current: current.map(Positions::numbers).transpose().map_err(|error| raise(py, &error))?,
            classes: classes.unwrap_or_default(),
            of,
            zones: zones.map(none),
            priorities,
        })
    }

    /// Choose an owner for every item.
    ///
    /// Args:
    ///     arrow: Give the owners as an Arrow array of uint32, which needs PyArrow, instead of a list.
    ///
    /// Returns:
    ///     The position of each item's member, and the certificate.
    ///
    /// Raises:
    ///     ConfigError: The problem contradicts itself or cannot be met; the text names the positions.
    fn solve(&self, py: Python<'_>, arrow: bool) -> PyResult<(Owners, Certificate)> {
        let found = py.detach(|| assign::assign(&self.borrow())).map_err(|error| raise(py, &error))?;
        let owners = if arrow {
            Owners::Arrow(PyArrowType(UInt32Array::from(found.owners).into_data()))
        } else {
            Owners::List(found.owners)
        };
        Ok((owners, Certificate::from(found.certificate)))
    }

    /// Work out the certificate of owners that were found some other way.
    fn certify(&self, py: Python<'_>, owners: Positions) -> PyResult<Certificate> {
        let owners = owners.numbers().map_err(|error| raise(py, &error))?;
        let certificate = py.detach(|| assign::Certificate::of(&self.borrow(), &owners));
        certificate.map(Certificate::from).map_err(|error| raise(py, &error))
    }

    /// Work the certificate of these owners out again, and compare.
    ///
    /// Raises:
    ///     ConfigError: The certificate does not belong to these owners; the text names what differs.
    fn verify(&self, py: Python<'_>, certificate: &Certificate, owners: Positions) -> PyResult<()> {
        let owners = owners.numbers().map_err(|error| raise(py, &error))?;
        py.detach(|| certificate.inner().verify(&self.borrow(), &owners)).map_err(|error| raise(py, &error))
    }
}

fn classes((lengths, members): Choices) -> crate::error::Result<(Vec<Vec<u32>>, Vec<u32>)> {
    let (lengths, members) = (lengths.numbers()?, members.numbers()?);
    let mut rest = &members[..];
    Ok(assign::classes(lengths.into_iter().map(|length| {
        if length == NONE {
            return None;
        }
        let (choice, others) = rest.split_at((length as usize).min(rest.len()));
        rest = others;
        Some(choice)
    })))
}

/// Each name as a number that is the same in every process and version.
///
/// Integers and strings are hashed by their value, whatever column holds them; anything else by its `repr`.
fn name_keys(names: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
    if names.hasattr("__arrow_c_array__")? {
        let array: PyArrowType<ArrayData> = names.extract()?;
        if let Some(keys) = arrow::name_keys(&make_array(array.0)) {
            return Ok(keys);
        }
        return name_keys(&names.call_method0("to_pylist")?);
    }
    let mut keys = Vec::with_capacity(names.len().unwrap_or(0));
    for name in names.try_iter()? {
        let name = name?;
        keys.push(if let Ok(text) = name.cast::<PyString>() {
            arrow::text_key(text.to_cow()?.as_ref())
        } else if let Ok(number) = name.extract::<i64>() {
            arrow::number_key(number)
        } else {
            arrow::text_key(name.repr()?.to_cow()?.as_ref())
        });
    }
    Ok(keys)
}
