//! QR and bar codes: `getQRCode` and the channel of all scans.
//!
//! A code may be a payment or a health code, so the type that holds one has no `Debug`.

use serde::Serialize;

use crate::action::{Action, Channel, Nature, NoParams};

/// `getQRCode`: waits for one scan.
pub struct GetQrCode;

/// `initQRListener`: every scan.
pub struct QrListener;

/// One scan.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QrCode {
    /// The text in the code.
    pub qr_code: String,
}

impl Action for GetQrCode {
    const NAME: &'static str = "getQRCode";
    const NATURE: Nature = Nature::Waits;
    type Params = NoParams;
    type Data = QrCode;
}

impl Channel for QrListener {
    const NAME: &'static str = "initQRListener";
    type Event = QrCode;
}
