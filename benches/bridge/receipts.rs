//! Receipts: how long the layout alone takes, and from a request to the printer's last byte, beside
//! python-escpos with Pillow.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_hardware::receipt::layout::{
    Align, FontSettings, Image, Item, Limits, Text, Typesetter,
};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;

use super::client::{Client, Transport};
use super::kernel::memory;
use super::line::Line;
use super::process::{Bridge, LIMIT};
use super::report::{Report, Row, Target};
use super::samples::{Pairs, range};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str =
    "receipts: 40 lines of Chinese and a picture of 376x376, beside python-escpos with Pillow";

/// Milliseconds to the last byte with fonts that nobody has read before.
const COLD: Target = Target::Measured(60.0);

/// The same, later.
const WARM: Target = Target::Measured(8.0);

/// Milliseconds until the printer has the first band of a receipt.
const FIRST: Target = Target::Measured(10.0);

/// To the last byte, over python-escpos.
const PEER: Target = Target::Ratio(0.2);

/// KB before the first receipt.
const RSS: Target = Target::Measured(8.0 * 1024.0);

/// The height of the type in dots.
const SIZE: u16 = 24;

/// The bytes of the first band: 24 rows of 48 bytes.
const FIRST_BAND: usize = 24 * 48;

/// The font that both sides print in.
const FONT: &str = "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc";

/// How long a line is quiet when all has been written.
const QUIET: Duration = Duration::from_millis(20);

/// Measures all of it.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    let picture = picture()?;
    layout(effort, &picture, report)?;
    let request = request(&picture);
    cold(effort, &request, report)?;
    warm(effort, &request, report)
}

/// The layout without a bridge around it.
fn layout(effort: Effort, picture: &[u8], report: &mut Report) -> Outcome<()> {
    let dots = |typesetter: &Typesetter| -> Outcome<f64> {
        let items = items(picture);
        let began = Instant::now();
        let page = typesetter.lay_out(items, 384, &Limits::default())?;
        let rows: u32 = page.bands(24).map(|band| u32::from(band.rows)).sum();
        let taken = milliseconds(began.elapsed());
        if rows == 0 { Err("an empty receipt".into()) } else { Ok(taken) }
    };
    let mut cold = Vec::new();
    for _ in 0..effort.rounds {
        forget(Path::new("/usr/share/fonts"))?;
        cold.push(dots(&Typesetter::new(FontSettings::default()))?);
    }
    let typesetter = Typesetter::new(FontSettings::default());
    dots(&typesetter)?;
    let warm: Vec<_> = (0..effort.trips / 20).map(|_| dots(&typesetter)).collect::<Outcome<_>>()?;
    for (what, times) in [("layout alone, cold fonts", cold), ("layout alone, warm", warm)] {
        report.push(GROUP, Row::figure(what, "ms", range(times.into_iter()).median));
    }
    Ok(())
}

