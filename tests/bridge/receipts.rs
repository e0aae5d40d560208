//! Receipts: the real daemon before printers on ptys and on a TCP port, which keep their paper however
//! often the daemon is killed.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_hardware::port::far_end::{self, FarEnd, Plug};
use hharome_hardware::port::far_tcp::TcpFarEnd;
use hharome_hardware::port::pty::PtyFarEnd;
use hharome_hardware::receipt::virtual_printer::paper::Sheet;
use hharome_hardware::receipt::virtual_printer::{Fault, Model, PrinterHand, VirtualPrinter};
use image::{GrayImage, ImageFormat, Luma};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::{sleep, timeout};

use crate::fixture::{Client, Daemon, kind, run, soon};

/// The bytes of one row of the paper.
const ROW_BYTES: usize = 48;

/// A printer on a pty.
struct FarPrinter {
    hand: PrinterHand,
    plug: Plug,
}

impl FarPrinter {
    fn at(path: &Path, model: Model) -> Self {
        let end = PtyFarEnd::open(Some(path)).expect("a pty");
        let plug = end.plug().clone();
        let (device, hand) = VirtualPrinter::new(model);
        tokio::spawn(far_end::run(end, device));
        Self { hand, plug }
    }
}

/// A printer with a thread of its own: whatever keeps the test busy, it answers.
fn printer_apart(path: &Path, model: Model) -> PrinterHand {
    let (device, hand) = VirtualPrinter::new(model);
    let path = path.to_owned();
    let (opened, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let end = PtyFarEnd::open(Some(&path)).expect("a pty");
            opened.send(()).expect("the test waits");
            far_end::run(end, device).await;
        });
    });
    ready.recv().expect("it is there");
    hand
}

/// How often each row is on the paper that has come out so far.
struct Paper {
    hand: PrinterHand,
    rows: HashMap<Vec<u8>, usize>,
}

impl Paper {
    fn new(hand: PrinterHand) -> Self {
        Self { hand, rows: HashMap::new() }
    }

    /// Waits until nothing comes out any more; how often each row of these receipts is there.
    async fn settled(&mut self, numbers: &[u32], rows: u32) -> Vec<Vec<usize>> {
        let mut before = None;
        let current = loop {
            for sheet in self.hand.take_sheets() {
                self.count(&sheet);
                before = None;
            }
            let now = self.hand.sheets();
            if before.as_ref() == Some(&now) {
                break now;
            }
            before = Some(now);
            sleep(Duration::from_millis(60)).await;
        };
        let torn = Self { hand: self.hand.clone(), rows: HashMap::new() };
        let torn = current.iter().fold(torn, |mut torn, sheet| {
            torn.count(sheet);
            torn
        });
        let of = |number: &u32| {
            let copies = |y| {
                let row = row(*number, y).to_vec();
                [&self.rows, &torn.rows].iter().filter_map(|rows| rows.get(&row)).sum()
            };
            (0..rows).map(copies).collect()
        };
        numbers.iter().map(of).collect()
    }

    fn count(&mut self, sheet: &Sheet) {
        for dots in sheet.dots.chunks(ROW_BYTES).filter(|dots| dots.iter().any(|byte| *byte != 0)) {
            *self.rows.entry(dots.to_vec()).or_default() += 1;
        }
    }
}

fn section(path: &Path) -> String {
    let path = path.display();
    format!(
        "[printer]\ndriver = \"escpos-serial\"\nport = \"{path}\"\nbaud = 115200\nflow = \"none\"\n\
         journal = \"{{dir}}/state\"\n"
    )
}

/// A row of dots that no other receipt has and no other row of this one.
fn row(number: u32, row: u32) -> [u8; ROW_BYTES] {
    let mut dots = [0; ROW_BYTES];
    let nibbles = |value: u32| (0..6).map(move |at| 0xA0 | (value >> (at * 4) & 15) as u8);
    for (dot, byte) in dots.iter_mut().zip(nibbles(number).chain(nibbles(row))) {
        *dot = byte;
    }
    dots
}

