//! Beepers by uinput: input devices that make sounds, of which the kernel tells here what they are told.
//! The crate that makes the other input devices knows no sounds.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use hharome_hardware::port::input::found::{self, Ability};
use hharome_hardware::port::input::{EV_SND, InputEvent};
use hharome_hardware::port::place::Place;
use rustix::fs::OFlags;
use rustix::ioctl::{IntegerSetter, NoArg, Opcode, Setter, ioctl, opcode};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::fixture::within;
use crate::machine;

/// linux/uinput.h.
const UI_DEV_CREATE: Opcode = opcode::none(b'U', 1);
const UI_DEV_SETUP: Opcode = opcode::write::<Setup>(b'U', 3);
const UI_SET_EVBIT: Opcode = opcode::write::<i32>(b'U', 100);
const UI_SET_SNDBIT: Opcode = opcode::write::<i32>(b'U', 106);

/// `struct uinput_setup`.
#[repr(C)]
struct Setup {
    bus: u16,
    vendor: u16,
    product: u16,
    version: u16,
    name: [u8; 80],
    most_effects: u32,
}

/// Bytes of a `struct input_event`: its time, and what [`InputEvent`] has.
const EVENT: usize = 2 * size_of::<usize>() + 8;

/// What a beeper was told, and when.
pub(crate) type Told = (Instant, u16, i32);

/// A beeper; pulled out when dropped.
pub(crate) struct Beeper {
    path: PathBuf,
    told: watch::Receiver<Vec<Told>>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Beeper {
    fn drop(&mut self) {
        // It holds the only handle, whose end is the device's.
        self.reader.abort();
    }
}

impl Beeper {
    /// A beeper with these sounds; `name` is no other's.
    pub(crate) async fn plug_in(name: &str, (vendor, product): (u16, u16), sounds: &[u16]) -> Self {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(flags);
        let device = options.open("/dev/uinput").expect("/dev/uinput");
        let mut setup =
            Setup { bus: 3, vendor, product, version: 1, name: [0; 80], most_effects: 0 };
        setup.name[..name.len()].copy_from_slice(name.as_bytes());
        create(&device, sounds, setup).expect("uinput makes a device");
        let place = Place::Name(name.to_owned());
        let found = found::devices(&place, Ability::Beep).into_iter().next();
        let path = found.expect("it is an input device that beeps").path;
        machine::appears(&path).await;
        let (tell, told) = watch::channel(Vec::new());
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, and a File cannot lie about its descriptor"
        )]
        let device = AsyncFd::new(device).expect("it can be waited for");
        let reader = tokio::spawn(listen(device, tell));
        Self { path, told, reader }
    }

    /// Its device file.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// All that it was told, once that is as `wanted`.
    pub(crate) async fn told(&mut self, what: &str, wanted: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        // Half of the longest beep.
        let limit = std::time::Duration::from_secs(30);
        let told = self.told.wait_for(|told| wanted(told));
        within(limit, what, told).await.expect("it is plugged in").clone()
    }

    /// Waits until it sounds.
    pub(crate) async fn sounds(&mut self) {
        self.told("it sounds", |told| matches!(told.last(), Some((.., 1..)))).await;
    }

    /// Waits until it is silent.
    pub(crate) async fn is_silent(&mut self) {
        self.told("it is silent", |told| matches!(told.last(), Some((.., 0)))).await;
    }
}

#[expect(unsafe_code, reason = "uinput is told what a device is by ioctl alone")]
fn create(device: &File, sounds: &[u16], setup: Setup) -> rustix::io::Result<()> {
    // SAFETY: each is the argument of its request in linux/uinput.h: a number by value, a
    // `struct uinput_setup`, nothing.
    unsafe {
        let kind = IntegerSetter::<UI_SET_EVBIT>::new_usize(EV_SND.into());
        ioctl(device, kind)?;
        for sound in sounds {
            ioctl(device, IntegerSetter::<UI_SET_SNDBIT>::new_usize((*sound).into()))?;
        }
        ioctl(device, Setter::<UI_DEV_SETUP, Setup>::new(setup))?;
        ioctl(device, NoArg::<UI_DEV_CREATE>::new())
    }
}

/// Takes down what the device is told.
async fn listen(device: AsyncFd<File>, tell: watch::Sender<Vec<Told>>) {
    loop {
        let mut ready = device.readable().await.expect("it is plugged in");
        let mut event = [0; EVENT];
        match ready.try_io(|device| device.get_ref().read(&mut event)) {
            Ok(read) => assert_eq!(read.expect("an event"), EVENT),
            Err(_would_block) => continue,
        }
        let record = event.last_chunk().expect("a whole event");
        let InputEvent { kind, code, value } = InputEvent::from_record(*record);
        if kind == EV_SND {
            tell.send_modify(|told| told.push((Instant::now(), code, value)));
        }
    }
}
