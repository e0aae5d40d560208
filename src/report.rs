//! Results of cases, for people and for machines: a table, JUnit XML, JSON. What ran the cases
//! (`conformance`, `replay`) fills a [`Report`], writes it, and is done with it.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed {
        /// What is wrong, in one line.
        what: String,
        /// More about it, in any number of lines; may be empty.
        detail: String,
    },
    /// It could not be looked at, though it should have been.
    Error {
        /// What is in the way, in one line.
        what: String,
        /// More about it, in any number of lines; may be empty.
        detail: String,
    },
    /// Nothing was found out.
    NotTried {
        /// Why, in one line.
        why: String,
    },
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Case {
    /// The group that it belongs to, such as `id_card`.
    pub suite: String,
    /// Its name within the group.
    pub name: String,
    /// The section of `docs/protocol.md` that it checks.
    pub cites: Option<String>,
    /// How long it took.
    pub time: Duration,
    /// How it ended.
    pub verdict: Verdict,
}

/// All cases of one run, in the order in which they are shown; those of one suite need not be
/// neighbours.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was run, such as `conformance`.
    pub title: String,
    /// What came of it.
    pub cases: Vec<Case>,
}

/// How many cases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As they should.
    pub passed: usize,
    /// Not so.
    pub failed: usize,
    /// Not at all, though they should have been looked at.
    pub errors: usize,
    /// Not at all.
    pub not_tried: usize,
}

impl Report {
    /// Whether no case failed, and all could be looked at; those that were not tried do not count.
    #[must_use]
    pub fn all_passed(&self) -> bool {
        let Counts { failed, errors, .. } = self.counts();
        failed == 0 && errors == 0
    }

    /// How many cases ended how.
    #[must_use]
    pub fn counts(&self) -> Counts {
        count(&self.cases)
    }

    /// JUnit XML as Jenkins and GitLab read it. The citation of a case stands in its
    /// `system-out`, as both show that and refuse elements that they do not know.
    #[must_use]
    pub fn junit(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        head(&mut xml, "<testsuites", &self.title, &self.cases);
        let mut suites: Vec<&str> = Vec::new();
        for case in &self.cases {
            if !suites.contains(&case.suite.as_str()) {
                suites.push(&case.suite);
            }
        }
        for suite in suites {
            let cases = self.cases.iter().filter(|case| case.suite == suite);
            head(&mut xml, "  <testsuite", suite, cases.clone());
            for case in cases {
                testcase(&mut xml, case);
            }
            xml.push_str("  </testsuite>\n");
        }
        xml.push_str("</testsuites>\n");
        xml
    }

    /// One JSON object in one line, without a line end.
    #[must_use]
    pub fn json(&self) -> String {
        self.json_with(&[])
    }

    /// The same with more fields in each case, in the order of the cases.
    #[must_use]
    pub fn json_with(&self, more: &[Map<String, Value>]) -> String {
        let Counts { passed, failed, errors, not_tried } = self.counts();
        let more = more.iter().map(Some).chain(std::iter::repeat(None));
        let cases = self.cases.iter().zip(more).map(|(case, more)| JsonCase::of(case, more));
        let cases = cases.collect();
        let report = JsonReport { title: &self.title, passed, failed, errors, not_tried, cases };
        // Strings, numbers and JSON in a struct always serialize.
        serde_json::to_string(&report).unwrap_or_default()
    }

