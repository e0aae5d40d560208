//! A queue between those who want something done and the one task that does it.
//!
//! [`Errands`] is the side of those who ask: asking takes a place at once, and ends when it is done.
//! [`Doer`] is the task's. What is done runs to its end, whoever has gone meanwhile; what has not
//! begun when its caller goes is passed over. Used by [`crate::face`] and [`crate::shell`].

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hharome_hardware::device::Trouble;
use tokio::sync::{Notify, oneshot};

/// The side of those who ask. Clones are handles on the same queue.
pub struct Errands<Q, A>(Arc<Shared<Q, A>>);

/// The side of the task that does it.
pub struct Doer<Q, A>(Arc<Shared<Q, A>>);

/// One that was taken, and whom its answer goes to.
pub struct Errand<Q, A> {
    /// What is wanted.
    pub wanted: Q,
    reply: oneshot::Sender<Result<A, Undone>>,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Too many wait.
    Full,
    /// Whoever does it cannot.
    Trouble(Trouble),
}

struct Shared<Q, A> {
    most: usize,
    state: Mutex<State<Q, A>>,
    news: Notify,
}

struct State<Q, A> {
    waiting: VecDeque<Errand<Q, A>>,
    /// Why nothing can be done now.
    trouble: Option<Trouble>,
}

/// The two sides of an empty queue in which at most `most` wait.
#[must_use]
pub fn errands<Q, A>(most: usize) -> (Errands<Q, A>, Doer<Q, A>) {
    let state = Mutex::new(State { waiting: VecDeque::new(), trouble: None });
    let shared = Arc::new(Shared { most, state, news: Notify::new() });
    (Errands(Arc::clone(&shared)), Doer(shared))
}

impl<Q, A> Clone for Errands<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q: Send, A: Send> Errands<Q, A> {
    /// Asks for it, behind what was asked for before; ends with the answer.
    ///
    /// # Errors
    /// [`Undone`].
    pub fn ask(&self, wanted: Q) -> impl Future<Output = Result<A, Undone>> + Send + use<Q, A> {
        self.ask_within(self.0.most, wanted)
    }

    /// The same, however many wait: for the little that is asked for at the program's end.
    ///
    /// # Errors
    /// [`Undone::Trouble`].
    pub fn ask_at_the_end(
        &self,
        wanted: Q,
    ) -> impl Future<Output = Result<A, Undone>> + Send + use<Q, A> {
        self.ask_within(usize::MAX, wanted)
    }

    fn ask_within(
        &self,
        most: usize,
        wanted: Q,
    ) -> impl Future<Output = Result<A, Undone>> + Send + use<Q, A> {
        let (reply, answer) = oneshot::channel();
        let refused = self.0.push(most, Errand { wanted, reply });
        async move {
            match refused {
                Some(undone) => Err(undone),
                None => answer.await.unwrap_or_else(|_| {
                    let detail = "the program is ending".to_owned();
                    Err(Undone::Trouble(Trouble::Failed { detail }))
                }),
            }
        }
    }
}

impl<Q, A> Doer<Q, A> {
    /// The next one, when there is one. Safe to drop.
    pub async fn next(&self) -> Errand<Q, A> {
        loop {
            if let Some(errand) = self.take() {
                return errand;
            }
            self.0.news.notified().await;
        }
    }

    /// The next one whose caller still waits for it, if there is one.
    pub fn take(&self) -> Option<Errand<Q, A>> {
        let mut state = self.0.lock();
        while let Some(errand) = state.waiting.pop_front() {
            if !errand.reply.is_closed() {
                return Some(errand);
            }
        }
        None
    }

    /// From now on it can be done.
    pub fn recover(&self) {
        self.0.lock().trouble = None;
    }

    /// It cannot be done: whoever waits for it learns why, and whoever asks.
    pub fn fail(&self, trouble: &Trouble) {
        let mut state = self.0.lock();
        state.trouble = Some(trouble.clone());
        for errand in std::mem::take(&mut state.waiting) {
            errand.fail(trouble);
        }
    }
}

impl<Q, A> Errand<Q, A> {
    /// It is done.
    pub fn done(self, answer: A) {
        // Whoever asked may have gone.
        let _ = self.reply.send(Ok(answer));
    }

    /// It cannot be done.
    pub fn fail(self, trouble: &Trouble) {
        let _ = self.reply.send(Err(Undone::Trouble(trouble.clone())));
    }
}

impl<Q, A> Shared<Q, A> {
    /// Puts one behind the others, if they are fewer than `most`; if that cannot be, the answer to it.
    fn push(&self, most: usize, errand: Errand<Q, A>) -> Option<Undone> {
        let mut state = self.lock();
        if let Some(trouble) = &state.trouble {
            return Some(Undone::Trouble(trouble.clone()));
        }
        if state.waiting.len() >= most {
            // Those who have gone make room.
            state.waiting.retain(|waiting| !waiting.reply.is_closed());
        }
        if state.waiting.len() >= most {
            return Some(Undone::Full);
        }
        state.waiting.push_back(errand);
        drop(state);
        self.news.notify_one();
        None
    }

    fn lock(&self) -> MutexGuard<'_, State<Q, A>> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> Trouble {
        Trouble::Absent { detail: "nobody is there".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_done_in_their_order_and_there_are_not_too_many() {
        let (errands, doer) = errands::<u8, u8>(2);
        let (first, second) = (errands.ask(1), errands.ask(2));
        assert_eq!(errands.ask(3).await, Err(Undone::Full));
        let last = errands.ask_at_the_end(4);
        for expected in [1, 2, 4] {
            let errand = doer.next().await;
            assert_eq!(errand.wanted, expected);
            errand.done(expected * 10);
        }
        assert_eq!((first.await, second.await, last.await), (Ok(10), Ok(20), Ok(40)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_caller_has_gone_before_it_began_is_passed_over_and_makes_room() {
        let (errands, doer) = errands::<u8, u8>(1);
        drop(errands.ask(1));
        let stays = errands.ask(2);
        assert_eq!(doer.next().await.wanted, 2);
        drop(stays);
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_is_told_to_those_who_wait_and_to_those_who_come_until_it_is_over() {
        let (errands, doer) = errands::<u8, u8>(4);
        let waiting = errands.ask(1);
        doer.fail(&absent());
        assert_eq!(waiting.await, Err(Undone::Trouble(absent())));
        assert_eq!(errands.ask(2).await, Err(Undone::Trouble(absent())));
        doer.recover();
        let waiting = errands.ask(3);
        doer.next().await.done(4);
        assert_eq!(waiting.await, Ok(4));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_task_that_has_ended() {
        let (errands, doer) = errands::<u8, u8>(4);
        let waiting = errands.ask(1);
        drop(doer.next().await);
        assert!(matches!(waiting.await, Err(Undone::Trouble(Trouble::Failed { .. }))));
    }
}
