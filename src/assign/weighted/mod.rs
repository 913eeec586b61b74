//! The weighted assignment: near the current owners, and the lightest heaviest load that is worth its time.
//!
//! The smallest maximum ("minimum makespan") is NP-hard to find, so this is a recipe, and the certificate says how
//! good its dish is. Let `B` be the lower bound and `ε` [`TOLERANCE`], one hundredth:
//!
//! 1. Members keep what they own up to `(1 + ε) B`; one above sheds as few items as that takes.
//! 2. What has no owner goes heaviest first to the member that it leaves least full (LPT).
//! 3. While the fullest is above `(1 + ε) B`, or above `B` where nobody owned anything, a move or a swap relieves it.
//! 4. Where that leaves the fullest above `(1 + ε) B`, everything is placed anew, by LPT, and for members of
//!    one size also by MULTIFIT and by Karmarkar and Karp's differencing; bins get the names with which most items
//!    stay. That is taken only if it pays for its moves: if it lowers the fullest by `ε B` or more.
//!
//! Limits come before all of that. What is placed anew is the answer for members without limits, if it is within them;
//! where step 2 finds no room, what has no owner is packed; and where that fails, whoever is within its limit keeps all.

use super::bound;
use super::capacity::{Capacities, Fraction};
use super::evidence::fullest;
use super::problem::{Member, NONE, Problem};
use crate::error::Result;

mod differencing;
mod improve;
mod lpt;
mod multifit;
mod pack;
mod place;
mod relabel;
mod relieve;
mod shed;

/// `ε`, as a fraction of one: how far above the bound is near enough not to move anything.
const TOLERANCE: Fraction = Fraction(1, 100);

/// Owners and loads while they are worked on.
#[derive(Clone, Debug)]
struct Draft {
    owners: Vec<u32>,
    loads: Vec<u64>,
}

impl Draft {
    fn give(&mut self, item: usize, owner: u32, weight: u64) {
        self.owners[item] = owner;
        self.loads[owner as usize] += weight;
    }
}

/// A weighted problem with what each step needs to know about it.
struct Task<'a> {
    problem: &'a Problem<'a>,
    capacities: &'a Capacities,
    weights: &'a [u64],
    bound: Fraction,
    /// Members are of one size and every item may go to each of them, without zones.
    alike: bool,
    /// Alike, and nobody has a limit.
    uniform: bool,
}

/// The owners by the recipe above.
pub(super) fn solve(problem: &Problem<'_>, capacities: &Capacities) -> Result<Vec<u32>> {
    let alike = capacities.are_equal() && !problem.is_constrained();
    let uniform = alike && problem.members.iter().all(|member| member.limit.is_none());
    let bound = bound::fullest(problem, capacities)?;
    let task = Task { problem, capacities, weights: problem.weights.unwrap_or(&[]), bound, alike, uniform };
    if problem.current.is_none() {
        return Ok(task.anew()?.owners);
    }
    let kept = task.near(|member| task.enough(member)).ok();
    if let Some(kept) = &kept
        && task.excess(kept) == 0
    {
        return Ok(kept.owners.clone());
    }
    let anew = task.anew();
    match (kept, anew) {
        (Some(kept), Ok(anew)) => Ok(if task.pays(&kept, &anew) { anew.owners } else { kept.owners }),
        (Some(kept), Err(_)) => Ok(kept.owners),
        (None, Ok(anew)) => Ok(anew.owners),
        (None, Err(error)) => Ok(task.near(|member| task.limit(member)).map_err(|_| error)?.owners),
    }
}

