//! How a section is described once and read from there.
//!
//! `section!` turns one table (a row a key) into the typed struct, its defaults, its reader, the
//! list of keys for `hharome config` and the comparison for SIGHUP. A [`Document`] walks the parsed
//! tables with those descriptions and collects the mistakes, each with its line. [`super::Config`]
//! is the only caller; a document lives for one `parse`.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;

use toml::de::DeTable;

use super::rule::{Rule, kind};
use super::words::{NONE, SIMULATED};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, or a file that was named does not exist.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file says something that is not allowed; one line each, in the order of the file,
    /// never empty.
    #[error("{}", lines(mistakes))]
    Mistakes {
        /// What is wrong.
        mistakes: Vec<Mistake>,
    },
}

/// One mistake in a file. Displays as `FILE:LINE: [section] key: what is wrong; allowed: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file's name as it was given.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The section, where one is known.
    pub section: Option<String>,
    /// The key, where one is known.
    pub key: Option<String>,
    /// What is wrong; never holds a secret's value.
    pub wrong: String,
    /// What may stand there instead.
    pub allowed: String,
}

/// How a changed value takes effect in a running daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// SIGHUP applies it.
    Reread,
    /// It needs a new start.
    Restart,
}

/// What the commented file shows of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    /// The default, written out.
    Default(&'static str),
    /// An example, commented out, because the default is that the key is absent.
    Example(&'static str),
}

/// One key, as `hharome config` and the mistakes know it.
#[derive(Debug)]
pub(super) struct Key {
    /// The key's name.
    pub(super) name: &'static str,
    /// What it is, a line each, as the struct's documentation has it.
    pub(super) doc: &'static [&'static str],
    /// What the commented file shows.
    pub(super) shown: Shown,
    /// What is allowed, in words.
    pub(super) allowed: String,
    /// The drivers that use it; none where all do, and in sections without drivers.
    pub(super) drivers: &'static [&'static str],
}

/// What `section!` gives every section.
pub(super) trait Section: Sized {
    /// What the section is about, a line each.
    const ABOUT: &'static [&'static str];

    /// The keys, in the order of the commented file.
    fn keys() -> Vec<Key>;

    /// Reads the section; a key that is absent or wrong keeps its default.
    fn read(entries: &mut Entries<'_, '_>) -> Self;

    /// The keys whose values differ.
    fn differences(&self, new: &Self) -> Vec<(&'static str, Change)>;

    /// This section with the keys that SIGHUP applies taken from `new`.
    fn reloaded(&self, new: &Self) -> Self;
}

/// Describes a section. A row is: documentation, field, type, default; key as it stands in the
/// file, what the commented file shows, rule, how a change takes effect, and, where not all drivers
/// use it, for which it is.
macro_rules! section {
    ($(#[doc = $about:literal])+ $section:ident {
        $(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty = $default:expr;
            $key:literal, $shown:ident($text:expr), $rule:expr, $change:ident
            $(, for [$($driver:literal),+])?;
        )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $section {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $crate::config::schema::Section for $section {
            const ABOUT: &'static [&'static str] = &[$($about),+];

            fn keys() -> Vec<$crate::config::schema::Key> {
                vec![$($crate::config::schema::Key {
                    name: $key,
                    doc: &[$($doc),+],
                    shown: $crate::config::schema::Shown::$shown($text),
                    allowed: {
                        let rule: $crate::config::rule::Rule<$type> = $rule;
                        rule.allowed
                    },
                    drivers: &[$($($driver),+)?],
                },)+]
            }

            fn read(entries: &mut $crate::config::schema::Entries<'_, '_>) -> Self {
                Self { $($field: entries.take($key, &$rule, || $default),)+ }
            }

            fn differences(
                &self,
                new: &Self,
            ) -> Vec<(&'static str, $crate::config::schema::Change)> {
                let mut changed = Vec::new();
                $(if self.$field != new.$field {
                    changed.push(($key, $crate::config::schema::Change::$change));
                })+
                changed
            }

            fn reloaded(&self, new: &Self) -> Self {
                Self {
                    $($field: match $crate::config::schema::Change::$change {
                        $crate::config::schema::Change::Reread => new.$field.clone(),
                        $crate::config::schema::Change::Restart => self.$field.clone(),
                    },)+
                }
            }
        }
    };
}

pub(super) use section;

/// The parsed tables of one text, and the mistakes found so far.
pub(super) struct Document<'t> {
    text: &'t str,
    file: &'t str,
    tables: &'t DeTable<'t>,
    mistakes: Vec<Mistake>,
    unused: Vec<String>,
}

