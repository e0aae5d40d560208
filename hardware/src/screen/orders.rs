//! The queue between those who want something shown and the driver, and what is known of the screen.
//!
//! [`Screen`] is their side: asking takes a place at once, and ends when it is done. [`Orders`] is the
//! driver's: one task takes from it. The queue ends with both. What a recording has to begin with is asked
//! of it, too ([`Recalls`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::timeout;

use super::packets::{PIECE_BYTES, Said, Tell};
use super::{KNOWN, ScreenError, Settings, Shown, WAITING, WAITING_BYTES};
use crate::device::Trouble;
use crate::port::tape::{PortEvent, Recalls};

/// The side of those who ask. Clones are handles on the same screen.
#[derive(Clone)]
pub struct Screen(Arc<Shared>);

/// The driver's side.
pub struct Orders(Arc<Shared>);

/// What is asked for.
pub(super) enum Order {
    /// To show the picture of this file.
    Show(Bytes),
    /// To show nothing.
    Close,
}

/// One that waits, and whom its outcome is told to.
pub(super) struct Job {
    pub(super) order: Order,
    reply: oneshot::Sender<Result<(), ScreenError>>,
}

struct Shared {
    state: Mutex<State>,
    news: Notify,
    /// `None` until the driver knows.
    shown: watch::Sender<Option<Shown>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// One is being carried out.
    busy: bool,
    /// Of the pictures that wait.
    bytes: usize,
    /// The picture that is to be on the screen.
    kept: Option<Bytes>,
    /// Why the screen cannot be used now.
    trouble: Option<Trouble>,
    /// The line that was opened last.
    line: Option<Line>,
}

/// What has passed on a line and holds.
struct Line {
    settings: Settings,
    /// The number of the last request.
    number: u32,
    /// What was said last of the output.
    output: Option<Said>,
}

/// The two sides of an empty queue.
#[must_use]
pub fn orders() -> (Screen, Orders) {
    let shown = watch::Sender::new(None);
    let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new(), shown });
    (Screen(Arc::clone(&shared)), Orders(shared))
}

impl Screen {
    /// Asks for the picture of this file to be shown, after what was asked for before; ends when it
    /// is on the screen. It stays there until it is closed or another takes its place.
    ///
    /// # Errors
    /// [`ScreenError`]; what was shown before is shown still, if its screen is there.
    pub fn show(
        &self,
        picture: Bytes,
    ) -> impl Future<Output = Result<(), ScreenError>> + Send + use<> {
        self.ask(Order::Show(picture))
    }

    /// Takes the picture away; ends when it is not seen any more. Where there is no screen it is
    /// forgotten, so that it does not come back with the screen.
    ///
    /// # Errors
    /// Too much waits, or the screen goes away or fails meanwhile.
    pub fn close(&self) -> impl Future<Output = Result<(), ScreenError>> + Send + use<> {
        self.ask(Order::Close)
    }

    /// Whether something is shown. Waits only while that is not known yet, for [`KNOWN`] at most.
    pub fn shown(&self) -> impl Future<Output = Shown> + Send + use<> {
        let mut shown = self.0.shown.subscribe();
        async move {
            // The sender lives as long as the driver; without one nothing is shown.
            let known = timeout(KNOWN, shown.wait_for(Option::is_some)).await;
            known.ok().and_then(Result::ok).and_then(|shown| *shown).unwrap_or(Shown::NoScreen)
        }
    }

    /// What is known of it at this moment.
    #[must_use]
    pub fn shown_now(&self) -> Option<Shown> {
        *self.0.shown.borrow()
    }

    /// Whether the driver is in the middle of something, or will be at once.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let state = self.0.lock();
        state.busy || !state.waiting.is_empty()
    }

    fn ask(&self, order: Order) -> impl Future<Output = Result<(), ScreenError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let refused = self.0.push(Job { order, reply });
        async move {
            match refused {
                Some(refused) => refused,
                None => answer.await.unwrap_or_else(|_| {
                    let detail = "the program is ending".to_owned();
                    Err(Trouble::Failed { detail }.into())
                }),
            }
        }
    }
}

impl Recalls for Screen {
    fn line(&self, open: bool) -> Vec<PortEvent> {
        let state = self.0.lock();
        let Some(Line { settings, number, output }) = &state.line else { return Vec::new() };
        if !open && state.kept.is_none() {
            return Vec::new();
        }
        let number = if open { *number } else { 0 };
        let setup = PortEvent::Out(Tell::Setup(settings.clone()).packet().into());
        let mut events = Vec::new();
        let mut said = |said: &Said| events.push(PortEvent::In(said.packet().into()));
        if state.kept.is_some() || number > 0 {
            let mut rest = state.kept.clone().unwrap_or_default();
            while !rest.is_empty() {
                said(&Said::Piece(rest.split_to(rest.len().min(PIECE_BYTES))));
            }
            let shown = open && self.shown_now() == Some(Shown::Picture);
            said(&Said::Before { number, shown });
        }
        // An output was there for as long as its line was.
        let output = output.as_ref().filter(|said| open || !matches!(said, Said::Output { .. }));
        output.into_iter().for_each(said);
        // What follows it are its answers; of a line that has ended nothing was answered any more.
        events.insert(if open { 0 } else { events.len() }, setup);
        events
    }

