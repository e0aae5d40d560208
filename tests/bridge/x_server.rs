//! An X server of a test's own: Xorg with the dummy driver, whose outputs are plugged in and out by
//! `xrandr`, and a client that looks at what is on the screen. Dropping it kills the server.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use x11rb::connection::Connection;
use x11rb::properties::{WmSizeHints, WmSizeHintsSpecification};
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt as _, CreateWindowAux, ImageFormat, InputFocus, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;

use super::fixture::{finish, soon};

/// The operator's output, and its size.
pub(crate) const OPERATORS: (&str, u16, u16) = ("DUMMY0", 1280, 720);

/// The customer's output, and its size.
pub(crate) const CUSTOMERS: (&str, u16, u16) = ("DUMMY1", 640, 480);

/// The dummy driver knows no monitor's modes, so they are told.
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
  Modeline "1280x720" 74.50 1280 1344 1472 1664 720 723 728 748
  Modeline "640x480" 23.75 640 664 720 800 480 483 487 500
EndSection
Section "Screen"
  Identifier "screen"
  Device "card"
  Monitor "monitor"
  DefaultDepth 24
  SubSection "Display"
    Depth 24
    Modes "1280x720" "640x480"
    Virtual 4096 2160
  EndSubSection
EndSection
"#;

/// A running server.
pub(crate) struct XServer {
    folder: TempDir,
    server: Option<Child>,
    /// What runs on it besides.
    programs: Vec<Child>,
    display: String,
}

