//! The people of the simulated card reader: what lies on their cards, byte for byte.
//!
//! Owns [`Card`], what a chip holds, and a small town of invented people, each by a slug. Called
//! by the virtual reader, when somebody puts a card on it; `description` makes further cards from
//! a few named values.
//!
//! Nobody here exists. Zhang San carries the specimen number that GB 11643 prints; the other
//! residents come from region 99, which there is not; permit holders are born in 1900, before any
//! permit. All check characters are right, so that programs under test accept the numbers.

use std::fmt;

use super::nation::Sex;
use super::text::{CardText, Layout};

mod description;
#[cfg(test)]
mod tests;

pub use description::{CardDescription, DescriptionError};
pub(crate) use description::{date, nation_of, set, word};

/// Bytes of the photo on the chip (WLT, a format of its own).
pub const PHOTO_BYTES: usize = 1024;

/// Bytes of the fingerprints on the chip: two of 512.
pub const FINGERPRINT_BYTES: usize = 1024;

/// How a WLT photo begins: `WL`, width 102, height 126, and five bytes that hardly ever differ.
const WLT_HEAD: [u8; 11] = [0x57, 0x4C, 0x66, 0x00, 0x7E, 0x00, 0x32, 0x00, 0x00, 0xFF, 0x85];

/// All that a reader delivers of one card.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    /// The text block, in words.
    pub text: CardText,
    /// The photo as the chip has it. Synthetic ones have the head of a WLT and then a pattern: no
    /// decoder makes a face of it.
    pub photo: [u8; PHOTO_BYTES],
    /// The fingerprints, where the card has them.
    pub fingerprint: Option<Vec<u8>>,
    /// Addresses appended later, newest first, at most four.
    pub appended_addresses: Vec<String>,
}

impl Card {
    /// Zhang San, the person who is there when nobody is named.
    pub fn zhang_san() -> Self {
        let text = CardText {
            name: "张三".into(),
            sex: Sex::Male,
            nation_code: "01".into(),
            birth: "19491231".into(),
            address: "北京市朝阳区示例路1号".into(),
            id_number: "11010519491231002X".into(),
            agency: "北京市公安局朝阳分局".into(),
            valid_from: "20200102".into(),
            valid_to: "长期".into(),
            ..CardText::blank(Layout::Resident)
        };
        Self::plain(text, 1)
    }

    /// The first person of the town with a card of this layout.
    pub fn first_of(layout: Layout) -> Self {
        match layout {
            Layout::Resident => Self::zhang_san(),
            Layout::HkMacauTaiwan => chen_qi(),
            Layout::Foreigner2017 => wu_jiu(),
            Layout::Foreigner2023 => zheng_shi(),
        }
    }

    /// The address that counts: the newest appended one, else the printed one. Never normalised.
    pub fn newest_address(&self) -> &str {
        self.appended_addresses.first().unwrap_or(&self.text.address)
    }

    /// A card without fingerprints and appended addresses.
    fn plain(text: CardText, seed: u8) -> Self {
        let photo = synthetic_photo(seed);
        Self { text, photo, fingerprint: None, appended_addresses: Vec::new() }
    }
}

/// Says what kind of card it is and nothing of its holder.
impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("layout", &self.text.layout)
            .field("fingerprint", &self.fingerprint.is_some())
            .field("appended_addresses", &self.appended_addresses.len())
            .finish_non_exhaustive()
    }
}

/// One of the town.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// Short name to call the person by, as `zhang-san`.
    pub slug: &'static str,
    /// Makes the person's card.
    pub card: fn() -> Card,
}

/// The town, Zhang San first.
pub const PEOPLE: [Person; 9] = [
    Person { slug: "zhang-san", card: Card::zhang_san },
    Person { slug: "li-si", card: li_si },
    Person { slug: "wang-wu", card: wang_wu },
    Person { slug: "chen-qi", card: chen_qi },
    Person { slug: "lin-ba", card: lin_ba },
    Person { slug: "wu-jiu", card: wu_jiu },
    Person { slug: "john-doe", card: john_doe },
    Person { slug: "zheng-shi", card: zheng_shi },
    Person { slug: "jane-doe", card: jane_doe },
];

/// The card of the person with this slug; `None` for a stranger.
pub fn person(slug: &str) -> Option<Card> {
    PEOPLE.iter().find(|person| person.slug == slug).map(|person| (person.card)())
}

/// Bytes that begin like a photo and go on as a pattern, the same for the same seed.
pub fn synthetic_photo(seed: u8) -> [u8; PHOTO_BYTES] {
    let mut photo = [0; PHOTO_BYTES];
    for (byte, filler) in photo.iter_mut().zip(WLT_HEAD.into_iter().chain(pattern(seed))) {
        *byte = filler;
    }
    photo
}

