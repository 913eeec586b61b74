//! The relative sizes of the members as whole numbers, so that who is fuller is never a matter of rounding.

use std::cmp::Ordering;

use super::load::Load;
use super::problem::Member;
use crate::error::{Error, Result};

/// Sizes as whole multiples of one unit, at most 2^32 each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Capacities {
    pub(super) units: Vec<u64>,
    pub(super) total: u128,
    /// The capacity of one unit; `None` where every size is exactly 1.0, so that a load needs no division.
    scale: Option<f64>,
}

impl Capacities {
    /// Decimal sizes of up to six places are taken exactly; others to 2^-32 of the largest.
    pub(super) fn of(members: &[Member]) -> Result<Self> {
        let mut largest = 0_f64;
        for (position, member) in members.iter().enumerate() {
            if !member.capacity.is_finite() || member.capacity <= 0.0 {
                return Err(Error::config(format!(
                    "member {position} has the capacity {}: expected a number above 0 (a limit of 0 keeps a member empty)",
                    member.capacity
                )));
            }
            largest = largest.max(member.capacity);
        }
        let sizes = || members.iter().map(|member| member.capacity);
        let decimal = (0..=6).map(|places| 10_f64.powi(places)).find(|scale| {
            largest * scale <= 4_294_967_296.0
                && sizes().all(|size| {
                    let scaled = size * scale;
                    scaled.round() >= 1.0 && (scaled - scaled.round()).abs() <= scaled * 1e-12
                })
        });
        // Division first: a scale of its own would overflow for sizes near the smallest float.
        let unit = |size: f64| decimal.map_or_else(|| size / largest * 4_294_967_296.0, |scale| size * scale);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32")]
        let mut units: Vec<u64> = sizes().map(|size| (unit(size).round() as u64).max(1)).collect();
        let divisor = units.iter().fold(0, |a, b| gcd(a, *b)).max(1);
        for unit in &mut units {
            *unit /= divisor;
        }
        let total = units.iter().map(|unit| u128::from(*unit)).sum();
        let plain = sizes().all(|size| size.to_bits() == 1_f64.to_bits());
        #[expect(clippy::cast_precision_loss, reason = "units have at most 33 bits")]
        let scale = (!plain).then(|| members[0].capacity / units[0] as f64);
        Ok(Self { units, total, scale })
    }

    /// How full that is, in the capacities that the caller gave.
    #[expect(clippy::cast_precision_loss, reason = "a ratio does not need the bits past 2^53")]
    pub(super) fn load(&self, Fraction(load, units): Fraction) -> Load {
        match self.scale {
            None => Load::Whole(load / units.max(1)),
            Some(scale) => Load::Ratio(load as f64 / (units as f64 * scale)),
        }
    }

    /// Whether all members are of one size.
    pub(super) fn are_equal(&self) -> bool {
        self.units.iter().all(|unit| *unit == self.units[0])
    }

    /// Those of some members, in the same units.
    pub(super) fn only(&self, members: &[usize]) -> Self {
        let units: Vec<u64> = members.iter().map(|&member| self.units[member]).collect();
        let total = units.iter().map(|unit| u128::from(*unit)).sum();
        Self { units, total, scale: self.scale }
    }

    /// Which of two loads is the heavier for the member that carries it.
    pub(super) fn compare(&self, load: u64, member: usize, other_load: u64, other: usize) -> Ordering {
        Fraction(load, self.units[member]).cmp(&Fraction(other_load, self.units[other]))
    }

    /// The most that a member can carry without being fuller than `load` makes `than`.
    pub(super) fn matching(&self, member: usize, load: u64, than: usize) -> u64 {
        let most = u128::from(load) * u128::from(self.units[member]) / u128::from(self.units[than]);
        u64::try_from(most).unwrap_or(u64::MAX)
    }
}

/// A load over a size; ordered by its value, without rounding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fraction(pub(super) u64, pub(super) u64);

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        (u128::from(self.0) * u128::from(other.1)).cmp(&(u128::from(other.0) * u128::from(self.1)))
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fraction {}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
