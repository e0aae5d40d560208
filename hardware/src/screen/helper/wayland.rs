//! An output of a Wayland compositor, by its layer shell.
//!
//! The picture is one surface of the topmost layer, bound to its output: no window is over it, it has
//! no place among windows, takes no keys, and swallows clicks. It has as many pixels as the output,
//! whatever the output's scale. The compositor closes it with its output; should it show it on another
//! instead, it is taken away at once. Nothing is put on an output before the compositor has said, after
//! it was named, that it is still there: one that went a moment earlier stands for any other.
//!
//! Wayland knows no primary output. Without a name the operator's is the leftmost, and once both were
//! there it is the one of that name.

mod connect;
mod link;
mod outputs;
mod picture;
mod state;

use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use self::connect::Session;
use self::link::{ANSWER, Link, Wrong};
use self::outputs::{Picturable, in_order};
use self::picture::{Picture, let_go};
use self::state::State;
use super::choice::{self, Candidate, choose};
use super::display::{Display, ListedOutput, Place, absent, failed};
use crate::device::Trouble;
use crate::screen::Settings;
use crate::screen::frame::Frame;

/// How long a compositor may take to draw a picture. One whose output sleeps draws nothing until that
/// wakes, and has the picture all the same.
const DRAWN: Duration = Duration::from_secs(1);

/// After how long a picture is put back that the compositor has closed while its output stayed: one
/// that closes it each time is not put under load.
const REST: Duration = Duration::from_secs(1);

pub(super) struct Wayland {
    link: Link,
    /// The compositor's name, for words.
    name: String,
    settings: Settings,
    /// The operator's output, by its name, once another was there beside it.
    operators: Option<String>,
    found: Result<Picturable, String>,
    picture: Option<Picture>,
    /// The number of the last picture.
    number: u32,
    /// Since the compositor has closed the picture, until it is put back.
    rest: Option<Instant>,
}

impl Wayland {
    /// Connects to the compositor of the environment, and looks for the output.
    pub(super) fn open(settings: &Settings) -> Result<Self, Trouble> {
        let (stream, name) = Session::of_environment().connect()?;
        Self::on(stream, name, settings)
    }

    fn on(stream: UnixStream, name: String, settings: &Settings) -> Result<Self, Trouble> {
        let link = greet(stream).map_err(|wrong| trouble(&name, wrong))?;
        let mut wayland = Self {
            link,
            name,
            settings: settings.clone(),
            operators: None,
            found: Err(String::new()),
            picture: None,
            number: 0,
            rest: None,
        };
        wayland.found = wayland.look();
        Ok(wayland)
    }

    /// Where the output is now, or why it is not there.
    fn look(&mut self) -> Result<Picturable, String> {
        self.link.state.outputs_changed = false;
        let all = in_order(self.link.state.picturable(), self.operators.as_deref());
        let candidates: Vec<Candidate> = all.iter().map(|one| one.candidate.clone()).collect();
        let chosen = choose(&candidates, self.settings.output.as_deref())?;
        if let Some(operators) = choice::operators(&candidates).filter(|one| *one != chosen) {
            self.operators = Some(operators.name.clone());
        }
        let found = all.iter().find(|one| one.candidate == *chosen).cloned();
        found.ok_or_else(|| format!("output {} is gone", chosen.name))
    }

    fn take_in(&mut self) -> Result<bool, Wrong> {
        let mut lost = false;
        // Taking a picture away takes in what comes meanwhile: nobody would be woken for that.
        loop {
            lost |= self.take_in_what_came()?;
            if !self.link.state.outputs_changed {
                return Ok(lost);
            }
        }
    }

    fn take_in_what_came(&mut self) -> Result<bool, Wrong> {
        self.link.take_in()?;
        let mut lost = self.is_resized();
        if let Some(output) = self.astray() {
            lost = true;
            // Compositors close it first, and say then that the output is gone if it is.
            self.take_away()?;
            if self.link.state.output(output).is_some() {
                self.rest = Some(Instant::now() + REST);
            }
        }
        let rested = self.rest.take_if(|rest| *rest <= Instant::now()).is_some();
        if lost || rested || self.link.state.outputs_changed {
            let mut found = self.look();
            if let (Ok(place), Some(_)) = (&found, self.rest) {
                let name = &place.candidate.name;
                found = Err(format!("the compositor does not keep the picture on output {name}"));
            }
            lost |= found != self.found;
            if lost {
                self.take_away()?;
            }
            self.found = found;
        }
        self.link.flush()?;
        Ok(lost)
    }

    /// The output of the picture, if it is not there: closed, or on another.
    fn astray(&self) -> Option<u32> {
        let output = self.picture.as_ref()?.output;
        let state = &self.link.state;
        (state.surface.closed || is_elsewhere(state, output)).then_some(output)
    }

    /// Whether the compositor wants the picture of another size.
    fn is_resized(&self) -> bool {
        let size = self.picture.as_ref().and_then(|picture| picture.size);
        let other = |(size, wanted)| !is_free(wanted) && size != wanted;
        size.zip(self.link.state.surface.size).is_some_and(other)
    }

