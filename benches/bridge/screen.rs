//! The second screen: from a request with a JPEG of the screen's size to the reply that it is shown, on an
//! X server whose outputs nobody sees, beside a program that decodes the same file and puts it there.

use std::fs;
use std::io::{BufRead, BufReader, Cursor};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_hardware::screen::{BOUNDS, frame};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use serde_json::json;
use tempfile::TempDir;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::xproto::{
    ConnectionExt as _, CreateGCAux, CreateWindowAux, ImageFormat, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::client::Transport;
use super::kernel::memory;
use super::process::Bridge;
use super::report::{Report, Row, Target};
use super::samples::{Pairs, range};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const GROUP: &str =
    "second screen: a JPEG of 1920x1080, beside a program that decodes it and puts it there";

/// Milliseconds from the request to the reply.
const SHOWN: Target = Target::Measured(60.0);

/// The screen.
const SIZE: (u16, u16) = (1920, 1080);

/// Two outputs of that size; the dummy driver knows no monitor's modes, so they are told.
const CONFIGURATION: &str = r#"
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoEnableDevices" "false"
  Option "AutoAddGPU" "false"
EndSection
Section "Device"
  Identifier "card"
  Driver "dummy"
  VideoRam 64000
EndSection
Section "Monitor"
  Identifier "monitor"
  HorizSync 5-1000
  VertRefresh 5-200
  Modeline "1920x1080" 172.80 1920 2040 2248 2576 1080 1081 1084 1118
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Modes "1920x1080"
    Virtual 4096 2160
  EndSubSection
EndSection
"#;

/// Measures all of it.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Outcome<()> {
    let server = Server::start()?;
    let file = picture()?;
    let request = json!({
        "action": "openSecondaryScreen",
        "taskId": "1",
        "params": { "secondaryScreenBase64": STANDARD.encode(&file) },
    })
    .to_string();
    let sections =
        format!("[session]\ndisplay = \"{}\"\n[second_screen]\ndriver = \"x11\"\n", server.display);
    let mut bridge = Bridge::with_screen(&sections)?;
    bridge.ready(&["second_screen"])?;
    let mut client = bridge.connect(Transport::Unix)?;
    let mut bare = Bare::connect(&server.display)?;
    let (mut pairs, mut decoded, mut put) = (Pairs::default(), Vec::new(), Vec::new());
    for round in 0..effort.rounds * 2 {
        let began = Instant::now();
        let reply = client.ask(&request)?;
        let shown = began.elapsed();
        if reply["success"] != true {
            return Err(format!("not shown: {reply}").into());
        }
        let (decoding, putting) = bare.show(&file)?;
        // The first is that of a program that has just been started.
        if round > 0 {
            pairs.push(milliseconds(shown), milliseconds(decoding + putting));
            decoded.push(milliseconds(decoding));
            put.push(milliseconds(putting));
        }
    }
    let row = Row::figure("request to shown", "ms", pairs.measured()).target(SHOWN);
    report.push(GROUP, row.note(format!("{} KB of JPEG", file.len() / 1024)));
    report.push(GROUP, Row::pairs("request to shown", "ms", &pairs));
    for (what, times) in [("the other program: decodes", decoded), ("puts", put)] {
        report.push(GROUP, Row::figure(what, "ms", range(times.into_iter()).median));
    }
    let fitted: Vec<f64> = (0..effort.rounds).map(|_| fitted(&file)).collect::<Outcome<_>>()?;
    let row =
        Row::figure("decoded and fitted, in this process", "ms", range(fitted.into_iter()).median);
    report.push(GROUP, row);
    let helper = memory(child_of(bridge.id())?)?;
    report.push(GROUP, Row::figure("RSS of the process that shows it", "KB", helper.resident));
    report.push(GROUP, Row::figure("RssAnon of it", "KB", helper.anonymous));
    report.push(GROUP, Row::figure("RSS of the bridge", "KB", memory(bridge.id())?.resident));
    Ok(())
}

