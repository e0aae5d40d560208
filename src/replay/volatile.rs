//! What of a frame is not compared, and why: the one place where that is declared.
//!
//! A value that stands here has to be there on both sides, and may be any.

use super::key::Kind;

/// A value that differs from one run to the next.
pub struct Volatile {
    of: Of,
    /// Where it stands; `[]` is any place in a list.
    path: &'static str,
    /// Why it is not compared.
    pub why: &'static str,
}

enum Of {
    /// The reply to this call.
    Call(&'static str),
    /// An event of this channel.
    Channel(&'static str),
}

const SINCE: &str = "a moment of the wall clock; a replay's is off by what a port opens sooner";
const COUNTERS: &str = "polls and retries depend on when a device answers, to the millisecond";
const PAST: &str = "what went wrong last at another bridge was before the replay";
const FACTS: &str = "ports, rates and module numbers are the machine's own";
const CLIENTS: &str = "clients that said nothing while it was recorded are not in a recording";

/// All of them.
pub static VOLATILE: [Volatile; 9] = [
    Volatile { of: Of::Call("bridge.jobs"), path: "res.data.jobs[].at", why: SINCE },
    Volatile { of: Of::Call("bridge.status"), path: "res.data.devices[].counters", why: COUNTERS },
    Volatile { of: Of::Call("bridge.status"), path: "res.data.devices[].since", why: SINCE },
    Volatile { of: Of::Call("bridge.status"), path: "res.data.connections", why: CLIENTS },
    Volatile {
        of: Of::Call("bridge.status"),
        path: "res.data.dropped",
        why: "counted since the daemon's start, which may lie before the recording's",
    },
    Volatile { of: Of::Channel("bridgeDevices"), path: "data.devices[].since", why: SINCE },
    Volatile { of: Of::Channel("bridgeDevices"), path: "data.devices[].counters", why: COUNTERS },
    Volatile {
        of: Of::Channel("bridgeKeypad"),
        path: "data.leftMs",
        why: "a time limit's rest, to the millisecond",
    },
    Volatile {
        of: Of::Call("bridge.describe"),
        path: "res.data.version",
        why: "a recording outlives the version that made it",
    },
];

/// What a machine tells of itself and of its past, which is another one's at another bridge. Not
/// compared there, present or not.
static MACHINES: [Volatile; 4] = [
    Volatile { of: Of::Call("bridge.status"), path: "res.data.devices[].lastError", why: PAST },
    Volatile { of: Of::Call("bridge.status"), path: "res.data.devices[].facts", why: FACTS },
    Volatile { of: Of::Channel("bridgeDevices"), path: "data.devices[].lastError", why: PAST },
    Volatile { of: Of::Channel("bridgeDevices"), path: "data.devices[].facts", why: FACTS },
];

/// Keys whose values are a person's or one machine's. Another bridge's cards are other people's,
/// so that its answers are compared by whether there is a value at all.
pub static PERSONAL: [&str; 35] = [
    "name",
    "idNum",
    "idNumber",
    "cardNumber",
    "address",
    "signingOrganization",
    "nation",
    "sex",
    "birthDate",
    "beginTime",
    "endTime",
    "issueDate",
    "expireDate",
    "cityCode",
    "photoBase64",
    "photoWltBase64",
    "qrCode",
    "nfc_cardInfo",
    "nfc_resultInfo",
    "nfc_commandResults",
    "voiceContent",
    "voicecontent",
    "alipayUid",
    "ftoken",
    "uid",
    "vid",
    "extInfo",
    "uniqueId",
    "originFaceInfo",
    // getDeviceInfo
    "sn",
    "deviceModel",
    "appVersion",
    "androidVersion",
    "deviceIP",
    "devicedDisplay",
];

/// Whether the value at `path` (with `[]` for places in lists) is declared volatile.
#[must_use]
pub fn is_volatile(kind: &Kind, path: &str) -> bool {
    is_among(&VOLATILE, kind, path)
}

/// Whether the value at `path` is the machine's own, so that another bridge's is another one.
#[must_use]
pub fn is_machines(kind: &Kind, path: &str) -> bool {
    is_among(&MACHINES, kind, path)
}

fn is_among(table: &[Volatile], kind: &Kind, path: &str) -> bool {
    table.iter().any(|one| {
        let here = match (&one.of, kind) {
            (Of::Call(name), Kind::Call { name: call, .. }) => name == call,
            (Of::Channel(name), Kind::Event { channel }) => name == channel,
            _ => false,
        };
        here && one.path == path
    })
}
