//! Glob patterns over paths, one component at a time. Pure.
//!
//! In a component `*` is any text, `?` any character, `[a-z]` and `[!a-z]` one of a set or none of it. `**` as a whole
//! component is any number of components. Every other character, braces too, stands for itself.

use crate::error::{Error, Result};

/// A pattern for paths relative to the root of a walk, without a leading slash; the root itself is `""`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Any number of components.
    Deep,
    One(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Any text.
    Star,
    /// Any character.
    Any,
    /// One of these ranges, or none of them.
    Set(bool, Vec<(char, char)>),
    Char(char),
}

impl Glob {
    /// # Errors
    /// `Config` where a component is empty or a set is not closed.
    pub fn parse(pattern: &str) -> Result<Self> {
        let parts = pattern.split('/').map(|part| match part {
            "" => Err(refused(
                pattern,
                "it has an empty component; a glob is relative to the path, as in \"*/leader\" or \"**\"",
            )),
            "**" => Ok(Part::Deep),
            part => tokens(part, pattern).map(Part::One),
        });
        Ok(Self { parts: parts.collect::<Result<_>>()? })
    }

    /// Whether it matches `path`.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.after(path).contains(&self.parts.len())
    }

    /// Whether it can match something below `path`.
    #[must_use]
    pub fn reaches(&self, path: &str) -> bool {
        self.after(path).iter().any(|at| *at < self.parts.len())
    }

    /// The parts that may come next once `path` was read.
    fn after(&self, path: &str) -> Vec<usize> {
        let mut states = vec![0];
        self.skip_deep(&mut states);
        for component in path.split('/').filter(|component| !component.is_empty()) {
            let mut next = Vec::new();
            for at in states {
                let follows = match self.parts.get(at) {
                    Some(Part::Deep) => at,
                    Some(Part::One(tokens)) if component_matches(tokens, component) => at + 1,
                    _ => continue,
                };
                if !next.contains(&follows) {
                    next.push(follows);
                }
            }
            states = next;
            self.skip_deep(&mut states);
        }
        states
    }

    /// `**` may stand for nothing.
    fn skip_deep(&self, states: &mut Vec<usize>) {
        let mut seen = 0;
        while let Some(at) = states.get(seen).copied() {
            seen += 1;
            if matches!(self.parts.get(at), Some(Part::Deep)) && !states.contains(&(at + 1)) {
                states.push(at + 1);
            }
        }
    }
}

fn refused(pattern: &str, why: &str) -> Error {
    Error::config(format!("glob '{}': {why}", pattern.escape_debug()))
}

fn tokens(part: &str, pattern: &str) -> Result<Vec<Token>> {
    let mut chars = part.chars();
    let mut tokens = Vec::new();
    while let Some(next) = chars.next() {
        tokens.push(match next {
            '*' => Token::Star,
            '?' => Token::Any,
            '[' => {
                let (set, rest) = set(chars.as_str())
                    .ok_or_else(|| refused(pattern, "a '[' is not closed; write '[[]' for the character itself"))?;
                chars = rest.chars();
                set
            }
            other => Token::Char(other),
        });
    }
    Ok(tokens)
}

/// The set that begins after `[`, and what follows it.
fn set(text: &str) -> Option<(Token, &str)> {
    let (negated, body) = text.strip_prefix('!').map_or((false, text), |body| (true, body));
    // A `]` that comes first is a member.
    let first = body.chars().next()?.len_utf8();
    let end = first + body.get(first..)?.find(']')?;
    let members: Vec<char> = body.get(..end)?.chars().collect();
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(from) = members.get(at).copied() {
        if let (Some('-'), Some(to)) = (members.get(at + 1), members.get(at + 2)) {
            ranges.push((from, *to));
            at += 3;
        } else {
            ranges.push((from, from));
            at += 1;
        }
    }
    Some((Token::Set(negated, ranges), body.get(end + 1..)?))
}

fn component_matches(tokens: &[Token], component: &str) -> bool {
    let text: Vec<char> = component.chars().collect();
    // Where to go on when what was tried fails: after the last star, one character further.
    let (mut token, mut at, mut back) = (0, 0, None);
    while at < text.len() {
        let fits = match (tokens.get(token), text.get(at)) {
            (Some(Token::Star), _) => {
                back = Some((token + 1, at));
                token += 1;
                continue;
            }
            (Some(Token::Any), Some(_)) => true,
            (Some(Token::Char(wanted)), Some(found)) => wanted == found,
            (Some(Token::Set(negated, ranges)), Some(found)) => {
                ranges.iter().any(|(from, to)| (from..=to).contains(&found)) != *negated
            }
            _ => false,
        };
        if fits {
            (token, at) = (token + 1, at + 1);
        } else if let Some((after_star, from)) = back {
            (token, at, back) = (after_star, from + 1, Some((after_star, from + 1)));
        } else {
            return false;
        }
    }
    tokens.iter().skip(token).all(|rest| *rest == Token::Star)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str) -> Glob {
        Glob::parse(pattern).expect("a pattern")
    }

    #[test]
    fn components_match_as_in_a_shell() {
        let cases = [
            ("*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "abcb", false),
            ("a*b*c", "aXbYbZc", true),
            ("?", "ä", true),
            ("?", "ab", false),
            ("[a-cx]1", "b1", true),
            ("[a-cx]1", "x1", true),
            ("[a-cx]1", "d1", false),
            ("[!a-c]", "d", true),
            ("[!a-c]", "b", false),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("{a,b}", "a", false),
            ("{a,b}", "{a,b}", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn two_stars_are_any_number_of_components() {
        for path in ["", "a", "a/b/c"] {
            assert!(glob("**").matches(path), "{path:?}");
        }
        let leaders = glob("**/leader");
        assert!(leaders.matches("leader") && leaders.matches("a/b/leader") && !leaders.matches("a/leader/b"));
        assert!(leaders.reaches("") && leaders.reaches("leader") && leaders.reaches("a/b"));
        assert!(glob("a/**").matches("a") && glob("a/**").matches("a/b/c") && !glob("a/**").matches("b"));
    }

    #[test]
    fn it_knows_what_need_not_be_looked_into() {
        let one = glob("services/*/leader");
        assert!(one.reaches("") && one.reaches("services") && one.reaches("services/api"));
        assert!(!one.reaches("jobs") && !one.reaches("services/api/leader") && !one.reaches("services/api/x"));
        assert!(one.matches("services/api/leader") && !one.matches("services/api"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["", "/a", "a//b", "a/", "[a", "a/[", "[]"] {
            let refused = Glob::parse(pattern).expect_err(pattern);
            assert!(matches!(&refused, Error::Config(text) if text.contains("glob")), "{refused}");
        }
    }
}