/// A request for receipt `number`: a picture of so many rows, black and white.
fn request(number: u32, rows: u32) -> String {
    let mut picture = GrayImage::from_pixel(ROW_BYTES as u32 * 8, rows, Luma([255]));
    for y in 0..rows {
        for (at, byte) in row(number, y).iter().enumerate() {
            for bit in (0..8).filter(|bit| byte & (0x80 >> bit) != 0) {
                picture.put_pixel(at as u32 * 8 + bit, y, Luma([0]));
            }
        }
    }
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).expect("a PNG");
    let entry = json!({ "imageBase64": STANDARD.encode(png.into_inner()) });
    receipt(&number.to_string(), &[entry])
}

fn receipt(task: &str, entries: &[Value]) -> String {
    json!({"action": "receiptPrinting", "taskId": task, "params": {"printList": entries}})
        .to_string()
}

/// How often each row of a receipt is on the paper.
fn found(sheets: &[Sheet], number: u32, rows: u32) -> Vec<usize> {
    let mut places = BTreeMap::new();
    (0..rows).for_each(|y| {
        places.insert(row(number, y), y as usize);
    });
    let mut found = vec![0; rows as usize];
    for dots in sheets.iter().flat_map(|sheet| sheet.dots.chunks(ROW_BYTES)) {
        if let Some(place) =
            <[u8; ROW_BYTES]>::try_from(dots).ok().and_then(|dots| places.get(&dots))
        {
            found[*place] += 1;
        }
    }
    found
}

async fn jobs(client: &mut Client) -> Vec<Value> {
    let reply = client.ask(r#"{"call":"bridge.jobs"}"#).await;
    reply["res"]["data"]["jobs"].as_array().expect("jobs").clone()
}

#[tokio::test]
async fn a_receipt_comes_out_of_a_serial_printer_and_is_told_of() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("printer");
    let far = FarPrinter::at(&path, Model::default());
    let daemon = Daemon::start_in(folder, "", &section(&path)).await;
    daemon.ready("printer").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(&request(1, 500)).await;
    let yes = json!({
        "action": "receiptPrinting", "event": "open", "taskId": "1", "success": true,
        "message": "成功", "data": {},
    });
    assert_eq!(reply, yes);
    let sheets = far.hand.sheets();
    assert_eq!((sheets.len(), sheets[0].cut, far.hand.unknown_commands()), (1, true, 0));
    assert_eq!(found(&sheets, 1, 500), [1; 500]);
    let jobs = jobs(&mut client).await;
    assert_eq!((&jobs[0]["taskId"], &jobs[0]["outcome"]), (&json!("1"), &json!("printed")));
    let status = daemon.device("printer", |_| true).await;
    assert_eq!((&status["cannot"], &status["counters"]["printed"]), (&json!([]), &json!(1)));
}

