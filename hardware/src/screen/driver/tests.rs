//! The driver against the virtual screen, and against a line that the test speaks on, on the paused
//! clock.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::device;
use crate::port::far_end::{self, BoxedFarLine, FarEnd, Plug};
use crate::port::memory::{MemoryFarEnd, memory_port};
use crate::screen::virtual_screen::{SIZE, ScreenHand, VirtualScreen};
use crate::screen::{Screen, Shown, orders};

const BLACK: [u8; 3] = [0; 3];

fn settings() -> Settings {
    Settings { output: None, background: BLACK }
}

struct Kit {
    screen: Screen,
    hand: ScreenHand,
    plug: Plug,
    status: Status,
}

fn kit() -> Kit {
    let (far, hand) = VirtualScreen::new();
    let (port, end) = memory_port("a screen");
    let plug = end.plug().clone();
    tokio::spawn(far_end::run(end, far));
    let status = Status::new("second_screen", State::Busy);
    let (screen, orders) = orders();
    let driver = SecondScreen::new(settings(), orders);
    tokio::spawn(device::run(Box::new(port), driver, status.clone()));
    Kit { screen, hand, plug, status }
}

fn picture(colour: [u8; 3]) -> Bytes {
    let mut file = Cursor::new(Vec::new());
    RgbImage::from_pixel(8, 8, Rgb(colour)).write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner().into()
}

impl Kit {
    /// The colour in the middle of the screen, if anything is shown.
    fn seen(&self) -> Option<[u8; 3]> {
        let frame = self.hand.picture()?;
        let middle = (frame.height / 2 * frame.width + frame.width / 2) as usize * 3;
        frame.rgb[middle..middle + 3].try_into().ok()
    }