    /// One line a case, then what is wrong at length, then the counts.
    #[must_use]
    pub fn table(&self) -> String {
        let names: Vec<_> =
            self.cases.iter().map(|case| format!("{}/{}", case.suite, case.name)).collect();
        let name_width = names.iter().map(|name| width(name)).max().unwrap_or_default();
        let cites = |case: &Case| case.cites.clone().unwrap_or_default();
        let cites_width = self.cases.iter().map(|case| width(&cites(case))).max().unwrap_or(0);
        let mut text = String::new();
        for (case, name) in self.cases.iter().zip(&names) {
            let (word, what) = match &case.verdict {
                Verdict::Passed => ("ok", ""),
                Verdict::Failed { what, .. } => ("FAILED", what.as_str()),
                Verdict::Error { what, .. } => ("ERROR", what.as_str()),
                Verdict::NotTried { why } => ("-", why.as_str()),
            };
            let name = padded(name, name_width);
            let cites = padded(&cites(case), cites_width);
            let ms = case.time.as_millis();
            let line = format!("{word:6}  {name}  {cites}  {ms:>6} ms  {}", one_line(what));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for (case, name) in self.cases.iter().zip(&names) {
            if let Verdict::Failed { what, detail } | Verdict::Error { what, detail } =
                &case.verdict
            {
                let _ = write!(text, "\n{name}: {}\n", one_line(what));
                for line in detail.lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        let Counts { passed, failed, errors, not_tried } = self.counts();
        let errors = if errors > 0 { format!(", {errors} errors") } else { String::new() };
        let title = &self.title;
        let _ = write!(
            text,
            "\n{title}: {passed} passed, {failed} failed{errors}, {not_tried} not tried\n"
        );
        text
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonReport<'a> {
    title: &'a str,
    passed: usize,
    failed: usize,
    errors: usize,
    not_tried: usize,
    cases: Vec<JsonCase<'a>>,
}

#[derive(Serialize)]
struct JsonCase<'a> {
    suite: &'a str,
    name: &'a str,
    cites: Option<&'a str>,
    /// `passed`, `failed`, `error` or `not_tried`.
    verdict: &'static str,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(flatten)]
    more: Option<&'a Map<String, Value>>,
}

impl<'a> JsonCase<'a> {
    fn of(case: &'a Case, more: Option<&'a Map<String, Value>>) -> Self {
        let (verdict, what, detail, why) = match &case.verdict {
            Verdict::Passed => ("passed", None, None, None),
            Verdict::Failed { what, detail } => {
                ("failed", Some(what.as_str()), Some(detail.as_str()), None)
            }
            Verdict::Error { what, detail } => {
                ("error", Some(what.as_str()), Some(detail.as_str()), None)
            }
            Verdict::NotTried { why } => ("not_tried", None, None, Some(why.as_str())),
        };
        let Case { suite, name, cites, time, .. } = case;
        let (cites, seconds) = (cites.as_deref(), time.as_secs_f64());
        Self { suite, name, cites, verdict, seconds, what, detail, why, more }
    }
}

fn count<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Counts {
    let mut counts = Counts::default();
    for case in cases {
        match case.verdict {
            Verdict::Passed => counts.passed += 1,
            Verdict::Failed { .. } => counts.failed += 1,
            Verdict::Error { .. } => counts.errors += 1,
            Verdict::NotTried { .. } => counts.not_tried += 1,
        }
    }
    counts
}

/// The opening tag of a suite or of all suites.
fn head<'a>(
    xml: &mut String,
    tag: &str,
    name: &str,
    cases: impl IntoIterator<Item = &'a Case> + Clone,
) {
    let Counts { passed, failed, errors, not_tried } = count(cases.clone());
    let time: Duration = cases.into_iter().map(|case| case.time).sum();
    let _ = writeln!(
        xml,
        "{tag} name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"{errors}\" \
         skipped=\"{not_tried}\" time=\"{:.3}\">",
        escaped(name),
        passed + failed + errors + not_tried,
        time.as_secs_f64()
    );
}

fn testcase(xml: &mut String, case: &Case) {
    let _ = writeln!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">",
        escaped(&case.suite),
        escaped(&case.name),
        case.time.as_secs_f64()
    );
    match &case.verdict {
        Verdict::Passed => {}
        Verdict::Failed { what, detail } => {
            let (what, detail) = (escaped(what), escaped(detail));
            let _ = writeln!(xml, "      <failure message=\"{what}\">{detail}</failure>");
        }
        Verdict::Error { what, detail } => {
            let (what, detail) = (escaped(what), escaped(detail));
            let _ = writeln!(xml, "      <error message=\"{what}\">{detail}</error>");
        }
        Verdict::NotTried { why } => {
            let _ = writeln!(xml, "      <skipped message=\"{}\"/>", escaped(why));
        }
    }
    if let Some(cites) = &case.cites {
        let _ = writeln!(xml, "      <system-out>checks {}</system-out>", escaped(cites));
    }
    xml.push_str("    </testcase>\n");
}

/// Text for an attribute or between tags. Line ends and tabs as references, as an attribute would
/// lose them else; characters that XML 1.0 (2.2) does not know, references to them included, become
/// U+FFFD.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(xml, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}

/// The text without line ends and control characters, which would break a table or a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Columns on a terminal: Chinese characters and full-width forms take two.
fn width(text: &str) -> usize {
    let wide = |c: char| matches!(c, '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}');
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

fn padded(text: &str, columns: usize) -> String {
    let mut text = text.to_owned();
    text.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&text))));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let case = |suite: &str, name: &str, verdict| Case {
            suite: suite.to_owned(),
            name: name.to_owned(),
            cites: (suite == "wire").then(|| "docs/protocol.md W1".to_owned()),
            time: Duration::from_millis(1500),
            verdict,
        };
        let failed = Verdict::Failed {
            what: "expected <a>, got \"b\" & '\u{1b}'".to_owned(),
            detail: "one\ntwo".to_owned(),
        };
        Report {
            title: "trial".to_owned(),
            cases: vec![
                case("wire", "short", Verdict::Passed),
                case("card", "says_超时", failed),
                case("wire", "long", Verdict::NotTried { why: "no device".to_owned() }),
            ],
        }
    }

    #[test]
    fn junit_groups_by_suite_and_escapes() {
        let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"trial\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"4.500\">
  <testsuite name=\"wire\" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\" time=\"3.000\">
    <testcase classname=\"wire\" name=\"short\" time=\"1.500\">
      <system-out>checks docs/protocol.md W1</system-out>
    </testcase>
    <testcase classname=\"wire\" name=\"long\" time=\"1.500\">
      <skipped message=\"no device\"/>
      <system-out>checks docs/protocol.md W1</system-out>
    </testcase>
  </testsuite>
  <testsuite name=\"card\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"1.500\">
    <testcase classname=\"card\" name=\"says_超时\" time=\"1.500\">
      <failure message=\"expected &lt;a&gt;, got &quot;b&quot; &amp; &apos;\u{fffd}&apos;\">one&#10;two</failure>
    </testcase>
  </testsuite>
</testsuites>
";
        assert_eq!(report().junit(), expected);
    }

    #[test]
    fn json_says_how_each_case_ended() {
        let json: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!((json["passed"].as_u64(), json["notTried"].as_u64()), (Some(1), Some(1)));
        assert_eq!(json["cases"][1]["verdict"], "failed");
        assert_eq!(json["cases"][1]["detail"], "one\ntwo");
        assert_eq!(json["cases"][2]["why"], "no device");
        assert_eq!(json["cases"][0]["seconds"], 1.5);
        assert_eq!(json["cases"][1]["cites"], Value::Null);
    }

    #[test]
    fn what_could_not_be_looked_at_is_an_error_and_no_failure() {
        let (what, detail) = ("cannot be replayed".to_owned(), "no meta.json".to_owned());
        let mut report = report();
        report.cases.truncate(1);
        report.cases[0].verdict = Verdict::Error { what, detail };
        assert!(!report.all_passed());
        assert_eq!(report.counts(), Counts { errors: 1, ..Counts::default() });
        let xml = report.junit();
        assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\""), "{xml}");
        assert!(
            xml.contains("<error message=\"cannot be replayed\">no meta.json</error>"),
            "{xml}"
        );
        let more = Map::from_iter([("recording".to_owned(), Value::from("monday"))]);
        let json: Value = serde_json::from_str(&report.json_with(&[more])).unwrap();
        assert_eq!((&json["errors"], &json["cases"][0]["verdict"]), (&1.into(), &"error".into()));
        assert_eq!(json["cases"][0]["recording"], "monday");
        assert!(report.table().ends_with("trial: 0 passed, 0 failed, 1 errors, 0 not tried\n"));
    }

    #[test]
    fn the_table_counts_chinese_as_two_columns() {
        let expected = "\
ok      wire/short      docs/protocol.md W1    1500 ms
FAILED  card/says_超时                         1500 ms  expected <a>, got \"b\" & ' '
-       wire/long       docs/protocol.md W1    1500 ms  no device

card/says_超时: expected <a>, got \"b\" & ' '
  one
  two

trial: 1 passed, 1 failed, 1 not tried
";
        assert_eq!(report().table(), expected);
    }

    #[test]
    fn only_a_failed_case_spoils_the_report() {
        let mut report = report();
        assert!(!report.all_passed());
        report.cases.remove(1);
        assert!(report.all_passed());
        assert_eq!(report.counts(), Counts { passed: 1, failed: 0, errors: 0, not_tried: 1 });
    }
}
