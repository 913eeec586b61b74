//! What is said when a strategy that looks at one item at a time finds no place for it.

use crate::error::Error;

/// No member that the item may go to has room left for it.
pub(super) fn no_room(item: usize, strategy: &str) -> Error {
    Error::config(format!(
        "found no room for item {item}: every member that it may go to is at its limit; raise a limit, let it go to \
         more members, or use the strategy \"sticky\", which moves others out of the way ({strategy:?} does not)"
    ))
}
