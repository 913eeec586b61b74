//! Whose turn is it? Pure: from the names of the children and my own, am I in, or whom do I watch?
//!
//! The predicates are those of Curator's lock drivers (`StandardLockInternalsDriver`,
//! `InterProcessReadWriteLock`): sort by the sequence number at the end of the name; who may not be in
//! yet watches the one whose going changes that, so that a release wakes one waiter and not the herd.

/// What a kind of line answers to the name of one who stands in it.
pub type Rule = fn(line: &[Ticket], me: &str) -> Turn;

/// One child that stands in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The child's name.
    pub name: String,
    /// As an int32, the width of the server's counter.
    pub sequence: i32,
    /// Which of the line's markers the name carries, as an index.
    pub marker: usize,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// I hold what the line is for.
    In,
    /// Not before this one is gone.
    Watch(String),
    /// My own node is not among the children.
    Gone,
}

/// The children that carry one of `markers` before their sequence number, in order of arrival.
/// Others on the same parent are nobody's business here. Of equal numbers the earlier marker comes first.
#[must_use]
pub fn line(children: &[String], markers: &[&str]) -> Vec<Ticket> {
    let mut line: Vec<Ticket> = children.iter().filter_map(|name| ticket(name, markers)).collect();
    // The counter wraps from 2147483647 to -2147483648. Distances stay right, comparisons don't:
    // so count from the number after the widest gap on the circle, which is the oldest.
    line.sort_by(|a, b| (a.sequence, a.marker, &a.name).cmp(&(b.sequence, b.marker, &b.name)));
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
    markers.iter().enumerate().find_map(|(at, marker)| {
        let digits = &name[name.rfind(marker)? + marker.len()..];
        // Newer servers count in 64 bits; the low 32 keep the order among those that are alive together.
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the wrapped counter")]
        let sequence = digits.parse::<i64>().ok()? as i32;
        (digits.len() >= 10).then(|| Ticket { name: name.to_owned(), sequence, marker: at })
    })
}

/// Am I among the first `places`, or whom do I watch?
#[must_use]
pub fn turn(line: &[Ticket], me: &str, places: usize) -> Turn {
    match line.iter().position(|ticket| ticket.name == me) {
        None => Turn::Gone,
        Some(at) if at < places => Turn::In,
        Some(at) => Turn::Watch(line[at - places].name.clone()),
    }
}

/// The rule of a lock: the first is in, everybody else watches the one before.
#[must_use]
pub fn first(line: &[Ticket], me: &str) -> Turn {
    turn(line, me, 1)
}

/// The markers of a read/write line: writers', then readers'.
pub const READ_WRITE: &[&str] = &["__WRIT__", "__READ__"];

/// The rule of a read/write line: a writer is in when it is first, a reader when no writer is before it.
/// A reader watches the nearest writer before it: while that one waits, so does the reader.
#[must_use]
pub fn read_write(line: &[Ticket], me: &str) -> Turn {
    let Some(at) = line.iter().position(|ticket| ticket.name == me) else { return Turn::Gone };
    if line[at].marker == 0 {
        return turn(line, me, 1);
    }
    let writer = |before: &&Ticket| before.marker == 0 && !companions(before, &line[at]);
    match line[..at].iter().rev().find(writer) {
        None => Turn::In,
        Some(writer) => Turn::Watch(writer.name.clone()),
    }
}

/// The number under which the holder of the write lock `name` may take the read lock too, and keep that place
/// when the writer goes. `None` where numbers have stopped to be anybody's own.
#[must_use]
pub fn companion(name: &str) -> Option<&str> {
    let at = name.rfind(READ_WRITE[0])? + READ_WRITE[0].len();
    own(ticket(name, READ_WRITE)?.sequence).then(|| &name[at..])
}

/// True where the reader came in beside the writer, under its number: one holder has both.
fn companions(writer: &Ticket, reader: &Ticket) -> bool {
    writer.sequence == reader.sequence && own(writer.sequence)
}

/// False where a server's counter may have given a number twice: it stops at its maximum, and what is
/// under way then still gets numbers from beyond the wrap.
fn own(sequence: i32) -> bool {
    (0..i32::MAX).contains(&sequence)
}

/// Where everybody stands: 0 for all that are in, then 1, 2, … for those that wait.
#[must_use]
pub fn positions(line: &[Ticket], rule: Rule) -> Vec<usize> {
    let mut waiting = 0;
    line.iter()
        .map(|ticket| {
            if rule(line, &ticket.name) == Turn::In {
                return 0;
            }
            waiting += 1;
            waiting
        })
        .collect()
}

/// True where the sequence numbers cannot be trusted to tell who came first: two are equal, as
/// happens when a server's counter stops at its maximum. Creation zxids then decide. A writer and
/// its companion are equal on purpose.
#[must_use]
pub fn ambiguous(line: &[Ticket]) -> bool {
    line.windows(2).any(|pair| pair[0].sequence == pair[1].sequence && !(pair[1].marker > 0 && own(pair[1].sequence)))
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

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let children: Vec<String> = [
            "_c_c-__WRIT__0000000004",
            "_c_a-__READ__0000000001",
            "_c_d-__READ__0000000005",
            "_c_b-__READ__0000000003",
            "_c_x-lock-0000000000",
        ]
        .map(str::to_owned)
        .into();
        let line = line(&children, READ_WRITE);
        assert_eq!(positions(&line, read_write), [0, 0, 1, 2]);
        assert_eq!(read_write(&line, "_c_c-__WRIT__0000000004"), Turn::Watch("_c_b-__READ__0000000003".into()));
        assert_eq!(read_write(&line, "_c_d-__READ__0000000005"), Turn::Watch("_c_c-__WRIT__0000000004".into()));
        assert_eq!(read_write(&line, "_c_x-lock-0000000000"), Turn::Gone);
    }

    #[test]
    fn a_companion_holds_beside_its_writer_and_after_it() {
        let companion = format!("_c_b-__READ__{}", companion("_c_z-__WRIT__0000000004").expect("its own number"));
        let mut children: Vec<String> =
            [companion.as_str(), "_c_a-__WRIT__0000000005", "_c_z-__WRIT__0000000004"].map(str::to_owned).into();
        let both = line(&children, READ_WRITE);
        assert!(!ambiguous(&both));
        assert_eq!(positions(&both, read_write), [0, 0, 1]);
        assert_eq!(read_write(&both, "_c_a-__WRIT__0000000005"), Turn::Watch(companion.clone()));
        children.pop();
        let after = line(&children, READ_WRITE);
        assert_eq!(positions(&after, read_write), [0, 1]);
    }

    #[test]
    fn nobody_is_a_companion_once_numbers_repeat() {
        assert_eq!(super::companion("_c_z-__WRIT__2147483647"), None);
        assert_eq!(super::companion("_c_z-__WRIT__-2147483648"), None);
        let children: Vec<String> = ["_c_a-__WRIT__2147483647", "_c_b-__READ__2147483647"].map(str::to_owned).into();
        let line = line(&children, READ_WRITE);
        assert!(ambiguous(&line));
        assert_eq!(positions(&line, read_write), [0, 1]);
    }
}
