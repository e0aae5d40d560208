//! How a person names a device that has no fixed path: input devices and HID devices get another
//! number at each plugging.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::glob;

/// Which device is meant. Written as a path, as the USB numbers of vendor and product in hex
/// (`0c2e:0b61`), or as a pattern with `*` and `?` over the names that devices give themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The device file at this path.
    Path(PathBuf),
    /// The first device with these numbers.
    Id {
        /// Who has made it (idVendor).
        vendor: u16,
        /// What it is (idProduct).
        product: u16,
    },
    /// The first device whose name matches.
    Name(String),
}

/// A text that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is empty or holds a control character")]
pub struct NoPlace;

impl Place {
    /// Whether a device with this name and these numbers is meant; a path means none of them.
    #[must_use]
    pub fn means(&self, name: &str, vendor: u16, product: u16) -> bool {
        match self {
            Self::Path(_) => false,
            Self::Id { vendor: v, product: p } => (*v, *p) == (vendor, product),
            Self::Name(pattern) => glob::matches(pattern, name),
        }
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if text.is_empty() || text.contains(char::is_control) {
            return Err(NoPlace);
        }
        if text.starts_with('/') {
            return Ok(Self::Path(text.into()));
        }
        Ok(match ids(text) {
            Some((vendor, product)) => Self::Id { vendor, product },
            None => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Id { vendor, product } => write!(f, "{vendor:04x}:{product:04x}"),
            Self::Name(pattern) => f.write_str(pattern),
        }
    }
}

/// Two numbers of four hex digits with a colon between.
fn ids(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(text, 16).ok().filter(|_| digits)
    };
    let (vendor, product) = text.split_once(':')?;
    Some((number(vendor)?, number(product)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_path_numbers_or_a_name() {
        let path = Place::Path("/dev/input/by-id/usb-x-event-kbd".into());
        for (text, place) in [
            ("/dev/input/by-id/usb-x-event-kbd", path),
            ("0C2e:0b61", Place::Id { vendor: 0x0c2e, product: 0x0b61 }),
            ("*Scanner*", Place::Name("*Scanner*".to_owned())),
            ("c2e:b61", Place::Name("c2e:b61".to_owned())),
            ("+c2e:0b61", Place::Name("+c2e:0b61".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
        for text in ["", "a\nb"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace));
        }
    }

    #[test]
    fn a_device_is_meant_by_its_numbers_or_its_whole_name() {
        let by_name: Place = "Honeywell*".parse().unwrap();
        let by_id: Place = "0c2e:0b61".parse().unwrap();
        for place in [by_name, by_id] {
            assert!(place.means("Honeywell Scanner", 0x0c2e, 0x0b61), "{place}");
            assert!(!place.means("A Honeywell", 0x0c2e, 0x0b62), "{place}");
        }
    }
}
