//! DNS over TLS (RFC 7858): many questions on one connection, answered in whatever order.
//!
//! [`Pipeline`] knows who waits for which id, and cuts what arrives into messages; [`run`] moves the
//! bytes. Nothing here knows TLS: it would work on any stream that nobody else can write into.

use std::{
    collections::{HashMap, VecDeque},
    io,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Activity, Trouble};
use crate::{
    dns::forward::{
        exchange::{Question, heard},
        reply::{Asked, Kept},
    },
    limits::{FORWARD_ATTEMPT, FORWARD_MISMATCHES_MAX, SECURE_GIVEN_UP_MAX, SECURE_WAITING_MAX},
};

/// A question, and who waits for its answer.
pub struct Job {
    pub question: Question,
    pub answered: oneshot::Sender<Result<Kept, Trouble>>,
}

/// Questions that wait for their answers on one connection.
pub struct Pipeline<W> {
    waiting: HashMap<u16, (Asked, W)>,
    /// Bytes of a message that is not whole yet.
    begun: Vec<u8>,
    /// Ids of questions that nobody waits for any more, the oldest first: they may be answered late.
    given_up: VecDeque<u16>,
    /// Messages that nobody asked for since the last good answer.
    unasked: usize,
}

impl<W> Default for Pipeline<W> {
    fn default() -> Pipeline<W> {
        let (waiting, begun, given_up) = <_>::default();
        Pipeline { waiting, begun, given_up, unasked: 0 }
    }
}

impl<W> Pipeline<W> {
    /// Who waits, and the message to send, its length in front (RFC 1035 section 4.2.2), with an id
    /// that no other has. `draw` gives bits that nobody can foresee.
    ///
    /// # Errors
    /// Gives back who would wait, when there is no more room.
    pub fn ask(
        &mut self,
        question: &Question,
        who: W,
        draw: impl Fn() -> [u64; 5],
    ) -> Result<Vec<u8>, W> {
        if self.waiting.len() >= SECURE_WAITING_MAX {
            return Err(who);
        }
        let mut id = draw()[0] as u16;
        while self.waiting.contains_key(&id) || self.given_up.contains(&id) {
            id = id.wrapping_add(1);
        }
        let (message, asked) = question.padded(id);
        self.waiting.insert(id, (asked, who));
        Ok([&(message.len() as u16).to_be_bytes()[..], &message].concat())
    }

    /// Takes bytes as they arrive; hands over what answers somebody, or is no answer to what that
    /// one asked.
    ///
    /// # Errors
    /// When too much was sent that nobody ever asked for.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        give: &mut impl FnMut(W, Result<Kept, Trouble>),
    ) -> Result<(), Trouble> {
        self.begun.extend_from_slice(bytes);
        while let Some(len) = self.begun.first_chunk::<2>() {
            let end = 2 + usize::from(u16::from_be_bytes(*len));
            if self.begun.len() < end {
                break;
            }
            let rest = self.begun.split_off(end);
            let mut message = std::mem::replace(&mut self.begun, rest);
            self.take(&mut message[2..], give)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        message: &mut [u8],
        give: &mut impl FnMut(W, Result<Kept, Trouble>),
    ) -> Result<(), Trouble> {
        let id = message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id));
        match id.and_then(|id| self.waiting.remove(&id)) {
            Some((asked, who)) => {
                let answer = heard(message, &asked).map_err(Trouble::Fault);
                if answer.is_ok() {
                    self.unasked = 0;
                }
                give(who, answer);
            }
            None if id.is_some_and(|id| self.was_given_up(id)) => {}
            None => {
                self.unasked += 1;
                if self.unasked > FORWARD_MISMATCHES_MAX {
                    return Err(Trouble::Unasked);
                }
            }
        }
        Ok(())
    }

    fn was_given_up(&mut self, id: u16) -> bool {
        let place = self.given_up.iter().position(|one| *one == id);
        place.is_some_and(|place| self.given_up.remove(place).is_some())
    }

    /// Forgets those who no longer wait, but not at once that they asked.
    pub fn forget(&mut self, mut gone: impl FnMut(&W) -> bool) {
        let given_up = self.waiting.extract_if(|_, (_, who)| gone(who));
        self.given_up.extend(given_up.map(|(id, _)| id));
        let over = self.given_up.len().saturating_sub(SECURE_GIVEN_UP_MAX);
        self.given_up.drain(..over);
    }

    /// Tells those who wait of the end of the connection: why it was ended, or whether it ended in
    /// the middle of a message.
    pub fn end(self, why: Option<Trouble>, mut give: impl FnMut(W, Trouble)) {
        let closed = if self.begun.is_empty() { Trouble::Closed } else { Trouble::Cut };
        let trouble = why.unwrap_or(closed);
        self.waiting.into_values().for_each(|(_, who)| give(who, trouble.clone()));
    }
}

