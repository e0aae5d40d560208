//! The queue between those who want something said and the driver.
//!
//! [`Speaker`] is their side: it never waits. [`Orders`] is the driver's: one task takes from it. The
//! queue ends with both.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Ending, KEPT, Order, SpeechError, Utterance, WAITING, WAITING_BYTES};
use crate::device::{Status, Trouble};

/// The side of those who ask. Clones are handles on the same queue.
#[derive(Clone)]
pub struct Speaker(Arc<Shared>);

/// The driver's side.
pub struct Orders(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    news: Notify,
    status: Status,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Utterance>,
    /// Of the texts that wait.
    bytes: usize,
    /// What is being said is to be said no further.
    cut: bool,
    /// Since when the device cannot be used, and why.
    trouble: Option<(Instant, Trouble)>,
}

/// The two sides of an empty queue; what is forgotten is counted in `status`.
#[must_use]
pub fn queue(status: Status) -> (Speaker, Orders) {
    let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new(), status });
    (Speaker(Arc::clone(&shared)), Orders(shared))
}

impl Speaker {
    /// Asks for a text. It stands in the queue when this returns; when it is said nobody is told, but
    /// the device's counters.
    ///
    /// # Errors
    /// [`SpeechError`]; the queue is as it was.
    pub fn say(&self, utterance: Utterance, order: Order) -> Result<(), SpeechError> {
        let bytes = utterance.text.len();
        if bytes > WAITING_BYTES {
            return Err(SpeechError::TooLong(bytes));
        }
        let mut state = self.0.lock();
        if let Some((_, trouble)) = &state.trouble {
            return Err(trouble.clone().into());
        }
        match order {
            Order::Instead => self.0.forget(&mut state),
            Order::After
                if state.waiting.len() >= WAITING || state.bytes + bytes > WAITING_BYTES =>
            {
                self.0.status.count("refused");
                return Err(SpeechError::Full);
            }
            Order::After => {}
        }
        state.bytes += bytes;
        state.waiting.push_back(utterance);
        drop(state);
        self.0.news.notify_one();
        Ok(())
    }

    /// Stops what is being said, whoever asked for it, and forgets all that waits.
    ///
    /// # Errors
    /// The device cannot be used, so that nothing is being said; what waited is forgotten all the same.
    pub fn stop(&self) -> Result<(), Trouble> {
        let mut state = self.0.lock();
        self.0.forget(&mut state);
        if let Some((_, trouble)) = &state.trouble {
            return Err(trouble.clone());
        }
        drop(state);
        self.0.news.notify_one();
        Ok(())
    }
}

impl Orders {
    /// Ends when there is something to do: [`Orders::take_cut`], or [`Orders::take`].
    pub(crate) async fn wanted(&self) {
        self.until(|state| state.cut || !state.waiting.is_empty()).await;
    }

    /// Ends when what is being said is to be cut off.
    pub(crate) async fn cut(&self) {
        self.until(|state| state.cut).await;
    }

    /// Whether it is.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.lock().cut
    }

    /// The same, and takes note of it: the driver sees to it now.
    pub(crate) fn take_cut(&self) -> bool {
        std::mem::take(&mut self.0.lock().cut)
    }

    /// The next text.
    pub(crate) fn take(&self) -> Option<Utterance> {
        let mut state = self.0.lock();
        let utterance = state.waiting.pop_front()?;
        state.bytes -= utterance.text.len();
        Some(utterance)
    }

    /// Puts a text back in front, of which nothing has been heard.
    pub(crate) fn put_back(&self, utterance: Utterance) {
        let mut state = self.0.lock();
        if state.cut {
            self.0.status.count(Ending::Dropped.counter());
            return;
        }
        state.bytes += utterance.text.len();
        state.waiting.push_front(utterance);
    }

    /// The device works, again or for the first time: forgets what has waited for it for too long,
    /// and the wish to cut off what was being said before.
    pub(crate) fn recover(&self) {
        let mut state = self.0.lock();
        let trouble = state.trouble.take();
        if trouble.is_some_and(|(since, _)| since.elapsed() > KEPT) {
            self.0.forget(&mut state);
        }
        state.cut = false;
    }

    /// The device cannot be used.
    pub(crate) fn fail(&self, trouble: &Trouble) {
        let mut state = self.0.lock();
        let since = state.trouble.take().map_or_else(Instant::now, |(since, _)| since);
        state.trouble = Some((since, trouble.clone()));
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        while !holds(&self.0.lock()) {
            self.0.news.notified().await;
        }
    }
}

