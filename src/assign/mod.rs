//! Who gets which partition: pure functions over slices, no I/O.
//!
//! [`assign`] takes a [`Problem`] and gives the owners with a [`Certificate`], which anybody can check against the
//! problem. Balance comes first, then zones, then moves. Equal problems give equal answers: ties go by position.
//!
//! | module | what it holds |
//! |---|---|
//! | [`Problem`] | items, members, weights, current owners, who may own what |
//! | [`assign`] | the owners, by one of the strategies of [`Strategy`] |
//! | [`Certificate`] | what an assignment achieved beside what is possible, for anybody to check |
//! | [`classes`] | items grouped by the members that they may go to |
//! | [`lower_bound`] | what no assignment of weights can beat |
//! | [`murmur3`] | Spark's hash of an int, run backwards to place rows exactly |

mod average;
mod balance;
mod bound;
mod capacity;
mod certificate;
mod classes;
mod constrained;
mod evidence;
mod flow;
pub mod group;
mod load;
pub mod murmur3;
mod priority;
mod problem;
mod quota;
mod range;
mod refused;
mod rendezvous;
mod round_robin;
mod sticky;
mod weighted;

pub use bound::lower_bound;
pub use certificate::Certificate;
pub use classes::classes;
pub use load::Load;
pub use problem::{Eligible, Member, NONE, Problem, Strategy, key};
pub use quota::shares;

use crate::error::Result;

/// Who owns each item, and what can be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The member of every item, both by position.
    pub owners: Vec<u32>,
    /// What was achieved beside what is possible.
    pub certificate: Certificate,
}

/// Chooses an owner for every item.
///
/// | strategy | without weights | with weights |
/// |---|---|---|
/// | `sticky` | the best balance, then the fewest out of zone, then the fewest moves: all exact | as `weighted` |
/// | `average` | the best balance, from scratch | as `weighted`, from scratch |
/// | `weighted` | as `sticky` | near the current owners, within 1 % of the bound where that can be had |
/// | `range`, `round_robin`, `priority`, `rendezvous` | as their modules say | the same |
///
/// Balance is in proportion to capacity. The `k`-th item of a member with capacity `c` makes it `k / c` full: the
/// fullest such place is as empty as it can be, then the second fullest, and so on. Limits hold always. Fails, naming the positions, where the problem contradicts
/// itself or cannot be met.
pub fn assign(problem: &Problem<'_>) -> Result<Assignment> {
    let capacities = problem.check()?;
    let scratch = Problem { current: None, ..*problem };
    let mut optimum = None;
    let weighs = problem.weights.is_some();
    let owners = match problem.strategy {
        Strategy::Sticky | Strategy::Weighted if weighs => weighted::solve(problem, &capacities)?,
        Strategy::Average if weighs => weighted::solve(&scratch, &capacities)?,
        Strategy::Sticky | Strategy::Weighted if problem.is_constrained() => {
            let (owners, found) = constrained::solve(problem, &capacities)?;
            optimum = Some(found);
            owners
        }
        Strategy::Average if problem.is_constrained() => constrained::solve(&scratch, &capacities)?.0,
        Strategy::Sticky | Strategy::Weighted => sticky::sticky(problem, &capacities)?,
        Strategy::Average => average::average(problem, &capacities)?,
        Strategy::Range => range::range(problem, &capacities)?,
        Strategy::RoundRobin => round_robin::round_robin(problem)?,
        Strategy::Priority => priority::priority(problem, &capacities)?,
        Strategy::Rendezvous => rendezvous::rendezvous(problem, &capacities)?,
    };
    let certificate = Certificate::beside(problem, &owners, optimum.as_ref())?;
    Ok(Assignment { owners, certificate })
}
