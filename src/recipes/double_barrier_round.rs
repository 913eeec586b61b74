//! What a member of a double barrier does next, from the state and who is there. Pure.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::turn::line;

pub(super) const MARKER: &str = "member-";
pub(super) const MARKERS: &[&str] = &["-member-"];

/// How far a generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Its members are asked whether they live.
    Calling,
    /// All passed; not all have left.
    Inside,
    /// All have left.
    Done,
    /// It ended for all of them by a timeout of one.
    Broken,
    /// It ended for all of them because one was lost inside, where all or none were to leave.
    Lost,
}

/// The data of the members' parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) generation: u64,
    pub(super) phase: Phase,
    /// Counts the calls, so that an answer to one is not taken for an answer to the next.
    pub(super) call: u64,
    /// The generation's members, by the names of their nodes.
    pub(super) roll: Vec<String>,
    /// Why it is broken or lost.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) why: String,
}

impl State {
    /// Before the first generation.
    pub(super) fn initial() -> Self {
        Self { generation: 0, phase: Phase::Done, call: 0, roll: Vec::new(), why: String::new() }
    }

    /// The generation that gathers now, or will once the one before has left.
    pub(super) fn next(&self) -> u64 {
        if self.phase == Phase::Calling { self.generation } else { self.generation + 1 }
    }
}

/// The state and the names of everything beside the members.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) state: State,
    /// In order of arrival.
    pub(super) members: Vec<String>,
    others: HashSet<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Through: the generation is complete, or has left.
    Pass,
    /// It broke.
    Broken,
    /// A member was lost inside.
    Lost,
    /// Somebody called us together with so many parties, which is not our number.
    Disagree(usize),
    /// Our own node is gone.
    Gone,
    /// Make this node, to say that we are alive, or that we leave.
    Say(String),
    /// Write this state, where these nodes exist.
    Write(State, Vec<String>),
    Wait,
}