#[tokio::test]
async fn the_same_over_tcp_on_one_connection() {
    let end = TcpFarEnd::listen("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
    let address = end.address();
    let (device, hand) = VirtualPrinter::new(Model::default());
    tokio::spawn(far_end::run(end, device));
    let section = format!(
        "[printer]\ndriver = \"escpos-tcp\"\naddress = \"{address}\"\njournal = \"{{dir}}/state\"\n"
    );
    let daemon = Daemon::start("", &section).await;
    daemon.ready("printer").await;
    let mut client = daemon.tcp_client().await;
    for number in 1..=3 {
        let reply = client.ask(&request(number, 300)).await;
        assert_eq!(reply["success"], true, "{reply}");
        assert_eq!(found(&hand.sheets(), number, 300), [1; 300]);
    }
    let status = daemon.device("printer", |_| true).await;
    assert_eq!(status["counters"]["opened"], 1);
}

#[tokio::test]
async fn a_printer_out_of_paper_says_so_and_prints_when_it_is_filled_up() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("printer");
    let far = FarPrinter::at(&path, Model::default());
    let daemon = Daemon::start_in(folder, "", &section(&path)).await;
    daemon.ready("printer").await;
    let mut client = daemon.unix().await;
    let troubles = [
        (Fault::PaperOut, "缺纸"),
        (Fault::CoverOpen, "上盖"),
        (Fault::Hot, "过热"),
        (Fault::Offline, "脱机"),
        (Fault::Broken, "故障"),
    ];
    for (fault, word) in troubles {
        far.hand.fault(fault);
        let reply = client.ask(&request(1, 100)).await;
        assert_eq!(kind(&reply), "device_failed");
        assert!(reply["message"].as_str().expect("words").contains(word), "{reply}");
        daemon.device("printer", |device| device["state"] == "failed").await;
        far.hand.mend();
        daemon.ready("printer").await;
    }
    assert!(far.hand.sheets().is_empty());
    far.hand.put_paper(50);
    let reply = client.ask(&request(2, 100)).await;
    assert_eq!(kind(&reply), "device_failed");
    assert!(reply["message"].as_str().expect("words").contains("缺纸"), "{reply}");
    far.hand.mend();
    daemon.ready("printer").await;
    assert_eq!(client.ask(&request(3, 100)).await["success"], true);
    assert_eq!(found(&far.hand.sheets(), 3, 100), [1; 100]);
}

#[tokio::test]
async fn a_printer_that_is_pulled_out_is_absent_and_used_again_when_it_is_back() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("printer");
    let far = FarPrinter::at(&path, Model::default());
    let daemon = Daemon::start_in(folder, "", &section(&path)).await;
    daemon.ready("printer").await;
    let mut client = daemon.unix().await;
    far.plug.set(false);
    daemon.device("printer", |device| device["state"] == "absent").await;
    assert_eq!(kind(&client.ask(&request(1, 100)).await), "device_unavailable");
    far.plug.set(true);
    daemon.ready("printer").await;
    assert_eq!(client.ask(&request(2, 100)).await["success"], true);
}

#[tokio::test]
async fn wrong_receipts_print_nothing() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("printer");
    let far = FarPrinter::at(&path, Model::default());
    let daemon = Daemon::start_in(folder, "", &section(&path)).await;
    daemon.ready("printer").await;
    let mut client = daemon.unix().await;
    let before = far.hand.bytes();
    let picture = |base64: &str| json!({ "imageBase64": base64 });
    let wrong = [
        vec![],
        vec![json!({})],
        vec![json!({"text": "a", "algin": "middle"})],
        vec![json!({"text": "a"}), picture("!")],
        vec![picture(&STANDARD.encode(b"\x89PNG\r\n\x1a\nbroken"))],
        vec![json!({"text": "好"}); 10_000],
        vec![json!({"text": "好\n".repeat(10_000)})],
    ];
    for entries in wrong {
        let reply = client.ask(&receipt("w", &entries)).await;
        assert_eq!(kind(&reply), "bad_request", "{reply}");
        let detail = reply["data"]["error"]["detail"].as_str().expect("words").to_owned();
        assert!(detail.contains("params.printList"), "{detail}");
        assert!(!reply.to_string().contains('好'), "{reply}");
    }
    assert_eq!(far.hand.bytes(), before);
    assert!(jobs(&mut client).await.is_empty());
}

