//! Type.

use std::sync::{Arc, Mutex};

use hharome_hardware::receipt::layout::{Align, Limits, Typesetter};
use proptest::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span;

use crate::{aligned, bold, check, fonts, lay_out, paper, sized, text};

#[test]
fn a_receipt_has_headings_columns_and_a_sum() {
    check(
        "receipt",
        vec![
            aligned(bold(sized("云岭社区卫生服务站", 36)), Align::Center),
            aligned(text("自助机收据"), Align::Center),
            sized("--------------------------------", 24),
            sized("项目            数量        金额", 24),
            sized("挂号费             1        5.00", 24),
            sized("阿莫西林胶囊       2       36.50", 24),
            sized("--------------------------------", 24),
            aligned(bold(sized("合计：￥41.50", 32)), Align::Right),
            sized("2026-01-31 09:30  No. 000123", 20),
        ],
    );
}

#[test]
fn lines_are_broken_by_the_rules_of_chinese_and_of_latin() {
    check(
        "wrapping",
        vec![
            text(
                "标点符号不能在行首出现，也就是说：逗号、句号。引号“避头尾”与括号（前后）都一样！",
            ),
            text(
                "Latin words stay whole unless antidisestablishmentarianism-like ones are longer.",
            ),
            text("中文与English混排，价格12,345.67元"),
            text("左\n\n隔一行\r\n完"),
            text("a\tb\tc\n1234567\t8"),
        ],
    );
}

#[test]
fn other_scripts_are_set_in_the_fonts_that_have_them_and_in_their_direction() {
    check(
        "scripts",
        vec![
            text("㐂㑇㛃䶮 한국어 ひらがな"),
            text("Ελληνικά Привет e\u{301}\u{327}"),
            text("שלום עולם 123 مرحبا بالعالم Latin"),
            aligned(text("مرحبا"), Align::Right),
            text("No font: ก\u{E000}."),
        ],
    );
}

#[test]
fn the_size_is_the_height_of_the_type() {
    check(
        "sizes",
        vec![
            sized("十六 Sixteen", 16),
            sized("四八", 48),
            bold(sized("粗体 Bold", 48)),
            sized("永", 200),
        ],
    );
    for size in [1, 7, 24, 26, 100, 1000] {
        let rows = lay_out(vec![sized("永", size)]).rows();
        assert_eq!(rows, (f32::from(size) * 1.25).round() as u32, "{size}");
    }
}

#[test]
fn a_long_paragraph_is_wrapped_as_a_whole() {
    // Fourteen characters a line, without a short line where one piece of setting ends.
    assert_eq!(lay_out(vec![text(&"汉".repeat(14 * 200))]).rows(), 200 * 33);
    // One Hebrew letter in front makes all of it run from the right, to its end.
    let printed = paper(lay_out(vec![text(&format!("א {}", "1 ".repeat(1500)))]).bands(24));
    let left_of_last_line =
        (printed.height() - 33..printed.height()).flat_map(|y| (0..26).map(move |x| (x, y)));
    let last = printed.height() / 33;
    assert!(last > 100, "{last}");
    assert!(left_of_last_line.into_iter().any(|(x, y)| printed.get_pixel(x, y).0[0] == 0));
}

#[test]
fn texts_that_nobody_writes_end_all_the_same() {
    let typesetter = Typesetter::new(fonts());
    for odd in ["\u{301}", "aب", "a א ", "\u{202A}", "\u{200D}", "\u{E000}", "\t", " "] {
        let odd = odd.repeat(20_000 / odd.chars().count());
        let page = typesetter.lay_out(vec![sized(&odd, 1)], 384, &Limits::default()).unwrap();
        let rows = page.rows();
        assert_eq!(paper(page.bands(960)).height(), rows);
    }
}

#[test]
fn bands_of_any_height_are_the_same_page() {
    let items = || vec![text("第一行\n第二行 g"), bold(sized("جg永", 77)), text("末")];
    let whole = paper(lay_out(items()).bands(u16::MAX));
    for rows in [0, 1, 7, 24] {
        assert_eq!(paper(lay_out(items()).bands(rows)), whole, "{rows}");
    }
}

#[test]
fn a_second_receipt_is_like_the_first() {
    let typesetter = Typesetter::new(fonts());
    let print = || {
        let items = vec![text("同样的 same"), bold(text("同样的 same"))];
        paper(typesetter.lay_out(items, 384, &Limits::default()).unwrap().bands(24))
    };
    assert_eq!(print(), print());
}

#[test]
fn paper_whose_width_is_no_multiple_of_eight_has_no_dots_beyond() {
    let items = vec![aligned(bold(sized("永", 60)), Align::Right)];
    let page = Typesetter::new(fonts()).lay_out(items, 61, &Limits::default()).unwrap();
    let printed = paper(page.bands(24));
    assert_eq!(printed.width(), 64);
    assert!(printed.enumerate_pixels().all(|(x, _, dot)| x < 61 || dot.0[0] == 255));
}

/// Keeps what events say.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl tracing::Subscriber for Said {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Noted(self));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Noted<'a>(&'a Said);

impl Visit for Noted<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.0.lock().expect("nobody panicked").push_str(&format!("{field}={value:?} "));
    }
}

#[test]
fn a_character_without_a_font_is_a_box_and_the_log_names_its_script_alone() {
    let said = Said::default();
    let shown = tracing::subscriber::with_default(said.clone(), || {
        paper(lay_out(vec![text("张三 กข 李四 \u{13000}")]).bands(24))
    });
    assert_eq!(shown, paper(lay_out(vec![text("张三 □□ 李四 □")]).bands(24)));
    let said = said.0.lock().unwrap();
    assert!(said.contains("scripts=Egyptian_Hieroglyphs, Thai"), "{said}");
    assert!(said.contains("fonts-noto-core"), "{said}");
    assert!(!said.contains(['张', '李', 'ก']), "{said}");
}

#[test]
fn what_is_not_printed_takes_no_place() {
    let plain = paper(lay_out(vec![text("甲ab")]).bands(24));
    for odd in ["甲a\u{0}\u{7}b", "甲\u{200D}ab", "\u{FEFF}甲a\u{FE0F}b", "甲a\u{2060}b\u{1B}"]
    {
        assert_eq!(paper(lay_out(vec![text(odd)]).bands(24)), plain, "{odd:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_too_odd(odd in "[\\x{0}-\\x{10FFFF}]{0,40}", size in 1_u16..60, width in 1_u32..500) {
        let typesetter = Typesetter::new(fonts());
        let page = typesetter.lay_out(vec![sized(&odd, size)], width, &Limits::default());
        if let Ok(page) = page {
            let rows = page.rows();
            prop_assert_eq!(paper(page.bands(24)).height(), rows);
        }
    }
}
