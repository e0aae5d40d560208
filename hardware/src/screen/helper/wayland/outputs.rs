//! The outputs of a compositor, as it tells of them piece by piece: a piece counts when all that
//! belongs to it has come.

use wayland_client::WEnum;
use wayland_client::protocol::wl_output::{self, Transform, WlOutput};
use wayland_protocols::xdg::xdg_output::zv1::client::zxdg_output_v1::{self, ZxdgOutputV1};

use crate::screen::helper::choice::{Area, Candidate};

/// An output that the compositor has.
pub(super) struct Output {
    /// The number of the compositor's word for it.
    pub(super) global: u32,
    pub(super) proxy: WlOutput,
    /// Where on the desktop it is; compositors that have this say it more exactly than `proxy`.
    pub(super) logical: Option<ZxdgOutputV1>,
    /// What is known, if all of it is.
    now: Option<Facts>,
    /// What has come since.
    next: Facts,
}

#[derive(Clone, Default)]
struct Facts {
    name: Option<String>,
    position: (i32, i32),
    /// Pixels, as the monitor stands on its feet.
    mode: Option<(i32, i32)>,
    scale: Option<i32>,
    /// It stands on its side.
    turned: bool,
    logical_position: Option<(i32, i32)>,
    logical_size: Option<(i32, i32)>,
}

/// What an output is for pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picturable {
    pub(super) global: u32,
    pub(super) candidate: Candidate,
    /// The pixels of a picture that fills it, from left to right and from top to bottom, as a person
    /// before it sees them.
    pub(super) pixels: (u32, u32),
    /// How many of them, in each direction, the compositor is told to take for one of the desktop's.
    pub(super) scale: i32,
}

impl Output {
    pub(super) fn new(global: u32, proxy: WlOutput) -> Self {
        Self { global, proxy, logical: None, now: None, next: Facts::default() }
    }

    /// Takes in a piece; `true`: something counts now that did not.
    pub(super) fn said(&mut self, event: wl_output::Event) -> bool {
        match event {
            wl_output::Event::Geometry { x, y, transform, .. } => {
                self.next.position = (x, y);
                self.next.turned = is_turned(transform);
            }
            wl_output::Event::Mode { flags: WEnum::Value(flags), width, height, .. }
                if flags.contains(wl_output::Mode::Current) =>
            {
                self.next.mode = Some((width, height));
            }
            wl_output::Event::Scale { factor } => self.next.scale = Some(factor),
            wl_output::Event::Name { name } => self.next.name = Some(name),
            wl_output::Event::Done => return self.done(),
            _ => {}
        }
        false
    }

    /// The same, of its place on the desktop.
    pub(super) fn said_logical(&mut self, event: zxdg_output_v1::Event) -> bool {
        match event {
            zxdg_output_v1::Event::LogicalPosition { x, y } => {
                self.next.logical_position = Some((x, y));
            }
            zxdg_output_v1::Event::LogicalSize { width, height } => {
                self.next.logical_size = Some((width, height));
            }
            zxdg_output_v1::Event::Name { name } => self.next.name = Some(name),
            zxdg_output_v1::Event::Done => return self.done(),
            _ => {}
        }
        false
    }

    fn done(&mut self) -> bool {
        let whole = self.logical.is_none() || self.next.logical_size.is_some();
        if whole {
            self.now = Some(self.next.clone());
        }
        whole
    }

    /// What is known of it. `every_pixel`: the compositor takes a picture of as many pixels as the
    /// monitor has, however large the desktop is there.
    pub(super) fn picturable(&self, every_pixel: bool) -> Option<Picturable> {
        self.now.as_ref()?.picturable(self.global, every_pixel)
    }
}

impl Facts {
    fn picturable(&self, global: u32, every_pixel: bool) -> Option<Picturable> {
        let scale = self.scale.unwrap_or(1).max(1);
        let seen = self.mode.map(|(x, y)| if self.turned { (y, x) } else { (x, y) });
        let (width, height) =
            self.logical_size.or_else(|| seen.map(|(x, y)| (x / scale, y / scale)))?;
        let (x, y) = self.logical_position.unwrap_or(self.position);
        let pixels = match seen {
            Some(pixels) if every_pixel => pixels,
            _ => (width.checked_mul(scale)?, height.checked_mul(scale)?),
        };
        let size = |(x, y): (i32, i32)| Some((u32::try_from(x).ok()?, u32::try_from(y).ok()?));
        let (width, height) = size((width, height))?;
        let pixels = size(pixels)?;
        if width == 0 || height == 0 || pixels.0 == 0 || pixels.1 == 0 {
            return None;
        }
        let candidate = Candidate {
            name: self.name.clone().unwrap_or_else(|| format!("output {global}")),
            others: Vec::new(),
            // Wayland has no word for it.
            primary: false,
            plugged_in: true,
            area: Area { x, y, width, height },
        };
        Some(Picturable { global, candidate, pixels, scale })
    }
}

