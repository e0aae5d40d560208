//! What this computer is: serial number, model, firmware, system version, IP address.
//!
//! The daemon reads a [`Machine`] once at start for `getDeviceInfo`, and asks for the [`address`]
//! at each call, because it changes with the network. Everything comes from files of the kernel
//! and of the system, so that nothing is sent and nothing can block; what a machine does not say
//! is `None`. Readers take the root folder, so that tests bring their own.

mod route;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// What firmware writers leave in DMI fields that nobody filled in, lower-cased.
const PLACEHOLDERS: [&str; 21] = [
    "to be filled by o.e.m.",
    "to be filled by oem",
    "default string",
    "none",
    "not specified",
    "not applicable",
    "not available",
    "n/a",
    "na",
    "unknown",
    "undefined",
    "invalid",
    "empty",
    "oem",
    "o.e.m.",
    "system serial number",
    "system product name",
    "product name",
    "serial number",
    "0123456789",
    "123456789",
];

/// The longest value that is believed, in bytes. Names and serial numbers are far shorter; what is
/// longer is a field that holds something else.
const VALUE_BYTES: usize = 256;

/// What does not change while the computer runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The serial number, from DMI (readable to root only) or the device tree.
    pub serial: Option<String>,
    /// The model, from DMI or the device tree.
    pub model: Option<String>,
    /// The system image: os-release's `BUILD_ID`, else `IMAGE_VERSION`, else `PRETTY_NAME`.
    pub firmware: Option<String>,
    /// os-release's `VERSION_ID`, such as `12`.
    pub version_id: Option<String>,
}

impl Machine {
    /// Reads this computer.
    pub fn read() -> Self {
        Self::read_under(Path::new("/"))
    }

    /// Reads the computer whose root folder this is.
    pub fn read_under(root: &Path) -> Self {
        let release = Release::read(root);
        Self {
            serial: dmi(root, "product_serial").or_else(|| device_tree(root, "serial-number")),
            model: dmi(root, "product_name").or_else(|| device_tree(root, "model")),
            firmware: release
                .get("BUILD_ID")
                .or_else(|| release.get("IMAGE_VERSION"))
                .or_else(|| release.get("PRETTY_NAME")),
            version_id: release.get("VERSION_ID"),
        }
    }
}

/// The IP address of the interface with the default route (IPv4 before IPv6, the lowest metric
/// first); without a default route the first address that is not loopback; `None`: no network.
pub fn address() -> Option<IpAddr> {
    address_under(Path::new("/"))
}

/// [`address`] of the computer whose root folder this is.
pub fn address_under(root: &Path) -> Option<IpAddr> {
    let net = root.join("proc/net");
    let text = |name: &str| fs::read_to_string(net.join(name)).unwrap_or_default();
    route::address(&text("route"), &text("fib_trie"), &text("ipv6_route"), &text("if_inet6"))
}

fn dmi(root: &Path, field: &str) -> Option<String> {
    let bytes = fs::read(root.join("sys/class/dmi/id").join(field)).ok()?;
    believable(&bytes)
}

/// A string property of the device tree, NUL-terminated (Devicetree Specification, section 2.2.4).
fn device_tree(root: &Path, property: &str) -> Option<String> {
    let bytes = fs::read(root.join("proc/device-tree").join(property)).ok()?;
    believable(bytes.split(|byte| *byte == 0).next()?)
}

/// The value, unless it is one that means nothing: empty, a placeholder, one character repeated.
fn believable(bytes: &[u8]) -> Option<String> {
    let value = std::str::from_utf8(bytes.get(..VALUE_BYTES).unwrap_or(bytes)).ok()?.trim();
    let first = value.chars().next()?;
    let repeated = value.chars().all(|c| c == first) || value.chars().all(|c| "0.- xX".contains(c));
    let placeholder = PLACEHOLDERS.contains(&value.to_lowercase().as_str());
    (!repeated && !placeholder && !value.contains(char::is_control)).then(|| value.to_owned())
}

/// The assignments of os-release(5).
struct Release(String);

impl Release {
    /// `/etc/os-release`, else `/usr/lib/os-release`, as os-release(5) orders them.
    fn read(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        Self(read("etc/os-release").or_else(|| read("usr/lib/os-release")).unwrap_or_default())
    }

