//! Arrow in, Arrow out: assignments over columns, without a copy through Python.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType, UInt32Array};
use arrow_schema::DataType;

use crate::assign::{Certificate, certificate, weighted};
use crate::error::{Error, Result};

/// [`weighted`] over a column of weights: the owner of each row, as `UInt32`, and the certificate.
///
/// `weights` is any integer type, without nulls and without negative numbers.
pub fn assign_weighted(weights: &dyn Array, bins: u32) -> Result<(UInt32Array, Certificate)> {
    let assignment = weighted(&whole_numbers(weights)?, bins)?;
    Ok((UInt32Array::from(assignment.owners), assignment.certificate))
}

/// [`Certificate::verify`] over columns of weights and owners, each of any integer type.
pub fn verify(claimed: &Certificate, weights: &dyn Array, bins: u32, owners: &dyn Array) -> Result<()> {
    let owners = whole_numbers(owners)?
        .into_iter()
        // An owner past 32 bits is out of range whatever the number of bins.
        .map(|owner| u32::try_from(owner).unwrap_or(u32::MAX))
        .collect::<Vec<_>>();
    claimed.compare(&certificate(&whole_numbers(weights)?, bins, &owners)?)
}

fn whole_numbers(array: &dyn Array) -> Result<Vec<u64>> {
    match array.data_type() {
        DataType::Int8 => widen::<Int8Type>(array),
        DataType::Int16 => widen::<Int16Type>(array),
        DataType::Int32 => widen::<Int32Type>(array),
        DataType::Int64 => widen::<Int64Type>(array),
        DataType::UInt8 => widen::<UInt8Type>(array),
        DataType::UInt16 => widen::<UInt16Type>(array),
        DataType::UInt32 => widen::<UInt32Type>(array),
        DataType::UInt64 => widen::<UInt64Type>(array),
        other => Err(Error::config(format!("expected a column of integers, found {other}"))),
    }
}

fn widen<T>(array: &dyn Array) -> Result<Vec<u64>>
where
    T: ArrowPrimitiveType,
    T::Native: TryInto<u64> + std::fmt::Display,
{
    array
        .as_primitive::<T>()
        .iter()
        .enumerate()
        .map(|(row, value)| {
            let value = value.ok_or_else(|| Error::config(format!("row {row} is null: every row needs a number")))?;
            value.try_into().map_err(|_| Error::config(format!("row {row} is {value}: expected 0 or more")))
        })
        .collect()
}
