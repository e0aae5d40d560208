//! Which reader is meant: a pattern over the names that PC/SC gives them.

use std::fmt;

use crate::port::glob;

/// A pattern over readers' whole names: `*` stands for any characters, also none, `?` for exactly
/// one; everything else, upper and lower case too, for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderPattern {
    glob: String,
    /// SAM slots, which have `SAM` in their names, are passed over.
    no_sams: bool,
    /// So are those that one of these patterns means.
    except: Vec<String>,
}

/// Which of several readers a pattern means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The first one, in the order of names, that matches.
    pub taken: Option<&'a str>,
    /// The others that match as well, in the order of names.
    pub also: Vec<&'a str>,
}

impl ReaderPattern {
    /// The pattern that is written so. Every text is one.
    #[must_use]
    pub fn new(glob: &str) -> Self {
        Self { glob: glob.to_owned(), no_sams: false, except: Vec::new() }
    }

    /// Any reader but SAM slots: where people's cards go.
    #[must_use]
    pub fn any() -> Self {
        Self { glob: "*".to_owned(), no_sams: true, except: Vec::new() }
    }

    /// The same but for the readers that these patterns mean.
    #[must_use]
    pub fn except(self, globs: &[String]) -> Self {
        Self { except: globs.to_vec(), ..self }
    }

    /// Whether it means the reader of this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if self.no_sams && name.contains("SAM") {
            return false;
        }
        let means = |pattern: &str| glob::matches(pattern, name);
        means(&self.glob) && !self.except.iter().any(|glob| means(glob))
    }

    /// Which of these readers it means.
    #[must_use]
    pub fn choose<'a>(&self, names: &'a [String]) -> Choice<'a> {
        let mut matching: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| self.matches(name)).collect();
        matching.sort_unstable();
        let mut matching = matching.into_iter();
        Choice { taken: matching.next(), also: matching.collect() }
    }
}

impl fmt::Display for ReaderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.no_sams {
            true => f.write_str("any reader but SAM slots"),
            false => write!(f, "called {:?}", self.glob),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(ReaderPattern::new(pattern).matches(name), expected, "{pattern} on {name}");
    }

    #[test]
    fn a_pattern_means_whole_names() {
        check("Example CL 00 00", "Example CL 00 00", true);
        check("Example CL", "Example CL 00 00", false);
        check("CL 00 00", "Example CL 00 00", false);
        check("example cl 00 00", "Example CL 00 00", false);
        check("", "", true);
        check("", "Example", false);
    }

    #[test]
    fn a_reader_that_is_excepted_is_not_meant() {
        let pattern = ReaderPattern::new("Example*").except(&["*SAM*".to_owned()]);
        assert!(pattern.matches("Example CL 00 00"));
        assert!(!pattern.matches("Example Dual SAM 01 00"));
    }

    #[test]
    fn any_reader_is_none_for_sams() {
        assert!(ReaderPattern::any().matches("Example CL 00 00"));
        assert!(!ReaderPattern::any().matches("Example Dual SAM 01 00"));
        assert!(ReaderPattern::new("*").matches("Example Dual SAM 01 00"));
    }

    #[test]
    fn a_star_takes_any_characters_and_also_none() {
        check("*", "", true);
        check("*", "Example CL 00 00", true);
        check("*CL*", "Example CL 00 00", true);
        check("*SAM*", "Example CL 00 00", false);
        check("Example*00 01", "Example 00 01 SAM 00 01", true);
        check("Example*00 01", "Example 00 01 SAM 00 02", false);
        check("**a**", "a", true);
        check("a*b*c", "a b b c c", true);
        check("a*b*c", "a c b", false);
    }

    #[test]
    fn a_question_mark_takes_exactly_one_character() {
        check("Example ?? 00", "Example 00 00", true);
        check("Example ?? 00", "Example 0 00", false);
        check("?", "", false);
        check("?", "卡", true);
    }

    #[test]
    fn characters_that_mean_something_elsewhere_stand_for_themselves() {
        check("Reader [CCID] (1) *", "Reader [CCID] (1) 00 00", true);
        check("Reader [CCID] *", "Reader C 00 00", false);
    }

    #[test]
    fn the_first_in_the_order_of_names_is_taken_and_the_others_are_told() {
        let names = ["B 01 01", "A 00 00", "B 01 00", "B 01 02"].map(str::to_owned);
        let choice = ReaderPattern::new("B*").choose(&names);
        assert_eq!(choice.taken, Some("B 01 00"));
        assert_eq!(choice.also, ["B 01 01", "B 01 02"]);
        let choice = ReaderPattern::new("C*").choose(&names);
        assert_eq!(choice, Choice { taken: None, also: vec![] });
    }
}