    /// The value of a variable without its quotes; empty counts as absent.
    fn get(&self, name: &str) -> Option<String> {
        let value = self
            .0
            .lines()
            .filter_map(|line| line.trim().split_once('='))
            .filter(|(variable, _)| *variable == name)
            .map(|(_, value)| unquoted(value.trim()))
            .next_back()?;
        (!value.is_empty()).then_some(value)
    }
}

/// A shell word as os-release(5) allows it: bare, in single or in double quotes; in double quotes
/// a backslash stands before `"`, `$`, `` ` `` and itself.
fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(text) = inside('\'') {
        return text.to_owned();
    }
    let mut text = String::new();
    let mut escaped = false;
    for c in inside('"').unwrap_or(value).chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn a_pc_is_known_by_its_dmi_fields() {
        let root = root(&[
            ("sys/class/dmi/id/product_serial", b"PF2ABCDE\n"),
            ("sys/class/dmi/id/product_name", b"Kiosk Board 7\n"),
            ("proc/device-tree/model", b"not asked\0"),
        ]);
        let machine = Machine::read_under(root.path());
        assert_eq!(machine.serial.as_deref(), Some("PF2ABCDE"));
        assert_eq!(machine.model.as_deref(), Some("Kiosk Board 7"));
    }

    #[test]
    fn placeholders_are_no_values() {
        for placeholder in [
            "To Be Filled By O.E.M.",
            "Default string",
            "None",
            "System Serial Number",
            "",
            "   ",
            "00000000",
            "0",
            "................",
            "XXXXXXXX",
        ] {
            let root = root(&[("sys/class/dmi/id/product_serial", placeholder.as_bytes())]);
            assert_eq!(Machine::read_under(root.path()).serial, None, "{placeholder:?}");
        }
    }

    #[test]
    fn behind_a_placeholder_the_device_tree_is_asked() {
        let root = root(&[
            ("sys/class/dmi/id/product_serial", b"Default string\n"),
            ("proc/device-tree/serial-number", b"10000000abcdef01\0"),
            ("proc/device-tree/model", b"Example RK3399 Board\0"),
        ]);
        let machine = Machine::read_under(root.path());
        assert_eq!(machine.serial.as_deref(), Some("10000000abcdef01"));
        assert_eq!(machine.model.as_deref(), Some("Example RK3399 Board"));
    }

    #[test]
    fn the_firmware_is_the_build_else_the_image_else_the_name() {
        let firmware = |text: &str| {
            let root = root(&[("etc/os-release", text.as_bytes())]);
            Machine::read_under(root.path()).firmware
        };
        let name = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        let image = "IMAGE_VERSION='2026.08'\n";
        let build = "BUILD_ID=b77\n";
        assert_eq!(firmware(name).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(firmware(&format!("{name}{image}")).as_deref(), Some("2026.08"));
        assert_eq!(firmware(&format!("{name}{image}{build}")).as_deref(), Some("b77"));
        assert_eq!(
            firmware(&format!("{name}BUILD_ID=\"\"\n")).unwrap(),
            "Debian GNU/Linux 12 (bookworm)"
        );
        assert_eq!(firmware(r#"BUILD_ID="a \"b\" \\c""#).as_deref(), Some(r#"a "b" \c"#));
    }

    #[test]
    fn the_version_is_read_from_either_place_of_os_release() {
        let root = root(&[("usr/lib/os-release", b"NAME=x\nVERSION_ID=\"12\"\n")]);
        assert_eq!(Machine::read_under(root.path()).version_id.as_deref(), Some("12"));
    }

    #[test]
    fn a_machine_that_says_nothing_is_all_none() {
        let root = root(&[("sys/class/dmi/id/product_serial", b"\xff\xfe\n")]);
        assert_eq!(Machine::read_under(root.path()), Machine::default());
        assert_eq!(address_under(root.path()), None);
    }

    #[test]
    fn the_address_is_read_from_the_tables_of_the_kernel() {
        let root = root(&[
            ("proc/net/route", b"Iface Destination Gateway Flags RefCnt Use Metric Mask\n"),
            ("proc/net/if_inet6", b"fd000000000000000000000000000002 04 40 00 82 eth0\n"),
        ]);
        assert_eq!(address_under(root.path()), Some("fd00::2".parse().unwrap()));
    }
}
