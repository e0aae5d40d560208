//! Whole sessions of the real driver with the virtual reader and all its faults, on the paused
//! clock: taped, redacted, searched for what went in, and driven again from the redacted bytes.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::super::super::sam_v::{SamV, Settings};
use super::super::super::virtual_reader::{Fault, ReaderHand, VirtualReader};
use super::*;
use crate::device::{self, State, Status};
use crate::id_card::IdCard;
use crate::port::far_end::{self, BoxedFarLine, VirtualDevice};
use crate::port::memory::{MemoryPort, memory_port};
use crate::port::tape::testing::Notebook;
use crate::port::tape::{Flow, Taped};
use crate::source::Source;

/// A driver with a tape at its port.
struct Bench {
    source: Source<IdCard>,
    status: Status,
    tape: Notebook,
}

impl Bench {
    fn new(port: MemoryPort, fingerprint: bool) -> Self {
        let source = Source::new();
        let status = Status::new("id_card", State::Busy);
        let tape = Notebook::begun();
        let port = Taped::new(Box::new(port), &status, Flow::Pieces, Arc::new(tape.clone()));
        let settings = Settings {
            baud: Some(115_200),
            serial: true,
            poll: Duration::from_millis(300),
            fingerprint,
        };
        let driver = SamV::new(settings, source.clone());
        tokio::spawn(device::run(Box::new(port), driver, status.clone()));
        Self { source, status, tape }
    }

    fn events(&self) -> Vec<At> {
        self.tape.events()
    }
}

/// One taped session: who waits for a card for so long each time, and what the reader does.
async fn session(
    fingerprint: bool,
    chunk: Option<usize>,
    noise: &'static [u8],
    script: impl AsyncFnOnce(&ReaderHand, &Bench),
) -> Vec<At> {
    let (port, end) = memory_port("a reader");
    let (reader, hand) = VirtualReader::new();
    if let Some(chunk) = chunk {
        hand.set_chunk(chunk);
    }
    tokio::spawn(far_end::run(end, Noisy { reader, noise }));
    let bench = Bench::new(port, fingerprint);
    sleep(Duration::from_secs(1)).await;
    script(&hand, &bench).await;
    sleep(Duration::from_secs(1)).await;
    bench.events()
}

/// A reader on a line with noise in front of each reply.
struct Noisy {
    reader: VirtualReader,
    noise: &'static [u8],
}

impl VirtualDevice for Noisy {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        if self.noise.is_empty() {
            return self.reader.serve(line).await;
        }
        let (port, mut end) = memory_port("behind the noise");
        let mut port = port;
        let mut near = crate::port::Port::open(&mut port, 115_200).await.unwrap();
        let far = far_end::FarEnd::next_line(&mut end).await.unwrap();
        let mut served = std::pin::pin!(self.reader.serve(far));
        let (mut to_reader, mut to_host) = ([0; 512], [0; 4096]);
        loop {
            tokio::select! {
                biased;
                () = &mut served => return,
                read = near.read(&mut to_host) => {
                    let read = read.unwrap();
                    line.write_all(&[self.noise, &to_host[..read]].concat()).await.unwrap();
                }
                read = line.read(&mut to_reader) => match read {
                    Ok(read) if read > 0 => near.write_all(&to_reader[..read]).await.unwrap(),
                    _ => return,
                },
            }
        }
    }
}

/// Everything of a card that must not be found in a recording.
fn personal(card: &Card) -> Vec<String> {
    let text = &card.text;
    let fields = [
        &text.name,
        &text.birth,
        &text.address,
        &text.id_number,
        &text.agency,
        &text.valid_from,
        &text.pass_number,
    ];
    let mut values: Vec<String> = fields.into_iter().cloned().collect();
    values.extend(card.appended_addresses.iter().cloned());
    // A long name lies in two places, of which the first holds 35 characters.
    values.push(text.english_name.chars().take(35).collect());
    values.extend(text.english_name.split(' ').take(3).map(str::to_owned));
    values.retain(|value| value.chars().count() >= 2 && value != "WU");
    values
}