type Waiting = Pipeline<oneshot::Sender<Result<Kept, Trouble>>>;

/// Sends the questions of `jobs` and gives out the answers, until the server closes the connection,
/// nobody has asked anything for long, or nobody can ask any more.
pub async fn run<S: AsyncRead + AsyncWrite>(
    stream: S,
    mut jobs: mpsc::Receiver<Job>,
    activity: &Activity,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut waiting = Waiting::default();
    let (mut chunk, mut batch) = (vec![0; CHUNK_BYTES], Vec::new());
    let why = loop {
        tokio::select! {
            read = reader.read(&mut chunk) => {
                let Ok(len @ 1..) = read else { break None };
                activity.heard();
                let give = &mut |who: oneshot::Sender<_>, answer| drop(who.send(answer));
                if let Err(trouble) = waiting.receive(&chunk[..len], give) {
                    break Some(trouble);
                }
            }
            count = jobs.recv_many(&mut batch, SECURE_WAITING_MAX) => {
                let framed = frame(&mut waiting, batch.drain(..), activity);
                let sent = timeout(FORWARD_ATTEMPT, send(&mut writer, &framed)).await;
                if count == 0 || !matches!(sent, Ok(Ok(()))) {
                    break None;
                }
            }
            () = activity.idle() => break None,
        }
    };
    drop(jobs);
    waiting.end(why, |who, trouble| drop(who.send(Err(trouble))));
    // Says that this is the end (RFC 8446 section 6.1), if it can still be said.
    let _ = timeout(FORWARD_ATTEMPT, writer.shutdown()).await;
}

/// What is read at a time (choice: the largest TLS record).
const CHUNK_BYTES: usize = 16 * 1024;

fn frame(waiting: &mut Waiting, jobs: impl Iterator<Item = Job>, activity: &Activity) -> Vec<u8> {
    waiting.forget(oneshot::Sender::is_closed);
    let mut framed = Vec::new();
    for job in jobs.filter(|job| !job.answered.is_closed()) {
        match waiting.ask(&job.question, job.answered, activity.random) {
            Ok(bytes) => framed.extend(bytes),
            Err(who) => drop(who.send(Err(Trouble::Busy))),
        }
    }
    framed
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks, and gives the answer that the server would send.
    fn ask(pipeline: &mut Pipeline<u16>, n: u16) -> Vec<u8> {
        let raw = Box::from(*b"\x03www\x07example\0\0\x01\0\x01");
        let question = Question { raw, dnssec_ok: false, checking_disabled: false };
        let mut answer = pipeline.ask(&question, n, || [7, 0, 0, 0, 0]).unwrap();
        answer[4] |= 0x80;
        answer
    }

    fn receive(pipeline: &mut Pipeline<u16>, bytes: &[u8]) -> Result<Vec<u16>, Trouble> {
        let mut answered = Vec::new();
        let give = &mut |who, answer: Result<Kept, Trouble>| {
            assert!(answer.is_ok());
            answered.push(who);
        };
        pipeline.receive(bytes, give).map(|()| answered)
    }

    #[test]
    fn late_answers_end_no_connection_and_are_taken_for_no_other() {
        let mut pipeline = Pipeline::default();
        let late: Vec<Vec<u8>> = (0..50).map(|n| ask(&mut pipeline, n)).collect();
        pipeline.forget(|_| true);
        let good = ask(&mut pipeline, 50);
        for answer in &late {
            assert_eq!(receive(&mut pipeline, answer), Ok(vec![]));
        }
        assert_eq!(receive(&mut pipeline, &good), Ok(vec![50]));
        for n in 0..3 * SECURE_GIVEN_UP_MAX {
            ask(&mut pipeline, n as u16);
            pipeline.forget(|_| true);
        }
        assert_eq!(pipeline.given_up.len(), SECURE_GIVEN_UP_MAX);
    }

    #[test]
    fn what_nobody_asked_for_ends_a_connection_unless_good_answers_come_between() {
        let mut pipeline = Pipeline::default();
        let unasked = [&[0, 30][..], &[0xaa; 30]].concat().repeat(FORWARD_MISMATCHES_MAX);
        for n in 0..3 {
            assert_eq!(receive(&mut pipeline, &unasked), Ok(vec![]));
            let good = ask(&mut pipeline, n);
            assert_eq!(receive(&mut pipeline, &good), Ok(vec![n]));
        }
        assert_eq!(receive(&mut pipeline, &unasked.repeat(2)), Err(Trouble::Unasked));
    }
}
