//! A speech-dispatcher as the far end of the wire: it speaks SSIP as version 0.11.4 was seen to, events
//! between a command and its reply included, and makes no sound.
//!
//! Messages take the time that espeak-ng would take for so many characters, on tokio's clock. What was
//! said is kept for whoever tests, the last [`KEPT`] messages. Works on any far line: in memory for
//! `simulated` and the tests, on a Unix socket for `hharome virtual speech`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ssip::wire::{message_length, text_of};
use crate::moment::at;
use crate::port::far_end::{BoxedFarLine, VirtualDevice};

/// Messages that are remembered.
pub const KEPT: usize = 256;

/// What one character takes at 170 words a minute; measured with espeak-ng 1.51, in Chinese.
const CHARACTER: Duration = Duration::from_millis(330);

/// A module begins to be heard so long after it has the text.
const BEFORE: Duration = Duration::from_millis(10);

/// What is cut off is told of so long after the reply.
const AFTER: Duration = Duration::from_millis(25);

/// What the server does wrong, until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Takes everything, and says nothing.
    Silence,
    /// Says that it cannot speak.
    Refuse,
}

/// A message that the server was given.
#[derive(Clone, PartialEq)]
pub struct Said {
    /// Its text.
    pub text: String,
    /// The rate, -100 to 100.
    pub rate: i32,
    /// The pitch, -100 to 100.
    pub pitch: i32,
    /// The voice that was set.
    pub voice: String,
    /// It was said to its end.
    pub ended: bool,
    /// It was cut off, or thrown away.
    pub canceled: bool,
}

/// A virtual server.
pub struct VirtualServer {
    shared: Arc<Shared>,
    pace: Duration,
    messages: u64,
    clients: u64,
}

/// Breaks a virtual server, mends it, and knows what it was given. Clones are hands at the same one.
#[derive(Clone)]
pub struct ServerHand {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    said: VecDeque<(u64, Said)>,
}

impl VirtualServer {
    /// A server, and the hand that works it.
    #[must_use]
    pub fn new() -> (Self, ServerHand) {
        let shared: Arc<Shared> = Arc::default();
        let hand = ServerHand { shared: Arc::clone(&shared) };
        (Self { shared, pace: CHARACTER, messages: 0, clients: 0 }, hand)
    }

    /// One that says a character in this time, and not in the time of espeak-ng.
    #[must_use]
    pub fn with_pace(self, character: Duration) -> Self {
        Self { pace: character, ..self }
    }
}

impl ServerHand {
    /// Breaks the server until it is mended.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().fault = Some(fault);
        self.shared.news.notify_one();
    }

    /// Ends a fault.
    pub fn mend(&self) {
        self.shared.lock().fault = None;
        self.shared.news.notify_one();
    }

    /// The last messages, oldest first.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        self.shared.lock().said.iter().map(|(_, said)| said.clone()).collect()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, message: u64, what: impl FnOnce(&mut Said)) {
        let mut state = self.lock();
        if let Some((_, said)) = state.said.iter_mut().find(|(number, _)| *number == message) {
            what(said);
        }
    }
}

/// What one client has set, and has said.
struct Client {
    number: u64,
    module: String,
    voice: String,
    rate: i32,
    pitch: i32,
    /// A text comes, and no command.
    in_text: bool,
    waiting: VecDeque<(u64, Duration)>,
    speaking: Option<Speaking>,
    /// Of what was cut off, and when it is told.
    canceled: Option<(u64, Instant)>,
}

struct Speaking {
    message: u64,
    takes: Duration,
    begun: bool,
    next: Instant,
}

impl VirtualDevice for VirtualServer {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        self.clients += 1;
        let mut client = Client::new(self.clients);
        let mut said = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let words = self.carry_out(&mut client, &mut said);
            if !words.is_empty() && line.write_all(words.as_bytes()).await.is_err() {
                return;
            }
            let silent = self.shared.lock().fault == Some(Fault::Silence);
            let next = client.next().filter(|_| !silent);
            let told = tokio::select! {
                biased;
                read = line.read(&mut chunk) => match read {
                    Ok(read) if read > 0 => {
                        said.extend_from_slice(chunk.get(..read).unwrap_or_default());
                        None
                    }
                    Ok(_) | Err(_) => return,
                },
                () = at(next) => Some(self.goes_on(&mut client)),
                () = self.shared.news.notified() => None,
            };
            if let Some(event) = told
                && line.write_all(event.as_bytes()).await.is_err()
            {
                return;
            }
        }
    }
}

impl Client {
    fn new(number: u64) -> Self {
        Self {
            number,
            module: "espeak-ng".to_owned(),
            voice: String::new(),
            rate: 0,
            pitch: 0,
            in_text: false,
            waiting: VecDeque::new(),
            speaking: None,
            canceled: None,
        }
    }

    /// When something happens by itself.
    fn next(&self) -> Option<Instant> {
        let speaking = self.speaking.as_ref().map(|speaking| speaking.next);
        speaking.into_iter().chain(self.canceled.map(|(_, at)| at)).min()
    }

    fn event(&self, code: u16, message: u64, words: &str) -> String {
        format!("{code}-{message}\r\n{code}-{}\r\n{code} {words}\r\n", self.number)
    }

    /// Begins with the next message, if none is being said.
    fn go_on(&mut self) {
        if self.speaking.is_none()
            && let Some((message, takes)) = self.waiting.pop_front()
        {
            let next = Instant::now() + BEFORE;
            self.speaking = Some(Speaking { message, takes, begun: false, next });
        }
    }
}

