//! The fonts of this machine: which there are, which has a character, and their bold faces.
//!
//! Opened with the first text that is laid out, never before: nothing of a font is read until then,
//! and of its file only what the characters of a receipt need. What is remembered between receipts
//! is bounded.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use cosmic_text::fontdb::{Database, FaceInfo, ID, Language, Stretch, Style, Weight};
use cosmic_text::skrifa::{FontRef, MetadataProvider, Tag};
use cosmic_text::{Attrs, Fallback, Family, FontSystem};
use unicode_script::Script;

use super::FontSettings;

/// Families with Chinese, the best for receipts first. The first is the face whose Latin letters are
/// half as wide as Chinese characters, so that columns made of blanks stand below each other.
const CHINESE: [&str; 10] = [
    "WenQuanYi Zen Hei Mono",
    "WenQuanYi Zen Hei",
    "Noto Sans Mono CJK SC",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei Mono",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "AR PL UMing CN",
];

/// Of the other families those that are upright and plain come first.
const PLAIN: [&str; 4] = ["Noto Sans", "DejaVu Sans", "Liberation Sans", "FreeSans"];

/// Characters whose font is remembered; a receipt in Chinese has some hundred different ones.
const MOST_CHARACTERS: usize = 16_384;

/// The fonts, and what is known of them.
pub(super) struct Fonts {
    pub(super) system: FontSystem,
    faces: Vec<Face>,
    /// Faces that stand for the bold ones that their families do not have.
    emboldened: HashSet<ID>,
    /// Which face has a character, as far as that was asked.
    known: HashMap<char, Option<usize>>,
}

/// A family in its regular and its bold face.
struct Face {
    /// What the font system calls it: its place in the order. Names of families are not unique.
    alias: String,
    regular: ID,
    /// Which characters it has, read when that is asked first.
    characters: Option<Characters>,
}

/// Ranges of characters, both ends included, in order.
struct Characters(Vec<(u32, u32)>);

impl Characters {
    fn of(font: &FontRef<'_>) -> Self {
        let mut all: Vec<u32> = font.charmap().mappings().map(|(character, _)| character).collect();
        all.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for character in all {
            match ranges.last_mut() {
                Some((_, last)) if character <= last.saturating_add(1) => *last = character,
                _ => ranges.push((character, character)),
            }
        }
        ranges.shrink_to_fit();
        Self(ranges)
    }

    fn has(&self, character: char) -> bool {
        let character = u32::from(character);
        let after = self.0.partition_point(|(first, _)| *first <= character);
        after
            .checked_sub(1)
            .and_then(|at| self.0.get(at))
            .is_some_and(|(_, last)| character <= *last)
    }
}

/// There is no fallback inside the font system: each character's face is chosen here.
struct NoFallback;

impl Fallback for NoFallback {
    fn common_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn script_fallback(&self, _: Script, _: &str) -> &[&'static str] {
        &[]
    }
}

impl Fonts {
    /// Looks which fonts there are; `None` where there is not one.
    pub(super) fn find(settings: &FontSettings) -> Option<Self> {
        let mut named = Database::new();
        for file in &settings.files {
            if let Err(error) = named.load_font_file(file) {
                tracing::warn!(file = %file.display(), %error, "a configured font is not read");
            }
        }
        let mut found = Database::new();
        for folder in &settings.folders {
            found.load_fonts_dir(folder);
        }
        let mut families = families(&named);
        families.sort_by_key(|family| place_of_file(settings, family));
        let of_files = families.len();
        families.extend(self::families(&found));
        if let Some(others) = families.get_mut(of_files..) {
            others.sort_by_cached_key(|family| rank(settings, family));
        }
        for wanted in &settings.families {
            if !families.iter().any(|family| family.is_named(wanted)) {
                tracing::warn!(family = %wanted, "a configured font is not installed");
            }
        }
        Self::of(families)
    }

    fn of(families: Vec<FamilyFaces>) -> Option<Self> {
        let mut database = Database::new();
        let mut emboldened = HashSet::new();
        let mut faces = Vec::with_capacity(families.len());
        for (place, FamilyFaces { regular, bold }) in families.into_iter().enumerate() {
            let alias = place.to_string();
            let has_bold = bold.is_some() || regular.weight >= Weight::SEMIBOLD;
            let bold = bold.unwrap_or_else(|| regular.clone());
            let mut push = |mut face: FaceInfo, weight| {
                face.families = vec![(alias.clone(), Language::English_UnitedStates)];
                face.style = Style::Normal;
                face.stretch = Stretch::Normal;
                face.weight = weight;
                database.push_face_info(face)
            };
            let regular = push(regular, Weight::NORMAL);
            let bold = push(bold, Weight::BOLD);
            if !has_bold {
                emboldened.insert(bold);
            }
            faces.push(Face { alias, regular, characters: None });
        }
        if faces.is_empty() {
            return None;
        }
        let locale = "zh-CN".to_owned();
        let system = FontSystem::new_with_locale_and_db_and_fallback(locale, database, NoFallback);
        Some(Self { system, faces, emboldened, known: HashMap::new() })
    }

