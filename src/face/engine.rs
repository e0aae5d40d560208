//! The driver of every face engine: one request after the other, each within its time.
//!
//! ```text
//! open ─► READY ─► ready ⇄ busy ─┬─ something to keep: the line is opened again
//!           └► absent            └─ no answer, late, nobody there: absent or failed, tried again
//! ```
//!
//! Of a typed number it need not know anybody: if that look-up fails, nobody behind it pays for it.
//!
//! A request is repeated only where that does nothing twice: readying the engine. An enrolment or a
//! comparison is never sent again, but for one that the engine itself has refused because it was started
//! anew meanwhile and has to be readied first.

use std::time::Duration;

use bytes::Bytes;
use hharome_hardware::device::{Driver, State, Status, Trouble};
use hharome_hardware::port::BoxedLine;
use hharome_hardware::port::packets::Packets;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::{Answer, No, Person, understood};
use super::memory::Memory;
use super::wire::{Said, Task, Tell};
use super::{NotAsked, Outcome, Question, Settings};
use crate::errands::{Doer, Errand};

/// How long the port may take to know whether anybody is there.
const START: Duration = Duration::from_secs(5);

/// How long the port may take no bytes.
const WRITE: Duration = Duration::from_secs(5);

/// How long it may take to say what it knows of a typed number.
const PERSON: Duration = Duration::from_secs(3);

/// How often an engine is asked to get ready, and how long between.
const INIT_TRIES: usize = 3;
const INIT_PAUSE: Duration = Duration::from_millis(500);

/// The driver.
pub struct Engine {
    settings: Settings,
    doer: Doer<Question, Outcome>,
    /// `None` until the first line has said what was kept.
    memory: Option<Memory>,
}

impl Engine {
    pub(super) fn new(settings: Settings, doer: Doer<Question, Outcome>) -> Self {
        Self { settings, doer, memory: None }
    }
}

impl Driver for Engine {
    async fn run(&mut self, line: BoxedLine, status: &Status) -> Option<Trouble> {
        let mut talk = Talk { line, packets: Packets::default() };
        self.work(&mut talk, status).await.err()
    }

    fn unusable(&mut self, trouble: &Trouble) {
        self.doer.fail(trouble);
    }
}

/// The line, and what has come of a packet.
struct Talk {
    line: BoxedLine,
    packets: Packets,
}

/// What one request has come to.
struct Carried {
    outcome: Outcome,
    /// There is something new to be kept.
    news: bool,
}

impl Engine {
    /// Ends well when the line has to begin anew.
    async fn work(&mut self, talk: &mut Talk, status: &Status) -> Result<(), Trouble> {
        let kept = match timeout(START, talk.said()).await.map_err(|_| strange())?? {
            Said::Ready(kept) => kept,
            Said::Absent(detail) => return Err(Trouble::Absent { detail }),
            Said::Failed(detail) => return Err(Trouble::Failed { detail }),
            Said::Answer(..) => return Err(strange()),
        };
        let first = self.memory.is_none();
        let mut memory = self.memory.take().unwrap_or_else(|| Memory::of(&kept));
        self.doer.recover();
        if first {
            status.started();
        } else {
            status.set(State::Ready);
        }
        let ended = self.serve(talk, &mut memory, status).await;
        self.memory = Some(memory);
        ended
    }

    async fn serve(
        &self,
        talk: &mut Talk,
        memory: &mut Memory,
        status: &Status,
    ) -> Result<(), Trouble> {
        loop {
            let errand = tokio::select! {
                biased;
                said = talk.said() => return Err(said.err().unwrap_or_else(strange)),
                errand = self.doer.next() => errand,
            };
            status.set(State::Busy);
            let carried = self.carry_out(talk, memory, &errand, status).await;
            let Carried { outcome, news } = match carried {
                Ok(carried) => carried,
                Err(trouble) if errand.wanted.task == Task::Person => {
                    // On this line the late answer would come to the next question.
                    status.count("lookUpsFailed");
                    tracing::debug!(%trouble, "nothing is known of a typed number");
                    errand.done(Ok(Answer::Person(Person::default())));
                    status.set(State::Ready);
                    return Ok(());
                }
                Err(trouble) => {
                    errand.fail(&trouble);
                    return Err(trouble);
                }
            };
            if news {
                let told = talk.tell(&Tell::Keep(memory.kept())).await;
                errand.done(outcome);
                return told;
            }
            errand.done(outcome);
            status.set(State::Ready);
        }
    }