fn is_turned(transform: WEnum<Transform>) -> bool {
    matches!(
        transform,
        WEnum::Value(
            Transform::_90 | Transform::_270 | Transform::Flipped90 | Transform::Flipped270
        )
    )
}

/// In the order of the desktop, from the left and the top, with the operator's marked if its name is
/// known. Compositors tell of outputs in the order in which they were plugged in, which says nothing of
/// whose they are.
pub(super) fn in_order(mut all: Vec<Picturable>, operators: Option<&str>) -> Vec<Picturable> {
    all.sort_by_key(|one| (one.candidate.area.x, one.candidate.area.y, one.global));
    for one in &mut all {
        one.candidate.primary = Some(one.candidate.name.as_str()) == operators;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            name: Some("HDMI-A-1".to_owned()),
            position: (5, 6),
            mode: Some((1920, 1080)),
            scale: Some(2),
            turned: false,
            logical_position: Some((1280, 0)),
            logical_size: Some((1280, 720)),
        }
    }

    #[test]
    fn a_picture_has_the_pixels_of_the_monitor_however_large_the_desktop_is_there() {
        let whole = facts().picturable(7, true).unwrap();
        assert_eq!(whole.pixels, (1920, 1080));
        assert_eq!(whole.candidate.area, Area { x: 1280, y: 0, width: 1280, height: 720 });
        assert_eq!((whole.candidate.name.as_str(), whole.global), ("HDMI-A-1", 7));
        // A compositor that only knows whole scales shrinks what is drawn for the next larger one.
        assert_eq!(facts().picturable(7, false).unwrap().pixels, (2560, 1440));
    }

    #[test]
    fn a_monitor_on_its_side_is_higher_than_wide() {
        let turned = Facts { turned: true, logical_size: Some((720, 1280)), ..facts() };
        assert_eq!(turned.picturable(1, true).unwrap().pixels, (1080, 1920));
        let alone = Facts { logical_size: None, logical_position: None, ..turned };
        let alone = alone.picturable(1, true).unwrap();
        assert_eq!(alone.candidate.area, Area { x: 5, y: 6, width: 540, height: 960 });
    }

    #[test]
    fn what_is_not_known_or_nothing_is_no_output() {
        let unknown = Facts { mode: None, logical_size: None, ..facts() };
        assert_eq!(unknown.picturable(1, true), None);
        assert_eq!(Facts { mode: Some((0, 0)), ..facts() }.picturable(1, true), None);
        assert_eq!(Facts { logical_size: Some((-1, 9)), ..facts() }.picturable(1, true), None);
        // An output without a monitor, such as a remote one.
        let virtual_one = Facts { mode: None, ..facts() };
        assert_eq!(virtual_one.picturable(1, true).unwrap().pixels, (2560, 1440));
    }

    #[test]
    fn outputs_stand_in_the_order_of_the_desktop_and_the_operators_is_remembered_by_name() {
        let at = |name: &str, x, global| Picturable {
            global,
            candidate: Candidate {
                name: name.to_owned(),
                others: Vec::new(),
                primary: false,
                plugged_in: true,
                area: Area { x, y: 0, width: 9, height: 9 },
            },
            pixels: (9, 9),
            scale: 1,
        };
        let names = |operators| {
            let all = in_order(vec![at("B", 9, 1), at("A", 0, 2), at("C", 18, 0)], operators);
            let name = |one: &Picturable| (one.candidate.name.clone(), one.candidate.primary);
            all.iter().map(name).collect::<Vec<_>>()
        };
        let expected =
            |primary: &str| ["A", "B", "C"].map(|name| (name.to_owned(), name == primary));
        assert_eq!(names(None), expected("none"));
        assert_eq!(names(Some("B")), expected("B"));
    }
}