    /// The attributes of text in a face.
    pub(super) fn attributes(&self, face: usize, bold: bool) -> Attrs<'_> {
        let weight = if bold { Weight::BOLD } else { Weight::NORMAL };
        let alias = self.faces.get(face).map_or("0", |face| face.alias.as_str());
        Attrs::new().family(Family::Name(alias)).weight(weight)
    }

    /// The first face that has a character; `preferred`, the face of the text before it, where that
    /// has it.
    pub(super) fn face_of(&mut self, character: char, preferred: usize) -> Option<usize> {
        if preferred != 0 && self.covers(preferred, character) {
            return Some(preferred);
        }
        if let Some(face) = self.known.get(&character) {
            return *face;
        }
        let face = (0..self.faces.len()).find(|face| self.covers(*face, character));
        if self.known.len() >= MOST_CHARACTERS {
            self.known.clear();
        }
        self.known.insert(character, face);
        face
    }

    fn covers(&mut self, face: usize, character: char) -> bool {
        let Some(Face { regular, characters, .. }) = self.faces.get(face) else { return false };
        if let Some(characters) = characters {
            return characters.has(character);
        }
        let read = self.with_font(*regular, Characters::of).unwrap_or(Characters(Vec::new()));
        let has = read.has(character);
        if let Some(face) = self.faces.get_mut(face) {
            face.characters = Some(read);
        }
        has
    }

    /// Looks into a font's file. It is mapped into memory, and unmapped again if no text is set in it
    /// yet: of a thousand fonts hardly one is needed.
    fn with_font<T>(&self, id: ID, look: impl FnOnce(&FontRef<'_>) -> T) -> Option<T> {
        self.system
            .db()
            .with_face_data(id, |data, index| {
                FontRef::from_index(data, index).ok().map(|font| look(&font))
            })
            .flatten()
    }

    /// How far above and below the baseline a font wants its lines to reach, in parts of its size;
    /// `None` for a Chinese one, whose square is all that counts.
    pub(super) fn reach(&mut self, id: ID) -> Option<(f32, f32)> {
        let face = self.system.db().face(id)?.families.first()?.0.parse().ok()?;
        if self.covers(face, '中') {
            return None;
        }
        let font = self.system.get_font(id, Weight::NORMAL)?;
        let metrics = font.metrics();
        let em = f32::from(metrics.units_per_em.max(1));
        Some((metrics.ascent / em, -metrics.descent / em))
    }

    /// Whether bold text in this face is made so by widening: its family has no bold face, nor an
    /// axis of weight.
    pub(super) fn is_emboldened(&self, id: ID) -> bool {
        self.emboldened.contains(&id)
            && !self
                .with_font(id, |font| {
                    font.axes().iter().any(|axis| axis.tag() == Tag::new(b"wght"))
                })
                .unwrap_or(false)
    }
}

/// The faces of a family that are of use.
struct FamilyFaces {
    regular: FaceInfo,
    bold: Option<FaceInfo>,
}

impl FamilyFaces {
    fn is_named(&self, name: &str) -> bool {
        self.regular.families.iter().any(|(family, _)| family.eq_ignore_ascii_case(name))
    }

    /// Its name, the English one where it has one.
    fn name(&self) -> &str {
        name(&self.regular)
    }
}

fn name(face: &FaceInfo) -> &str {
    face.families.first().map_or("", |(family, _)| family)
}

/// The families of a database, each with its upright faces of usual width.
fn families(database: &Database) -> Vec<FamilyFaces> {
    let mut groups: Vec<Vec<&FaceInfo>> = Vec::new();
    let mut places = HashMap::new();
    for face in database.faces() {
        let place = *places.entry(name(face)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        if let Some(group) = groups.get_mut(place) {
            group.push(face);
        }
    }
    groups.iter().filter_map(|group| family(group)).collect()
}

fn family(group: &[&FaceInfo]) -> Option<FamilyFaces> {
    let form = |face: &FaceInfo| {
        let stretch = face.stretch.to_number().abs_diff(Stretch::Normal.to_number());
        (face.style != Style::Normal, stretch)
    };
    let nearest =
        |weight: Weight| move |face: &&&FaceInfo| (form(face), face.weight.0.abs_diff(weight.0));
    let regular = group.iter().min_by_key(nearest(Weight::NORMAL))?;
    let bold = group
        .iter()
        .filter(|face| face.weight >= Weight::SEMIBOLD && form(face) == form(regular))
        .min_by_key(nearest(Weight::BOLD));
    Some(FamilyFaces { regular: (*regular).clone(), bold: bold.map(|face| (*face).clone()) })
}

/// Where in the settings the file of a family is.
fn place_of_file(settings: &FontSettings, family: &FamilyFaces) -> Option<usize> {
    use cosmic_text::fontdb::Source;
    let path: &Path = match &family.regular.source {
        Source::File(path) | Source::SharedFile(path, _) => path,
        Source::Binary(_) => return None,
    };
    settings.files.iter().position(|file| file == path)
}

/// The order of families: those of the settings, Chinese ones, plain ones, the rest by name.
fn rank(settings: &FontSettings, family: &FamilyFaces) -> (usize, usize, String) {
    let among = |names: &[&str]| names.iter().position(|name| family.is_named(name));
    let wanted = settings.families.iter().position(|name| family.is_named(name));
    let name = family.name();
    let group = |group: usize, place: Option<usize>| place.map(|place| (group, place));
    let (group, place) = group(0, wanted)
        .or_else(|| group(1, among(&CHINESE)))
        .or_else(|| group(2, among(&PLAIN)))
        .unwrap_or((if name.contains("Sans") { 3 } else { 4 }, 0));
    (group, place, name.to_owned())
}