/// A value in every encoding that it may have on a wire or in a file.
fn encodings(value: &str) -> Vec<Vec<u8>> {
    let utf16 = |bytes: fn(u16) -> [u8; 2]| value.encode_utf16().flat_map(bytes).collect();
    let utf16le: Vec<u8> = utf16(u16::to_le_bytes);
    let utf16be: Vec<u8> = utf16(u16::to_be_bytes);
    let gb18030 = encoding_rs::GB18030.encode(value).0.into_owned();
    let mut all = vec![value.as_bytes().to_vec(), utf16le, utf16be, gb18030];
    let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).map(|d| d - b'0').collect();
    if digits.len() == value.len() && value.len() >= 8 {
        all.push(digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0xF)).collect());
    }
    for plain in all.clone() {
        let hex: String = plain.iter().map(|byte| format!("{byte:02X}")).collect();
        all.extend([hex.to_lowercase().into_bytes(), hex.into_bytes()]);
        all.push(STANDARD.encode(&plain).trim_end_matches('=').as_bytes().to_vec());
    }
    all
}

/// What came in, to be searched.
struct Haystack {
    bytes: Vec<u8>,
    /// Every eight bytes of it, for the many searches that find nothing.
    eights: HashSet<[u8; 8]>,
}

impl Haystack {
    fn of(events: &[At]) -> Self {
        let bytes = bytes_in(events);
        let eights = bytes.windows(8).map(|window| window.try_into().unwrap()).collect();
        Self { bytes, eights }
    }

    fn holds(&self, wanted: &[u8]) -> bool {
        let begin = wanted.first_chunk::<8>();
        begin.is_none_or(|begin| self.eights.contains(begin))
            && self.bytes.windows(wanted.len()).any(|window| window == wanted)
    }
}

/// That nothing of these cards is in what came in.
fn assert_nothing_left(events: &[At], cards: &[Card]) {
    let left = Haystack::of(events);
    for card in cards {
        for value in personal(card) {
            for encoded in encodings(&value) {
                assert!(!left.holds(&encoded), "{value} as {encoded:02X?}");
            }
        }
        for secret in [&card.photo[..], card.fingerprint.as_deref().unwrap_or_default()] {
            // Of noise such as photos are, eight bytes are never there twice by chance.
            assert!(!secret.windows(8).any(|window| left.holds(window)));
        }
    }
}

/// That the redacted stream is to a reader of frames what the real one was, and holds nobody.
fn check(events: &[At], cards: &[Card]) -> Vec<At> {
    let new = redacted(events);
    assert_eq!(seen(&new), seen(events));
    assert_nothing_left(&new, cards);
    new
}

/// That the search finds what is there: the names and numbers of a session that is not redacted.
fn assert_search_works(events: &[At], cards: &[Card]) {
    let there = Haystack::of(events);
    for value in cards.iter().flat_map(personal) {
        assert!(encodings(&value).iter().any(|encoded| there.holds(encoded)), "{value}");
    }
}

fn town() -> Vec<Card> {
    PEOPLE.iter().map(|person| (person.card)()).collect()
}

