//! Many datagrams with one call of the system: recvmmsg(2) and sendmmsg(2).
//!
//! At the limit of the machine most of an answer's time is the kernel's, and each call of it costs as
//! much as finding what to answer. A batch holds room for its datagrams once and for all, and answers
//! leave to where the question came from without its address being read. What is answered is not
//! known here.
//!
//! With one call in `processor` the only unsafe code of the DNS face: no library has these calls without copying
//! addresses around and building lists anew for each batch. Every pointer that the kernel is given leads into a slot of
//! the batch, and is made right before the call that uses it.
#![expect(unsafe_code, reason = "recvmmsg and sendmmsg take lists of pointers")]

use std::{
    io,
    mem::zeroed,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use crate::limits::{DNS_UDP_BATCH, DNS_UDP_QUERY_BYTES_MAX, UDP_ANSWER_BYTES_MAX};

/// Room for one answer.
pub type Room = [u8; UDP_ANSWER_BYTES_MAX as usize];

/// Datagrams that were received together, and the answers to them. What the kernel is told lies close
/// together, apart from the room for what is said: a call for one datagram touches little.
pub struct Batch {
    slots: Box<[Slot]>,
    parts: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    queries: Box<[[u8; DNS_UDP_QUERY_BYTES_MAX]]>,
    answers: Box<[Room]>,
    /// How many slots hold a datagram.
    received: usize,
}

/// Of one datagram where it came from, and how long it and its answer are.
#[derive(Clone, Copy)]
struct Slot {
    from: Address,
    from_len: libc::socklen_t,
    query_len: usize,
    /// 0: it gets none.
    answer_len: usize,
}

/// Where a datagram came from, as the kernel writes it. All of it is plain old data, valid in every bit
/// pattern.
#[repr(C)]
#[derive(Clone, Copy)]
union Address {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

const ADDRESS_BYTES: libc::socklen_t = size_of::<Address>() as libc::socklen_t;

// SAFETY: the pointers in `headers` and `parts` lead into this batch only, and are followed by nobody but
// the calls right after which they are stale.
unsafe impl Send for Batch {}

impl Batch {
    /// Room for [`DNS_UDP_BATCH`] datagrams.
    pub fn new() -> Batch {
        // SAFETY: all zeros is a value of each of these types: numbers and null pointers.
        let (slot, part, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Batch {
            slots: vec![slot; DNS_UDP_BATCH].into(),
            parts: vec![part; DNS_UDP_BATCH].into(),
            headers: vec![header; DNS_UDP_BATCH].into(),
            queries: vec![[0; DNS_UDP_QUERY_BYTES_MAX]; DNS_UDP_BATCH].into(),
            answers: vec![[0; UDP_ANSWER_BYTES_MAX as usize]; DNS_UDP_BATCH].into(),
            received: 0,
        }
    }

    /// Receives what is there, and waits for nothing. Returns how many datagrams that are. Those before
    /// are forgotten.
    ///
    /// # Errors
    /// Those of recvmmsg(2), among them [`io::ErrorKind::WouldBlock`] when nothing is there.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        let kept = self.slots.iter_mut().zip(&mut self.queries);
        for ((slot, query), (part, header)) in
            kept.zip(self.parts.iter_mut().zip(&mut self.headers))
        {
            *part = part_of(query);
            header.msg_hdr = message(&mut slot.from, ADDRESS_BYTES, part);
        }
        let (list, len) = (self.headers.as_mut_ptr(), self.headers.len() as libc::c_uint);
        // SAFETY: each of the `len` headers leads to an address and one part, of the lengths that it says,
        // in a slot of its own that nobody else uses while this call runs.
        let count = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), list, len, libc::MSG_DONTWAIT, ptr::null_mut())
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots.iter_mut().zip(&self.headers).take(count) {
            slot.from_len = header.msg_hdr.msg_namelen;
            slot.query_len = (header.msg_len as usize).min(DNS_UDP_QUERY_BYTES_MAX);
            slot.answer_len = 0;
        }
        self.received = count;
        Ok(count)
    }

    /// A datagram that was received, the room for its answer, and where it came from.
    pub fn slot(&mut self, n: usize) -> (&[u8], &mut Room, Option<SocketAddr>) {
        let slot = &self.slots[..self.received][n];
        let from = slot.from.read(slot.from_len);
        (&self.queries[n][..slot.query_len], &mut self.answers[n], from)
    }

    /// So many octets of the room are the answer to this datagram.
    pub fn answer(&mut self, n: usize, len: usize) {
        let slot = &mut self.slots[..self.received][n];
        slot.answer_len = len.min(usize::from(UDP_ANSWER_BYTES_MAX));
    }

    /// Sends all answers to where the questions came from. Returns how many could not be sent; where the
    /// system has no room for more now, the rest of them counts.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> usize {
        let all = self.slots[..self.received].iter_mut().zip(&mut self.answers);
        let answered = all.filter(|(slot, _)| slot.answer_len > 0);
        let mut total = 0;
        for ((slot, answer), (part, header)) in
            answered.zip(self.parts.iter_mut().zip(&mut self.headers))
        {
            *part = part_of(&mut answer[..slot.answer_len]);
            header.msg_hdr = message(&mut slot.from, slot.from_len, part);
            total += 1;
        }
        let (mut done, mut lost) = (0, 0);
        while done < total {
            let rest = &mut self.headers[done..total];
            let (list, len) = (rest.as_mut_ptr(), rest.len() as libc::c_uint);
            // SAFETY: each of the `len` headers was made above, and leads to the address and the one part
            // of a slot of its own, of the lengths that it says.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), list, len, libc::MSG_DONTWAIT) };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => done += sent,
                // The first of them: an ICMP error of an earlier answer, or a source that cannot be answered.
                _ if io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock => {
                    (done, lost) = (done + 1, lost + 1);
                }
                _ => return lost + total - done,
            }
        }
        lost
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Address {
    fn read(&self, len: libc::socklen_t) -> Option<SocketAddr> {
        // SAFETY: every bit pattern is a value of each variant.
        let (family, v4, v6) = unsafe { (self.family, self.v4, self.v6) };
        let has = |size: usize| len as usize >= size;
        match i32::from(family) {
            libc::AF_INET if has(size_of::<libc::sockaddr_in>()) => {
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
            }
            libc::AF_INET6 if has(size_of::<libc::sockaddr_in6>()) => {
                let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
                Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

fn part_of(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

/// A header with one part and an address of at most so many bytes.
fn message(from: &mut Address, len: libc::socklen_t, part: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: all zeros is a value of it: numbers and null pointers.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_name = ptr::from_mut(from).cast();
    header.msg_namelen = len;
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd};

    use super::*;

    /// A server's socket and a client's that is connected to it.
    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let [server, client] = [(); 2].map(|()| UdpSocket::bind(address).unwrap());
        client.connect(server.local_addr().unwrap()).unwrap();
        (server, client)
    }

    fn receive(batch: &mut Batch, socket: &UdpSocket) -> usize {
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(socket, rustix::event::PollFlags::IN)],
            None,
        )
        .unwrap();
        batch.receive(socket.as_fd()).unwrap()
    }

    #[test]
    fn answers_go_to_where_the_questions_came_from() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (server, client) = pair(address);
            let other = UdpSocket::bind(address).unwrap();
            client.send(b"first").unwrap();
            other.send_to(b"second, unanswered", server.local_addr().unwrap()).unwrap();
            client.send(b"third").unwrap();
            let mut batch = Batch::new();
            assert_eq!(receive(&mut batch, &server), 3);
            for n in 0..3 {
                let (query, room, from) = batch.slot(n);
                let expect = if n == 1 { &other } else { &client };
                assert_eq!(from, Some(expect.local_addr().unwrap()));
                let len = query.len();
                room[..len].copy_from_slice(&query.to_ascii_uppercase());
                batch.answer(n, if n == 1 { 0 } else { len });
            }
            assert_eq!(batch.send(server.as_fd()), 0);
            let mut heard = [0; 100];
            for expect in ["FIRST", "THIRD"] {
                let len = client.recv(&mut heard).unwrap();
                assert_eq!(&heard[..len], expect.as_bytes());
            }
            other.set_nonblocking(true).unwrap();
            assert_eq!(other.recv(&mut heard).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let nothing = batch.receive(server.as_fd()).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(batch.send(server.as_fd()), 0);
        }
    }

    #[test]
    fn a_datagram_of_any_length_is_cut_to_what_is_read() {
        let (server, client) = pair("127.0.0.1:0");
        let mut batch = Batch::new();
        for len in [0, 1, DNS_UDP_QUERY_BYTES_MAX, DNS_UDP_QUERY_BYTES_MAX + 1, 60_000] {
            client.send(&vec![7; len]).unwrap();
            assert_eq!(receive(&mut batch, &server), 1);
            assert_eq!(batch.slot(0).0, vec![7; len.min(DNS_UDP_QUERY_BYTES_MAX)], "{len}");
        }
    }

    #[test]
    fn a_full_batch_leaves_the_rest_for_the_next_and_one_lost_answer_loses_no_other() {
        let (server, client) = pair("127.0.0.1:0");
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
        gone.send_to(b"x", server.local_addr().unwrap()).unwrap();
        drop(gone);
        (0..DNS_UDP_BATCH).for_each(|_| assert_eq!(client.send(b"y").unwrap(), 1));
        let mut batch = Batch::new();
        assert_eq!(receive(&mut batch, &server), DNS_UDP_BATCH);
        (0..DNS_UDP_BATCH).for_each(|n| batch.answer(n, 1));
        batch.send(server.as_fd());
        assert_eq!(receive(&mut batch, &server), 1);
        batch.answer(0, 1);
        batch.send(server.as_fd());
        let mut heard = [0; 10];
        (0..DNS_UDP_BATCH).for_each(|_| assert_eq!(client.recv(&mut heard).unwrap(), 1));
    }
}