impl View {
    pub(super) fn new(state: State, names: &[String]) -> Self {
        let (members, others): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|name| name.starts_with("_c_"));
        let members = line(&members, MARKERS).into_iter().map(|ticket| ticket.name).collect();
        Self { state, members, others: others.into_iter().collect() }
    }

    /// Whether members of a generation that was decided have yet to learn of it, or to leave.
    pub(super) fn occupied(&self) -> bool {
        self.state.phase != Phase::Calling && self.alive().next().is_some()
    }

    /// Whether somebody is still to come, or to leave, before the generation is complete: what is left of the one
    /// before, and the answers of those who are there, are a matter of moments.
    pub(super) fn lacks(&self, inside: bool, parties: usize) -> bool {
        let State { phase, roll, .. } = &self.state;
        let new = self.members.iter().filter(|name| *phase == Phase::Calling || !roll.contains(name)).count();
        inside || new < parties || *phase == Phase::Inside && self.occupied()
    }

    fn alive(&self) -> impl Iterator<Item = &String> {
        self.state.roll.iter().filter(|name| self.members.contains(name))
    }

    /// Entering: nobody passes before `parties` members have answered one and the same call.
    pub(super) fn enter(&self, me: &str, parties: usize) -> Step {
        let State { phase, roll, call, .. } = &self.state;
        let on_roll = roll.iter().any(|name| name == me);
        match phase {
            Phase::Inside if on_roll => return Step::Pass,
            Phase::Broken if on_roll => return Step::Broken,
            Phase::Lost if on_roll => return Step::Lost,
            _ => {}
        }
        if !self.members.iter().any(|name| name == me) {
            return Step::Gone;
        }
        // Who calls calls as many as it asks for.
        if *phase == Phase::Calling && on_roll && roll.len() != parties {
            return Step::Disagree(roll.len());
        }
        if self.occupied() || self.members.len() < parties {
            return Step::Wait;
        }
        let wanted = &self.members[..parties];
        if *phase != Phase::Calling || roll != wanted {
            let roll = wanted.to_vec();
            return self.write(Phase::Calling, roll.clone(), call + 1, roll);
        }
        let answers: Vec<String> = roll.iter().map(|name| ready(*call, name)).collect();
        if answers.iter().all(|answer| self.others.contains(answer)) {
            return self.write(Phase::Inside, roll.clone(), *call, roll.iter().chain(&answers).cloned().collect());
        }
        let mine = ready(*call, me);
        if on_roll && !self.others.contains(&mine) { Step::Say(mine) } else { Step::Wait }
    }

    /// Leaving: all live members of the generation go together; with `all_or_none`, one that is gone ends it for the rest.
    pub(super) fn leave(&self, me: &str, generation: u64, all_or_none: bool) -> Step {
        if self.state.generation != generation {
            return Step::Gone;
        }
        match self.state.phase {
            Phase::Done => return Step::Pass,
            Phase::Broken => return Step::Broken,
            Phase::Lost => return Step::Lost,
            Phase::Calling | Phase::Inside => {}
        }
        if !self.members.iter().any(|name| name == me) {
            return Step::Gone;
        }
        let mine = leaving(me);
        if !self.others.contains(&mine) {
            return Step::Say(mine);
        }
        let (there, of) = (self.alive().count(), self.state.roll.len());
        if all_or_none && there < of {
            let why = format!("{} of {of} members are gone without leaving", of - there);
            return Step::Write(State { phase: Phase::Lost, why, ..self.state.clone() }, Vec::new());
        }
        if self.alive().all(|name| self.others.contains(&leaving(name))) {
            let State { call, roll, .. } = &self.state;
            let state = State { phase: Phase::Done, call: *call, roll: roll.clone(), ..self.state.clone() };
            return Step::Write(state, Vec::new());
        }
        Step::Wait
    }

    /// The state in which the generation is broken for everybody who is in it now.
    pub(super) fn broken(&self, inside: bool, why: String) -> State {
        let State { generation, call, roll, .. } = &self.state;
        let (generation, roll) =
            if inside { (*generation, roll.clone()) } else { (self.state.next(), self.members.clone()) };
        State { generation, phase: Phase::Broken, call: *call, roll, why }
    }

    /// Who watches all the others: one, so that an arrival does not wake everybody.
    pub(super) fn conductor(&self, inside: bool) -> Option<&String> {
        let decided = self.state.phase != Phase::Calling;
        self.members.iter().find(|name| {
            if inside {
                self.others.contains(&leaving(name)) && self.state.roll.contains(name)
            } else {
                !(decided && self.state.roll.contains(name))
            }
        })
    }

    fn write(&self, phase: Phase, roll: Vec<String>, call: u64, checks: Vec<String>) -> Step {
        let state = State { generation: self.state.next(), phase, call, roll, why: String::new() };
        Step::Write(state, checks)
    }
}

/// The node by which a member answers a call.
fn ready(call: u64, member: &str) -> String {
    format!("ready-{call}-{member}")
}

