//! Many listeners of one microphone, in one thread of this process: what they hear is compared sample
//! by sample with what was said, and every event has the time that lies between the moment at which
//! its last sample was heard and the read that brought its last byte.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use serde::Deserialize;

use crate::Outcome;
use crate::bridge::client::Client;
use crate::bridge::kernel::now;
use crate::bridge::samples::Turn;

/// Samples a second.
const RATE: usize = 16_000;

/// Bytes of one.
pub(crate) const FRAME: usize = 2;

/// Bytes of an event's sound, 40 ms.
pub(crate) const CHUNK: usize = RATE / 25 * FRAME;

/// So far back from now an unknown place is looked for before it is looked for everywhere.
const NEAR: Duration = Duration::from_secs(3);

/// How sound is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Base64 in lines.
    Base64,
    /// Signed decimals, twice.
    Bytes,
}

impl Form {
    /// The request of a listener that wants it so.
    pub(crate) fn start(self) -> String {
        let bytes = self == Self::Bytes;
        format!(
            r#"{{"action":"startMicrophoneListener","event":"open","taskId":"m","params":{{"isMicrophoneSourceData":{bytes}}}}}"#
        )
    }
}

/// Sound without any pattern: each piece of it stands in one place only.
pub(crate) struct Said(Vec<u8>);

impl Said {
    /// So much of it.
    pub(crate) fn of(time: Duration) -> Self {
        let length = bytes(time) / FRAME;
        let sample = |n: usize| ((n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u16;
        Self((0..length).flat_map(|n| sample(n).to_le_bytes()).collect())
    }

    /// All of it.
    pub(crate) fn samples(&self) -> Vec<i16> {
        self.0.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
    }

    /// Where `heard` begins, in bytes, from `from` on.
    fn place(&self, heard: &[u8], from: usize) -> Option<usize> {
        let rest = self.0.get(from..)?.windows(heard.len()).step_by(FRAME);
        rest.enumerate().find(|(_, window)| *window == heard).map(|(at, _)| from + at * FRAME)
    }
}

/// How long sound of so many bytes is.
fn duration(bytes: usize) -> Duration {
    Duration::from_nanos((bytes / FRAME) as u64 * 1_000_000_000 / RATE as u64)
}

/// How many bytes sound of this length has.
fn bytes(time: Duration) -> usize {
    time.as_millis() as usize * RATE / 1000 * FRAME
}

/// What the listeners heard in a while.
#[derive(Default)]
pub(crate) struct Heard {
    late: Vec<Duration>,
    /// Samples that should have come to a listener and did not, or came wrong, of all listeners together.
    pub(crate) lost: usize,
}

impl Heard {
    /// Events of all listeners.
    pub(crate) fn events(&self) -> usize {
        self.late.len()
    }

    /// How long after the sound its events came.
    pub(crate) fn late(self) -> Turn {
        Turn::new(self.late)
    }
}

/// Listeners, and what there is to hear.
pub(crate) struct Listeners {
    said: Arc<Said>,
    /// When its first sample was heard.
    began: Duration,
    all: Vec<Listener>,
}

struct Listener {
    client: Client,
    form: Form,
    /// Where in what was said the next event's sound begins.
    next: Option<usize>,
}

/// Any frame: an event of the microphone, `bridgeLagged`, or a reply.
#[derive(Deserialize)]
struct Frame<'f> {
    channel: Option<&'f str>,
    success: Option<bool>,
    #[serde(borrow)]
    data: Option<Data<'f>>,
}

#[derive(Deserialize)]
struct Data<'f> {
    #[serde(borrow, rename = "voiceContent")]
    text: Option<Cow<'f, str>>,
    #[serde(borrow, rename = "voicecontent")]
    again: Option<Cow<'f, str>>,
}