    fn is_busy(&self) -> bool {
        Screen::is_busy(self)
    }
}

impl Orders {
    /// A line was opened, and is told these settings.
    pub(super) fn begin_line(&self, settings: &Settings) {
        self.0.lock().line = Some(Line { settings: settings.clone(), number: 0, output: None });
    }

    /// The request of this number was told of, or the output of this was.
    pub(super) fn passed(&self, number: Option<u32>, output: Option<&Said>) {
        if let Some(line) = &mut self.0.lock().line {
            line.number = number.unwrap_or(line.number);
            line.output = output.cloned().or(line.output.take());
        }
    }

    /// Ends when there is something to do.
    pub(super) async fn wanted(&self) {
        while self.0.lock().waiting.is_empty() {
            self.0.news.notified().await;
        }
    }

    /// The next request whose caller still waits for it; the driver is busy with it until
    /// [`Orders::rest`].
    pub(super) fn take(&self) -> Option<Job> {
        let mut state = self.0.lock();
        while let Some(job) = state.waiting.pop_front() {
            state.bytes -= job.bytes();
            if !job.reply.is_closed() {
                state.busy = true;
                return Some(job);
            }
        }
        None
    }

    /// Puts one back in front that was taken and has to be begun again.
    pub(super) fn put_back(&self, job: Job) {
        let mut state = self.0.lock();
        state.bytes += job.bytes();
        state.waiting.push_front(job);
    }

    /// The driver does something by itself, or is through with it.
    pub(super) fn busy(&self, busy: bool) {
        self.0.lock().busy = busy;
    }

    /// The picture that is to be on the screen.
    pub(super) fn kept(&self) -> Option<Bytes> {
        self.0.lock().kept.clone()
    }

    /// From now on this picture is, or none.
    pub(super) fn keep(&self, picture: Option<Bytes>) {
        self.0.lock().kept = picture;
    }

    /// The screen is there, and shows nothing yet. One that is about to show its picture again is
    /// no screen until it does: nobody has closed it.
    pub(super) fn recover(&self) {
        let mut state = self.0.lock();
        state.trouble = None;
        let shown = if state.kept.is_some() { Shown::NoScreen } else { Shown::Nothing };
        self.0.shown.send_replace(Some(shown));
    }

    /// What is on the screen, which is there.
    pub(super) fn tell(&self, shown: bool) {
        let shown = if shown { Shown::Picture } else { Shown::Nothing };
        self.0.shown.send_replace(Some(shown));
    }

    /// The screen cannot be used: whoever waits for it learns why.
    pub(super) fn fail(&self, trouble: &Trouble) {
        let mut state = self.0.lock();
        state.trouble = Some(trouble.clone());
        state.busy = false;
        state.bytes = 0;
        self.0.shown.send_replace(Some(Shown::NoScreen));
        for job in std::mem::take(&mut state.waiting) {
            job.fail(trouble, &mut state.kept);
        }
    }

    /// The same for one that was taken.
    pub(super) fn fail_one(&self, job: Job, trouble: &Trouble) {
        job.fail(trouble, &mut self.0.lock().kept);
    }
}

impl Job {
    /// Tells its caller.
    pub(super) fn done(self, outcome: Result<(), ScreenError>) {
        // Whoever asked may have gone.
        let _ = self.reply.send(outcome);
    }

    /// It cannot be carried out, as there is no screen. Nothing is shown then, which is all that a
    /// close asks for.
    fn fail(self, trouble: &Trouble, kept: &mut Option<Bytes>) {
        match self.order {
            Order::Show(_) => self.done(Err(trouble.clone().into())),
            Order::Close => {
                *kept = None;
                self.done(Ok(()));
            }
        }
    }

    fn bytes(&self) -> usize {
        match &self.order {
            Order::Show(picture) => picture.len(),
            Order::Close => 0,
        }
    }
}

