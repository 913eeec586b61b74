//! Arrow in: the columns that an assignment is made from, without a copy through Python.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType, UInt64Array};
use arrow_schema::DataType;

use crate::assign::{NONE, key};
use crate::error::{Error, Result};

/// A column of weights: any integer type, without nulls and without negative numbers.
///
/// The memory of 64-bit columns is used as it is; narrower ones are widened.
pub fn weights(array: &dyn Array) -> Result<UInt64Array> {
    if array.null_count() == 0 {
        match array.data_type() {
            DataType::UInt64 => return Ok(array.as_primitive::<UInt64Type>().clone()),
            DataType::Int64 if array.as_primitive::<Int64Type>().values().iter().all(|value| *value >= 0) => {
                // The same bits mean the same number, so that the same memory will do.
                let data = array.to_data().into_builder().data_type(DataType::UInt64).build();
                return data.map(UInt64Array::from).map_err(|error| Error::config(error.to_string()));
            }
            _ => {}
        }
    }
    Ok(UInt64Array::from(whole_numbers(array, "weights")?))
}

/// A column of positions among the members, of any integer type; null is nobody.
pub fn positions(array: &dyn Array) -> Result<Vec<u32>> {
    let narrow = |value: i32| u32::try_from(value).unwrap_or(NONE);
    if array.null_count() == 0 {
        match array.data_type() {
            DataType::UInt32 => return Ok(array.as_primitive::<UInt32Type>().values().to_vec()),
            DataType::Int32 => {
                return Ok(array.as_primitive::<Int32Type>().values().iter().copied().map(narrow).collect());
            }
            _ => {}
        }
    }
    let Some(array) = array.as_primitive_opt::<Int32Type>() else {
        let wide = whole_numbers(array, "owners")?;
        return Ok(wide.into_iter().map(|value| u32::try_from(value).unwrap_or(NONE)).collect());
    };
    Ok(array.iter().map(|value| value.map_or(NONE, narrow)).collect())
}

/// [`number_key`] or [`text_key`] of each value; `None` for other types, and where a value is null.
#[must_use]
pub fn name_keys(array: &dyn Array) -> Option<Vec<u64>> {
    if array.null_count() > 0 {
        return None;
    }
    Some(match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().values().iter().map(|name| number_key(*name)).collect(),
        DataType::Int32 => {
            array.as_primitive::<Int32Type>().values().iter().map(|name| number_key(i64::from(*name))).collect()
        }
        DataType::Utf8 => array.as_string::<i32>().iter().flatten().map(text_key).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().flatten().map(text_key).collect(),
        DataType::Utf8View => array.as_string_view().iter().flatten().map(text_key).collect(),
        _ => return None,
    })
}

/// The key of a name that is a number.
#[must_use]
pub fn number_key(name: i64) -> u64 {
    key(&name.to_le_bytes())
}

/// The key of a name that is text, which is not that of a number.
#[must_use]
pub fn text_key(name: &str) -> u64 {
    key(format!("\"{name}").as_bytes())
}

fn whole_numbers(array: &dyn Array, called: &str) -> Result<Vec<u64>> {
    match array.data_type() {
        DataType::Int8 => widen::<Int8Type>(array, called),
        DataType::Int16 => widen::<Int16Type>(array, called),
        DataType::Int32 => widen::<Int32Type>(array, called),
        DataType::Int64 => widen::<Int64Type>(array, called),
        DataType::UInt8 => widen::<UInt8Type>(array, called),
        DataType::UInt16 => widen::<UInt16Type>(array, called),
        DataType::UInt32 => widen::<UInt32Type>(array, called),
        DataType::UInt64 => widen::<UInt64Type>(array, called),
        other => Err(Error::config(format!("`{called}`: expected a column of integers, found {other}"))),
    }
}

fn widen<T>(array: &dyn Array, called: &str) -> Result<Vec<u64>>
where
    T: ArrowPrimitiveType,
    T::Native: TryInto<u64> + std::fmt::Display,
{
    array
        .as_primitive::<T>()
        .iter()
        .enumerate()
        .map(|(row, value)| {
            let value = value
                .ok_or_else(|| Error::config(format!("row {row} of `{called}` is null: every row needs a number")))?;
            value
                .try_into()
                .map_err(|_| Error::config(format!("row {row} of `{called}` is {value}: expected 0 or more")))
        })
        .collect()
}
