//! An output of an X server, by RandR 1.5.
//!
//! The picture is the background of one window at the output's place, so that the server draws it
//! whenever it has to, and nothing of it is kept here. The window is override-redirect: with a window
//! manager or without, it is where it was put and as large, gets no focus and no frame, and is never
//! moved to another screen when its own goes. It takes no keys and clicks, and hides the pointer. When
//! another window is put over it, it comes back to the front, at most once a second.
//!
//! RandR's events tell of outputs that come, go, or change; whatever was shown is taken away first, and
//! then it is looked where the output is now.

mod connect;
mod pixels;

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::Event;
use x11rb::protocol::randr::{self, ConnectionExt as _, NotifyMask, Output};
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _, CreateGCAux,
    CreateWindowAux, Cursor, EventMask, ImageFormat, PropMode, Rectangle, StackMode, Visibility,
    Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use self::pixels::Layout;
use super::choice::{self, Area, Candidate, choose};
use super::display::{Display, ListedOutput, Place, absent, failed};
use crate::device::Trouble;
use crate::screen::Settings;
use crate::screen::frame::Frame;

/// How often the window comes to the front: two programs that both want to be there flicker no more
/// than that.
const RAISE: Duration = Duration::from_secs(1);

/// The largest piece of a picture that is sent at once.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What `xprop` and window managers show.
const NAME: &[u8] = b"hharome second screen";

/// Instance and class, for rules of window managers and compositors.
const CLASS: &[u8] = b"hharome-screen\0hharome\0";

pub(super) struct X11 {
    connection: RustConnection,
    /// The display's name, for words.
    display: String,
    root: Window,
    depth: u8,
    layout: Layout,
    settings: Settings,
    /// Outputs that have been seen plugged in: of one that never was, its word is not believed, as
    /// old monitors and switches do not say that they are there.
    seen: BTreeSet<Output>,
    found: Result<Found, String>,
    /// One that shows nothing.
    cursor: Cursor,
    window: Option<Window>,
    /// When the window came to the front last, and when it has to again.
    raised: Option<Instant>,
    raise: Option<Instant>,
}

/// The output, and where it is.
#[derive(Clone, PartialEq, Eq)]
struct Found {
    name: String,
    area: Area,
}

impl X11 {
    /// Connects to the server of the environment, and looks for the output.
    pub(super) fn open(settings: &Settings) -> Result<Self, Trouble> {
        let (connection, screen, display) = connect::connect()?;
        let setup = connection.setup();
        let Some(screen) = setup.roots.get(screen) else {
            return Err(failed(format!("the X server {display} has no such screen")));
        };
        let (root, depth) = (screen.root, screen.root_depth);
        let layout = Layout::of(setup, screen).ok_or_else(|| {
            failed(format!("the X server {display} has a kind of pixels that is not known here"))
        })?;
        let mut x11 = Self {
            connection,
            display,
            root,
            depth,
            layout,
            settings: settings.clone(),
            seen: BTreeSet::new(),
            found: Err(String::new()),
            cursor: x11rb::NONE,
            window: None,
            raised: None,
            raise: None,
        };
        x11.begin().map_err(|wrong| x11.trouble(wrong))?;
        Ok(x11)
    }

    fn begin(&mut self) -> Result<(), Wrong> {
        let connection = &self.connection;
        let randr = connection.randr_query_version(1, 5)?.reply();
        let new = randr.is_ok_and(|v| (v.major_version, v.minor_version) >= (1, 5));
        if !new {
            return Err(Wrong::Lacks("RandR 1.5"));
        }
        let mask = NotifyMask::SCREEN_CHANGE
            | NotifyMask::CRTC_CHANGE
            | NotifyMask::OUTPUT_CHANGE
            | NotifyMask::RESOURCE_CHANGE;
        connection.randr_select_input(self.root, mask)?.check()?;
        self.cursor = self.hidden_cursor()?;
        self.found = self.look()?;
        Ok(())
    }

    /// A pointer of one pixel, which is not drawn.
    fn hidden_cursor(&self) -> Result<Cursor, Wrong> {
        let connection = &self.connection;
        let (pixmap, gc, cursor) =
            (connection.generate_id()?, connection.generate_id()?, connection.generate_id()?);
        connection.create_pixmap(1, pixmap, self.root, 1, 1)?;
        connection.create_gc(gc, pixmap, &CreateGCAux::new().foreground(0))?;
        let whole = Rectangle { x: 0, y: 0, width: 1, height: 1 };
        connection.poly_fill_rectangle(pixmap, gc, &[whole])?;
        connection.create_cursor(cursor, pixmap, pixmap, 0, 0, 0, 0, 0, 0, 0, 0)?.check()?;
        connection.free_gc(gc)?;
        connection.free_pixmap(pixmap)?;
        Ok(cursor)
    }

    /// Where the output is now, or why it is not there.
    fn look(&mut self) -> Result<Result<Found, String>, Wrong> {
        let candidates = candidates(&self.connection, self.root, &mut self.seen)?;
        let chosen = choose(&candidates, self.settings.output.as_deref());
        Ok(chosen.map(|chosen| Found { name: chosen.name.clone(), area: chosen.area }))
    }

