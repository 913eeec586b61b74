//! Whose turn is it? Pure: from the names of the children and my own, am I in, or whom do I watch?
//!
//! The predicate is that of Curator's lock driver (`StandardLockInternalsDriver`): sort by the
//! sequence number at the end of the name; the first `places` are in; everybody else watches the one
//! exactly `places` before, so that a release wakes one waiter and not the herd.

/// One child that stands in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) name: String,
    /// As an int32, the width of the server's counter.
    pub(super) sequence: i32,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    In,
    Watch(String),
    /// My own node is not among the children.
    Gone,
}

/// The children that carry one of `markers` before their sequence number, in order of arrival.
/// Others on the same parent are nobody's business here.
pub(super) fn line(children: &[String], markers: &[&str]) -> Vec<Ticket> {
    let mut line: Vec<Ticket> = children.iter().filter_map(|name| ticket(name, markers)).collect();
    // The counter wraps from 2147483647 to -2147483648. Distances stay right, comparisons don't:
    // so count from the number after the widest gap on the circle, which is the oldest.
    line.sort_by(|a, b| a.sequence.cmp(&b.sequence).then_with(|| a.name.cmp(&b.name)));
    if let Some(first) = widest_gap(&line) {
        line.rotate_left(first);
    }
    line
}

/// Index of the ticket after the widest gap, going round from the last to the first.
fn widest_gap(sorted: &[Ticket]) -> Option<usize> {
    let before = |i: usize| if i == 0 { sorted.last() } else { sorted.get(i - 1) };
    (0..sorted.len()).max_by_key(|&i| {
        let gap = before(i).map_or(0, |before| sorted[i].sequence.wrapping_sub(before.sequence).cast_unsigned());
        // With a single ticket, or all equal, any will do; prefer the lowest index for a stable answer.
        (gap, std::cmp::Reverse(i))
    })
}

fn ticket(name: &str, markers: &[&str]) -> Option<Ticket> {
    markers.iter().find_map(|marker| {
        let digits = &name[name.rfind(marker)? + marker.len()..];
        // Newer servers count in 64 bits; the low 32 keep the order among those that are alive together.
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the wrapped counter")]
        let sequence = digits.parse::<i64>().ok()? as i32;
        (digits.len() >= 10).then(|| Ticket { name: name.to_owned(), sequence })
    })
}

/// Am I among the first `places`, or whom do I watch?
pub(super) fn turn(line: &[Ticket], me: &str, places: usize) -> Turn {
    match line.iter().position(|ticket| ticket.name == me) {
        None => Turn::Gone,
        Some(at) if at < places => Turn::In,
        Some(at) => Turn::Watch(line[at - places].name.clone()),
    }
}

/// True where the sequence numbers cannot be trusted to tell who came first: two are equal, as
/// happens when a server's counter stops at its maximum. Creation zxids then decide.
pub(super) fn ambiguous(line: &[Ticket]) -> bool {
    line.windows(2).any(|pair| pair[0].sequence == pair[1].sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKERS: &[&str] = &["-lock-", "__lock__"];

    fn names(line: &[Ticket]) -> Vec<&str> {
        line.iter().map(|ticket| ticket.name.as_str()).collect()
    }

    #[test]
    fn sorts_by_sequence_and_ignores_strangers() {
        let children = [
            "_c_b-lock-0000000002",
            "x",
            "_c_z-lock-0000000001",
            "c__lock__0000000003",
            "-lock-12",
            "a-read-0000000000",
        ];
        let children: Vec<String> = children.iter().map(ToString::to_string).collect();
        let line = line(&children, MARKERS);
        assert_eq!(names(&line), ["_c_z-lock-0000000001", "_c_b-lock-0000000002", "c__lock__0000000003"]);
        assert_eq!(turn(&line, "_c_z-lock-0000000001", 1), Turn::In);
        assert_eq!(turn(&line, "_c_b-lock-0000000002", 1), Turn::Watch("_c_z-lock-0000000001".into()));
        assert_eq!(turn(&line, "_c_b-lock-0000000002", 2), Turn::In);
        assert_eq!(turn(&line, "nobody", 1), Turn::Gone);
    }

    #[test]
    fn straddles_the_wrap() {
        let children = ["a-lock--2147483647", "b-lock-2147483647", "c-lock--2147483648", "d-lock-2147483646"];
        let children: Vec<String> = children.iter().map(ToString::to_string).collect();
        let line = line(&children, MARKERS);
        assert_eq!(
            names(&line),
            ["d-lock-2147483646", "b-lock-2147483647", "c-lock--2147483648", "a-lock--2147483647"]
        );
        assert!(!ambiguous(&line));
    }

    #[test]
    fn equal_numbers_are_ambiguous() {
        let children: Vec<String> =
            ["a-lock-2147483647", "b-lock-2147483647"].iter().map(ToString::to_string).collect();
        assert!(ambiguous(&line(&children, MARKERS)));
    }
}