impl VirtualServer {
    /// What was said by the client and is whole, carried out; the replies.
    fn carry_out(&mut self, client: &mut Client, said: &mut Vec<u8>) -> String {
        let mut words = String::new();
        loop {
            let fault = self.shared.lock().fault;
            if client.in_text {
                let Some(length) = message_length(said) else { return words };
                let message: Vec<u8> = said.drain(..length).collect();
                client.in_text = false;
                let number = self.take(client, text_of(&message).unwrap_or_default());
                if fault != Some(Fault::Silence) {
                    words += &format!("225-{number}\r\n225 OK MESSAGE QUEUED\r\n");
                }
                continue;
            }
            let Some(end) = said.iter().position(|byte| *byte == b'\n') else { return words };
            let line: Vec<u8> = said.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let reply = self.command(client, line.trim_end(), fault);
            if fault != Some(Fault::Silence) {
                words += &reply;
            }
        }
    }

    fn take(&mut self, client: &mut Client, text: String) -> u64 {
        self.messages += 1;
        let step = if client.rate < 0 { 90.0 } else { 279.0 };
        let speed = 1.0 + f64::from(client.rate) * step / 100.0 / 170.0;
        let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX).max(1);
        let takes = self.pace.saturating_mul(characters).div_f64(speed);
        client.waiting.push_back((self.messages, takes));
        client.go_on();
        let voice = client.voice.clone();
        let (rate, pitch) = (client.rate, client.pitch);
        let said = Said { text, rate, pitch, voice, ended: false, canceled: false };
        let mut state = self.shared.lock();
        if state.said.len() >= KEPT {
            state.said.pop_front();
        }
        state.said.push_back((self.messages, said));
        self.messages
    }

    fn command(&self, client: &mut Client, line: &str, fault: Option<Fault>) -> String {
        let number = |text: &str| text.parse::<i32>().ok().filter(|n| (-100..=100).contains(n));
        let (key, value) = match line.strip_prefix("SET SELF ") {
            Some(set) => set.split_once(' ').unwrap_or((set, "")),
            None => return self.order(client, line, fault),
        };
        match (key, number(value)) {
            ("CLIENT_NAME", _) => "208 OK CLIENT NAME SET",
            ("NOTIFICATION", _) => "220 OK NOTIFICATION SET",
            ("OUTPUT_MODULE", _) => {
                value.clone_into(&mut client.module);
                "216 OK OUTPUT MODULE SET"
            }
            ("LANGUAGE", _) => "201 OK LANGUAGE SET",
            ("SYNTHESIS_VOICE", _) => {
                value.clone_into(&mut client.voice);
                "209 OK VOICE SET"
            }
            ("SSML_MODE", _) => "219 OK SSML MODE SET",
            ("PUNCTUATION", _) => "205 OK PUNCTUATION SET",
            ("SPELLING", _) => "207 OK SPELLING SET",
            ("CAP_LET_RECOGN", _) => "206 OK CAP LET RECOGNITION SET",
            ("PRIORITY", _) => "202 OK PRIORITY SET",
            ("VOLUME", Some(_)) => "218 OK VOLUME SET",
            ("RATE", Some(rate)) => {
                client.rate = rate;
                "203 OK RATE SET"
            }
            ("PITCH", Some(pitch)) => {
                client.pitch = pitch;
                "204 OK PITCH SET"
            }
            ("RATE", None) => "409 ERR RATE TOO HIGH",
            ("PITCH", None) => "411 ERR PITCH TOO HIGH",
            ("VOLUME", None) => "413 ERR VOLUME TOO HIGH",
            _ => "513 ERR PARAMETER INVALID",
        }
        .to_owned()
            + "\r\n"
    }

    fn order(&self, client: &mut Client, line: &str, fault: Option<Fault>) -> String {
        match line {
            "SPEAK" if fault == Some(Fault::Refuse) => "300 ERR INTERNAL\r\n".to_owned(),
            "SPEAK" => {
                client.in_text = true;
                "230 OK RECEIVING DATA\r\n".to_owned()
            }
            "GET OUTPUT_MODULE" => {
                format!("251-{}\r\n251 OK GET RETURNED\r\n", client.module)
            }
            // Of what waits it tells before it answers, of what is being said afterwards.
            "CANCEL SELF" => {
                let waiting = std::mem::take(&mut client.waiting);
                let told = waiting.into_iter().map(|(message, _)| {
                    self.shared.of(message, |said| said.canceled = true);
                    client.event(703, message, "CANCELED")
                });
                let told: String = told.collect();
                self.stop(client);
                told + "213 OK CANCELED\r\n"
            }
            "STOP SELF" => {
                self.stop(client);
                client.go_on();
                "210 OK STOPPED\r\n".to_owned()
            }
            "QUIT" => "231 HAPPY HACKING\r\n".to_owned(),
            _ => "500 ERR INVALID COMMAND\r\n".to_owned(),
        }
    }

    fn stop(&self, client: &mut Client) {
        if let Some(speaking) = client.speaking.take() {
            self.shared.of(speaking.message, |said| said.canceled = true);
            client.canceled = Some((speaking.message, Instant::now() + AFTER));
        }
    }

    /// Something is due: the event.
    fn goes_on(&self, client: &mut Client) -> String {
        let now = Instant::now();
        if let Some((message, _)) = client.canceled.take_if(|(_, at)| *at <= now) {
            return client.event(703, message, "CANCELED");
        }
        let Some(mut speaking) = client.speaking.take() else { return String::new() };
        let message = speaking.message;
        if speaking.begun {
            self.shared.of(message, |said| said.ended = true);
            client.go_on();
            return client.event(702, message, "END");
        }
        speaking.begun = true;
        speaking.next = now + speaking.takes;
        client.speaking = Some(speaking);
        client.event(701, message, "BEGIN")
    }
}
