//! The input devices that the kernel has now, and which of them is meant.
//!
//! Read from sysfs, where names, numbers and abilities stand for everybody to read: no device is
//! opened for it, and one that may not be opened is still found. [`super::evdev`] asks before it
//! opens a device, `hharome check` to say which it is.

use std::fs;
use std::path::{Path, PathBuf};

use ::evdev::{KeyCode, SwitchCode};

use crate::port::place::Place;

/// Types of events as bits of `capabilities/ev`, and the codes that [`Ability`] wants
/// (linux/input-event-codes.h).
const EV_KEY: usize = super::EV_KEY as usize;
const ABS_MT_POSITION_X: usize = 0x35;

/// Keys 1 to 0, and enter: what a code needs.
pub(super) const TYPED: [u16; 11] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28];

/// What a device must be able to do, to be the one that is meant: one thing on USB is often
/// several input devices with the same numbers (keys, media keys, power keys).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// It has digits and the enter key: a scanner that types.
    TypeCodes,
    /// It has keys, buttons or a touch surface.
    BeOperated,
    /// It has a bell or makes tones.
    Beep,
    /// It has this switch.
    Switch(u16),
    /// It has this key.
    Key(u16),
}

impl Ability {
    /// What a device can do that is able to, in words that follow "has".
    fn what(self) -> String {
        match self {
            Self::TypeCodes => "digits and an enter key".to_owned(),
            Self::BeOperated => "keys, buttons or a touch surface".to_owned(),
            Self::Beep => "a beeper".to_owned(),
            // The debug form of the crate's codes is the name that they have in the kernel's header.
            Self::Switch(code) => format!("the switch {:?}", SwitchCode(code)),
            Self::Key(code) => format!("the key {:?}", KeyCode::new(code)),
        }
    }

    /// Why a device is not meant that lacks it.
    pub(super) fn lack(self) -> String {
        match self {
            Self::TypeCodes => "has no digits and enter key, so no scanner types there".to_owned(),
            able => format!("does not have {}", able.what()),
        }
    }

    /// The device that is meant by `place`, for people who are told that it is not there.
    #[must_use]
    pub fn name(self, place: &Place) -> String {
        match place {
            Place::Name(all) if all == "*" => format!("an input device with {}", self.what()),
            place => place.to_string(),
        }
    }
}

/// An input device that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its device file.
    pub path: PathBuf,
    /// What it calls itself; as the kernel has it, so it may hold anything.
    pub name: String,
    /// Who has made it.
    pub vendor: u16,
    /// What it is.
    pub product: u16,
}

/// The devices of this machine that are meant by `place` and have this ability, in the order of
/// their names and then their numbers; the first is the one that is used. A path that exists is
/// meant whatever the device is able to do.
#[must_use]
pub fn devices(place: &Place, ability: Ability) -> Vec<Found> {
    below(Path::new("/"), place, ability)
}

/// [`devices`] of the machine whose files are below `root`.
pub(super) fn below(root: &Path, place: &Place, ability: Ability) -> Vec<Found> {
    if let Place::Path(path) = place {
        if !path.exists() {
            return Vec::new();
        }
        let event = path.canonicalize().ok();
        let event = event.as_deref().and_then(Path::file_name);
        let told = event.and_then(|event| read(&root.join("sys/class/input").join(event)));
        let found = match told {
            Some((device, _)) => Found { path: path.clone(), ..device },
            None => Found { path: path.clone(), name: String::new(), vendor: 0, product: 0 },
        };
        return vec![found];
    }
    list(root, |found| place.means(&found.name, found.vendor, found.product), ability)
}

/// All that have this ability and are meant, in the same order.
pub(super) fn list(root: &Path, meant: impl Fn(&Found) -> bool, ability: Ability) -> Vec<Found> {
    let entries = fs::read_dir(root.join("sys/class/input")).into_iter().flatten().flatten();
    let mut list: Vec<(Option<u32>, Found)> = entries
        .filter_map(|entry| {
            let event = entry.file_name();
            let number = event.to_str()?.strip_prefix("event")?.parse().ok();
            let (found, abilities) = read(&entry.path())?;
            (abilities.have(ability) && meant(&found)).then_some((number, found))
        })
        .collect();
    list.sort_by(|(a, one), (b, other)| (&one.name, a).cmp(&(&other.name, b)));
    list.into_iter().map(|(_, found)| found).collect()
}

/// What sysfs tells of an event device.
fn read(class: &Path) -> Option<(Found, Abilities)> {
    let device = class.join("device");
    let text = |name: &str| fs::read_to_string(device.join(name)).unwrap_or_default();
    let number = |name: &str| u16::from_str_radix(text(name).trim(), 16).unwrap_or(0);
    let bits = |name: &str| Bits::parse(&text(&format!("capabilities/{name}")));
    let event = class.file_name()?;
    let found = Found {
        path: Path::new("/dev/input").join(event),
        // Without its end of line alone: a name may end in blanks.
        name: fs::read_to_string(device.join("name")).ok()?.trim_end_matches('\n').to_owned(),
        vendor: number("id/vendor"),
        product: number("id/product"),
    };
    let abilities = Abilities {
        events: bits("ev"),
        keys: bits("key"),
        axes: bits("abs"),
        switches: bits("sw"),
        sounds: bits("snd"),
    };
    Some((found, abilities))
}

/// What a device is able to say or do.
struct Abilities {
    events: Bits,
    keys: Bits,
    axes: Bits,
    switches: Bits,
    sounds: Bits,
}

