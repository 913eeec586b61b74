//! Local search: relieve the heaviest bin by a move or a swap, as long as one helps.

/// Comparisons after which the search rests: tens of milliseconds. Counted, not timed, so that
/// equal input gives equal output on every machine.
const BUDGET: usize = 1 << 24;

/// One item out of the heaviest bin, and perhaps one back, which shifts `weight` to `to`.
struct Step {
    to: usize,
    /// Position in the heaviest bin.
    out: usize,
    /// Position in the other bin; `None` is a plain move.
    back: Option<usize>,
    weight: u64,
    /// The heavier of the two bins afterwards.
    result: u64,
}

/// Lowers the maximum load of `owners` until it meets `bound`, nothing helps, or the budget is spent.
///
/// Each step leaves both bins under the old maximum, so the sorted loads shrink and the search
/// ends. Among the steps for the heaviest bin the one with the best pair is taken, the first on a tie.
pub(super) fn improve(weights: &[u64], owners: &mut [u32], loads: &mut [u64], bound: u64) {
    let at_bound = |loads: &[u64]| loads.iter().all(|load| *load <= bound);
    if at_bound(loads) {
        return;
    }
    let mut bins = lightest_first(weights, owners, loads.len());
    let mut spent = 0;
    while !at_bound(loads) && spent < BUDGET {
        let heaviest = first_heaviest(loads);
        let mut best: Option<Step> = None;
        for other in (0..loads.len()).filter(|bin| *bin != heaviest) {
            spent += bins[heaviest].len() + bins[other].len();
            let step = best_step(weights, &bins, loads, heaviest, other);
            if let Some(step) = step
                && best.as_ref().is_none_or(|best| step.result < best.result)
            {
                best = Some(step);
            }
        }
        let Some(step) = best else { return };
        loads[heaviest] -= step.weight;
        loads[step.to] += step.weight;
        let out = bins[heaviest].remove(step.out);
        if let Some(position) = step.back {
            let back = bins[step.to].remove(position);
            place(weights, &mut bins, owners, back, heaviest);
        }
        place(weights, &mut bins, owners, out, step.to);
    }
}

/// The items of every bin, by weight and then by number.
fn lightest_first(weights: &[u64], owners: &[u32], bins: usize) -> Vec<Vec<usize>> {
    let mut items: Vec<usize> = (0..weights.len()).collect();
    items.sort_by_key(|&item| weights[item]);
    let mut contents = vec![Vec::new(); bins];
    for item in items {
        contents[owners[item] as usize].push(item);
    }
    contents
}

fn first_heaviest(loads: &[u64]) -> usize {
    let mut heaviest = 0;
    for (bin, load) in loads.iter().enumerate() {
        if *load > loads[heaviest] {
            heaviest = bin;
        }
    }
    heaviest
}

/// The step from `heaviest` to `other` that leaves the smallest maximum of the two.
///
/// Shifting `d` of a difference `D` helps when `0 < d < D` and is best at `D / 2`. Both bins are
/// sorted, so the partner for each item is found by one pointer that only moves forward.
fn best_step(weights: &[u64], bins: &[Vec<usize>], loads: &[u64], heaviest: usize, other: usize) -> Option<Step> {
    let difference = loads[heaviest] - loads[other];
    let mut best: Option<Step> = None;
    let mut offer = |out: usize, back: Option<usize>| {
        let returned = back.map_or(0, |position| weights[bins[other][position]]);
        let weight = weights[bins[heaviest][out]].saturating_sub(returned);
        if weight == 0 || weight >= difference {
            return;
        }
        let result = (loads[heaviest] - weight).max(loads[other] + weight);
        if best.as_ref().is_none_or(|best| result < best.result) {
            best = Some(Step { to: other, out, back, weight, result });
        }
    };
    let mut above = 0;
    for (out, &item) in bins[heaviest].iter().enumerate() {
        let wanted = weights[item].saturating_sub(difference / 2);
        while bins[other].get(above).is_some_and(|&back| weights[back] < wanted) {
            above += 1;
        }
        offer(out, None);
        if above > 0 {
            offer(out, Some(above - 1));
        }
        if above < bins[other].len() {
            offer(out, Some(above));
        }
    }
    best
}

fn place(weights: &[u64], bins: &mut [Vec<usize>], owners: &mut [u32], item: usize, bin: usize) {
    let position = bins[bin].partition_point(|&there| (weights[there], there) < (weights[item], item));
    bins[bin].insert(position, item);
    // A bin's number came from an owner, a u32, in the first place.
    owners[item] = u32::try_from(bin).unwrap_or(u32::MAX);
}
