//! What an output of a card shows, read out of the card's memory.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::ptr;

use drm::Device as _;
use drm::control::{Device as _, connector, crtc, framebuffer};
use rustix::ioctl::{Updater, ioctl, opcode};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::fixture::soon;

/// A card of the machine.
pub(crate) struct Card {
    path: PathBuf,
    file: File,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}

impl drm::control::Device for Card {}

/// `struct drm_mode_map_dumb`.
#[repr(C)]
struct MapDumb {
    handle: u32,
    pad: u32,
    offset: u64,
}

const MAP_DUMB: rustix::ioctl::Opcode = opcode::read_write::<MapDumb>(b'd', 0xB3);

impl Card {
    /// The card that this driver of the kernel's drives, once it is there. It is nobody's then.
    pub(crate) async fn of(driver: &str) -> Self {
        let found = || {
            let entries = fs::read_dir("/sys/class/drm").into_iter().flatten().flatten();
            let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            names.find(|name| {
                let card = Path::new("/sys/class/drm").join(name);
                let drives = fs::read_link(card.join("device/driver"));
                let drives = drives.is_ok_and(|path| path.ends_with(driver));
                drives && name.strip_prefix("card").is_some_and(|it| it.parse::<u32>().is_ok())
            })
        };
        let there = async {
            loop {
                if let Some(name) = found() {
                    return Path::new("/dev/dri").join(name);
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let path = soon(&format!("{driver} has a card"), there).await;
        let card = Self { file: open(&path), path };
        // Whoever opens a card first is its master.
        let _ = card.release_master_lock();
        card
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Somebody else who sets its outputs, until it is dropped.
    pub(crate) fn master(&self) -> File {
        let other = Self { file: open(&self.path), path: self.path.clone() };
        other.acquire_master_lock().expect("it is nobody's");
        other.file
    }

    /// Forces an output's state: `on`, `off`, or `detect` for what is so.
    pub(crate) fn force(&self, output: &str, state: &str) {
        let name = self.path.file_name().and_then(|name| name.to_str()).expect("a name");
        let file = format!("/sys/class/drm/{name}-{output}/status");
        fs::write(&file, state).unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    /// The name of one of its outputs: names are the machine's, whichever card was first.
    pub(crate) fn output(&self, at: usize) -> String {
        let resources = self.resource_handles().expect("it sets modes");
        let handle = *resources.connectors().get(at).expect("it has so many outputs");
        self.get_connector(handle, false).expect("it is there").to_string()
    }

    fn connector(&self, output: &str) -> connector::Info {
        let resources = self.resource_handles().expect("it sets modes");
        let infos = resources.connectors().iter().map(|one| self.get_connector(*one, false));
        let mut infos = infos.map(|info| info.expect("it is there"));
        infos.find(|info| info.to_string() == output).expect("it has this output")
    }

    fn crtc(&self, output: &str) -> Option<crtc::Info> {
        let encoder = self.connector(output).current_encoder()?;
        let crtc = self.get_encoder(encoder).expect("it is there").crtc()?;
        Some(self.get_crtc(crtc).expect("it is there"))
    }

    /// What an output shows: its width, and red, green and blue by rows; `None` if it is off.
    pub(crate) fn shows(&self, output: &str) -> Option<(usize, Vec<[u8; 3]>)> {
        let crtc = self.crtc(output)?;
        crtc.mode()?;
        let picture = self.get_framebuffer(crtc.framebuffer()?).ok()?;
        let bytes = self.memory(&picture);
        let (width, height) = picture.size();
        let rows = bytes.chunks(picture.pitch() as usize).take(height as usize);
        let pixels = rows.flat_map(|row| {
            let pixels = row.chunks_exact(4).take(width as usize);
            pixels.map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect::<Vec<_>>()
        });
        Some((width as usize, pixels.collect()))
    }

    /// The bytes of a picture in the card's memory. Root is told where they are.
    #[expect(unsafe_code, reason = "the kernel knows no other way to read a picture")]
    fn memory(&self, picture: &framebuffer::Info) -> Vec<u8> {
        let handle = picture.buffer().expect("root may look");
        let length = (picture.pitch() * picture.size().1) as usize;
        let mut map = MapDumb { handle: handle.into(), pad: 0, offset: 0 };
        // SAFETY: the argument is that of the request in drm/drm_mode.h; the mapping is as long as the
        // picture, is only read, and is gone before anybody could unmap it.
        let bytes = unsafe {
            ioctl(&self.file, Updater::<MAP_DUMB, MapDumb>::new(&mut map)).expect("it is memory");
            let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
            let memory = mmap(ptr::null_mut(), length, prot, flags, &self.file, map.offset);
            let memory = memory.expect("it can be looked at");
            let bytes = std::slice::from_raw_parts(memory.cast::<u8>(), length).to_vec();
            munmap(memory, length).expect("it was mapped");
            bytes
        };
        self.close_buffer(handle).expect("it was open");
        bytes
    }
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).expect("root may")
}
