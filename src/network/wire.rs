//! What travels on a stream (N1): a head of fixed length, and as many bytes as it announces.
//!
//! A stream for a request carries one frame each way and ends; the stream of notices begins with
//! `NOTICES` and carries frames until the connection ends. Numbers are big-endian. What the bytes
//! mean is not known here, nor where they come from: [`Intake`] is handed what arrived.
//!
//! ```text
//! request   answer_bytes_max:u32  length:u32  bytes   end
//! answer    status:u8             length:u32  bytes   end
//! notices   0x01  ( length:u32  bytes )…
//! ```

use crate::limits::{NETWORK_BUFFER_BYTES, NETWORK_NOTICE_BYTES_MAX, NETWORK_REQUEST_BYTES_MAX};

/// The byte that opens the stream of notices. Whoever sends it has taken the connection on.
pub(super) const NOTICES: u8 = 1;

/// What is wrong with a stream's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{bytes} bytes are announced where {bytes_max} may be")]
    Oversize { bytes: usize, bytes_max: usize },
    #[error("a status {0} that does not exist")]
    Status(u8),
    #[error("the stream ended within a frame")]
    Short,
    #[error("bytes follow the end of the frame")]
    Trailing,
    #[error("a frame with nothing in it")]
    Empty,
}

/// The fixed beginning of a frame.
pub trait Head: Copy + Sized {
    /// How long it is.
    const BYTES: usize;

    /// Reads [`Head::BYTES`] bytes.
    ///
    /// # Errors
    /// When they are no such head.
    fn read(bytes: &[u8]) -> Result<Self, Fault>;

    /// How many bytes follow it.
    fn body_bytes(&self) -> usize;
}

/// Head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The most bytes of an answer that are taken.
    pub answer_bytes_max: u32,
    pub bytes: u32,
}

/// Head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    pub status: Status,
    pub bytes: u32,
}

/// Head of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeHead(pub u32);

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Here is the answer.
    Answer = 0,
    /// The request means nothing to this node.
    NotUnderstood = 1,
    /// Too much is asked at the moment: later, or of another.
    Busy = 2,
    /// The answer is longer than the one who asks takes.
    TooLong = 3,
}

impl Head for RequestHead {
    const BYTES: usize = 8;

    fn read(bytes: &[u8]) -> Result<RequestHead, Fault> {
        let head = RequestHead { answer_bytes_max: number(bytes), bytes: number(&bytes[4..]) };
        at_most(head.bytes, NETWORK_REQUEST_BYTES_MAX)?;
        if head.bytes == 0 { Err(Fault::Empty) } else { Ok(head) }
    }

    fn body_bytes(&self) -> usize {
        self.bytes as usize
    }
}

impl Head for AnswerHead {
    const BYTES: usize = 5;

    fn read(bytes: &[u8]) -> Result<AnswerHead, Fault> {
        let status = match bytes[0] {
            0 => Status::Answer,
            1 => Status::NotUnderstood,
            2 => Status::Busy,
            3 => Status::TooLong,
            other => return Err(Fault::Status(other)),
        };
        let head = AnswerHead { status, bytes: number(&bytes[1..]) };
        // Only an answer says anything.
        if status != Status::Answer {
            at_most(head.bytes, 0)?;
        }
        Ok(head)
    }

    fn body_bytes(&self) -> usize {
        self.bytes as usize
    }
}

impl Head for NoticeHead {
    const BYTES: usize = 4;

    fn read(bytes: &[u8]) -> Result<NoticeHead, Fault> {
        let head = NoticeHead(number(bytes));
        at_most(head.0, NETWORK_NOTICE_BYTES_MAX)?;
        if head.0 == 0 { Err(Fault::Empty) } else { Ok(head) }
    }

    fn body_bytes(&self) -> usize {
        self.0 as usize
    }
}

impl RequestHead {
    /// As it travels.
    pub fn write(&self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.answer_bytes_max.to_be_bytes());
        bytes[4..].copy_from_slice(&self.bytes.to_be_bytes());
        bytes
    }
}