    fn take_in(&mut self) -> Result<bool, Wrong> {
        let mut lost = false;
        // Events that come while an answer is waited for are taken off the connection with it: nobody
        // would be woken for them.
        while self.take_in_what_came(&mut lost)? {}
        Ok(lost)
    }

    /// Takes in the events that are there; whether anything was done, so that others may be there.
    fn take_in_what_came(&mut self, lost: &mut bool) -> Result<bool, Wrong> {
        let (mut outputs_changed, mut news) = (false, false);
        while let Some(event) = self.connection.poll_for_event()? {
            news = true;
            match event {
                Event::RandrNotify(_) | Event::RandrScreenChangeNotify(_) => outputs_changed = true,
                Event::VisibilityNotify(event) if Some(event.window) == self.window => {
                    self.raise = (event.state != Visibility::UNOBSCURED).then(|| {
                        let now = Instant::now();
                        self.raised.map_or(now, |raised| now.max(raised + RAISE))
                    });
                }
                Event::DestroyNotify(event) if Some(event.window) == self.window => {
                    (self.window, *lost) = (None, true);
                }
                Event::UnmapNotify(event) if Some(event.window) == self.window => *lost = true,
                _ => {}
            }
        }
        if outputs_changed {
            let found = self.look()?;
            *lost |= found != self.found;
            self.found = found;
        }
        if *lost {
            self.take_away()?;
        }
        if let (Some(window), true) =
            (self.window, self.raise.is_some_and(|raise| raise <= Instant::now()))
        {
            news = true;
            (self.raise, self.raised) = (None, Some(Instant::now()));
            let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
            self.connection.configure_window(window, &above)?;
        }
        self.connection.flush()?;
        Ok(news)
    }

    /// The window at the output, with the picture as its background.
    fn put(&mut self, frame: &Frame) -> Result<(), Wrong> {
        // Who shows a picture has just looked where; without an output there is nothing to do.
        let Ok(Found { area, .. }) = &self.found else { return Ok(()) };
        let (Ok(x), Ok(y)) = (i16::try_from(area.x), i16::try_from(area.y)) else { return Ok(()) };
        let (Ok(width), Ok(height)) = (u16::try_from(frame.width), u16::try_from(frame.height))
        else {
            return Ok(());
        };
        let connection = &self.connection;
        let pixmap = connection.generate_id()?;
        connection.create_pixmap(self.depth, pixmap, self.root, width, height)?.check()?;
        let gc = connection.generate_id()?;
        connection.create_gc(gc, pixmap, &CreateGCAux::new())?;
        let row = usize::from(width) * 3;
        let most = connection.maximum_request_bytes().saturating_sub(64).min(MOST_BYTES);
        let rows = (most / self.layout.stride(usize::from(width)).max(1)).max(1);
        let mut y_in_picture = 0;
        for stripe in frame.rgb.chunks(row * rows) {
            let lines = u16::try_from(stripe.len() / row).unwrap_or(u16::MAX);
            let data = self.layout.encode(stripe, usize::from(width));
            let kind = ImageFormat::Z_PIXMAP;
            let depth = self.depth;
            connection.put_image(
                kind,
                pixmap,
                gc,
                width,
                lines,
                0,
                y_in_picture,
                0,
                depth,
                &data,
            )?;
            y_in_picture = y_in_picture.saturating_add(i16::try_from(lines).unwrap_or(i16::MAX));
        }
        connection.free_gc(gc)?;
        if let Some(window) = self.window {
            let picture = ChangeWindowAttributesAux::new().background_pixmap(pixmap);
            connection.change_window_attributes(window, &picture)?;
            connection.clear_area(false, window, 0, 0, 0, 0)?;
        } else {
            let window = connection.generate_id()?;
            let deaf = EventMask::KEY_PRESS
                | EventMask::KEY_RELEASE
                | EventMask::BUTTON_PRESS
                | EventMask::BUTTON_RELEASE
                | EventMask::POINTER_MOTION;
            let attributes = CreateWindowAux::new()
                .override_redirect(1)
                .background_pixmap(pixmap)
                .cursor(self.cursor)
                .do_not_propogate_mask(deaf)
                .event_mask(EventMask::VISIBILITY_CHANGE | EventMask::STRUCTURE_NOTIFY);
            let (root, class) = (self.root, WindowClass::INPUT_OUTPUT);
            connection
                .create_window(
                    x11rb::COPY_DEPTH_FROM_PARENT,
                    window,
                    root,
                    x,
                    y,
                    width,
                    height,
                    0,
                    class,
                    x11rb::COPY_FROM_PARENT,
                    &attributes,
                )?
                .check()?;
            for (property, value) in [(AtomEnum::WM_NAME, NAME), (AtomEnum::WM_CLASS, CLASS)] {
                let (mode, string) = (PropMode::REPLACE, AtomEnum::STRING);
                connection.change_property8(mode, window, property, string, value)?;
            }
            connection.map_window(window)?;
            self.window = Some(window);
        }
        connection.free_pixmap(pixmap)?;
        // It has drawn all of it when it answers.
        connection.sync()?;
        Ok(())
    }