impl Listeners {
    /// Lets all of these begin to listen to what is said.
    pub(crate) fn start(clients: Vec<Client>, form: Form, said: &Arc<Said>) -> Outcome<Self> {
        let mut all = Vec::with_capacity(clients.len());
        for mut client in clients {
            let request = client.frame(&form.start());
            client.send(&request)?;
            // Events may come before the reply.
            loop {
                let frame: Frame<'_> = serde_json::from_slice(client.receive()?)?;
                match frame.success {
                    Some(true) => break,
                    Some(false) => return Err("a listener was refused".into()),
                    None => {}
                }
            }
            all.push(Listener { client, form, next: None });
        }
        Ok(Self { said: Arc::clone(said), began: Duration::ZERO, all })
    }

    /// The first sample of what is said was heard then, on `CLOCK_MONOTONIC`.
    pub(crate) fn began(mut self, began: Duration) -> Self {
        self.began = began;
        self
    }

    /// Hears for so long.
    pub(crate) fn hear(&mut self, time: Duration) -> Outcome<Heard> {
        let until = now() + time;
        let mut heard = Heard::default();
        loop {
            let left = until.saturating_sub(now());
            if left.is_zero() {
                return Ok(heard);
            }
            // All that has come is read, and its time taken, before anything of it is looked at.
            let mut arrived = Vec::with_capacity(self.all.len());
            for at in self.ready(left)? {
                self.all[at].client.read_more()?;
                arrived.push((at, now()));
            }
            for (at, arrival) in arrived {
                self.all[at].look(&self.said, self.began, arrival, &mut heard)?;
            }
        }
    }

    /// Those for whom something has come.
    fn ready(&self, limit: Duration) -> Outcome<Vec<usize>> {
        let polled = self.all.iter().map(|one| PollFd::new(&one.client, PollFlags::IN));
        let mut polled: Vec<_> = polled.collect();
        poll(&mut polled, Some(&Timespec::try_from(limit)?))?;
        let ready = polled.iter().enumerate().filter(|(_, one)| !one.revents().is_empty());
        Ok(ready.map(|(at, _)| at).collect())
    }
}

impl Listener {
    /// Looks at what was read at `arrival`.
    fn look(
        &mut self,
        said: &Said,
        began: Duration,
        arrival: Duration,
        heard: &mut Heard,
    ) -> Outcome<()> {
        while let Some(frame) = self.client.next_read() {
            let Frame { channel, data, .. } = serde_json::from_slice(frame)?;
            // A mark of what was dropped is followed by what shows how much it was.
            if channel != Some("initMicrophoneListener") {
                continue;
            }
            let sound = sound(data.ok_or("an event without data")?, self.form)?;
            let near = arrival.saturating_sub(began).saturating_sub(NEAR);
            let place = match self.next {
                Some(next) if said.0.get(next..next + sound.len()) == Some(&sound) => next,
                next => {
                    let found = said.place(&sound, bytes(near)).or_else(|| said.place(&sound, 0));
                    // What is found nowhere has a gap inside, or was never said.
                    heard.lost += match (found, next) {
                        (Some(found), Some(next)) => found.abs_diff(next) / FRAME,
                        (Some(_), None) => 0,
                        (None, _) => CHUNK / FRAME,
                    };
                    found.or(next).ok_or("the first event has what was never said")?
                }
            };
            let end = place + sound.len();
            self.next = Some(end);
            heard.late.push(arrival.saturating_sub(began + duration(end)));
        }
        Ok(())
    }
}

/// The sound of an event.
fn sound(data: Data<'_>, form: Form) -> Outcome<Vec<u8>> {
    let text = data.text.ok_or("an event without sound")?;
    let bytes = match form {
        Form::Base64 => STANDARD.decode(text.replace('\n', ""))?,
        Form::Bytes => {
            if data.again.as_deref() != Some(&*text) {
                return Err("both spellings are not the same".into());
            }
            let list = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            let list = list.ok_or("no list of numbers")?.split(',');
            let bytes = list.map(|number| number.parse().map(i8::cast_unsigned));
            bytes.collect::<Result<_, _>>()?
        }
    };
    if bytes.len() == CHUNK { Ok(bytes) } else { Err("an event of another length".into()) }
}