impl XServer {
    /// A server with the operator's output only.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("x.conf"), CONFIGURATION).expect("the folder is ours");
        let mut server =
            Self { folder, server: None, programs: Vec::new(), display: String::new() };
        server.run(&[]).await;
        server
    }

    /// A server with both outputs, side by side.
    pub(crate) async fn with_two_outputs() -> Self {
        let server = Self::start().await;
        server.plug_in().await;
        server
    }

    /// Starts it, with further arguments; again, after it was killed, with the same number.
    pub(crate) async fn run(&mut self, arguments: &[&str]) {
        let number = self.display.clone();
        let mut command = Command::new("Xorg");
        if !number.is_empty() {
            command.arg(number);
        }
        let mut server = command
            // It says its number when it can be used.
            .args(["-displayfd", "1", "-config"])
            .arg(self.folder.path().join("x.conf"))
            .args(["-noreset", "-novtswitch", "-sharevts", "-nolisten", "tcp", "-logfile"])
            .arg(self.folder.path().join("x.log"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Xorg: see `make test`");
        let mut said = BufReader::new(server.stdout.take().expect("it is piped")).lines();
        let number = soon("Xorg is there", said.next_line()).await.expect("a line");
        self.display = format!(":{}", number.expect("it says its number").trim());
        self.server = Some(server);
    }

    /// Kills it where it stands.
    pub(crate) async fn kill(&mut self) {
        let mut server = self.server.take().expect("it runs");
        soon("it is killed", server.kill()).await.expect("it was ours");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.server.as_ref().and_then(Child::id).and_then(|pid| pid.try_into().ok());
        let pid = pid.and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, signal).expect("it was ours");
    }

    /// Its display, as programs name it.
    pub(crate) fn display(&self) -> &str {
        &self.display
    }

    /// The daemon's sections to use it, with further lines of `[second_screen]`.
    pub(crate) fn sections(&self, lines: &str) -> String {
        let display = self.display();
        format!("[session]\ndisplay = \"{display}\"\n[second_screen]\ndriver = \"x11\"\n{lines}\n")
    }

    /// Sets its outputs.
    pub(crate) async fn xrandr(&self, arguments: &[&str]) {
        let mut command = Command::new("xrandr");
        command.args(["--display", self.display()]).args(arguments);
        let (code, _, words) = finish(&mut command).await;
        assert_eq!(code, 0, "xrandr: {words}");
    }

    /// The customer's output is plugged in, to the right of the operator's.
    pub(crate) async fn plug_in(&self) {
        // Each output of the dummy driver has to be told once which modes it has; what it knows
        // already is no mistake.
        let mut command = Command::new("xrandr");
        command.args(["--display", self.display(), "--addmode", CUSTOMERS.0, "640x480"]);
        finish(&mut command).await;
        let (operators, customers) = (OPERATORS.0, CUSTOMERS.0);
        self.xrandr(&["--output", operators, "--mode", "1280x720", "--pos", "0x0"]).await;
        let place = ["--mode", "640x480", "--pos", "1280x0"];
        self.xrandr(&[&["--output", customers][..], &place].concat()).await;
    }

    /// The same, pulled out.
    pub(crate) async fn pull_out(&self) {
        self.xrandr(&["--output", CUSTOMERS.0, "--off"]).await;
    }

    /// Runs a window manager on it until the end.
    pub(crate) async fn manage_windows(&mut self, program: &str) {
        let child = Command::new(program)
            .env("DISPLAY", self.display())
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.programs.push(child.unwrap_or_else(|_| panic!("{program}: see `make test`")));
        let client = self.client();
        let manages = async {
            while !client.has_window_manager() {
                tokio::task::yield_now().await;
            }
        };
        soon("the window manager manages", manages).await;
    }

    /// A client of it.
    pub(crate) fn client(&self) -> XClient {
        let (connection, screen) =
            RustConnection::connect(Some(self.display())).expect("the server is there");
        let root = connection.setup().roots.get(screen).expect("its screen").root;
        XClient { connection, root }
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A client that looks at the screen.
pub(crate) struct XClient {
    pub(crate) connection: RustConnection,
    pub(crate) root: Window,
}

impl XClient {
    /// The colour of one point of the desktop: red, green, blue.
    pub(crate) fn at(&self, x: i16, y: i16) -> [u8; 3] {
        self.area((x, y), (1, 1)).into_iter().next().expect("a pixel")
    }

    /// The colours of an area of the desktop, by rows.
    pub(crate) fn area(&self, (x, y): (i16, i16), (width, height): (u16, u16)) -> Vec<[u8; 3]> {
        let image = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, self.root, x, y, width, height, u32::MAX)
            .expect("the server is there")
            .reply()
            .expect("the area is on the screen");
        let pixels = image.data.chunks_exact(4);
        pixels.map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect()
    }

    /// The colours of the whole customer's screen.
    pub(crate) fn customers(&self) -> Vec<[u8; 3]> {
        let (_, width, height) = CUSTOMERS;
        self.area((i16::try_from(OPERATORS.1).expect("small"), 0), (width, height))
    }

    /// The colours of the whole operator's screen.
    pub(crate) fn operators(&self) -> Vec<[u8; 3]> {
        let (_, width, height) = OPERATORS;
        self.area((0, 0), (width, height))
    }

    /// A window of a colour, mapped and with the focus where a window manager lets it.
    pub(crate) fn window(&self, x: i16, width: u16, override_redirect: bool, pixel: u32) -> Window {
        let window = self.connection.generate_id().expect("a number");
        let attributes = CreateWindowAux::new()
            .background_pixel(pixel)
            .override_redirect(u32::from(override_redirect));
        self.connection
            .create_window(
                x11rb::COPY_DEPTH_FROM_PARENT,
                window,
                self.root,
                x,
                0,
                width,
                200,
                0,
                WindowClass::INPUT_OUTPUT,
                x11rb::COPY_FROM_PARENT,
                &attributes,
            )
            .expect("the server is there");
        // Window managers leave a window where its user wants it.
        let place = (WmSizeHintsSpecification::UserSpecified, x.into(), 0);
        let hints = WmSizeHints { position: Some(place), ..WmSizeHints::default() };
        hints.set_normal_hints(&self.connection, window).expect("the server is there");
        self.connection.map_window(window).expect("the server is there");
        self.connection.flush().expect("the server is there");
        window
    }

    /// Whether a window manager is there, and ready: it lists what it manages, none at first (Extended
    /// Window Manager Hints, chapter 3). That there is one it says earlier.
    fn has_window_manager(&self) -> bool {
        self.managed().is_some()
    }

    /// Whether it manages this window.
    pub(crate) fn is_managed(&self, window: Window) -> bool {
        self.managed().is_some_and(|windows| windows.contains(&window))
    }

    /// The windows that a window manager says it manages.
    fn managed(&self) -> Option<Vec<Window>> {
        let connection = &self.connection;
        let name = connection.intern_atom(false, b"_NET_CLIENT_LIST");
        let name = name.expect("the server is there").reply().expect("an atom").atom;
        let told = connection.get_property(false, self.root, name, AtomEnum::WINDOW, 0, 64);
        let told = told.expect("the server is there").reply().expect("an answer");
        told.value32().map(Iterator::collect)
    }

    /// Which window has the focus.
    pub(crate) fn focus(&self) -> Window {
        let focus = self.connection.get_input_focus().expect("the server is there");
        focus.reply().expect("an answer").focus
    }

    /// Gives a window the focus.
    pub(crate) fn give_focus(&self, window: Window) {
        let time = x11rb::CURRENT_TIME;
        let given = self.connection.set_input_focus(InputFocus::PARENT, window, time);
        given.expect("the server is there").check().expect("the window is seen");
    }
}