    fn take_away(&mut self) -> Result<(), Wrong> {
        if let Some(window) = self.window.take() {
            self.connection.destroy_window(window)?;
            self.connection.sync()?;
        }
        (self.raise, self.raised) = (None, None);
        Ok(())
    }

    fn trouble(&self, wrong: Wrong) -> Trouble {
        let display = &self.display;
        match wrong {
            Wrong::Gone(error) => absent(format!("the X server {display} is gone: {error}")),
            Wrong::Refused(words) => {
                failed(format!("the X server {display} does not do what it is asked: {words}"))
            }
            Wrong::Lacks(what) => failed(format!("the X server {display} has no {what}")),
        }
    }
}

/// The outputs that are switched on. Those that have ever been plugged in are in `seen`.
fn candidates(
    connection: &RustConnection,
    root: Window,
    seen: &mut BTreeSet<Output>,
) -> Result<Vec<Candidate>, Wrong> {
    let monitors = connection.randr_get_monitors(root, true)?.reply()?.monitors;
    let mut candidates = Vec::new();
    for monitor in monitors {
        let name = connection.get_atom_name(monitor.name)?.reply()?.name;
        let name = String::from_utf8_lossy(&name).into_owned();
        let (mut others, mut plugged_in) = (Vec::new(), monitor.outputs.is_empty());
        for output in monitor.outputs {
            // One that goes away just now is told of by an event.
            let Ok(info) = connection.randr_get_output_info(output, 0)?.reply() else {
                continue;
            };
            if info.connection == randr::Connection::CONNECTED {
                seen.insert(output);
            }
            let disconnected = info.connection == randr::Connection::DISCONNECTED;
            plugged_in |= !disconnected || !seen.contains(&output);
            let output = String::from_utf8_lossy(&info.name).into_owned();
            if output != name {
                others.push(output);
            }
        }
        candidates.push(Candidate {
            name,
            others,
            primary: monitor.primary,
            plugged_in,
            area: Area {
                x: monitor.x.into(),
                y: monitor.y.into(),
                width: monitor.width.into(),
                height: monitor.height.into(),
            },
        });
    }
    Ok(candidates)
}

/// The outputs of the environment's X server that are switched on. Blocks for as long as the server
/// does.
pub(super) fn outputs() -> Result<Vec<ListedOutput>, String> {
    let (connection, screen, display) = connect::connect().map_err(|error| error.to_string())?;
    let strange = |_| format!("the X server {display} does not tell of its outputs");
    let root = connection.setup().roots.get(screen).map(|screen| screen.root);
    let root = root.ok_or_else(|| format!("the X server {display} has no such screen"))?;
    let candidates = candidates(&connection, root, &mut BTreeSet::new()).map_err(strange)?;
    let operators = choice::operators(&candidates);
    let listed = |one: &Candidate| ListedOutput {
        name: one.name.clone(),
        width: one.area.width,
        height: one.area.height,
        for_customers: operators != Some(one) && choose(&candidates, Some(&one.name)).is_ok(),
    };
    Ok(candidates.iter().map(listed).collect())
}

impl Display for X11 {
    fn fd(&self) -> BorrowedFd<'_> {
        self.connection.stream().as_fd()
    }

    fn wake(&self) -> Option<Duration> {
        self.raise.map(|raise| raise.saturating_duration_since(Instant::now()))
    }

    fn attend(&mut self) -> Result<bool, Trouble> {
        self.take_in().map_err(|wrong| self.trouble(wrong))
    }

    fn place(&self) -> Result<Place, String> {
        let Found { name, area } = self.found.clone()?;
        Ok(Place { name, width: area.width, height: area.height })
    }

    fn show(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.put(frame).map_err(|wrong| self.trouble(wrong))
    }

    fn close(&mut self) -> Result<(), Trouble> {
        self.take_away().map_err(|wrong| self.trouble(wrong))
    }
}

/// Why the server cannot be used.
enum Wrong {
    /// The connection has ended.
    Gone(ConnectionError),
    /// A request was refused, with the server's words.
    Refused(String),
    /// It is too old, or was built without something.
    Lacks(&'static str),
}

impl From<ConnectionError> for Wrong {
    fn from(error: ConnectionError) -> Self {
        Self::Gone(error)
    }
}

impl From<ReplyError> for Wrong {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => Self::Gone(error),
            ReplyError::X11Error(error) => Self::Refused(format!("{:?}", error.error_kind)),
        }
    }
}

impl From<ReplyOrIdError> for Wrong {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::ConnectionError(error) => Self::Gone(error),
            ReplyOrIdError::X11Error(error) => Self::Refused(format!("{:?}", error.error_kind)),
            ReplyOrIdError::IdsExhausted => Self::Refused("no numbers are left".to_owned()),
        }
    }
}
