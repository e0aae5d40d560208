//! Nation and sex as an identity document stores them: codes, and the words that stand for them.
//!
//! Owns the tables of GB/T 3304 (nation) and GB/T 2261.1 (sex). `text` reads with them, `people`
//! writes with them. Everything here is a look-up in constant tables; nothing can fail but by
//! answering "no such code".

/// The nations of GB/T 3304 by their two-digit code, without 族.
///
/// Code 57 is left out on purpose: published tables do not agree on its meaning.
pub const NATIONS: [(&str, &str); 58] = [
    ("01", "汉"),
    ("02", "蒙古"),
    ("03", "回"),
    ("04", "藏"),
    ("05", "维吾尔"),
    ("06", "苗"),
    ("07", "彝"),
    ("08", "壮"),
    ("09", "布依"),
    ("10", "朝鲜"),
    ("11", "满"),
    ("12", "侗"),
    ("13", "瑶"),
    ("14", "白"),
    ("15", "土家"),
    ("16", "哈尼"),
    ("17", "哈萨克"),
    ("18", "傣"),
    ("19", "黎"),
    ("20", "傈僳"),
    ("21", "佤"),
    ("22", "畲"),
    ("23", "高山"),
    ("24", "拉祜"),
    ("25", "水"),
    ("26", "东乡"),
    ("27", "纳西"),
    ("28", "景颇"),
    ("29", "柯尔克孜"),
    ("30", "土"),
    ("31", "达斡尔"),
    ("32", "仫佬"),
    ("33", "羌"),
    ("34", "布朗"),
    ("35", "撒拉"),
    ("36", "毛南"),
    ("37", "仡佬"),
    ("38", "锡伯"),
    ("39", "阿昌"),
    ("40", "普米"),
    ("41", "塔吉克"),
    ("42", "怒"),
    ("43", "乌孜别克"),
    ("44", "俄罗斯"),
    ("45", "鄂温克"),
    ("46", "德昂"),
    ("47", "保安"),
    ("48", "裕固"),
    ("49", "京"),
    ("50", "塔塔尔"),
    ("51", "独龙"),
    ("52", "鄂伦春"),
    ("53", "赫哲"),
    ("54", "门巴"),
    ("55", "珞巴"),
    ("56", "基诺"),
    ("97", "其他"),
    ("98", "外国血统中国籍人士"),
];

/// What is said for a nation code that the table does not have.
pub const OTHER_NATION: &str = "其他";

/// The word of a two-digit nation code, without 族; `None` for a code that GB/T 3304 does not have.
pub fn nation_word(code: &str) -> Option<&'static str> {
    NATIONS.iter().find(|(known, _)| *known == code).map(|(_, word)| *word)
}

/// The two-digit code of a nation's word, with or without 族 at its end.
pub fn nation_code(word: &str) -> Option<&'static str> {
    let short = word.strip_suffix('族').unwrap_or(word);
    NATIONS.iter().find(|(_, known)| *known == short).map(|(code, _)| *code)
}

/// Sex as GB/T 2261.1 codes it. The chip holds the code, never the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sex {
    /// Code 0, 未知; also what any code outside the standard is taken for.
    #[default]
    Unknown,
    /// Code 1, 男.
    Male,
    /// Code 2, 女.
    Female,
    /// Code 9, 未说明.
    NotStated,
}

impl Sex {
    /// Every sex of the standard, in the order of the codes.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Male, Self::Female, Self::NotStated];

    /// The code as the chip holds it: one digit.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "0",
            Self::Male => "1",
            Self::Female => "2",
            Self::NotStated => "9",
        }
    }

    /// The word that a person reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "未知",
            Self::Male => "男",
            Self::Female => "女",
            Self::NotStated => "未说明",
        }
    }

    /// The sex of a code; `None` for one that the standard does not have.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sex| sex.code() == code)
    }

    /// The sex of a word; `None` for one that the standard does not have.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sex| sex.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nations_are_named_without_the_suffix() {
        assert_eq!(nation_word("01"), Some("汉"));
        assert_eq!(nation_word("05"), Some("维吾尔"));
        assert_eq!(nation_word("56"), Some("基诺"));
        assert_eq!(nation_word("98"), Some("外国血统中国籍人士"));
    }

    #[test]
    fn codes_outside_the_standard_have_no_word() {
        for code in ["", "0", "00", "1", "57", "96", "99", "汉"] {
            assert_eq!(nation_word(code), None, "{code}");
        }
    }

    #[test]
    fn a_nation_is_found_by_its_word_with_or_without_the_suffix() {
        assert_eq!(nation_code("满"), Some("11"));
        assert_eq!(nation_code("满族"), Some("11"));
        assert_eq!(nation_code("火星"), None);
        assert_eq!(nation_code("族"), None);
    }

    #[test]
    fn every_nation_word_leads_back_to_its_own_code() {
        for (code, word) in NATIONS {
            assert_eq!(nation_code(word), Some(code));
        }
    }

    #[test]
    fn sexes_have_the_codes_and_words_of_the_standard() {
        let table = [("0", "未知"), ("1", "男"), ("2", "女"), ("9", "未说明")];
        for (code, word) in table {
            let sex = Sex::from_code(code).expect("a code of the standard");
            assert_eq!((sex.code(), sex.word()), (code, word));
            assert_eq!(Sex::from_word(word), Some(sex));
        }
        assert_eq!(Sex::from_code("3"), None);
        assert_eq!(Sex::from_word("男性"), None);
    }
}
