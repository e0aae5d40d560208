use hharome_hardware::receipt::layout::*;
use std::time::Instant;
fn rss() -> String {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("RssAnon"))
        .collect::<Vec<_>>()
        .join(" ")
}
fn t(text: &str, size: u16, bold: bool, align: Align) -> Item {
    Item { text: Some(Text { text: text.into(), size, bold }), image: None, align }
}
fn dump(page: Page, name: &str) {
    let (w, mut data, mut h) = (page.width_bytes() * 8, vec![], 0u32);
    for b in page.bands(24) {
        h += b.rows as u32;
        for byte in b.bits {
            for i in 0..8 {
                data.push(if byte & (0x80 >> i) != 0 { 0u8 } else { 255 });
            }
        }
    }
    image::GrayImage::from_raw(w as u32, h, data).unwrap().save(name).unwrap();
}
fn main() {
    let ts = Typesetter::new(FontSettings {
        families: std::env::args().nth(1).into_iter().collect(),
        ..Default::default()
    });
    let items = vec![
        t("阿罗姆便民服务", 40, true, Align::Center),
        t("社区卫生服务中心收据", 26, false, Align::Center),
        t("--------------------------------", 24, false, Align::Left),
        t(
            "项目            数量      金额\n阿莫西林胶囊      2     ￥36.50\n挂号费            1      ￥5.00",
            24,
            false,
            Align::Left,
        ),
        t(
            "这是一段很长的中文文字，用来检查换行规则：标点符号“不能”出现在行首。《避头尾》！（括号也一样）……——完。",
            26,
            false,
            Align::Left,
        ),
        t(
            "Latin words are not torn apart unless supercalifragilisticexpialidocious-and-then-some-more-letters is longer than a line.",
            26,
            true,
            Align::Left,
        ),
        t("合计：￥41.50", 32, true, Align::Right),
        t("罕见字：㐂㑇㛃䶮𬭚𠮷", 26, false, Align::Left),
        t("שלום עולם 123 مرحبا بالعالم Ελληνικά Привет", 26, false, Align::Left),
        t("ภาษาไทย 한국어 ひらがな 😀 ₽ ①②③ ☆★ é", 26, false, Align::Left),
        t("小字 sixteen dots 十六点 0123456789 AaBbGg", 16, false, Align::Left),
        t("小字 20 dots 二十点 0123456789 AaBbGg", 20, false, Align::Left),
        t("大", 200, false, Align::Center),
        t("a\tb\tcc\td\n1234567\t8\n\nend\r\nx", 24, false, Align::Left),
    ];
    let s = Instant::now();
    let p = ts.lay_out(items.clone(), 384, &Limits::default()).unwrap();
    println!("cold {:?} rows {} {}", s.elapsed(), p.rows(), rss());
    dump(p, "/tmp/layout-look.png");
    for _ in 0..3 {
        let s = Instant::now();
        let p = ts.lay_out(items.clone(), 384, &Limits::default()).unwrap();
        let a = s.elapsed();
        let s = Instant::now();
        let n = p.bands(24).count();
        println!("warm {a:?} bands {n} {:?} {}", s.elapsed(), rss());
    }
}