/// Endless bytes of a linear congruential generator: of no meaning, and the same every time.
fn pattern(seed: u8) -> impl Iterator<Item = u8> {
    let step = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(u32::from(seed)), step).map(|state| (state >> 24) as u8)
}

/// A woman of the Manchu nation with a card of twenty years.
fn li_si() -> Card {
    let text = CardText {
        name: "李四".into(),
        sex: Sex::Female,
        nation_code: "11".into(),
        birth: "19900307".into(),
        address: "示例省示例市样品区测试街道２６号楼３单元１０２室".into(),
        id_number: "990101199003070023".into(),
        agency: "示例市公安局样品分局".into(),
        valid_from: "20180611".into(),
        valid_to: "20380611".into(),
        ..CardText::blank(Layout::Resident)
    };
    Card {
        fingerprint: Some(pattern(22).take(FINGERPRINT_BYTES).collect()),
        ..Card::plain(text, 2)
    }
}

/// A man who has moved since his card was made, to a house number in full-width digits.
fn wang_wu() -> Card {
    let text = CardText {
        name: "王五".into(),
        sex: Sex::Male,
        nation_code: "05".into(),
        birth: "19850615".into(),
        address: "示例自治区样品市旧路５号".into(),
        id_number: "990202198506150014".into(),
        agency: "样品市公安局".into(),
        valid_from: "20150320".into(),
        valid_to: "20350320".into(),
        ..CardText::blank(Layout::Resident)
    };
    let appended_addresses = vec!["示例自治区样品市新华路１３８号".into()];
    Card { appended_addresses, ..Card::plain(text, 3) }
}

/// A resident of Hong Kong.
fn chen_qi() -> Card {
    let text = CardText {
        name: "陈七".into(),
        sex: Sex::Female,
        birth: "19000101".into(),
        address: "广东省深圳市示例路2号".into(),
        id_number: "810000190001010018".into(),
        agency: "深圳市公安局".into(),
        valid_from: "20200102".into(),
        valid_to: "20250102".into(),
        pass_number: "H12345678".into(),
        issue_count: "01".into(),
        ..CardText::blank(Layout::HkMacauTaiwan)
    };
    Card::plain(text, 4)
}

/// A resident of Taiwan.
fn lin_ba() -> Card {
    let text = CardText {
        name: "林八".into(),
        sex: Sex::Male,
        birth: "19000101".into(),
        address: "福建省厦门市示例路８号".into(),
        id_number: "83000019000101002X".into(),
        agency: "厦门市公安局".into(),
        valid_from: "20210304".into(),
        valid_to: "20260304".into(),
        pass_number: "12345678".into(),
        issue_count: "02".into(),
        ..CardText::blank(Layout::HkMacauTaiwan)
    };
    Card::plain(text, 5)
}

/// A foreigner with a Chinese name, card of 2017.
fn wu_jiu() -> Card {
    let text = CardText {
        name: "吴九".into(),
        english_name: "WU JIU".into(),
        sex: Sex::Male,
        nationality: "CAN".into(),
        birth: "19000101".into(),
        id_number: "CAN110190000101".into(),
        valid_from: "20180102".into(),
        valid_to: "20280102".into(),
        version: "01".into(),
        authority_code: "1500".into(),
        ..CardText::blank(Layout::Foreigner2017)
    };
    Card::plain(text, 6)
}

/// A foreigner without a Chinese name, card of 2017.
fn john_doe() -> Card {
    let text = CardText {
        english_name: "DOE, JOHN".into(),
        sex: Sex::NotStated,
        nationality: "AUS".into(),
        birth: "19000102".into(),
        id_number: "AUS310190000102".into(),
        valid_from: "20190203".into(),
        valid_to: "20290203".into(),
        version: "01".into(),
        authority_code: "3100".into(),
        ..CardText::blank(Layout::Foreigner2017)
    };
    Card::plain(text, 7)
}

/// A foreigner with a Chinese name, card of 2023.
fn zheng_shi() -> Card {
    let text = CardText {
        name: "郑十".into(),
        english_name: "ZHENG SHI".into(),
        sex: Sex::Male,
        nationality: "CAN".into(),
        birth: "19000101".into(),
        id_number: "911124190001010019".into(),
        valid_from: "20240102".into(),
        valid_to: "20340102".into(),
        issue_count: "01".into(),
        ..CardText::blank(Layout::Foreigner2023)
    };
    Card::plain(text, 8)
}

/// A foreigner without a Chinese name, and with an English one that needs both of its places.
fn jane_doe() -> Card {
    let text = CardText {
        english_name: "DOE, JANE ALEXANDRA WILHELMINA MARGARET".into(),
        sex: Sex::Female,
        nationality: "FRA".into(),
        birth: "19000101".into(),
        id_number: "911250190001010025".into(),
        valid_from: "20240506".into(),
        valid_to: "20340506".into(),
        issue_count: "00".into(),
        ..CardText::blank(Layout::Foreigner2023)
    };
    Card::plain(text, 9)
}
