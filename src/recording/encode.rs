//! Events to the lines of a recording.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hharome_hardware::port::ModemLines;
use hharome_hardware::port::tape::{LineFault, OpenFailureKind, PortEvent};
use serde_json::value::RawValue;

use super::cards;
use super::format::{
    BLOB_BYTES, ClientLine, ConnectLine, Fault, Modem, NotOpenLine, OpenLine, PhotoLine, PortLine,
    RIGHT_TOKEN, WRONG_TOKEN, blob_name, hex,
};
use super::recorder::{ClientEvent, PhotoEvent};

/// A line, and the blob that it names.
pub(super) struct Encoded<L> {
    pub(super) line: L,
    pub(super) blob: Option<Bytes>,
}

/// So many zeros are written as a number; shorter rows of them are no burden.
const LEAST_ZEROS: usize = 256;

/// An event of a port.
pub(super) fn port(t: i64, before: bool, event: &PortEvent) -> Encoded<PortLine> {
    let mut line = PortLine { t, before, ..Default::default() };
    let mut blob = None;
    let mut data = |bytes: &Bytes| {
        if bytes.len() < BLOB_BYTES {
            return (Some(hex(bytes)), None);
        }
        blob = Some(bytes.clone());
        (None, Some(blob_name(bytes)))
    };
    match event {
        PortEvent::Opened { baud, modem } => {
            line.open = Some(OpenLine { baud: *baud, modem: modem.map(modem_lines) });
        }
        PortEvent::NotOpened(failure) => {
            let (kind, fault) = match &failure.kind {
                OpenFailureKind::Absent => ("absent", None),
                OpenFailureKind::Denied => ("denied", None),
                OpenFailureKind::Held => ("held", None),
                OpenFailureKind::Other(what) => ("other", Some(fault(what))),
            };
            let (port, kind) = (failure.port.clone(), kind.to_owned());
            line.not_open = Some(NotOpenLine { port, kind, fault });
        }
        PortEvent::Out(bytes) => (line.out, line.out_blob) = data(bytes),
        PortEvent::In(bytes) => {
            // What silence became of sound would be most of a recording.
            let zeros = zeros_at_end(bytes);
            line.in_zeros = (zeros >= LEAST_ZEROS).then_some(zeros as u64);
            let kept = bytes.len() - line.in_zeros.map_or(0, |_| zeros);
            (line.input, line.in_blob) = data(&bytes.slice(..kept));
        }
        PortEvent::Baud(baud) => line.baud = Some(*baud),
        PortEvent::Gone(what) => line.gone = Some(fault(what)),
        PortEvent::NotWritten(what) => line.not_written = Some(fault(what)),
        PortEvent::Closed => line.closed = true,
        PortEvent::Card(event) => line.card = Some(cards::line(event)),
    }
    Encoded { line, blob }
}

fn zeros_at_end(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| **byte == 0).count()
}

/// A photo.
pub(super) fn photo(t: i64, photo: &PhotoEvent) -> Encoded<PortLine> {
    let (jpeg, failed) = match &photo.answer {
        Ok(jpeg) => (Some(STANDARD.encode(jpeg)), None),
        Err(words) => (None, Some(words.clone())),
    };
    let took = u64::try_from(photo.took.as_micros()).unwrap_or(u64::MAX);
    let photo = Some(PhotoLine { wlt: hex(&photo.wlt), took, jpeg, failed });
    Encoded { line: PortLine { t, photo, ..Default::default() }, blob: None }
}

/// An event of a client, into `line`, which says when.
pub(super) fn client(mut line: ClientLine, event: ClientEvent) -> Encoded<ClientLine> {
    let mut blob = None;
    match event {
        ClientEvent::Connected { transport, token } => {
            line.connect = Some(ConnectLine { transport: transport.to_owned(), token });
        }
        ClientEvent::In(frame) => {
            let frame = without_end(frame);
            if frame.len() >= BLOB_BYTES {
                line.in_blob = Some(blob_name(&frame));
                blob = Some(frame);
            } else if let Some(json) = one_line_of_json(&frame) {
                line.input = Some(json);
            } else {
                match std::str::from_utf8(&frame) {
                    Ok(text) => line.in_text = Some(text.to_owned()),
                    Err(_) => line.in_hex = Some(hex(&frame)),
                }
            }
        }
        ClientEvent::Token(right) => {
            let token = if right { RIGHT_TOKEN } else { WRONG_TOKEN };
            line.input = RawValue::from_string(format!("{{\"token\":\"{token}\"}}")).ok();
        }
        ClientEvent::TooLong => line.in_too_long = true,
        ClientEvent::InEnd => line.in_end = true,
        ClientEvent::Out(frame) => {
            let frame = without_end(frame);
            match one_line_of_json(&frame).filter(|_| frame.len() < BLOB_BYTES) {
                Some(json) => line.out = Some(json),
                None => {
                    line.out_blob = Some(blob_name(&frame));
                    blob = Some(frame);
                }
            }
        }
        ClientEvent::Stalled => line.stalled = true,
        ClientEvent::Flowing => line.flowing = true,
        ClientEvent::Gone(why) => line.gone = Some(why.to_owned()),
    }
    Encoded { line, blob }
}

fn without_end(frame: Bytes) -> Bytes {
    frame.strip_suffix(b"\n").map_or(frame.clone(), |whole| frame.slice_ref(whole))
}

/// The frame as it is, if it can stand inside a line and comes out of it byte for byte.
fn one_line_of_json(frame: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(frame).ok()?;
    // A bare `null` would be read back as no frame at all.
    let exact = text.trim() == text && !text.contains(['\n', '\r']) && text != "null";
    // Deep nesting would make the line unreadable, too.
    if exact { RawValue::from_string(text.to_owned()).ok() } else { None }
}

fn modem_lines(lines: ModemLines) -> Modem {
    let ModemLines { cts, dsr, dcd, ri } = lines;
    Modem { cts, dsr, dcd, ri }
}

fn fault(fault: &LineFault) -> Fault {
    match fault {
        LineFault::End => Fault::default(),
        LineFault::Os(number) => Fault { errno: Some(*number), words: None },
        LineFault::Words(words) => Fault { errno: None, words: Some(words.clone()) },
    }
}