impl Shared {
    /// Puts a request behind the others; if that cannot be, the answer to it.
    fn push(&self, job: Job) -> Option<Result<(), ScreenError>> {
        let mut state = self.lock();
        if let Some(trouble) = state.trouble.clone() {
            return Some(match job.order {
                Order::Show(_) => Err(trouble.into()),
                Order::Close => {
                    state.kept = None;
                    Ok(())
                }
            });
        }
        let bytes = state.bytes + job.bytes();
        if state.waiting.len() >= WAITING || bytes > WAITING_BYTES {
            return Some(Err(ScreenError::Full));
        }
        state.bytes = bytes;
        state.waiting.push_back(job);
        drop(state);
        self.news.notify_one();
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn absent() -> Trouble {
        Trouble::Absent { detail: "no output".to_owned() }
    }

    fn picture(bytes: usize) -> Bytes {
        vec![0; bytes].into()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_in_their_order_until_there_are_too_many() {
        let (screen, orders) = orders();
        let asked: Vec<_> = (0..WAITING).map(|size| screen.show(picture(size))).collect();
        assert_eq!(screen.show(picture(1)).await, Err(ScreenError::Full));
        for size in 0..WAITING {
            assert_eq!(orders.take().unwrap().bytes(), size);
        }
        assert!(orders.take().is_none());
        // Whoever took them has let them go without a word.
        for asked in asked {
            assert!(matches!(asked.await, Err(ScreenError::Trouble(Trouble::Failed { .. }))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_too_and_free_again_when_they_are_taken() {
        let (screen, orders) = orders();
        let first = screen.show(picture(WAITING_BYTES));
        assert_eq!(screen.show(picture(1)).await, Err(ScreenError::Full));
        orders.take().unwrap().done(Ok(()));
        assert_eq!(first.await, Ok(()));
        let second = screen.show(picture(1));
        orders.take().unwrap().done(Ok(()));
        assert_eq!(second.await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_caller_has_gone_before_it_began_is_passed_over() {
        let (screen, orders) = orders();
        drop(screen.show(picture(1)));
        let stays = screen.show(picture(2));
        assert_eq!(orders.take().unwrap().bytes(), 2);
        drop(stays);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_screen_a_picture_is_refused_and_a_close_forgets_the_last() {
        let (screen, orders) = orders();
        orders.keep(Some(picture(1)));
        let (show, close) = (screen.show(picture(2)), screen.close());
        orders.fail(&absent());
        assert_eq!(show.await, Err(absent().into()));
        assert_eq!(close.await, Ok(()));
        assert!(orders.kept().is_none());
        orders.keep(Some(picture(1)));
        assert_eq!(screen.show(picture(2)).await, Err(absent().into()));
        assert!(orders.kept().is_some());
        assert_eq!(screen.close().await, Ok(()));
        assert!(orders.kept().is_none());
        assert_eq!(screen.shown().await, Shown::NoScreen);
        orders.recover();
        assert_eq!(screen.shown().await, Shown::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_shown_is_asked_of_a_screen_that_is_not_known_yet_for_a_while() {
        let (screen, orders) = orders();
        let began = Instant::now();
        assert_eq!(screen.shown().await, Shown::NoScreen);
        assert_eq!(began.elapsed(), KNOWN);
        let shown = tokio::spawn(screen.shown());
        tokio::task::yield_now().await;
        orders.recover();
        assert_eq!(shown.await.unwrap(), Shown::Nothing);
        orders.tell(true);
        assert_eq!(screen.shown().await, Shown::Picture);
    }

    #[tokio::test(start_paused = true)]
    async fn a_recording_begins_with_the_picture_that_is_to_be_shown_and_with_the_output() {
        let (screen, orders) = orders();
        assert!(Recalls::line(&screen, true).is_empty());
        let settings = Settings { output: None, background: [0; 3] };
        let setup = PortEvent::Out(Tell::Setup(settings.clone()).packet().into());
        let said = |said: &Said| PortEvent::In(said.packet().into());
        orders.begin_line(&settings);
        assert_eq!(Recalls::line(&screen, true), std::slice::from_ref(&setup));
        let output = Said::Output { name: "A".to_owned(), width: 1, height: 1 };
        orders.passed(None, Some(&output));
        orders.passed(Some(3), None);
        orders.keep(Some(picture(PIECE_BYTES + 1)));
        orders.tell(true);
        let pieces = [picture(PIECE_BYTES), picture(1)].map(|piece| said(&Said::Piece(piece)));
        let before = |number, shown| said(&Said::Before { number, shown });
        let shown = [&[setup.clone()][..], &pieces, &[before(3, true), said(&output)]].concat();
        assert_eq!(Recalls::line(&screen, true), shown);
        // It comes back on another line.
        let ended = [&pieces[..], &[before(0, false), setup.clone()]].concat();
        assert_eq!(Recalls::line(&screen, false), ended);
        let absent = Said::Absent("no output".to_owned());
        orders.passed(None, Some(&absent));
        let ended = [&pieces[..], &[before(0, false), said(&absent), setup.clone()]].concat();
        assert_eq!(Recalls::line(&screen, false), ended);
        orders.keep(None);
        orders.tell(false);
        assert!(Recalls::line(&screen, false).is_empty());
        assert_eq!(Recalls::line(&screen, true), [setup, before(3, false), said(&absent)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_screen_that_comes_back_is_none_until_its_picture_is_shown_again() {
        let (screen, orders) = orders();
        orders.keep(Some(picture(1)));
        orders.recover();
        assert_eq!(screen.shown().await, Shown::NoScreen);
        orders.tell(true);
        assert_eq!(screen.shown().await, Shown::Picture);
    }
}