/// The entries of one section while it is read.
pub(super) struct Entries<'d, 't> {
    document: &'d mut Document<'t>,
    section: &'static str,
    table: Option<&'t DeTable<'t>>,
    taken: BTreeSet<&'static str>,
}

impl<'t> Document<'t> {
    /// A document over tables that [`tables`] made from the same text.
    pub(super) fn new(text: &'t str, file: &'t str, tables: &'t DeTable<'t>) -> Self {
        Self { text, file, tables, mistakes: Vec::new(), unused: Vec::new() }
    }

    /// Notes every top-level entry that is none of these sections.
    pub(super) fn refuse_unknown_sections(&mut self, known: &[&str]) {
        let list = known.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
        for (name, value) in self.tables {
            if known.contains(&name.get_ref().as_ref()) {
                continue;
            }
            let shown = name.get_ref().escape_debug().to_string();
            let is_table = value.get_ref().is_table();
            self.mistakes.push(Mistake {
                file: self.file.to_owned(),
                line: line_at(self.text, name.span().start),
                wrong: if is_table { "unknown section" } else { "stands in no section" }.to_owned(),
                section: is_table.then(|| shown.clone()),
                key: (!is_table).then_some(shown),
                allowed: list.clone(),
            });
        }
    }

    /// Reads one section; an absent one is its defaults.
    pub(super) fn section<S: Section>(&mut self, name: &'static str) -> S {
        let entry = self.tables.iter().find(|(key, _)| key.get_ref() == name);
        let table = entry.and_then(|(_, value)| value.get_ref().as_table());
        if let (Some((_, value)), None) = (entry, table) {
            let wrong = format!("is {}, not a section", kind(value.get_ref()));
            self.note(name, None, &wrong, &format!("one [{name}] header with keys below it"));
        }
        let mut entries = Entries { document: self, section: name, table, taken: BTreeSet::new() };
        let section = S::read(&mut entries);
        entries.refuse_the_rest();
        if let Some(table) = table {
            self.look_for_unused::<S>(name, table);
        }
        section
    }

    /// Notes every key that the section's driver does not use. What stands beside no driver, or a
    /// simulated one, is kept there for the real one.
    fn look_for_unused<S: Section>(&mut self, name: &'static str, table: &DeTable<'_>) {
        let value = |key: &str| table.iter().find(|(name, _)| name.get_ref() == key);
        let driver = value("driver").and_then(|(_, value)| value.get_ref().as_str());
        let Some(driver) = driver.filter(|driver| ![NONE, SIMULATED].contains(driver)) else {
            return;
        };
        let written = S::keys().into_iter().filter(|key| value(key.name).is_some());
        for Key { name: key, drivers, .. } in written {
            if drivers.is_empty() || drivers.contains(&driver) {
                continue;
            }
            let (file, line) = (self.file, self.line_of(name, Some(key)));
            let those = drivers.iter().map(|driver| format!("{driver:?}")).collect::<Vec<_>>();
            let those = those.join(", ");
            self.unused.push(format!(
                "{file}:{line}: [{name}] {key}: driver {driver:?} does not use it, only {those}"
            ));
        }
    }

    /// Takes out what was noted of keys that nothing uses, in the order of the sections.
    pub(super) fn unused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unused)
    }

    /// Notes a mistake at a key, or at its section where the key is absent.
    pub(super) fn note(
        &mut self,
        section: &'static str,
        key: Option<&str>,
        wrong: &str,
        allowed: &str,
    ) {
        let line = self.line_of(section, key);
        self.mistakes.push(Mistake {
            file: self.file.to_owned(),
            line,
            section: Some(section.to_owned()),
            key: key.map(|key| key.escape_debug().to_string()),
            wrong: wrong.to_owned(),
            allowed: allowed.to_owned(),
        });
    }

    /// Ok as long as nothing was wrong; takes the mistakes out otherwise.
    pub(super) fn verdict(&mut self) -> Result<(), ConfigError> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        let mut mistakes = std::mem::take(&mut self.mistakes);
        mistakes.sort_by_key(|mistake| mistake.line);
        Err(ConfigError::Mistakes { mistakes })
    }

    fn line_of(&self, section: &str, key: Option<&str>) -> usize {
        let Some((name, value)) = self.tables.iter().find(|(name, _)| name.get_ref() == section)
        else {
            return 1;
        };
        let entry = key.and_then(|key| {
            value.get_ref().as_table()?.iter().find(|(name, _)| name.get_ref() == key)
        });
        line_at(self.text, entry.map_or(name, |(name, _)| name).span().start)
    }
}

