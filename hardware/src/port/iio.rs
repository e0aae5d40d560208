//! Proximity sensors of the kernel's Industrial I/O: raw values out of files below `/sys`
//! (Documentation/ABI/testing/sysfs-bus-iio).
//!
//! The line is text: `nearlevel N` if the kernel knows from which value on something is near to this
//! sensor, then its raw value in decimal, a line each, again and again. Reading such a file may ask the
//! sensor over its bus, so a thread does it.

use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::{BoxedLine, Opening, Port, PortError, fed, glob, presence};
use crate::device::Trouble;

/// In front of the value from which on something is near.
pub const NEAR_LEVEL: &str = "nearlevel ";

/// Where the kernel lists them.
const DEVICES: &str = "/sys/bus/iio/devices";

/// What is called so when no device is named.
const ANY: &str = "a proximity sensor of IIO";

/// One proximity sensor.
pub struct IioProximity {
    /// A pattern over names, or a path; `None`: the first there is.
    device: Option<String>,
    /// How often its value is read.
    poll: Duration,
}

/// A proximity sensor that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its folder below `/sys/bus/iio/devices`.
    pub folder: PathBuf,
    /// The name that its driver gives it.
    pub name: String,
    /// The file with its raw value.
    pub raw: String,
    /// From which value on something is near, if the kernel knows.
    pub near_level: Option<i64>,
}

impl IioProximity {
    /// The sensor that `device` means, a pattern over names or the path of a folder below `/sys`;
    /// `None`: the first there is. Its value is read every `poll`.
    #[must_use]
    pub fn new(device: Option<&str>, poll: Duration) -> Self {
        Self { device: device.map(str::to_owned), poll }
    }

    fn find(&self) -> Option<Found> {
        match self.device.as_deref() {
            Some(path) if path.starts_with('/') => proximity(Path::new(path)),
            pattern => all_under(Path::new("/"))
                .into_iter()
                .find(|found| pattern.is_none_or(|pattern| glob::matches(pattern, &found.name))),
        }
    }
}

/// All proximity sensors of the machine whose root folder this is, in the order of their numbers.
#[must_use]
pub fn all_under(root: &Path) -> Vec<Found> {
    let folder = root.join(DEVICES.trim_start_matches('/'));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort_by(|a, b| (a.as_os_str().len(), a).cmp(&(b.as_os_str().len(), b)));
    folders.iter().filter_map(|folder| proximity(folder)).collect()
}

/// The sensor of this folder, if it measures proximity.
fn proximity(folder: &Path) -> Option<Found> {
    let names = fs::read_dir(folder).ok()?.flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    // With several channels the first.
    let raw = names.filter(|name| channel(name).is_some()).min()?;
    let number = |file: String| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    let own = format!("in_{}_nearlevel", channel(&raw).unwrap_or_default());
    Some(Found {
        folder: folder.to_owned(),
        name: fs::read_to_string(folder.join("name")).unwrap_or_default().trim().to_owned(),
        near_level: number(own).or_else(|| number("in_proximity_nearlevel".to_owned())),
        raw,
    })
}

/// `proximity` or `proximityN`, of the name of a file with a raw value.
fn channel(file: &str) -> Option<&str> {
    let channel = file.strip_prefix("in_")?.strip_suffix("_raw")?;
    let number = channel.strip_prefix("proximity")?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(channel)
}

impl Port for IioProximity {
    fn open(&mut self, _: u32) -> Opening<'_> {
        Box::pin(async move {
            let port = self.device.clone().unwrap_or_else(|| ANY.to_owned());
            let Some(found) = self.find() else { return Err(PortError::Absent { port }) };
            let file = found.folder.join(&found.raw);
            let mut head = found.near_level.map(|level| format!("{NEAR_LEVEL}{level}\n"));
            let ask = move || {
                let value = fs::read_to_string(&file)?;
                let value: i64 = value.trim().parse().map_err(io::Error::other)?;
                let text = format!("{}{value}\n", head.take().unwrap_or_default());
                Ok(Some(Bytes::from(text)))
            };
            let line = fed::asking("proximity", self.poll, ask);
            line.map(|line| Box::new(line) as BoxedLine)
                .map_err(|source| PortError::Other { port, source })
        })
    }

    /// The kernel tells of new folders below `/sys` through udev only, so it is looked for.
    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            tokio::time::sleep(presence::RETRY).await;
            while matches!(trouble, Trouble::Absent { .. }) && self.find().is_none() {
                tokio::time::sleep(presence::RETRY).await;
            }
        })
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            while self.find().is_some() {
                tokio::time::sleep(presence::DISTRUST).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_that_measure_proximity_are_found_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in [
            ("iio:device10/name", "far\n"),
            ("iio:device10/in_proximity_raw", "1\n"),
            ("iio:device2/name", "vcnl4000\n"),
            ("iio:device2/in_proximity0_raw", "1\n"),
            ("iio:device2/in_proximity1_raw", "2\n"),
            ("iio:device2/in_proximity0_scale", "1\n"),
            ("iio:device2/in_proximity_nearlevel", "40\n"),
            ("iio:device3/name", "light\n"),
            ("iio:device3/in_illuminance_raw", "1\n"),
            ("iio:device3/in_proximityx_raw", "1\n"),
        ] {
            let path = root.path().join("sys/bus/iio/devices").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let found = all_under(root.path());
        let told = |found: &Found| (found.name.clone(), found.raw.clone(), found.near_level);
        let found: Vec<_> = found.iter().map(told).collect();
        let expected = [
            ("vcnl4000".to_owned(), "in_proximity0_raw".to_owned(), Some(40)),
            ("far".to_owned(), "in_proximity_raw".to_owned(), None),
        ];
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_machine_without_iio_has_none() {
        assert_eq!(all_under(Path::new("/nowhere")), []);
        let mut port = IioProximity::new(Some("*"), Duration::from_millis(100));
        let opened = port.open(0).await;
        assert!(matches!(opened, Err(PortError::Absent { port }) if port == "*"));
    }
}