impl Shared {
    /// Nothing waits any more, and what is being said is cut off.
    fn forget(&self, state: &mut State) {
        for _ in state.waiting.drain(..) {
            self.status.count(Ending::Dropped.counter());
        }
        state.bytes = 0;
        state.cut = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::device;

    fn new() -> (Speaker, Orders, Status) {
        let status = Status::new("speech", device::State::Ready);
        let (speaker, orders) = queue(status.clone());
        (speaker, orders, status)
    }

    fn text(text: &str) -> Utterance {
        Utterance::new(text, 1.0, 1.0)
    }

    fn texts(orders: &Orders) -> Vec<String> {
        std::iter::from_fn(|| orders.take()).map(|utterance| utterance.text).collect()
    }

    #[test]
    fn texts_wait_in_their_order_until_there_are_too_many() {
        let (speaker, orders, status) = new();
        for number in 0..WAITING {
            speaker.say(text(&number.to_string()), Order::After).unwrap();
        }
        assert_eq!(speaker.say(text("more"), Order::After), Err(SpeechError::Full));
        assert_eq!(status.counters()["refused"], 1);
        assert_eq!(orders.take().unwrap().text, "0");
        speaker.say(text("last"), Order::After).unwrap();
        let all = texts(&orders);
        assert_eq!((all.len(), all[0].as_str(), all[31].as_str()), (32, "1", "last"));
        assert!(!orders.is_cut());
    }

    #[test]
    fn bytes_are_bounded_too_and_free_again_when_they_are_taken() {
        let (speaker, orders, _) = new();
        let large = "好".repeat(WAITING_BYTES / 3 - 10);
        assert_eq!(speaker.say(text(&large), Order::After), Ok(()));
        assert_eq!(speaker.say(text(&large), Order::After), Err(SpeechError::Full));
        orders.take().unwrap();
        assert_eq!(speaker.say(text(&large), Order::After), Ok(()));
        let too_long = "a".repeat(WAITING_BYTES + 1);
        let error = speaker.say(text(&too_long), Order::Instead);
        assert_eq!(error, Err(SpeechError::TooLong(WAITING_BYTES + 1)));
        // What was refused has changed nothing.
        assert!(!orders.is_cut());
        assert_eq!(texts(&orders).len(), 1);
    }

    #[test]
    fn instead_empties_the_queue_however_full() {
        let (speaker, orders, status) = new();
        for _ in 0..WAITING {
            speaker.say(text("old"), Order::After).unwrap();
        }
        speaker.say(text("new"), Order::Instead).unwrap();
        assert!(orders.take_cut());
        assert!(!orders.take_cut());
        assert_eq!(texts(&orders), ["new"]);
        assert_eq!(status.counters()["dropped"], 32);
    }

    #[test]
    fn stop_forgets_all_and_cuts_off() {
        let (speaker, orders, status) = new();
        speaker.say(text("a"), Order::After).unwrap();
        speaker.stop().unwrap();
        assert!(orders.take_cut());
        assert!(orders.take().is_none());
        assert_eq!(status.counters()["dropped"], 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_outlives_a_short_absence_and_no_long_one() {
        for (gone, kept) in [(4, 1), (6, 0)] {
            let (speaker, orders, status) = new();
            speaker.say(text("a"), Order::After).unwrap();
            let trouble = Trouble::Absent { detail: "gone".to_owned() };
            orders.fail(&trouble);
            assert_eq!(speaker.say(text("b"), Order::After), Err(trouble.clone().into()));
            tokio::time::sleep(Duration::from_secs(gone)).await;
            // Another try, and the absence goes on.
            orders.fail(&trouble);
            orders.recover();
            assert_eq!(texts(&orders).len(), kept, "{gone} s");
            assert_eq!(status.counters().contains_key("dropped"), kept == 0);
            assert!(!orders.is_cut());
            assert_eq!(speaker.say(text("c"), Order::After), Ok(()));
        }
    }

    #[test]
    fn stop_while_the_device_is_away_forgets_what_waits_for_it() {
        let (speaker, orders, _) = new();
        speaker.say(text("a"), Order::After).unwrap();
        let trouble = Trouble::Absent { detail: "gone".to_owned() };
        orders.fail(&trouble);
        assert_eq!(speaker.stop(), Err(trouble));
        orders.recover();
        assert!(orders.take().is_none());
    }

    #[test]
    fn what_is_put_back_is_first_again_unless_all_is_cut_off() {
        let (speaker, orders, status) = new();
        speaker.say(text("a"), Order::After).unwrap();
        speaker.say(text("b"), Order::After).unwrap();
        let first = orders.take().unwrap();
        orders.put_back(first);
        assert_eq!(orders.take().unwrap().text, "a");
        speaker.stop().unwrap();
        orders.put_back(text("a"));
        assert!(orders.take().is_none());
        assert_eq!(status.counters()["dropped"], 2);
    }
}