impl Task<'_> {
    /// The most that a member may carry and be near enough to the bound.
    fn enough(&self, member: usize) -> u64 {
        let Fraction(part, whole) = TOLERANCE;
        let share = u128::from(self.bound.0) * u128::from(self.capacities.units[member]) / u128::from(self.bound.1);
        let enough = share + share * u128::from(part) / u128::from(whole);
        u64::try_from(enough).unwrap_or(u64::MAX).min(self.limit(member))
    }

    /// The most that a member may carry and meet the bound.
    fn exactly(&self, member: usize) -> u64 {
        let share = u128::from(self.bound.0) * u128::from(self.capacities.units[member]) / u128::from(self.bound.1);
        u64::try_from(share).unwrap_or(u64::MAX).min(self.limit(member))
    }

    fn limit(&self, member: usize) -> u64 {
        self.problem.members[member].limit.unwrap_or(u64::MAX)
    }

    /// How many members carry more than is near enough.
    fn excess(&self, draft: &Draft) -> usize {
        (0..draft.loads.len()).filter(|&member| draft.loads[member] > self.enough(member)).count()
    }

    /// Steps 1 to 3: what can stay stays, up to `most` for each member.
    fn near(&self, most: impl Fn(usize) -> u64) -> Result<Draft> {
        let mut draft = self.shed(most);
        self.place(&mut draft)?;
        self.relieve(&mut draft, |member| self.enough(member));
        Ok(draft)
    }

    /// Everything placed without regard to who owns what, then named so that most of it stays.
    fn anew(&self) -> Result<Draft> {
        if let Some(draft) = self.without_limits() {
            return Ok(draft);
        }
        let empty = || Draft { owners: vec![NONE; self.weights.len()], loads: vec![0; self.problem.members.len()] };
        let mut best = empty();
        self.place(&mut best)?;
        self.relieve(&mut best, |member| self.exactly(member));
        if self.uniform {
            let most = |draft: &Draft| draft.loads.iter().copied().max().unwrap_or(0);
            let at_bound = |draft: &Draft| most(draft) <= self.bound.0;
            for other in [multifit::multifit, differencing::differencing] {
                if at_bound(&best) {
                    break;
                }
                if let Some(owners) = other(self.weights, best.loads.len(), self.bound.0, most(&best)) {
                    let mut draft = empty();
                    for (&owner, weight) in owners.iter().zip(self.weights) {
                        draft.loads[owner as usize] += weight;
                    }
                    draft.owners = owners;
                    self.relieve(&mut draft, |member| self.exactly(member));
                    if most(&draft) < most(&best) {
                        best = draft;
                    }
                }
            }
            if let Some(current) = self.problem.current {
                relabel::relabel(self.problem.members, current, self.weights, &mut best);
            }
        }
        Ok(best)
    }

    /// What would be the answer if nobody had a limit, where all are within theirs.
    fn without_limits(&self) -> Option<Draft> {
        let limited = self.problem.members;
        if limited.iter().all(|member| member.limit.is_none()) {
            return None;
        }
        let members: Vec<Member> = limited.iter().map(|member| Member { limit: None, ..*member }).collect();
        let problem = Problem { members: &members, ..*self.problem };
        let mut draft = Task { problem: &problem, uniform: self.alike, ..*self }.anew().ok()?;
        if !self.alike {
            return (0..members.len()).all(|member| draft.loads[member] <= self.limit(member)).then_some(draft);
        }
        if !relabel::fit(limited, self.weights, &mut draft) {
            return None;
        }
        if let Some(current) = self.problem.current {
            relabel::relabel(limited, current, self.weights, &mut draft);
        }
        Some(draft)
    }

    /// Whether the fullest falls by `ε B` or more from the one draft to the other.
    fn pays(&self, kept: &Draft, anew: &Draft) -> bool {
        let most = |draft: &Draft| {
            let member = fullest(self.capacities, &draft.loads);
            self.capacities.load(Fraction(draft.loads[member], self.capacities.units[member])).as_f64()
        };
        #[expect(clippy::cast_precision_loss, reason = "one and a hundred")]
        let tolerance = TOLERANCE.0 as f64 / TOLERANCE.1 as f64;
        most(kept) - most(anew) >= tolerance * self.capacities.load(self.bound).as_f64()
    }

    fn relieve(&self, draft: &mut Draft, target: impl Fn(usize) -> u64) {
        if self.uniform {
            improve::improve(self.weights, &mut draft.owners, &mut draft.loads, target(0));
        } else {
            relieve::relieve(self, draft, target);
        }
    }
}