    async fn carry_out(
        &self,
        talk: &mut Talk,
        memory: &mut Memory,
        errand: &Errand<Question, Outcome>,
        status: &Status,
    ) -> Result<Carried, Trouble> {
        let Question { task, json, unique_id } = &errand.wanted;
        let not_asked = |why| Carried { outcome: Err(why), news: false };
        if matches!(task, Task::Identify | Task::Verify) && memory.readied().is_none() {
            return Ok(not_asked(NotAsked::NotReady));
        }
        if unique_id.as_ref().is_some_and(|id| !memory.was_refused(id)) {
            return Ok(not_asked(NotAsked::UnknownRefusal));
        }
        let mut answer = match task {
            Task::Init => self.init(talk, json, status).await?,
            _ => self.ask(talk, *task, json, status).await?,
        };
        if let (Answer::No(no), Some(readied)) = (&answer, memory.readied())
            && *task != Task::Init
            && no.wants_init()
        {
            // It was started anew. It has done nothing, so it is asked once more.
            status.count("readiedAgain");
            if let Answer::Readied = self.init(talk, &readied.clone(), status).await? {
                answer = self.ask(talk, *task, json, status).await?;
            }
        }
        let news = match &answer {
            Answer::Readied => {
                memory.ready(json.clone());
                true
            }
            Answer::No(No::Storage(failure)) => match &failure.unique_id {
                Some(unique_id) => {
                    memory.refuse(unique_id.clone());
                    true
                }
                None => false,
            },
            Answer::Enrolled(_) => match unique_id {
                Some(unique_id) => {
                    memory.enrolled(unique_id);
                    true
                }
                None => false,
            },
            Answer::Person(_) | Answer::No(_) => false,
        };
        status.count(match &answer {
            Answer::Readied => "readied",
            Answer::Person(_) => "recognised",
            Answer::Enrolled(_) => "enrolled",
            Answer::No(No::Odd { .. }) => "oddAnswers",
            Answer::No(_) => "refused",
        });
        if let Answer::No(No::Odd { detail, .. }) = &answer {
            tracing::warn!(detail, "the face engine has answered what is no answer");
        }
        Ok(Carried { outcome: Ok(answer), news })
    }

    /// Readies the engine, which may be asked for more than once.
    async fn init(
        &self,
        talk: &mut Talk,
        json: &Bytes,
        status: &Status,
    ) -> Result<Answer, Trouble> {
        let by = Instant::now() + self.settings.init;
        let mut tries = 1;
        loop {
            let said = talk.ask(Task::Init, json, by).await;
            let worked = matches!(&said, Ok(Said::Answer(..500, _)) | Err(_));
            if worked || tries == INIT_TRIES || by < Instant::now() + INIT_PAUSE {
                return self.judged(Task::Init, said, status);
            }
            tries += 1;
            status.count("retries");
            sleep(INIT_PAUSE).await;
        }
    }

    async fn ask(
        &self,
        talk: &mut Talk,
        task: Task,
        json: &Bytes,
        status: &Status,
    ) -> Result<Answer, Trouble> {
        // What it knows of a number nobody waits long for, and those before the camera do.
        let limit = match task {
            Task::Person => self.settings.person.min(PERSON),
            _ => self.settings.person,
        };
        let said = talk.ask(task, json, Instant::now() + limit).await;
        self.judged(task, said, status)
    }

    fn judged(
        &self,
        task: Task,
        said: Result<Said, Trouble>,
        status: &Status,
    ) -> Result<Answer, Trouble> {
        status.count("requests");
        match said? {
            Said::Answer(code, body) => Ok(understood(task, code, &body)),
            Said::Absent(detail) => Err(Trouble::Absent { detail }),
            Said::Failed(detail) => Err(Trouble::Failed { detail }),
            Said::Ready(_) => Err(strange()),
        }
    }
}

impl Talk {
    async fn ask(&mut self, task: Task, json: &Bytes, by: Instant) -> Result<Said, Trouble> {
        self.tell(&Tell::Ask(task, json.clone())).await?;
        timeout_at(by, self.said()).await.map_err(|_| Trouble::Failed {
            detail: format!("the face engine has not answered {} in time", task.word()),
        })?
    }

    async fn tell(&mut self, tell: &Tell) -> Result<(), Trouble> {
        let written = timeout(WRITE, self.line.write_all(&tell.packet())).await;
        written.map_err(|_| strange())?.map_err(|_| gone())
    }

    /// What comes next. Safe to drop.
    async fn said(&mut self) -> Result<Said, Trouble> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(packet) = self.packets.next_packet().map_err(|_| strange())? {
                return Said::of(&packet).ok_or_else(strange);
            }
            match self.line.read(&mut chunk).await {
                Ok(read) if read > 0 => self.packets.push(chunk.get(..read).unwrap_or_default()),
                Ok(_) | Err(_) => return Err(gone()),
            }
        }
    }
}

fn gone() -> Trouble {
    Trouble::Absent { detail: "the line to the face engine is gone".to_owned() }
}

fn strange() -> Trouble {
    Trouble::Failed { detail: "the face engine's port does not do what it should".to_owned() }
}