/// What the helper's thread does with it.
fn fitted(file: &[u8]) -> Outcome<f64> {
    let size = (SIZE.0.into(), SIZE.1.into());
    let began = Instant::now();
    let frame = frame::fitted(file, BOUNDS, size, [0; 3])?;
    let taken = began.elapsed();
    if frame.width != size.0 { Err("another size".into()) } else { Ok(milliseconds(taken)) }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Colours that change slowly, with the noise of a camera.
fn picture() -> Outcome<Vec<u8>> {
    let mut noise = 1_u32;
    let picture = RgbImage::from_fn(SIZE.0.into(), SIZE.1.into(), |x, y| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (noise >> 28) as u8;
        Rgb([(x / 9) as u8 + grain, (y / 5) as u8 + grain, ((x + y) / 13) as u8 + grain])
    });
    let mut file = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut file, 85).encode_image(&picture)?;
    Ok(file.into_inner())
}

fn child_of(process: u32) -> Outcome<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    Ok(children.split_whitespace().next().ok_or("nobody shows it")?.parse()?)
}

/// An X server.
struct Server {
    child: Child,
    display: String,
    _folder: TempDir,
}

impl Server {
    fn start() -> Outcome<Self> {
        let folder = TempDir::new()?;
        let file = folder.path().join("x.conf");
        fs::write(&file, CONFIGURATION)?;
        let mut child = Command::new("Xorg")
            .args(["-displayfd", "1", "-config"])
            .arg(&file)
            .args(["-noreset", "-novtswitch", "-sharevts", "-nolisten", "tcp", "-logfile"])
            .arg(folder.path().join("x.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("Xorg: {error}; see scripts/setup.sh"))?;
        let mut number = String::new();
        // It says its number when it can be used.
        BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut number)?;
        let server = Self { child, display: format!(":{}", number.trim()), _folder: folder };
        server.xrandr(&["--addmode", "DUMMY1", "1920x1080"])?;
        server.xrandr(&["--output", "DUMMY0", "--mode", "1920x1080", "--pos", "0x0"])?;
        server.xrandr(&["--output", "DUMMY1", "--mode", "1920x1080", "--pos", "1920x0"])?;
        Ok(server)
    }

    fn xrandr(&self, arguments: &[&str]) -> Outcome<()> {
        let mut command = Command::new("xrandr");
        let output = command.args(["--display", &self.display]).args(arguments).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("xrandr: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The least that shows a picture: a window on the other output, and requests to fill it.
struct Bare {
    connection: RustConnection,
    window: u32,
    gc: u32,
}

impl Bare {
    fn connect(display: &str) -> Outcome<Self> {
        let (connection, screen) = RustConnection::connect(Some(display))?;
        let root = connection.setup().roots.get(screen).ok_or("no screen")?.root;
        let (window, gc) = (connection.generate_id()?, connection.generate_id()?);
        let (depth, class) = (x11rb::COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
        let (visual, attributes) =
            (x11rb::COPY_FROM_PARENT, CreateWindowAux::new().override_redirect(1));
        let (width, height) = SIZE;
        connection.create_window(
            depth,
            window,
            root,
            0,
            0,
            width,
            height,
            0,
            class,
            visual,
            &attributes,
        )?;
        connection.create_gc(gc, window, &CreateGCAux::new())?;
        connection.map_window(window)?;
        connection.sync()?;
        Ok(Self { connection, window, gc })
    }

    /// How long decoding takes, and putting it there.
    fn show(&mut self, file: &[u8]) -> Outcome<(Duration, Duration)> {
        let began = Instant::now();
        let picture = image::load_from_memory(file)?.into_rgb8();
        let decoded = began.elapsed();
        let pixels = picture.pixels().flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 0]);
        let pixels: Vec<u8> = pixels.collect();
        let row = usize::from(SIZE.0) * 4;
        let rows = (self.connection.maximum_request_bytes() - 64).min(4 << 20) / row;
        for (stripe, y) in pixels.chunks(row * rows).zip((0..).step_by(rows)) {
            let height = u16::try_from(stripe.len() / row)?;
            let (kind, y) = (ImageFormat::Z_PIXMAP, i16::try_from(y)?);
            self.connection.put_image(
                kind,
                self.window,
                self.gc,
                SIZE.0,
                height,
                0,
                y,
                0,
                24,
                stripe,
            )?;
        }
        self.connection.sync()?;
        Ok((decoded, began.elapsed() - decoded))
    }
}