impl AnswerHead {
    /// As it travels.
    pub fn write(&self) -> [u8; 5] {
        let [a, b, c, d] = self.bytes.to_be_bytes();
        [self.status as u8, a, b, c, d]
    }
}

impl NoticeHead {
    /// As it travels.
    pub fn write(&self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

fn number(bytes: &[u8]) -> u32 {
    let first: [u8; 4] = std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default());
    u32::from_be_bytes(first)
}

fn at_most(bytes: u32, bytes_max: usize) -> Result<(), Fault> {
    let bytes = bytes as usize;
    if bytes > bytes_max { Err(Fault::Oversize { bytes, bytes_max }) } else { Ok(()) }
}

/// Puts frames together from what arrives, in whatever pieces. It never holds more than one frame.
#[derive(Debug)]
pub struct Intake<H> {
    body_bytes_max: usize,
    head: Option<H>,
    bytes: Vec<u8>,
}

impl<H: Head> Intake<H> {
    /// Takes frames of up to so many bytes beside their heads, if the kind of head allows as many.
    pub fn new(body_bytes_max: usize) -> Intake<H> {
        Intake { body_bytes_max, head: None, bytes: Vec::new() }
    }

    /// Takes from the front of `arrived` what belongs to the frame that is under way, and hands the
    /// frame out once it is whole. To be called again while something is left in `arrived`.
    ///
    /// # Errors
    /// As soon as a head is seen that is none, or announces too much.
    pub fn take(&mut self, arrived: &mut &[u8]) -> Result<Option<(H, Vec<u8>)>, Fault> {
        let head = match self.head {
            Some(head) => head,
            None => match self.take_head(arrived)? {
                Some(head) => head,
                None => return Ok(None),
            },
        };
        self.fill(arrived, head.body_bytes());
        if self.bytes.len() < head.body_bytes() {
            return Ok(None);
        }
        self.head = None;
        Ok(Some((head, std::mem::take(&mut self.bytes))))
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// [`Fault::Short`] within a frame.
    pub fn end(&self) -> Result<(), Fault> {
        let between = self.head.is_none() && self.bytes.is_empty();
        if between { Ok(()) } else { Err(Fault::Short) }
    }

    fn take_head(&mut self, arrived: &mut &[u8]) -> Result<Option<H>, Fault> {
        self.fill(arrived, H::BYTES);
        if self.bytes.len() < H::BYTES {
            return Ok(None);
        }
        let head = H::read(&self.bytes)?;
        let (bytes, bytes_max) = (head.body_bytes(), self.body_bytes_max);
        if bytes > bytes_max {
            return Err(Fault::Oversize { bytes, bytes_max });
        }
        // Memory is taken for what arrived, not for what is announced.
        self.bytes = Vec::with_capacity(bytes.min(NETWORK_BUFFER_BYTES));
        self.head = Some(head);
        Ok(Some(head))
    }

    fn fill(&mut self, arrived: &mut &[u8], until: usize) {
        let take = arrived.len().min(until.saturating_sub(self.bytes.len()));
        let (now, later) = arrived.split_at(take);
        self.bytes.extend_from_slice(now);
        *arrived = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one stream of single pieces of `at_once` bytes amounts to.
    fn read<H: Head>(
        stream: &[u8],
        at_once: usize,
        body_bytes_max: usize,
    ) -> Result<Vec<(H, Vec<u8>)>, Fault> {
        let mut intake = Intake::new(body_bytes_max);
        let mut frames = Vec::new();
        for mut piece in stream.chunks(at_once) {
            while !piece.is_empty() {
                frames.extend(intake.take(&mut piece)?);
            }
        }
        intake.end().map(|()| frames)
    }

    fn notices(lens: &[usize]) -> Vec<u8> {
        let frame = |len: &usize| [&NoticeHead(*len as u32).write()[..], &vec![7; *len]].concat();
        lens.iter().flat_map(frame).collect()
    }

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let stream = notices(&[1, 300, 2]);
        for at_once in [1, 2, 3, 4, 5, 299, 1000] {
            let frames = read::<NoticeHead>(&stream, at_once, NETWORK_NOTICE_BYTES_MAX).unwrap();
            let lens: Vec<usize> = frames.iter().map(|(_, bytes)| bytes.len()).collect();
            assert_eq!(lens, [1, 300, 2], "{at_once} at once");
        }
    }

    #[test]
    fn heads_are_read_as_they_are_written() {
        let request = RequestHead { answer_bytes_max: 70_000, bytes: 3 };
        assert_eq!(RequestHead::read(&request.write()), Ok(request));
        let statuses = [Status::Answer, Status::NotUnderstood, Status::Busy, Status::TooLong];
        for (byte, status) in statuses.into_iter().enumerate() {
            let head = AnswerHead { status, bytes: 0 };
            assert_eq!(head.write()[0], byte as u8);
            assert_eq!(AnswerHead::read(&head.write()), Ok(head));
        }
        assert_eq!(AnswerHead::read(&[4, 0, 0, 0, 0]), Err(Fault::Status(4)));
    }

    /// N6 accepts: requests and notices of 64 KiB, answers as long as was asked for.
    /// N6 refuses: one byte more, when it is announced and before it is sent.
    #[test]
    fn a_frame_has_a_longest_length() {
        let check = |result: Result<usize, Fault>, bytes_max: usize, bytes: usize| match result {
            Ok(whole) => assert!(whole == bytes && bytes <= bytes_max, "{bytes}"),
            Err(fault) => assert_eq!(fault, Fault::Oversize { bytes, bytes_max }),
        };
        let max = NETWORK_NOTICE_BYTES_MAX;
        for bytes in [max - 1, max, max + 1] {
            let frames = read::<NoticeHead>(&notices(&[bytes]), 4096, usize::MAX);
            check(frames.map(|frames| frames[0].1.len()), max, bytes);
        }
        let max = NETWORK_REQUEST_BYTES_MAX;
        for bytes in [max - 1, max, max + 1] {
            let head = RequestHead { answer_bytes_max: 1, bytes: bytes as u32 };
            let stream = [&head.write()[..], &vec![7; bytes]].concat();
            let frames = read::<RequestHead>(&stream, 4096, usize::MAX);
            check(frames.map(|frames| frames[0].1.len()), max, bytes);
        }
        for bytes in [99, 100, 101] {
            let head = AnswerHead { status: Status::Answer, bytes };
            let stream = [&head.write()[..], &vec![7; bytes as usize]].concat();
            let frames = read::<AnswerHead>(&stream, 4096, 100);
            check(frames.map(|frames| frames[0].1.len()), 100, bytes as usize);
        }
        let mut announced = &RequestHead { answer_bytes_max: 0, bytes: u32::MAX }.write()[..];
        let fault = Intake::<RequestHead>::new(usize::MAX).take(&mut announced).unwrap_err();
        assert!(matches!(fault, Fault::Oversize { .. }));
    }

    #[test]
    fn what_is_no_frame_is_refused_by_name() {
        let stream = notices(&[5]);
        for len in 1..stream.len() {
            assert_eq!(read::<NoticeHead>(&stream[..len], 3, 10), Err(Fault::Short), "{len}");
        }
        assert_eq!(read::<NoticeHead>(&[0; 4], 4, 10), Err(Fault::Empty));
        assert_eq!(read::<RequestHead>(&[0; 8], 8, 10), Err(Fault::Empty));
        let busy_with_words = AnswerHead { status: Status::Busy, bytes: 1 };
        assert_eq!(
            AnswerHead::read(&busy_with_words.write()),
            Err(Fault::Oversize { bytes: 1, bytes_max: 0 })
        );
    }

    #[test]
    fn memory_is_not_taken_for_an_announcement() {
        let mut intake = Intake::<AnswerHead>::new(usize::MAX);
        let head = AnswerHead { status: Status::Answer, bytes: u32::MAX };
        assert_eq!(intake.take(&mut &head.write()[..]), Ok(None));
        assert!(intake.bytes.capacity() <= NETWORK_BUFFER_BYTES);
    }
}