impl Entries<'_, '_> {
    /// The value of a key by its rule, or its default.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        rule: &Rule<T>,
        default: impl FnOnce() -> T,
    ) -> T {
        self.taken.insert(key);
        let value = self
            .table
            .and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key))
            .map(|(_, value)| rule.read(value.get_ref()));
        match value {
            None => default(),
            Some(Ok(value)) => value,
            Some(Err(wrong)) => {
                self.document.note(self.section, Some(key), &wrong, &rule.allowed);
                default()
            }
        }
    }

    fn refuse_the_rest(self) {
        let allowed = self.taken.iter().copied().collect::<Vec<_>>().join(", ");
        for (name, _) in self.table.into_iter().flatten() {
            if !self.taken.contains(name.get_ref().as_ref()) {
                self.document.note(
                    self.section,
                    Some(name.get_ref().as_ref()),
                    "unknown key",
                    &allowed,
                );
            }
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        match (&self.section, &self.key) {
            (Some(section), Some(key)) => write!(f, "[{section}] {key}: ")?,
            (Some(section), None) => write!(f, "[{section}]: ")?,
            (None, Some(key)) => write!(f, "{key}: ")?,
            (None, None) => {}
        }
        write!(f, "{}; allowed: {}", self.wrong, self.allowed)
    }
}

/// A section of the schema: its name, what it is about, its keys.
pub(super) type Described = (&'static str, &'static [&'static str], Vec<Key>);

/// Parses the text as TOML; a syntax mistake names section and key as far as its line tells them.
pub(super) fn tables<'t>(
    text: &'t str,
    file: &str,
    schema: &[Described],
) -> Result<DeTable<'t>, ConfigError> {
    DeTable::parse(text).map(toml::Spanned::into_inner).map_err(|error| {
        let line = line_at(text, error.span().map_or(0, |span| span.start));
        let section = text
            .lines()
            .take(line)
            .filter_map(|line| line.trim_start().strip_prefix('['))
            .filter_map(|header| header.split(']').next())
            .last()
            .and_then(|name| schema.iter().find(|(known, _, _)| *known == name.trim()));
        // Only a key of the schema is named: anything else in a broken line may be a piece of a
        // value, and the value may be the token.
        let key = section.and_then(|(_, _, keys)| {
            let written = text.lines().nth(line - 1)?.split('=').next()?.trim();
            keys.iter().find(|key| key.name == written)
        });
        let mistake = Mistake {
            file: file.to_owned(),
            line,
            section: section.map(|(name, _, _)| (*name).to_owned()),
            key: key.map(|key| key.name.to_owned()),
            // The message alone: the error's own display quotes the line with its value.
            wrong: format!("no TOML: {}", error.message()),
            allowed: key.map_or_else(
                || "[section] headers and lines of key = value, strings in quotes".to_owned(),
                |key| format!("{} (a string stands in quotes)", key.allowed),
            ),
        };
        ConfigError::Mistakes { mistakes: vec![mistake] }
    })
}

/// The mistake of a file that is no UTF-8; `valid` bytes of it are.
pub(super) fn not_text(file: &str, bytes: &[u8], valid: usize) -> ConfigError {
    let before = bytes.get(..valid).unwrap_or_default();
    ConfigError::Mistakes {
        mistakes: vec![Mistake {
            file: file.to_owned(),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            section: None,
            key: None,
            wrong: "a byte that is no UTF-8".to_owned(),
            allowed: "TOML, which is UTF-8 (in an editor: save as UTF-8, not GBK)".to_owned(),
        }],
    }
}

/// The line, from 1, in which a byte offset lies.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
