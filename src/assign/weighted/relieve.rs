//! Local search where members differ, or items may not go everywhere: relieve the fullest by a move or a swap.

use super::super::capacity::Fraction;
use super::super::evidence::fullest;
use super::{Draft, Task};

/// Comparisons after which the search rests. Counted, not timed, so that equal input gives equal output.
const BUDGET: usize = 1 << 24;

/// One item out of the fullest member, and perhaps one back.
#[derive(Clone, Copy)]
struct Step {
    out: usize,
    to: u32,
    back: Option<usize>,
    /// How full the fuller of the two is afterwards.
    result: Fraction,
}

/// Lowers the fullest until nobody carries more than `target` gives them, nothing helps, or the budget is spent.
///
/// Each step leaves both members less full than the fullest was, so that the search ends. The step with the best pair
/// is taken, the first on a tie.
pub(super) fn relieve(task: &Task<'_>, draft: &mut Draft, target: impl Fn(usize) -> u64) {
    let mut spent = 0;
    let mut items: Vec<Vec<usize>> = vec![Vec::new(); draft.loads.len()];
    for (item, owner) in draft.owners.iter().enumerate() {
        items[*owner as usize].push(item);
    }
    let everybody: Vec<u32> = (0..).take(draft.loads.len()).collect();
    loop {
        let full = fullest(task.capacities, &draft.loads);
        if draft.loads[full] <= target(full) || spent > BUDGET {
            return;
        }
        let mut best: Option<Step> = None;
        for &out in &items[full] {
            for &to in task.problem.class(out).unwrap_or(&everybody) {
                if to as usize == full {
                    continue;
                }
                spent += 1 + items[to as usize].len();
                let backs = items[to as usize].iter().copied().map(Some);
                for back in std::iter::once(None).chain(backs) {
                    if let Some(result) = result(task, draft, (full, out), (to, back))
                        && best.is_none_or(|best| result < best.result)
                    {
                        best = Some(Step { out, to, back, result });
                    }
                }
            }
            if spent > BUDGET {
                break;
            }
        }
        let Some(step) = best else { return };
        shift(task, draft, &mut items, step.out, step.to);
        if let Some(back) = step.back {
            // It came from a list of owners, which have 32 bits.
            shift(task, draft, &mut items, back, u32::try_from(full).unwrap_or(u32::MAX));
        }
    }
}

/// How full the fuller of the two would be, if the step is allowed and helps.
fn result(
    task: &Task<'_>,
    draft: &Draft,
    (full, out): (usize, usize),
    (to, back): (u32, Option<usize>),
) -> Option<Fraction> {
    let given = task.weights[out];
    let returned = back.map_or(0, |back| task.weights[back]);
    if given <= returned {
        return None;
    }
    let to = to as usize;
    let here = draft.loads[full] - given + returned;
    let there = draft.loads[to] + given - returned;
    let units = &task.capacities.units;
    let result = Fraction(here, units[full]).max(Fraction(there, units[to]));
    let home = u32::try_from(full).unwrap_or(u32::MAX);
    let allowed = there <= task.limit(to) && back.is_none_or(|back| task.problem.may(back, home));
    (allowed && result < Fraction(draft.loads[full], units[full])).then_some(result)
}

fn shift(task: &Task<'_>, draft: &mut Draft, items: &mut [Vec<usize>], item: usize, to: u32) {
    let from = draft.owners[item] as usize;
    items[from].retain(|&there| there != item);
    items[to as usize].push(item);
    draft.loads[from] -= task.weights[item];
    draft.loads[to as usize] += task.weights[item];
    draft.owners[item] = to;
}