#[tokio::test]
async fn two_hundred_receipts_of_twenty_clients_come_out_once_each_or_are_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("printer");
    let far = FarPrinter::at(&path, Model { speed: Some(4000), ..Model::default() });
    let daemon = Daemon::start_in(folder, "", &section(&path)).await;
    daemon.ready("printer").await;
    let mut replies = Vec::new();
    let mut clients = Vec::new();
    for client in 0..20 {
        let mut connection = daemon.unix().await;
        clients.push(tokio::spawn(async move {
            for number in client * 10..client * 10 + 10 {
                connection.send(&request(number, 60)).await;
            }
            let mut replies = Vec::new();
            for _ in 0..10 {
                replies.push(connection.next().await);
            }
            replies
        }));
    }
    for client in clients {
        replies.extend(client.await.expect("it ends"));
    }
    let sheets = far.hand.sheets();
    let mut refused = 0;
    for reply in &replies {
        let number: u32 = reply["taskId"].as_str().expect("a task").parse().expect("a number");
        let copies = usize::from(reply["success"] == true);
        if copies == 0 {
            assert_eq!(kind(reply), "device_busy");
            refused += 1;
        }
        assert_eq!(found(&sheets, number, 60), [copies; 60]);
    }
    assert_eq!(replies.len(), 200);
    assert!((100..=136).contains(&refused), "{refused}");
}

#[tokio::test]
async fn the_virtual_printer_of_the_command_line_makes_pictures_of_its_paper() {
    let folder = TempDir::new().expect("a folder");
    let paper = folder.path().join("paper");
    let mut command = crate::fixture::hharome(folder.path());
    command.args(["virtual", "printer", "--tcp", "127.0.0.1:0", "--png"]).arg(&paper);
    let mut far = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(far.stdout.take().expect("stdout")).lines();
    let mut line = async || soon("a line", said.next_line()).await.expect("UTF-8").expect("a line");
    let address = line().await;
    let section = format!(
        "[printer]\ndriver = \"escpos-tcp\"\naddress = \"{address}\"\njournal = \"{{dir}}/state\"\n"
    );
    // Nobody has the printer yet: the test page is printed by the command itself.
    crate::fixture::write_config(folder.path(), "", &section);
    let (code, out, _) = run(folder.path(), &["check", "--config", "config.toml", "--print"]).await;
    assert!(code == 0 && out.contains("test page printed"), "{code}: {out}");
    assert!(!folder.path().join("state").exists(), "a probe leaves no journal");

    let daemon = Daemon::start_in(folder, "", &section).await;
    daemon.ready("printer").await;
    let mut client = daemon.unix().await;
    assert_eq!(client.ask(&request(7, 300)).await["success"], true);
    let (code, out, _) =
        run(daemon.folder(), &["check", "--config", "config.toml", "--print"]).await;
    assert!(code == 0 && out.contains("test page printed"), "{code}: {out}");
    let mut stdin = far.stdin.take().expect("stdin");
    stdin.write_all(b"fault paper-out\nfault nothing\n").await.expect("it listens");
    assert_eq!(line().await, "ok");
    assert!(line().await.contains("paper-out, near-end"));
    assert_eq!(kind(&client.ask(&request(8, 300)).await), "device_failed");

    for number in 1..=3 {
        let path = paper.join(format!("receipt-{number:04}.png"));
        let there = async {
            while !path.exists() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        soon("the picture is there", there).await;
    }
    let picture = image::open(paper.join("receipt-0002.png")).expect("a PNG").to_luma8();
    for y in 0..300 {
        for (at, byte) in row(7, y).iter().enumerate() {
            for bit in 0..8 {
                let black = picture.get_pixel(at as u32 * 8 + bit, y).0[0] == 0;
                assert_eq!(black, byte & (0x80 >> bit) != 0, "{y}");
            }
        }
    }
    far.kill().await.expect("it is killed");
}

/// A daemon that is killed, and started again in the same folder.
struct Mortal {
    folder: PathBuf,
    child: tokio::process::Child,
}

impl Mortal {
    async fn start(folder: &Path) -> Self {
        let mut command = crate::fixture::hharome(folder);
        command.arg("serve").arg("--config").arg(folder.join("config.toml"));
        let log = std::fs::File::create(folder.join("daemon.log")).expect("a file");
        command.stderr(log);
        let child = command.spawn().expect("it starts");
        Self { folder: folder.to_owned(), child }
    }

    async fn client(&self) -> Client {
        let socket = self.folder.join("hharome/bridge.sock");
        let connected = async {
            loop {
                match tokio::net::UnixStream::connect(&socket).await {
                    Ok(stream) => return Client::lines(stream),
                    Err(_) => sleep(Duration::from_millis(2)).await,
                }
            }
        };
        soon("the daemon listens", connected).await
    }

    /// What it has said.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("daemon.log")).unwrap_or_default()
    }

    async fn kill(&mut self) {
        self.child.kill().await.expect("it is killed");
    }
}