/// The first receipt of a bridge.
fn cold(effort: Effort, request: &str, report: &mut Report) -> Outcome<()> {
    let (mut last, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..effort.starts {
        forget(Path::new("/usr/share/fonts"))?;
        let mut side = BridgeSide::start()?;
        side.bridge.at_home(&["printer"])?;
        resident.push(memory(side.bridge.id())?.resident);
        last.push(side.print(request)?.last);
    }
    let row = Row::figure("RSS before the first receipt", "KB", range(resident.into_iter()).median);
    report.push(GROUP, row.target(RSS));
    let row = Row::figure("request to last byte, cold fonts", "ms", range(last.into_iter()).median);
    report.push(GROUP, row.target(COLD).note("the kernel was told to forget the fonts' files"));
    Ok(())
}

/// All that follow.
fn warm(effort: Effort, request: &str, report: &mut Report) -> Outcome<()> {
    let mut bridge = BridgeSide::start()?;
    let mut peer = Peer::start()?;
    let (mut first, mut last, mut reply) = (Vec::new(), Pairs::default(), Vec::new());
    bridge.print(request)?;
    peer.print(request)?;
    for _ in 0..effort.rounds * 4 {
        let printed = bridge.print(request)?;
        first.push(printed.first);
        reply.push(printed.reply);
        last.push(printed.last, peer.print(request)?);
    }
    let row = Row::figure("request to first band", "ms", range(first.into_iter()).median);
    report.push(GROUP, row.target(FIRST));
    let row = Row::figure("request to last byte", "ms", last.measured());
    report.push(GROUP, row.target(WARM));
    report.push(GROUP, Row::pairs("request to last byte", "ms", &last).target(PEER));
    let row = Row::figure("request to reply", "ms", range(reply.into_iter()).median);
    report.push(GROUP, row.note("with the journal on disk, synced"));
    let memory = memory(bridge.bridge.id())?;
    report.push(GROUP, Row::figure("RSS afterwards", "KB", memory.resident));
    report.push(GROUP, Row::figure("RssAnon afterwards", "KB", memory.anonymous));
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Lines as of a receipt: what, how many, how much.
fn lines() -> impl Iterator<Item = String> {
    const WHAT: [&str; 8] = [
        "挂号费",
        "阿莫西林胶囊",
        "检查费",
        "血常规",
        "一次性耗材",
        "床位费",
        "葡萄糖注射液",
        "其他",
    ];
    (0..40_usize).map(|line| {
        let what = WHAT[line % WHAT.len()];
        let blanks = 18 - 2 * what.chars().count();
        format!(
            "{what}{:blanks$}{:>3}{:>8}.{:02}",
            "",
            line % 9 + 1,
            line * 37 % 900,
            line * 7 % 100
        )
    })
}

/// A picture of all tones, as a PNG.
fn picture() -> Outcome<Vec<u8>> {
    let picture = RgbImage::from_fn(376, 376, |x, y| {
        let wave = (x * x / 97 + y * y / 61 + x * y / 53) % 64;
        let tone = |by: u32| u8::try_from((x * by / 4 + y / 3 + wave) % 256).unwrap_or(0);
        Rgb([tone(2), tone(1), tone(3)])
    });
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

fn items(picture: &[u8]) -> Vec<Item> {
    let text = |text| Item {
        text: Some(Text { text, size: SIZE, bold: false }),
        image: None,
        align: Align::Left,
    };
    let image = Image { bytes: picture.to_vec(), width: None, height: None };
    let image = Item { text: None, image: Some(image), align: Align::Left };
    lines().map(text).chain([image]).collect()
}

fn request(picture: &[u8]) -> String {
    let mut list: Vec<_> = lines().map(|line| json!({"text": line, "textSize": SIZE})).collect();
    list.push(json!({"imageBase64": STANDARD.encode(picture)}));
    json!({"action": "receiptPrinting", "taskId": "1", "params": {"printList": list}}).to_string()
}

/// Lets the kernel forget what it has read of the files in a folder.
fn forget(folder: &Path) -> Outcome<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else if let Ok(file) = File::open(&path) {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
            // Whoever cannot read a byte of it need not go on.
            file.read_at(&mut [0], 0)?;
        }
    }
    Ok(())
}

/// A printer that takes all, at once, and says nothing.
struct Paper {
    path: PathBuf,
    /// When bytes came, and how many by then.
    taken: Arc<Mutex<Vec<(Instant, usize)>>>,
}

impl Paper {
    fn open() -> Outcome<Self> {
        let line = Line::open()?;
        let (path, taken) = (line.path.clone(), Arc::<Mutex<Vec<_>>>::default());
        let notes = Arc::clone(&taken);
        // It ends with this program.
        thread::spawn(move || {
            let mut line = line;
            let (mut buffer, mut total) = (vec![0; 1 << 16], 0);
            while let Ok(count @ 1..) = line.master.read(&mut buffer) {
                total += count;
                notes.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), total));
            }
        });
        Ok(Self { path, taken })
    }

    /// What has come since the last time, once no more comes.
    fn take(&self) -> Outcome<Vec<(Instant, usize)>> {
        let until = Instant::now() + LIMIT;
        loop {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            if taken.last().is_some_and(|(last, _)| last.elapsed() > QUIET) {
                return Ok(std::mem::take(&mut taken));
            }
            drop(taken);
            if Instant::now() > until {
                return Err("nothing was printed".into());
            }
            thread::sleep(QUIET / 4);
        }
    }
}

struct BridgeSide {
    bridge: Bridge,
    client: Client,
    paper: Paper,
    /// Bytes before the next receipt.
    before: usize,
}

/// Milliseconds from a request to what came of it.
struct Printed {
    first: f64,
    last: f64,
    reply: f64,
}

impl BridgeSide {
    fn start() -> Outcome<Self> {
        let paper = Paper::open()?;
        let mut bridge = Bridge::with_printer(&paper.path)?;
        bridge.ready(&["printer"])?;
        let client = bridge.connect(Transport::Unix)?;
        thread::sleep(QUIET);
        // What the bridge said to the printer when it opened it.
        let mut taken = paper.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let before = taken.last().map_or(0, |(_, total)| *total);
        taken.clear();
        drop(taken);
        Ok(Self { bridge, client, paper, before })
    }

    fn print(&mut self, request: &str) -> Outcome<Printed> {
        let began = Instant::now();
        let reply = self.client.ask(request)?;
        let replied = began.elapsed();
        if reply["success"] != true {
            return Err(format!("not printed: {reply}").into());
        }
        let taken = self.paper.take()?;
        let first = taken.iter().find(|(_, total)| total - self.before >= FIRST_BAND);
        let (Some((first, _)), Some((last, total))) = (first, taken.last()) else {
            return Err("less than a band was printed".into());
        };
        self.before = *total;
        let since = |time: &Instant| milliseconds(time.duration_since(began));
        Ok(Printed { first: since(first), last: since(last), reply: milliseconds(replied) })
    }
}

/// python-escpos, in a process that has loaded all it needs.
struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    paper: Paper,
}

impl Peer {
    fn start() -> Outcome<Self> {
        let paper = Paper::open()?;
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Beside what cargo makes, as scripts/setup.sh has put it.
        let python = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python-escpos/bin/python");
        let script = here.join("benches/bridge/receipt.py");
        let mut process = Command::new(&python)
            .args([&script, &paper.path, Path::new(FONT)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}; make bench sets it up", python.display()))?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("a process without pipes".into());
        };
        Ok(Self { process, requests, answers: BufReader::new(answers), paper })
    }

    /// Milliseconds from a request to its last byte.
    fn print(&mut self, request: &str) -> Outcome<f64> {
        let began = Instant::now();
        self.requests.write_all(format!("{request}\n").as_bytes())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer != "done\n" {
            return Err("python-escpos has ended".into());
        }
        let taken = self.paper.take()?;
        let last = taken.last().ok_or("nothing was printed")?;
        Ok(milliseconds(last.0.duration_since(began)))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
