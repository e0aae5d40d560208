//! Readers of ID cards and scanners on USB, with the lines of configuration to use them. Called by
//! `hharome devices`.

use hharome_hardware::inventory::{HidReader, HidUse, UsbId, UsbReader};
use serde_json::json;

use super::{Item, joined, snippet, with_values};

/// Those with pipes, then those with reports.
pub(super) fn items(readers: &[UsbReader], hid: &[HidReader]) -> Vec<Item> {
    readers.iter().map(reader).chain(hid.iter().map(hid_device)).collect()
}

fn reader(reader: &UsbReader) -> Item {
    let ids = ids(reader.usb);
    Item {
        words: joined(&[Some(&ids), Some(&reader.path), reader.name.as_deref()]),
        facts: json!({ "usb": ids, "path": reader.path, "name": reader.name, "kind": "pipes" }),
        config: vec![snippet("id_card", "sam-v-usb", &[("device", &ids)])],
    }
}

fn hid_device(device: &HidReader) -> Item {
    let ids = ids(device.usb);
    let config = match device.used_as {
        HidUse::Scanner => vec![snippet("qr_scanner", "hid-pos", &[("device", &ids)])],
        HidUse::Reader => ["whole", "split"]
            .map(|form| {
                let values = [("device", &ids), ("reports", &form.to_owned())]
                    .map(|(key, text)| (key, toml::Value::from(text.as_str()).to_string()));
                with_values("id_card", "sam-v-hidraw", &values)
            })
            .to_vec(),
    };
    Item {
        words: joined(&[Some(&ids), Some(&device.path), Some(&device.name)]),
        facts: json!({ "usb": ids, "path": device.path, "name": device.name, "kind": "reports" }),
        config,
    }
}

fn ids(usb: UsbId) -> String {
    format!("{:04x}:{:04x}", usb.vendor, usb.product)
}