/// How many times the daemon is killed: `KILLS`, else fifty.
fn kills() -> u32 {
    std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(50)
}

/// Three receipts are sent, and the daemon is killed some time after: while it lays out, before the
/// first byte, in the middle of a band, before the reply, …. What the next daemon says of them has to
/// agree with the paper.
#[tokio::test]
async fn whenever_the_daemon_is_killed_nothing_is_printed_twice_and_no_job_is_forgotten() {
    const ROWS: u32 = 240;
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("printer");
    let mut paper =
        Paper::new(printer_apart(&path, Model { speed: Some(6000), ..Model::default() }));
    crate::fixture::write_config(folder.path(), "", &section(&path));
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut seen = BTreeMap::<String, u32>::new();
    let mut daemon = Mortal::start(folder.path()).await;
    for kill in 0..kills() {
        let mut client = daemon.client().await;
        let numbers: Vec<u32> = (0..3).map(|n| kill * 3 + n).collect();
        for number in &numbers {
            client.send(&request(*number, ROWS)).await;
        }
        // xorshift64: any moment of the quarter of a second that three receipts take.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut well = Vec::new();
        let _ = timeout(Duration::from_micros(random % 250_000), async {
            while let Some(reply) = client.text().await {
                let reply: Value = serde_json::from_str(&reply).expect("JSON");
                assert_eq!(reply["success"], true, "{reply}\n{}", daemon.log());
                well.push(reply["taskId"].as_str().expect("a task").to_owned());
            }
        })
        .await;
        daemon.kill().await;
        well.extend(client.rest().await.iter().filter_map(|reply| {
            let reply: Value = serde_json::from_str(reply).ok()?;
            (reply["success"] == true).then(|| reply["taskId"].as_str().expect("a task").to_owned())
        }));
        daemon = Mortal::start(folder.path()).await;
        let mut client = daemon.client().await;
        let known = jobs(&mut client).await;
        // What was under way comes out: the printer has its own time.
        let found = paper.settled(&numbers, ROWS).await;
        for (number, rows) in numbers.into_iter().zip(found) {
            let task = number.to_string();
            assert!(rows.iter().all(|copies| *copies <= 1), "{task} twice");
            let whole = rows.iter().all(|copies| *copies == 1);
            let anything = rows.contains(&1);
            let of_it: Vec<_> = known.iter().filter(|job| job["taskId"] == task.as_str()).collect();
            assert!(of_it.len() <= 1);
            let outcome =
                of_it.first().map_or("none", |job| job["outcome"].as_str().expect("a word"));
            *seen.entry(outcome.to_owned()).or_default() += 1;
            match outcome {
                "printed" => assert!(whole, "{task} is said to be printed"),
                "unknown" => assert!(!well.contains(&task), "{task} was answered"),
                "failed" | "none" => assert!(!anything, "{task} is on paper and {outcome}"),
                other => panic!("{task} is {other}"),
            }
            assert!(!well.contains(&task) || (outcome == "printed" && whole), "{task}: {outcome}");
        }
    }
    // Nothing of any of them has come out later.
    let all: Vec<u32> = (0..kills() * 3).collect();
    for rows in paper.settled(&all, ROWS).await {
        assert!(rows.iter().all(|copies| *copies <= 1));
    }
    println!("{} kills: {seen:?}", kills());
    daemon.kill().await;
}
