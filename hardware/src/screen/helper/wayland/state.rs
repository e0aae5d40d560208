//! What a compositor has said: its globals, its outputs, and of our surface. Takes in events and asks
//! for more; decides nothing.

use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_output::{self, WlOutput};
use wayland_client::protocol::wl_pointer::{self, WlPointer};
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_seat::{self, Capability, WlSeat};
use wayland_client::protocol::wl_shm::WlShm;
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::protocol::wl_surface::{self, WlSurface};
use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, WEnum, delegate_noop};
use wayland_protocols::wp::viewporter::client::wp_viewport::WpViewport;
use wayland_protocols::wp::viewporter::client::wp_viewporter::WpViewporter;
use wayland_protocols::xdg::xdg_output::zv1::client::zxdg_output_manager_v1::ZxdgOutputManagerV1;
use wayland_protocols::xdg::xdg_output::zv1::client::zxdg_output_v1::{self, ZxdgOutputV1};
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_shell_v1::ZwlrLayerShellV1;
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_surface_v1::{
    self, ZwlrLayerSurfaceV1,
};

use super::outputs::{Output, Picturable};

/// What the compositor is waited for.
#[derive(Clone, Copy)]
pub(super) enum Callback {
    /// It has done everything up to here.
    Sync(u32),
    /// It has drawn the surface with this picture.
    Drawn(u32),
}

/// What is known of a surface of ours.
#[derive(Default)]
pub(super) struct Surface {
    /// Which one: what is said of an earlier one is void.
    pub(super) number: u32,
    /// How large the compositor wants it, in the desktop's measure.
    pub(super) size: Option<(u32, u32)>,
    /// It has taken it away.
    pub(super) closed: bool,
    /// The outputs where it is seen.
    pub(super) seen_on: Vec<u32>,
    /// The number of the last picture that was drawn.
    pub(super) drawn: u32,
}

pub(super) struct State {
    registry: WlRegistry,
    pub(super) compositor: Option<WlCompositor>,
    pub(super) shm: Option<WlShm>,
    pub(super) layer_shell: Option<ZwlrLayerShellV1>,
    pub(super) viewporter: Option<WpViewporter>,
    places: Option<ZxdgOutputManagerV1>,
    pub(super) outputs: Vec<Output>,
    /// An output has come, gone or changed since this was last taken.
    pub(super) outputs_changed: bool,
    pointers: Vec<(u32, WlPointer)>,
    pub(super) surface: Surface,
    /// The number of the last question that was answered.
    pub(super) synced: u32,
}

impl State {
    pub(super) fn new(registry: WlRegistry) -> Self {
        Self {
            registry,
            compositor: None,
            shm: None,
            layer_shell: None,
            viewporter: None,
            places: None,
            outputs: Vec::new(),
            outputs_changed: false,
            pointers: Vec::new(),
            surface: Surface::default(),
            synced: 0,
        }
    }

    pub(super) fn output(&self, global: u32) -> Option<&Output> {
        self.outputs.iter().find(|output| output.global == global)
    }

    /// The outputs that are known whole.
    pub(super) fn picturable(&self) -> Vec<Picturable> {
        let every_pixel = self.viewporter.is_some();
        self.outputs.iter().filter_map(|output| output.picturable(every_pixel)).collect()
    }

    fn came(&mut self, global: u32, interface: &str, version: u32, handle: &QueueHandle<Self>) {
        let registry = self.registry.clone();
        match interface {
            "wl_compositor" => {
                self.compositor = Some(registry.bind(global, version.min(4), handle, ()));
            }
            "wl_shm" => self.shm = Some(registry.bind(global, 1, handle, ())),
            "zwlr_layer_shell_v1" => {
                self.layer_shell = Some(registry.bind(global, version.min(3), handle, ()));
            }
            "wp_viewporter" => self.viewporter = Some(registry.bind(global, 1, handle, ())),
            "zxdg_output_manager_v1" => {
                self.places = Some(registry.bind(global, version.min(3), handle, ()));
                self.ask_for_places(handle);
            }
            "wl_output" => {
                let proxy = registry.bind(global, version.min(4), handle, global);
                self.outputs.push(Output::new(global, proxy));
                self.ask_for_places(handle);
            }
            "wl_seat" => {
                registry.bind::<WlSeat, _, _>(global, version.min(5), handle, global);
            }
            _ => {}
        }
    }

    /// The manager of places and the outputs come in any order.
    fn ask_for_places(&mut self, handle: &QueueHandle<Self>) {
        let Some(places) = &self.places else { return };
        for output in self.outputs.iter_mut().filter(|output| output.logical.is_none()) {
            let place = places.get_xdg_output(&output.proxy, handle, output.global);
            output.logical = Some(place);
        }
    }