    /// The picture on the output.
    fn put(&mut self, frame: &Frame) -> Result<(), Wrong> {
        // Who shows a picture has just looked where; without an output there is nothing to do.
        let Ok(place) = self.found.clone() else { return Ok(()) };
        let (handle, output) = (self.link.handle(), place.global);
        if self.picture.is_none() {
            self.picture = Picture::new(&mut self.link.state, &handle, &place);
        }
        let answered = |state: &State| state.surface.size.is_some() || is_void(state, output);
        if !self.link.wait(ANSWER, answered)? {
            return Err(Wrong::Late);
        }
        let state = &self.link.state;
        let (Some(picture), Some(wanted), false) =
            (&mut self.picture, state.surface.size, is_void(state, output))
        else {
            // Whoever shows a picture looks next what has become of it.
            return Ok(());
        };
        self.number = self.number.wrapping_add(1);
        let (number, area) = (self.number, place.candidate.area);
        let size = if is_free(wanted) { (area.width, area.height) } else { wanted };
        let last = picture.draw(state, &handle, frame, number, size)?;
        let drawn = |state: &State| {
            state.surface.drawn == number || is_void(state, output) || is_elsewhere(state, output)
        };
        if !self.link.wait(DRAWN, drawn)? {
            self.link.sync()?;
        }
        let_go(last);
        Ok(())
    }

    fn take_away(&mut self) -> Result<(), Wrong> {
        if let Some(picture) = self.picture.take() {
            picture.destroy();
            self.link.sync()?;
        }
        Ok(())
    }
}

/// Whether the output has gone, or the compositor does not want the surface there.
fn is_void(state: &State, output: u32) -> bool {
    state.surface.closed || state.output(output).is_none()
}

/// Whether the surface is seen on another output than its own.
fn is_elsewhere(state: &State, output: u32) -> bool {
    state.surface.seen_on.iter().any(|seen| *seen != output)
}

/// Whether a compositor leaves the size to us.
fn is_free((width, height): (u32, u32)) -> bool {
    width == 0 || height == 0
}

/// A connection to a compositor that has all that a picture needs.
fn greet(stream: UnixStream) -> Result<Link, Wrong> {
    let link = Link::new(stream)?;
    if link.state.layer_shell.is_none() {
        return Err(Wrong::Lacks(
            "layer shell (zwlr_layer_shell_v1), as that of GNOME: without it no program may say where a \
             picture is shown. Use one that has it, such as sway, labwc or KDE's, or a session of X with \
             the driver x11"
                .to_owned(),
        ));
    }
    if link.state.compositor.is_none() || link.state.shm.is_none() {
        return Err(Wrong::Lacks("wl_compositor or wl_shm".to_owned()));
    }
    Ok(link)
}

fn trouble(name: &str, wrong: Wrong) -> Trouble {
    match wrong {
        Wrong::Gone(error) => absent(format!("the Wayland compositor at {name} is gone: {error}")),
        Wrong::Refused(words) => failed(format!(
            "the Wayland compositor at {name} does not do what it is asked: {words}"
        )),
        Wrong::Late => failed(format!("the Wayland compositor at {name} does not answer")),
        Wrong::Lacks(what) => failed(format!("the Wayland compositor at {name} has no {what}")),
    }
}

/// The outputs of the environment's compositor. Blocks for as long as that does.
pub(super) fn outputs() -> Result<Vec<ListedOutput>, String> {
    let (stream, name) =
        Session::of_environment().connect().map_err(|trouble| trouble.to_string())?;
    let link = greet(stream).map_err(|wrong| trouble(&name, wrong).to_string())?;
    let all = in_order(link.state.picturable(), None);
    let candidates: Vec<Candidate> = all.iter().map(|one| one.candidate.clone()).collect();
    let operators = choice::operators(&candidates);
    let listed = |one: &Picturable| ListedOutput {
        name: one.candidate.name.clone(),
        width: one.pixels.0,
        height: one.pixels.1,
        for_customers: operators != Some(&one.candidate)
            && choose(&candidates, Some(&one.candidate.name)).is_ok(),
    };
    Ok(all.iter().map(listed).collect())
}

impl Display for Wayland {
    fn fd(&self) -> BorrowedFd<'_> {
        self.link.fd()
    }

    fn wake(&self) -> Option<Duration> {
        self.rest.map(|rest| rest.saturating_duration_since(Instant::now()))
    }

    fn attend(&mut self) -> Result<bool, Trouble> {
        self.take_in().map_err(|wrong| trouble(&self.name, wrong))
    }

    fn place(&self) -> Result<Place, String> {
        let Picturable { candidate, pixels: (width, height), .. } = self.found.clone()?;
        Ok(Place { name: candidate.name, width, height })
    }

    fn show(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.put(frame).map_err(|wrong| trouble(&self.name, wrong))
    }

    fn close(&mut self) -> Result<(), Trouble> {
        self.take_away().map_err(|wrong| trouble(&self.name, wrong))
    }
}

#[cfg(test)]
mod tests;