    async fn until(&self, shown: Shown) {
        while self.screen.shown_now() != Some(shown) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn state(&self, state: State) {
        self.status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
    }
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[tokio::test(start_paused = true)]
async fn a_picture_is_on_the_screen_when_the_request_ends_and_stays_until_it_is_closed() {
    let kit = kit();
    assert_eq!(kit.screen.shown().await, Shown::Nothing);
    assert_eq!(kit.screen.show(picture(RED)).await, Ok(()));
    assert_eq!((kit.seen(), kit.screen.shown().await), (Some(RED), Shown::Picture));
    assert_eq!(kit.screen.show(picture(BLUE)).await, Ok(()));
    assert_eq!(kit.seen(), Some(BLUE));
    assert_eq!(kit.screen.close().await, Ok(()));
    assert_eq!((kit.seen(), kit.screen.shown().await), (None, Shown::Nothing));
    assert_eq!(kit.screen.close().await, Ok(()));
    let facts = kit.status.facts();
    assert_eq!((facts["output"].as_str(), facts["size"].as_str()), ("VIRTUAL-1", "1024x600"));
    assert_eq!(kit.status.counters()["shown"], 2);
}

#[tokio::test(start_paused = true)]
async fn requests_are_carried_out_in_their_order() {
    let kit = kit();
    let (red, close, blue) =
        (kit.screen.show(picture(RED)), kit.screen.close(), kit.screen.show(picture(BLUE)));
    // The last is done when all are.
    assert_eq!(blue.await, Ok(()));
    assert_eq!(kit.seen(), Some(BLUE));
    assert_eq!((red.await, close.await), (Ok(()), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_picture_is_refused_with_the_reason_and_the_last_one_stays() {
    let kit = kit();
    let refused = kit.screen.show(Bytes::from_static(b"hello")).await;
    let Err(ScreenError::Picture(words)) = refused else { panic!("{refused:?}") };
    assert_eq!(words, "expected a picture: PNG, JPEG, BMP, GIF or WebP");
    assert_eq!(kit.screen.shown().await, Shown::Nothing);
    kit.screen.show(picture(RED)).await.unwrap();
    let mut broken = picture(BLUE).to_vec();
    broken.truncate(50);
    assert!(matches!(kit.screen.show(broken.into()).await, Err(ScreenError::Picture(_))));
    assert_eq!((kit.seen(), kit.screen.shown().await), (Some(RED), Shown::Picture));
    // It is the one that comes back.
    kit.hand.output(None);
    kit.until(Shown::NoScreen).await;
    kit.hand.output(Some(SIZE));
    kit.until(Shown::Picture).await;
    assert_eq!(kit.seen(), Some(RED));
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_unplugged_and_back_shows_the_picture_again() {
    let kit = kit();
    kit.screen.show(picture(RED)).await.unwrap();
    kit.hand.output(None);
    kit.state(State::Absent).await;
    assert_eq!(kit.screen.shown().await, Shown::NoScreen);
    let error = kit.status.snapshot().last_error.unwrap();
    assert!(error.contains("VIRTUAL-1 is unplugged"), "{error}");
    let shown = kit.screen.show(picture(BLUE)).await;
    assert!(matches!(shown, Err(ScreenError::Trouble(Trouble::Absent { .. }))), "{shown:?}");
    kit.hand.output(Some((640, 480)));
    kit.until(Shown::Picture).await;
    assert_eq!(kit.seen(), Some(RED));
    assert_eq!(kit.hand.picture().unwrap().width, 640);
    assert_eq!(kit.status.facts()["size"], "640x480");
    assert_eq!(kit.status.counters()["shownAgain"], 1);
    kit.state(State::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_is_closed_while_its_screen_is_away_does_not_come_back() {
    let kit = kit();
    kit.screen.show(picture(RED)).await.unwrap();
    kit.hand.output(None);
    kit.until(Shown::NoScreen).await;
    assert_eq!(kit.screen.close().await, Ok(()));
    kit.hand.output(Some(SIZE));
    kit.state(State::Ready).await;
    assert_eq!((kit.seen(), kit.screen.shown().await), (None, Shown::Nothing));
}

#[tokio::test(start_paused = true)]
async fn a_display_that_dies_is_started_again_and_the_picture_shown_again() {
    let kit = kit();
    kit.screen.show(picture(RED)).await.unwrap();
    kit.plug.set(false);
    kit.state(State::Absent).await;
    assert_eq!(kit.screen.shown().await, Shown::NoScreen);
    kit.plug.set(true);
    kit.until(Shown::Picture).await;
    assert_eq!(kit.seen(), Some(RED));
}

#[tokio::test(start_paused = true)]
async fn a_display_that_hangs_fails_its_request_in_time() {
    let kit = kit();
    assert_eq!(kit.screen.shown().await, Shown::Nothing);
    kit.hand.silence(true);
    let began = Instant::now();
    let shown = kit.screen.show(picture(RED)).await;
    assert!(matches!(shown, Err(ScreenError::Trouble(Trouble::Failed { .. }))), "{shown:?}");
    assert_eq!(began.elapsed().as_secs(), LONGEST.as_secs());
    assert_eq!(kit.screen.shown().await, Shown::NoScreen);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_knows_the_screen_yet_requests_wait_for_it() {
    let (far, hand) = VirtualScreen::new();
    hand.silence(true);
    let (port, end) = memory_port("a screen");
    tokio::spawn(far_end::run(end, far));
    let (screen, orders) = orders();
    let status = Status::new("second_screen", State::Busy);
    tokio::spawn(device::run(Box::new(port), SecondScreen::new(settings(), orders), status));
    let shown = tokio::spawn(screen.show(picture(RED)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!shown.is_finished());
    hand.silence(false);
    assert_eq!(shown.await.unwrap(), Ok(()));
}

/// A far end that the test speaks at.
struct ByHand {
    end: MemoryFarEnd,
    line: Option<BoxedFarLine>,
    packets: Packets,
}

impl ByHand {
    async fn new() -> (Self, Screen, Status) {
        let (port, mut end) = memory_port("a screen");
        let status = Status::new("second_screen", State::Busy);
        let (screen, orders) = orders();
        let driver = SecondScreen::new(settings(), orders);
        tokio::spawn(device::run(Box::new(port), driver, status.clone()));
        let line = end.next_line().await;
        (Self { end, line, packets: Packets::default() }, screen, status)
    }

    async fn told(&mut self) -> Tell {
        loop {
            if let Some(packet) = self.packets.next_packet().unwrap() {
                return Tell::of(&packet).unwrap();
            }
            let mut chunk = [0; 1024];
            let read = self.line.as_mut().unwrap().read(&mut chunk).await.unwrap();
            assert!(read > 0);
            self.packets.push(&chunk[..read]);
        }
    }

    /// The number of the next show or close.
    async fn asked(&mut self) -> u32 {
        loop {
            match self.told().await {
                Tell::Show(number) | Tell::Close(number) => return number,
                Tell::Setup(_) | Tell::Piece(_) => {}
            }
        }
    }

    async fn say(&mut self, said: Said) {
        self.line.as_mut().unwrap().write_all(&said.packet()).await.unwrap();
    }

    async fn output(&mut self) {
        self.say(Said::Output { name: "A".to_owned(), width: 9, height: 9 }).await;
    }

    /// Until the driver has heard that there is an output that shows nothing.
    async fn heard(&self, screen: &Screen) {
        while screen.shown_now() != Some(Shown::Nothing) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What holds the display dies and is started again.
    async fn again(&mut self) {
        self.line = None;
        self.line = self.end.next_line().await;
        self.packets = Packets::default();
        self.output().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_picture_goes_out_in_pieces() {
    let (mut far, screen, _) = ByHand::new().await;
    assert!(far.told().await == Tell::Setup(settings()));
    far.output().await;
    let file = Bytes::from(vec![7; PIECE_BYTES + 1]);
    let shown = tokio::spawn(screen.show(file.clone()));
    let mut came = Vec::new();
    let number = loop {
        match far.told().await {
            Tell::Piece(piece) => came.extend_from_slice(&piece),
            Tell::Show(number) => break number,
            _ => panic!("neither piece nor show"),
        }
    };
    assert!(came == file);
    far.say(Said::Shown(number)).await;
    assert_eq!(shown.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_meets_a_change_of_the_output_is_made_anew_of_the_new_one() {
    let (mut far, screen, _) = ByHand::new().await;
    far.output().await;
    let shown = tokio::spawn(screen.show(picture(RED)));
    let first = far.asked().await;
    far.output().await;
    let second = far.asked().await;
    assert_ne!(first, second);
    // The answer to the void one is nothing.
    far.say(Said::Refused { number: first, shown: false, words: "old".to_owned() }).await;
    far.say(Said::Shown(second)).await;
    assert_eq!(shown.await.unwrap(), Ok(()));
    assert_eq!(screen.shown().await, Shown::Picture);
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_kills_what_shows_it_costs_its_own_request_and_no_other() {
    let (mut far, screen, _) = ByHand::new().await;
    far.output().await;
    let shown = tokio::spawn(screen.show(picture(RED)));
    far.asked().await;
    let waits = tokio::spawn(screen.show(picture(BLUE)));
    tokio::task::yield_now().await;
    far.again().await;
    assert!(shown.await.unwrap().is_err());
    assert!(waits.await.unwrap().is_err());
    far.heard(&screen).await;
    let next = tokio::spawn(screen.show(picture(BLUE)));
    let number = far.asked().await;
    far.say(Said::Shown(number)).await;
    // Had the first been kept, it would have been asked for before.
    assert_eq!(next.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_kept_picture_that_ends_everything_each_time_is_given_up() {
    let (mut far, screen, _) = ByHand::new().await;
    far.output().await;
    let shown = tokio::spawn(screen.show(picture(RED)));
    let number = far.asked().await;
    far.say(Said::Shown(number)).await;
    shown.await.unwrap().unwrap();
    for _ in 0..MOST_FATAL {
        far.again().await;
        far.asked().await;
    }
    far.again().await;
    far.heard(&screen).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_words_of_a_display_are_the_reason_that_callers_hear() {
    for (said, absent) in [
        (Said::Absent("no server".to_owned()), true),
        (Said::Failed("no server".to_owned()), false),
    ] {
        let (mut far, screen, status) = ByHand::new().await;
        far.say(said).await;
        drop(far);
        let state = if absent { State::Absent } else { State::Failed };
        status.changes().wait_for(|snapshot| snapshot.state == state).await.unwrap();
        let Err(ScreenError::Trouble(trouble)) = screen.show(picture(RED)).await else {
            panic!("shown");
        };
        assert_eq!(matches!(trouble, Trouble::Absent { .. }), absent);
        if !absent {
            assert_eq!(trouble.to_string(), "no server");
        }
    }
}