/// The node by which a member says that it leaves.
fn leaving(member: &str) -> String {
    format!("leaving-{member}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: usize) -> String {
        format!("_c_{number}-member-{number:010}")
    }

    fn view(state: &State, names: &[String]) -> View {
        View::new(state.clone(), names)
    }

    #[test]
    fn three_live_members_pass_and_leftovers_do_not_count() {
        // 1 and 2 are left over from a crash: their nodes are there, and they answer nothing.
        let mut names: Vec<String> = (1..=3).map(member).collect();
        let mut state = State::initial();
        let Step::Write(called, _) = view(&state, &names).enter(&member(3), 3) else { panic!("three are there") };
        state = called;
        let Step::Say(answer) = view(&state, &names).enter(&member(3), 3) else { panic!("it is called") };
        names.push(answer);
        names.extend([member(4), member(5)]);
        for me in 3..=5 {
            assert_eq!(view(&state, &names).enter(&member(me), 3), Step::Wait, "only one has answered");
        }
        names.retain(|name| *name != member(1) && *name != member(2));
        let Step::Write(called, _) = view(&state, &names).enter(&member(3), 3) else { panic!("three others") };
        assert_eq!((called.generation, called.call), (1, 2));
        state = called;
        for me in 3..=5 {
            let Step::Say(answer) = view(&state, &names).enter(&member(me), 3) else { panic!("called anew") };
            names.push(answer);
        }
        let Step::Write(inside, checks) = view(&state, &names).enter(&member(4), 3) else { panic!("all answered") };
        assert_eq!((inside.phase, inside.generation, checks.len()), (Phase::Inside, 1, 6));
        for me in 3..=5 {
            assert_eq!(view(&inside, &names).enter(&member(me), 3), Step::Pass);
        }
        names.push(member(6));
        assert_eq!(view(&inside, &names).enter(&member(6), 3), Step::Wait, "it is for the next generation");
    }

    #[test]
    fn who_is_called_with_another_number_of_parties_says_so() {
        let names: Vec<String> = (1..=2).map(member).collect();
        let Step::Write(called, _) = view(&State::initial(), &names).enter(&member(1), 2) else { panic!("two of two") };
        assert_eq!(view(&called, &names).enter(&member(2), 3), Step::Disagree(2));
        assert!(matches!(view(&called, &names).enter(&member(2), 2), Step::Say(_)));
        let later = [member(2), member(3), member(4)];
        assert_eq!(view(&called, &later).enter(&member(4), 4), Step::Wait, "a call that it is not on is not its own");
    }

    #[test]
    fn who_leaves_waits_for_the_living_only() {
        let roll: Vec<String> = (1..=3).map(member).collect();
        let state = State { generation: 4, phase: Phase::Inside, call: 9, roll: roll.clone(), why: String::new() };
        let mut names = roll.clone();
        let Step::Say(first) = view(&state, &names).leave(&member(1), 4, false) else { panic!("it says so first") };
        names.push(first);
        assert_eq!(view(&state, &names).leave(&member(1), 4, false), Step::Wait);
        names.push(leaving(&member(2)));
        names.retain(|name| *name != member(3));
        let Step::Write(done, _) = view(&state, &names).leave(&member(1), 4, false) else { panic!("the third died") };
        assert_eq!((done.phase, done.generation), (Phase::Done, 4));
        assert_eq!(view(&done, &names).leave(&member(2), 4, false), Step::Pass);
    }

    #[test]
    fn where_all_or_none_leave_one_that_is_gone_ends_it_for_the_rest() {
        let roll: Vec<String> = (1..=3).map(member).collect();
        let state = State { generation: 4, phase: Phase::Inside, call: 9, roll: roll.clone(), why: String::new() };
        let mut names = roll;
        names.push(leaving(&member(1)));
        assert_eq!(view(&state, &names).leave(&member(1), 4, true), Step::Wait, "all are there");
        names.retain(|name| *name != member(3));
        let Step::Write(lost, _) = view(&state, &names).leave(&member(1), 4, true) else { panic!("the third died") };
        assert_eq!((lost.phase, lost.why.as_str()), (Phase::Lost, "1 of 3 members are gone without leaving"));
        // Also for one that is yet to leave, and for one that did not see the others pass.
        assert_eq!(view(&lost, &names).leave(&member(2), 4, false), Step::Lost);
        assert_eq!(view(&lost, &names).enter(&member(2), 3), Step::Lost);
    }

    #[test]
    fn a_broken_generation_is_broken_for_its_members_and_nobody_else() {
        let names: Vec<String> = (1..=2).map(member).collect();
        let broken = view(&State::initial(), &names).broken(false, "late".into());
        assert_eq!((broken.generation, broken.phase), (1, Phase::Broken));
        let later: Vec<String> = (1..=3).map(member).collect();
        assert_eq!(view(&broken, &later).enter(&member(1), 3), Step::Broken);
        assert_eq!(view(&broken, &later).enter(&member(3), 3), Step::Wait);
    }
}