/// Puts everybody's card on, one after the other.
async fn everybody(hand: &ReaderHand, bench: &Bench) {
    for card in town() {
        hand.put(card);
        bench.source.wait().unwrap().answer().await.unwrap();
        hand.lift();
        sleep(Duration::from_millis(700)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_day_with_everybody_nothing_is_left_in_any_chunking() {
    for fingerprint in [false, true] {
        for chunk in [None, Some(1), Some(7), Some(64)] {
            let events = session(fingerprint, chunk, b"", everybody).await;
            assert_search_works(&events, &town());
            check(&events, &town());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn faults_look_the_same_and_leave_nothing() {
    let cards = [Card::zhang_san(), super::super::super::people::person("li-si").unwrap()];
    for fault in [
        Fault::Silence,
        Fault::BadChecksum,
        Fault::CutFrame,
        Fault::MuteCard,
        Fault::Status(0x33),
        Fault::Status(0x41),
        Fault::Status(0x47),
        Fault::Status(0x60),
    ] {
        for times in [Some(1), Some(2), None] {
            for (fingerprint, chunk) in [(false, None), (true, Some(50))] {
                let events = session(fingerprint, chunk, b"", async |hand, bench| {
                    for card in cards.clone() {
                        hand.put(card);
                        let waiter = bench.source.wait();
                        // Into the middle of the sequence: found, selected, and then the fault.
                        sleep(Duration::from_millis(1)).await;
                        hand.fault(fault, times);
                        if let Ok(mut waiter) = waiter {
                            let _ = timeout(Duration::from_secs(15), waiter.answer()).await;
                        }
                        hand.lift();
                        sleep(Duration::from_secs(1)).await;
                        hand.put(Card::zhang_san());
                        if let Ok(mut waiter) = bench.source.wait() {
                            let _ = timeout(Duration::from_secs(15), waiter.answer()).await;
                        }
                        hand.mend();
                        hand.lift();
                        sleep(Duration::from_secs(3)).await;
                    }
                })
                .await;
                check(&events, &cards);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_and_cut_readings_are_in_the_session_and_are_redacted_too() {
    for fault in [Fault::BadChecksum, Fault::CutFrame] {
        let events = session(false, None, b"", async |hand, bench| {
            hand.set_reading_time(Duration::from_millis(1000));
            hand.put(Card::zhang_san());
            let mut waiter = bench.source.wait().unwrap();
            // Find and select are answered at once; what follows is the reading.
            sleep(Duration::from_millis(500)).await;
            hand.fault(fault, Some(1));
            waiter.answer().await.unwrap();
        })
        .await;
        let damaged = events.iter().any(|at| match &at.event {
            PortEvent::In(bytes) => bytes.len() > 300 && bytes.len() != 1295,
            _ => false,
        });
        assert!(damaged || seen(&events).contains(&Seen::Garbled(Garbled::Checksum)));
        assert_search_works(&events, &[Card::zhang_san()]);
        check(&events, &[Card::zhang_san()]);
    }
}

#[tokio::test(start_paused = true)]
async fn noise_in_front_of_replies_changes_nothing() {
    for noise in [
        &b"\x55"[..],
        b"\xAA\xAA",
        b"\xAA\xAA\xAA\x96\x69\x09\x60",
        b"\xAA\xAA\xAA\x96\x69\x00\x06",
        b"\xAA\xAA\xAA\x96\x69\xFF\xFF\x31\x31",
    ] {
        let events = session(false, None, noise, async |hand, bench| {
            hand.put(Card::zhang_san());
            let _ = timeout(Duration::from_secs(15), bench.source.wait().unwrap().answer()).await;
        })
        .await;
        assert_search_works(&events, &[Card::zhang_san()]);
        check(&events, &[Card::zhang_san()]);
    }
}

/// Says, after each request, what the tape has behind the same request, at the same distances.
struct Again(Vec<At>);

impl VirtualDevice for Again {
    async fn serve(&mut self, mut line: BoxedFarLine) {
        let mut request = [0; 64];
        let mut asked = Instant::now();
        let mut since = 0;
        for At { micros, event } in self.0.drain(..) {
            match event {
                PortEvent::Out(_) => {
                    if !matches!(line.read(&mut request).await, Ok(read) if read > 0) {
                        return;
                    }
                    (asked, since) = (Instant::now(), micros);
                }
                PortEvent::In(bytes) => {
                    let behind = u64::try_from(micros - since).unwrap_or_default();
                    tokio::time::sleep_until(asked + Duration::from_micros(behind)).await;
                    line.write_all(&bytes).await.unwrap();
                }
                _ => {}
            }
        }
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_driver_reads_the_invented_cards_from_the_redacted_bytes() {
    for fingerprint in [false, true] {
        let events = session(fingerprint, Some(100), b"", everybody).await;
        let (port, end) = memory_port("a reader");
        tokio::spawn(far_end::run(end, Again(redacted(&events))));
        let bench = Bench::new(port, fingerprint);
        let mut listener = bench.source.listen();
        for card in town() {
            let read = timeout(Duration::from_secs(60), listener.next()).await.unwrap().unwrap();
            assert!(read.text == invented(&card.text));
            let appended = card.appended_addresses.first();
            assert_eq!(read.appended_address, appended.map(|one| pseudonyms().address(one)));
            assert_eq!(read.wlt, pseudonyms().wlt(&card.photo));
        }
        assert_eq!(bench.status.counters()["readings"], 9);
        assert_eq!(bench.status.counters().get("retries"), None);
    }
}
