//! Which of several weighted instances? Pure: from weights and a draw, a turn or a key to an index.
//!
//! Sticky is weighted rendezvous hashing (Schindelhauer and Schomaker 2005): every instance scores `-w / ln(h)` with
//! `h` the hash of key and instance, uniform in (0, 1), and the highest score wins. So each gets its share of the
//! keys, and when one comes or goes only the keys move that it wins or loses. Round robin is the smooth weighted one
//! of nginx: in each turn everybody gains its weight, and the richest is taken and pays the total.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// One of several to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Unique among them.
    pub id: &'a str,
    /// Zero is never chosen.
    pub weight: u32,
}

/// Those to choose among: with a weight, and in `zone` where anybody there has one. `of` says weight and zone.
#[must_use]
pub fn eligible<'a, T>(all: &'a [T], zone: Option<&str>, of: impl Fn(&'a T) -> (u32, Option<&'a str>)) -> Vec<&'a T> {
    let (near, far): (Vec<_>, Vec<_>) = all
        .iter()
        .map(|one| (one, of(one)))
        .filter(|(_, (weight, _))| *weight > 0)
        .partition(|(_, (_, theirs))| zone.is_none() || *theirs == zone);
    let chosen = if near.is_empty() { far } else { near };
    chosen.into_iter().map(|(one, _)| one).collect()
}

/// The index that a uniform `draw` falls on: each with a chance in proportion to its weight.
#[must_use]
pub fn random(candidates: &[Candidate<'_>], draw: u64) -> Option<usize> {
    let total: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight)).sum();
    // The high half of the product is uniform below the total.
    let mut at = u64::try_from((u128::from(draw) * u128::from(total)) >> 64).ok()?;
    candidates.iter().position(|candidate| {
        let weight = u64::from(candidate.weight);
        let found = at < weight;
        at = at.saturating_sub(weight);
        found
    })
}

/// The index that `key` sticks to.
#[must_use]
pub fn sticky(candidates: &[Candidate<'_>], key: &str) -> Option<usize> {
    let scores = candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0);
    let scores = scores.map(|(at, candidate)| (score(key, candidate), candidate.id, at));
    // Equal scores are as good as impossible; the id decides, so that everybody agrees.
    scores.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1))).map(|(.., at)| at)
}

fn score(key: &str, candidate: &Candidate<'_>) -> f64 {
    let mut hash = Sha256::new();
    // The length keeps ("ab", "c") and ("a", "bc") apart.
    hash.update((key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(candidate.id);
    let bits = hash.finalize().iter().take(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    // The 53 bits that a double holds, moved off zero.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let uniform = ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(candidate.weight) / uniform.ln()
}

/// Takes turns in proportion to weight, spread evenly.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin(HashMap<String, i64>);

impl RoundRobin {
    /// The index whose turn it is. Who is new starts even; who is gone is forgotten.
    pub fn next(&mut self, candidates: &[Candidate<'_>]) -> Option<usize> {
        let mut total = 0;
        let mut gains = HashMap::with_capacity(candidates.len());
        let mut first: Option<(usize, i64)> = None;
        for (at, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0) {
            let weight = i64::from(candidate.weight);
            let gain = self.0.get(candidate.id).copied().unwrap_or_default() + weight;
            total += weight;
            gains.insert(candidate.id.to_owned(), gain);
            if first.is_none_or(|(_, most)| gain > most) {
                first = Some((at, gain));
            }
        }
        let (at, gain) = first?;
        gains.insert(candidates.get(at)?.id.to_owned(), gain - total);
        self.0 = gains;
        Some(at)
    }
}

/// A source of uniform draws (`SplitMix64`, Steele et al. 2014); no secrets depend on it.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Default for Dice {
    fn default() -> Self {
        Self::from_seed(uuid::Uuid::new_v4().as_u64_pair().0)
    }
}

impl Dice {
    /// Draws that repeat.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next draw.
    pub fn draw(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