impl Abilities {
    fn have(&self, wanted: Ability) -> bool {
        match wanted {
            Ability::TypeCodes => TYPED.into_iter().all(|key| self.keys.has(key.into())),
            Ability::BeOperated => self.events.has(EV_KEY) || self.axes.has(ABS_MT_POSITION_X),
            Ability::Beep => {
                self.sounds.has(super::SND_BELL.into()) || self.sounds.has(super::SND_TONE.into())
            }
            Ability::Switch(code) => self.switches.has(code.into()),
            Ability::Key(code) => self.keys.has(code.into()),
        }
    }
}

/// A bitmap of sysfs: hexadecimal words, the lowest last, each as wide as a `long` of whoever reads
/// it (`input_bits_to_string` in drivers/input/input.c).
struct Bits(Vec<usize>);

impl Bits {
    fn parse(text: &str) -> Self {
        let words = text.split_ascii_whitespace().rev();
        Self(words.map(|word| usize::from_str_radix(word, 16).unwrap_or(0)).collect())
    }

    fn has(&self, bit: usize) -> bool {
        let word_bits = usize::BITS as usize;
        self.0.get(bit / word_bits).is_some_and(|word| word >> (bit % word_bits) & 1 == 1)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A device below `root`: event number, name, vendor:product, and its bitmaps.
    pub(in crate::port::input) fn plug(
        root: &Path,
        number: u32,
        name: &str,
        id: &str,
        maps: &[(&str, &str)],
    ) {
        let device = root.join(format!("sys/class/input/event{number}/device"));
        fs::create_dir_all(device.join("id")).unwrap();
        fs::create_dir_all(device.join("capabilities")).unwrap();
        let (vendor, product) = id.split_once(':').unwrap();
        fs::write(device.join("name"), format!("{name}\n")).unwrap();
        fs::write(device.join("id/vendor"), format!("{vendor}\n")).unwrap();
        fs::write(device.join("id/product"), format!("{product}\n")).unwrap();
        for (map, bits) in maps {
            fs::write(device.join("capabilities").join(map), format!("{bits}\n")).unwrap();
        }
    }

    /// A keyboard's bitmaps as a PC's kernel prints them.
    pub(in crate::port::input) const KEYBOARD: &[(&str, &str)] = &[
        ("ev", "120013"),
        ("key", "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"),
    ];

    fn found(root: &Path, place: &str, ability: Ability) -> Vec<String> {
        let list = below(root, &place.parse().unwrap(), ability);
        list.into_iter().map(|found| found.path.display().to_string()).collect()
    }

    #[test]
    fn a_scanner_is_its_keyboard_and_not_its_media_keys() {
        let root = tempfile::tempdir().unwrap();
        let media = &[("ev", "1f"), ("key", "3f000303ff 0 0 0"), ("abs", "100000000")][..];
        plug(root.path(), 3, "Example Scanner", "0c2e:0b61", media);
        plug(root.path(), 4, "Example Scanner", "0c2e:0b61", KEYBOARD);
        plug(root.path(), 9, "Example Keyboard", "1d6b:0104", KEYBOARD);
        assert_eq!(found(root.path(), "0c2e:0b61", Ability::TypeCodes), ["/dev/input/event4"]);
        assert_eq!(found(root.path(), "0c2e:0b61", Ability::BeOperated).len(), 2);
    }

    #[test]
    fn any_device_is_told_by_what_it_has_to_have() {
        let any = Place::Name("*".to_owned());
        let switch = Ability::Switch(0x0b).name(&any);
        assert_eq!(switch, "an input device with the switch SW_FRONT_PROXIMITY");
        assert_eq!(Ability::Key(143).name(&any), "an input device with the key KEY_WAKEUP");
        assert_eq!(Ability::Key(143).lack(), "does not have the key KEY_WAKEUP");
        let named = "0c2e:0b61".parse().unwrap();
        assert_eq!(Ability::Beep.name(&named), "0c2e:0b61");
    }

    #[test]
    fn several_stand_in_the_order_of_their_names_and_then_numbers() {
        let root = tempfile::tempdir().unwrap();
        for (number, name) in [(10, "B"), (9, "B"), (2, "C"), (11, "A")] {
            plug(root.path(), number, name, "0001:0001", KEYBOARD);
        }
        let events = [11, 9, 10, 2].map(|number| format!("/dev/input/event{number}"));
        assert_eq!(found(root.path(), "*", Ability::TypeCodes), events);
    }

    #[test]
    fn abilities_are_bits_of_the_kernels_words() {
        let root = tempfile::tempdir().unwrap();
        plug(root.path(), 0, "speaker", "0001:0001", &[("ev", "40001"), ("snd", "6")]);
        plug(root.path(), 1, "sensor", "0001:0001", &[("ev", "21"), ("sw", "800")]);
        plug(root.path(), 2, "button", "0001:0001", &[("ev", "3"), ("key", "8000 0 0")]);
        plug(root.path(), 3, "touch", "0001:0001", &[("ev", "9"), ("abs", "60000000000000")]);
        for (ability, device) in [
            (Ability::Beep, 0),
            (Ability::Switch(super::super::SW_FRONT_PROXIMITY), 1),
            (Ability::Key(143), 2),
        ] {
            assert_eq!(found(root.path(), "*", ability), [format!("/dev/input/event{device}")]);
        }
        assert_eq!(
            found(root.path(), "*", Ability::BeOperated),
            ["/dev/input/event2", "/dev/input/event3"]
        );
        assert!(found(root.path(), "*", Ability::Switch(10)).is_empty());
        assert!(found(root.path(), "*", Ability::Key(142)).is_empty());
    }

    #[test]
    fn a_path_is_meant_if_it_is_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("event5");
        assert!(found(root.path(), path.to_str().unwrap(), Ability::Beep).is_empty());
        fs::write(&path, "").unwrap();
        assert_eq!(found(root.path(), path.to_str().unwrap(), Ability::Beep).len(), 1);
    }
}
