//! The configuration as it goes into a recording, and back: what the file says, without secrets.
//!
//! A recording keeps the file's own tables and not the values in force, so that a replay reads
//! them by the same rules as the daemon did.

use serde_json::{Map, Value};

use super::{Config, ConfigError, DeviceInfo, Secret};
use crate::recording::format::{Meta, RIGHT_TOKEN};

/// The keys whose values never leave this machine: section and key.
const SECRETS: [(&str, &str); 1] = [("listen", "token")];

/// What the configuration's file says, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its tables.
    pub tables: Map<String, Value>,
    /// Every driver is simulated, by `--simulate` or for want of a file.
    pub simulated: bool,
}

impl Written {
    /// Of a file's text that was read without a mistake.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut tables: Map<String, Value> = toml::from_str(text).unwrap_or_default();
        for (section, key) in SECRETS {
            if let Some(Value::Object(section)) = tables.get_mut(section) {
                section.remove(key);
            }
        }
        Self { tables, simulated: false }
    }

    /// What is in force after `new` was read again and the keys of `kept` (`[section] key`) were
    /// not changed, because they need a restart.
    #[must_use]
    pub fn reloaded(&self, new: &Self, kept: &[String]) -> Self {
        let mut merged = new.clone();
        merged.simulated = self.simulated;
        for name in kept {
            let Some((section, key)) = name.trim_start_matches('[').split_once("] ") else {
                continue;
            };
            let old = self.tables.get(section).and_then(|section| section.get(key));
            let tables = merged.tables.entry(section).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(tables) = tables {
                tables.remove(key);
                tables.extend(old.map(|old| (key.to_owned(), old.clone())));
            }
        }
        merged
    }

    /// Without a file.
    #[must_use]
    pub fn simulated() -> Self {
        Self { tables: Map::new(), simulated: true }
    }
}

impl Config {
    /// The configuration that a recording was made with, on whatever machine.
    ///
    /// # Errors
    /// Tables that this version does not read: keys that it does not know, for one.
    pub fn from_recorded(meta: &Meta) -> Result<Self, ConfigError> {
        let written = Written { tables: meta.config.clone(), simulated: meta.simulated };
        let mut config = Self::from_written(&written, meta.token)?;
        let info = meta.device_info.clone();
        config.device_info = DeviceInfo {
            sn: Some(info.sn),
            device_model: Some(info.device_model),
            app_version: Some(info.app_version),
            android_version: Some(info.android_version),
            device_ip: Some(info.device_ip),
            deviced_display: Some(info.deviced_display),
        };
        Ok(config)
    }

    /// What was written, read again.
    ///
    /// # Errors
    /// As [`Config::from_recorded`].
    pub fn from_written(written: &Written, token: bool) -> Result<Self, ConfigError> {
        if written.simulated && written.tables.is_empty() {
            return Ok(Self::simulated());
        }
        let mut tables = written.tables.clone();
        if token
            && let Value::Object(listen) =
                tables.entry("listen").or_insert_with(|| Value::Object(Map::new()))
        {
            listen.insert("token".to_owned(), RIGHT_TOKEN.into());
        }
        // What came out of TOML goes back into it.
        let text = toml::to_string(&tables).unwrap_or_default();
        let mut config = Self::parse(&text, "the recording's configuration")?;
        if written.simulated {
            config.simulate();
        }
        config.listen.token = token.then(|| Secret::new(RIGHT_TOKEN));
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_without_its_secret() {
        let text = "[listen]\ntcp = \"0.0.0.0:0\"\ntoken = \"s3cret\"\nhosts = [\"kiosk\"]\n\
                    [timeouts]\nid_card = 2000\n[id_card]\ndriver = \"sam-v-serial\"\n\
                    port = \"/dev/ttyUSB0\"\nbaud = \"auto\"\n";
        let written = Written::of(text);
        assert!(!format!("{written:?}").contains("s3cret"));
        let mut original = Config::parse(text, "a file").unwrap();
        original.listen.token = Some(Secret::new(RIGHT_TOKEN));
        assert_eq!(Config::from_written(&written, true).unwrap(), original);
    }

    #[test]
    fn without_a_file_everything_is_simulated_again() {
        let config = Config::from_written(&Written::simulated(), false).unwrap();
        assert_eq!(config, Config::simulated());
    }

    #[test]
    fn a_key_that_needs_a_restart_stays_as_it_was_when_the_file_is_read_again() {
        let old = Written::of("[id_card]\ndriver = \"none\"\n[timeouts]\nid_card = 1\n");
        let new = Written::of("[id_card]\npoll_ms = 500\n[timeouts]\nid_card = 2\n");
        let kept = ["[id_card] driver".to_owned(), "[id_card] poll_ms".to_owned()];
        let expected = Written::of("[id_card]\ndriver = \"none\"\n[timeouts]\nid_card = 2\n");
        assert_eq!(old.reloaded(&new, &kept), expected);
    }

    #[test]
    fn the_flag_that_simulates_is_kept_beside_the_file() {
        let text = "[qr_scanner]\ndriver = \"serial\"\nport = \"/dev/ttyACM0\"\n";
        let written = Written { simulated: true, ..Written::of(text) };
        let mut original = Config::parse(text, "a file").unwrap();
        original.simulate();
        assert_eq!(Config::from_written(&written, false).unwrap(), original);
    }
}