    fn went(&mut self, global: u32) {
        if let Some(index) = self.outputs.iter().position(|output| output.global == global) {
            let output = self.outputs.remove(index);
            if let Some(place) = output.logical {
                place.destroy();
            }
            if output.proxy.version() >= 3 {
                output.proxy.release();
            }
            self.outputs_changed = true;
        }
        self.pointer(global, None);
    }

    /// The pointer of a seat, if it has one.
    fn pointer(&mut self, seat: u32, pointer: Option<WlPointer>) {
        self.pointers.retain(|(owner, pointer)| {
            if *owner == seat && pointer.version() >= 3 {
                pointer.release();
            }
            *owner != seat
        });
        self.pointers.extend(pointer.map(|pointer| (seat, pointer)));
    }

    fn surface(&mut self, number: u32) -> Option<&mut Surface> {
        (self.surface.number == number).then_some(&mut self.surface)
    }
}

impl Dispatch<WlRegistry, ()> for State {
    fn event(
        state: &mut Self,
        _: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        handle: &QueueHandle<Self>,
    ) {
        match event {
            wl_registry::Event::Global { name, interface, version } => {
                state.came(name, &interface, version, handle);
            }
            wl_registry::Event::GlobalRemove { name } => state.went(name),
            _ => {}
        }
    }
}

impl Dispatch<WlOutput, u32> for State {
    fn event(
        state: &mut Self,
        _: &WlOutput,
        event: wl_output::Event,
        global: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let output = state.outputs.iter_mut().find(|output| output.global == *global);
        state.outputs_changed |= output.is_some_and(|output| output.said(event));
    }
}

impl Dispatch<ZxdgOutputV1, u32> for State {
    fn event(
        state: &mut Self,
        _: &ZxdgOutputV1,
        event: zxdg_output_v1::Event,
        global: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let output = state.outputs.iter_mut().find(|output| output.global == *global);
        state.outputs_changed |= output.is_some_and(|output| output.said_logical(event));
    }
}

impl Dispatch<WlSeat, u32> for State {
    fn event(
        state: &mut Self,
        seat: &WlSeat,
        event: wl_seat::Event,
        global: &u32,
        _: &Connection,
        handle: &QueueHandle<Self>,
    ) {
        if let wl_seat::Event::Capabilities { capabilities: WEnum::Value(has) } = event {
            let points = has.contains(Capability::Pointer);
            state.pointer(*global, points.then(|| seat.get_pointer(handle, ())));
        }
    }
}

impl Dispatch<WlPointer, ()> for State {
    fn event(
        _: &mut Self,
        pointer: &WlPointer,
        event: wl_pointer::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // Over the picture, which is the only surface there is, it is not seen.
        if let wl_pointer::Event::Enter { serial, .. } = event {
            pointer.set_cursor(serial, None, 0, 0);
        }
    }
}

impl Dispatch<WlSurface, u32> for State {
    fn event(
        state: &mut Self,
        _: &WlSurface,
        event: wl_surface::Event,
        number: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(surface) = state.surface(*number) else { return };
        match event {
            wl_surface::Event::Enter { output } => {
                surface.seen_on.extend(output.data::<u32>().copied());
            }
            wl_surface::Event::Leave { output } => {
                let left = output.data::<u32>().copied();
                surface.seen_on.retain(|output| Some(*output) != left);
            }
            _ => {}
        }
    }
}

impl Dispatch<ZwlrLayerSurfaceV1, u32> for State {
    fn event(
        state: &mut Self,
        layer: &ZwlrLayerSurfaceV1,
        event: zwlr_layer_surface_v1::Event,
        number: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(surface) = state.surface(*number) else { return };
        match event {
            zwlr_layer_surface_v1::Event::Configure { serial, width, height } => {
                layer.ack_configure(serial);
                surface.size = Some((width, height));
            }
            zwlr_layer_surface_v1::Event::Closed => surface.closed = true,
            _ => {}
        }
    }
}

impl Dispatch<WlCallback, Callback> for State {
    fn event(
        state: &mut Self,
        _: &WlCallback,
        event: wl_callback::Event,
        callback: &Callback,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_callback::Event::Done { .. } = event {
            match *callback {
                Callback::Sync(number) => state.synced = number,
                Callback::Drawn(number) => state.surface.drawn = number,
            }
        }
    }
}

impl Dispatch<WlBuffer, ()> for State {
    fn event(
        _: &mut Self,
        buffer: &WlBuffer,
        event: wl_buffer::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // The compositor has a copy; each buffer is for one picture.
        if let wl_buffer::Event::Release = event {
            buffer.destroy();
        }
    }
}

delegate_noop!(State: WlCompositor);
delegate_noop!(State: ZwlrLayerShellV1);
delegate_noop!(State: WpViewporter);
delegate_noop!(State: WpViewport);
delegate_noop!(State: ZxdgOutputManagerV1);
delegate_noop!(State: WlShmPool);
// Which kinds of pixels it takes; that which is used all of them do.
delegate_noop!(State: ignore WlShm);
