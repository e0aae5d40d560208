//! Which output is the customer's: the policy, for every kind of display.
//!
//! The operator's screen is never covered: without a name it is the primary output, or where none is
//! primary the first, and the customer's is the first of the others; an output that shows the same
//! area as another is nobody's.

/// A rectangle of the desktop that is shown somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// An output that is switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// What it is called.
    pub(super) name: String,
    /// What else shows just the same.
    pub(super) others: Vec<String>,
    /// It is the operator's by the desktop's word.
    pub(super) primary: bool,
    /// Something is plugged in.
    pub(super) plugged_in: bool,
    /// Where on the desktop it is.
    pub(super) area: Area,
}

impl Area {
    fn overlaps(self, other: Self) -> bool {
        let meet = |a: i32, a_length: u32, b: i32, b_length: u32| {
            let (a, b) = (i64::from(a), i64::from(b));
            a < b + i64::from(b_length) && b < a + i64::from(a_length)
        };
        meet(self.x, self.width, other.x, other.width)
            && meet(self.y, self.height, other.y, other.height)
    }
}

/// The output that is the operator's, if nobody says otherwise.
pub(super) fn operators(candidates: &[Candidate]) -> Option<&Candidate> {
    let there = || candidates.iter().filter(|candidate| candidate.plugged_in);
    there().find(|one| one.primary).or_else(|| there().next())
}

/// The output of this name, or else the first that is not the operator's.
///
/// # Errors
/// Why there is none, with the way out.
pub(super) fn choose<'c>(
    candidates: &'c [Candidate],
    wanted: Option<&str>,
) -> Result<&'c Candidate, String> {
    let there = || candidates.iter().filter(|candidate| candidate.plugged_in);
    let chosen = match wanted {
        Some(name) => named(candidates, name)?,
        None => {
            let Some(operators) = operators(candidates) else {
                return Err("no output is switched on".to_owned());
            };
            let other = there().find(|one| *one != operators && !one.area.overlaps(operators.area));
            other.ok_or_else(|| match there().find(|one| *one != operators) {
                Some(mirror) => mirrored(&mirror.name, &operators.name),
                None => match operators.others.first() {
                    Some(other) => mirrored(other, &operators.name),
                    None => format!(
                        "the only output that is switched on is {}, which is the operator's; plug \
                         a second screen in and switch it on, or name it in output",
                        operators.name
                    ),
                },
            })?
        }
    };
    let covers = |one: &&Candidate| *one != chosen && one.area.overlaps(chosen.area);
    match there().find(covers) {
        Some(other) => Err(mirrored(&chosen.name, &other.name)),
        None => Ok(chosen),
    }
}

fn named<'c>(candidates: &'c [Candidate], name: &str) -> Result<&'c Candidate, String> {
    if let Some(candidate) = candidates.iter().find(|one| one.name == name) {
        return if candidate.plugged_in {
            Ok(candidate)
        } else {
            Err(format!("output {name}: nothing is plugged in"))
        };
    }
    if let Some(twin) = candidates.iter().find(|one| one.others.iter().any(|other| other == name)) {
        return Err(mirrored(name, &twin.name));
    }
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Err(format!(
        "output {name} is not there, or not switched on (these are: {names}); plug it in and switch \
         it on, or name another"
    ))
}

fn mirrored(name: &str, other: &str) -> String {
    format!("output {name} shows the same as {other}: set the screens side by side, not mirrored")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, x: i32) -> Candidate {
        Candidate {
            name: name.to_owned(),
            others: Vec::new(),
            primary: false,
            plugged_in: true,
            area: Area { x, y: 0, width: 100, height: 50 },
        }
    }

    fn check(candidates: &[Candidate], wanted: Option<&str>, expected: Result<&str, &str>) {
        let chosen = choose(candidates, wanted);
        match (chosen, expected) {
            (Ok(chosen), Ok(name)) => assert_eq!(chosen.name, name),
            (Err(words), Err(part)) => assert!(words.contains(part), "{words}"),
            (chosen, expected) => panic!("{chosen:?} and not {expected:?}"),
        }
    }

    #[test]
    fn without_a_name_it_is_the_first_that_is_not_primary() {
        let primary = |name, x| Candidate { primary: true, ..output(name, x) };
        check(&[primary("A", 0), output("B", 100), output("C", 200)], None, Ok("B"));
        check(&[output("A", 0), primary("B", 100)], None, Ok("A"));
        // Nobody has said whose it is: the first is the operator's.
        check(&[output("A", 0), output("B", 100)], None, Ok("B"));
    }

    #[test]
    fn a_single_output_is_the_operators() {
        check(&[output("A", 0)], None, Err("the only output that is switched on is A"));
        check(&[], None, Err("no output is switched on"));
        let pulled = Candidate { plugged_in: false, ..output("B", 100) };
        check(&[output("A", 0), pulled.clone()], None, Err("the only output"));
        check(&[pulled, output("A", 0)], None, Err("the only output that is switched on is A"));
        // Unless it was said whose it is.
        check(&[output("A", 0)], Some("A"), Ok("A"));
    }

    #[test]
    fn a_named_output_is_taken_wherever_it_stands_and_no_other() {
        let all = [output("A", 0), output("B", 100), output("C", 200)];
        check(&all, Some("C"), Ok("C"));
        check(&all, Some("A"), Ok("A"));
        check(
            &all,
            Some("D"),
            Err("output D is not there, or not switched on (these are: A, B, C)"),
        );
        check(&[], Some("D"), Err("(these are: none)"));
        let pulled = Candidate { plugged_in: false, ..output("B", 100) };
        check(&[output("A", 0), pulled], Some("B"), Err("nothing is plugged in"));
    }

    #[test]
    fn an_output_that_mirrors_another_is_nobodys() {
        let mirrored = "output B shows the same as A";
        let over = |x| [output("A", 0), output("B", x)];
        check(&over(0), None, Err(mirrored));
        check(&over(99), None, Err(mirrored));
        check(&over(99), Some("B"), Err(mirrored));
        check(&over(100), Some("B"), Ok("B"));
        check(&over(-100), Some("B"), Ok("B"));
        let twins = [Candidate { others: vec!["B".to_owned()], ..output("A", 0) }];
        check(&twins, None, Err(mirrored));
        check(&twins, Some("B"), Err(mirrored));
        // A third that stands beside both will do.
        check(&[output("A", 0), output("B", 0), output("C", 100)], None, Ok("C"));
        // What is unplugged mirrors nothing.
        let pulled = Candidate { plugged_in: false, ..output("A", 0) };
        check(&[pulled, output("B", 0)], Some("B"), Ok("B"));
    }
}
