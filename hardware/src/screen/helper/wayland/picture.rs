//! A picture on an output: a layer surface that fills it, above everything else and deaf to the
//! keyboard, and the memory that the compositor takes the pixels from.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::protocol::wl_shm::{Format, WlShm};
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Proxy, QueueHandle};
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_shell_v1::Layer;
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_surface_v1::{
    Anchor, KeyboardInteractivity, ZwlrLayerSurfaceV1,
};

use super::link::Wrong;
use super::outputs::Picturable;
use super::state::{Callback, State, Surface};
use crate::screen::frame::Frame;

/// What compositors and their rules call it.
const NAMESPACE: &str = "hharome-second-screen";

/// A surface that is on an output, or on its way there.
pub(super) struct Picture {
    /// The output, by its number.
    pub(super) output: u32,
    scale: i32,
    surface: WlSurface,
    layer: ZwlrLayerSurfaceV1,
    viewport: Option<WpViewport>,
    buffer: Option<WlBuffer>,
    /// How large it is, in the desktop's measure, since it has a picture.
    pub(super) size: Option<(u32, u32)>,
}

impl Picture {
    /// A surface that waits for the compositor's word; nothing of it is seen. `None` if the output is
    /// gone.
    pub(super) fn new(
        state: &mut State,
        handle: &QueueHandle<State>,
        place: &Picturable,
    ) -> Option<Self> {
        let number = state.surface.number.wrapping_add(1);
        let drawn = state.surface.drawn;
        state.surface = Surface { number, drawn, ..Surface::default() };
        let output = state.output(place.global)?;
        let surface = state.compositor.as_ref()?.create_surface(handle, number);
        let layer = state.layer_shell.as_ref()?.get_layer_surface(
            &surface,
            Some(&output.proxy),
            Layer::Overlay,
            NAMESPACE.to_owned(),
            handle,
            number,
        );
        layer.set_anchor(Anchor::Top | Anchor::Bottom | Anchor::Left | Anchor::Right);
        // Panels take nothing from it.
        layer.set_exclusive_zone(-1);
        layer.set_keyboard_interactivity(KeyboardInteractivity::None);
        let viewport = state.viewporter.as_ref().map(|all| all.get_viewport(&surface, handle, ()));
        surface.commit();
        Some(Self {
            output: place.global,
            scale: place.scale,
            surface,
            layer,
            viewport,
            buffer: None,
            size: None,
        })
    }

    /// Gives the compositor a picture to draw, which has `number`, at this size of the desktop's. The
    /// buffer of the last one comes back.
    pub(super) fn draw(
        &mut self,
        state: &State,
        handle: &QueueHandle<State>,
        frame: &Frame,
        number: u32,
        size: (u32, u32),
    ) -> Result<Option<WlBuffer>, Wrong> {
        let Some(shm) = &state.shm else { return Ok(None) };
        let no_memory =
            |error| Wrong::Refused(format!("there is no memory for a picture: {error}"));
        let buffer = buffer(shm, handle, frame).map_err(no_memory)?;
        self.surface.attach(Some(&buffer), 0, 0);
        self.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        let side = |length| i32::try_from(length).unwrap_or(i32::MAX);
        if let Some(viewport) = &self.viewport {
            viewport.set_destination(side(size.0), side(size.1));
        } else {
            self.surface.set_buffer_scale(self.scale);
        }
        self.surface.frame(handle, Callback::Drawn(number));
        self.surface.commit();
        self.size = Some(size);
        Ok(self.buffer.replace(buffer))
    }

    /// Takes it away.
    pub(super) fn destroy(self) {
        if let Some(viewport) = self.viewport {
            viewport.destroy();
        }
        self.layer.destroy();
        self.surface.destroy();
        let_go(self.buffer);
    }
}

/// Ends a buffer that the compositor may still have.
pub(super) fn let_go(buffer: Option<WlBuffer>) {
    if let Some(buffer) = buffer.filter(WlBuffer::is_alive) {
        buffer.destroy();
    }
}

/// Memory with the picture in it, which both sides have.
fn buffer(shm: &WlShm, handle: &QueueHandle<State>, frame: &Frame) -> io::Result<WlBuffer> {
    let too_large = |_| io::Error::other("it is too large");
    let side = |length: u32| i32::try_from(length).map_err(too_large);
    let (width, height) = (side(frame.width)?, side(frame.height)?);
    let stride = width.checked_mul(4);
    let size = stride.and_then(|stride| stride.checked_mul(height));
    let (Some(stride), Some(size)) = (stride, size) else {
        return Err(io::Error::other("it is too large"));
    };
    let file = memory(&frame.rgb)?;
    let pool = shm.create_pool(file.as_fd(), size, handle, ());
    let buffer = pool.create_buffer(0, width, height, stride, Format::Xrgb8888, handle, ());
    pool.destroy();
    Ok(buffer)
}

/// Pixels as 32 bits each, the lowest first: blue, green, red, nothing.
fn memory(rgb: &[u8]) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file =
        BufWriter::with_capacity(256 * 1024, File::from(memfd_create("picture", flags)?));
    let (pixels, _) = rgb.as_chunks::<3>();
    for [red, green, blue] in pixels {
        file.write_all(&[*blue, *green, *red, 0])?;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    // A compositor need not fear that it shrinks below its feet.
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn pixels_are_put_down_as_the_compositor_reads_them() {
        let mut file = memory(&[1, 2, 3, 250, 251, 252]).unwrap();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [3, 2, 1, 0, 252, 251, 250, 0]);
    }
}
