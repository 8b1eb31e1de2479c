//! The same questions to several servers at a time, most over UDP, some over TCP, and all that a
//! datagram had no room for over TCP again.

use std::thread;

use super::questions::Question;
use crate::support::message::{Client, Said, read};

/// Every so many-th question goes over TCP.
const TCP_EVERY: usize = 8;

/// What one server says to all of the questions, over UDP or TCP.
fn ask(
    client: &Client,
    questions: &[(usize, &Question)],
    tcp: impl Fn(usize) -> bool,
) -> Vec<Said> {
    let ask = |(index, question): &(usize, &Question)| {
        let query = question.message(*index as u16);
        let answer = if tcp(*index) { client.over_tcp(&query) } else { client.over_udp(&query) };
        read(&answer).unwrap_or_else(|| panic!("not well formed: {query:02x?} {answer:02x?}"))
    };
    questions.iter().map(ask).collect()
}

/// What all servers say, each asked by a thread.
fn ask_each(
    clients: &[Client],
    questions: &[(usize, &Question)],
    tcp: impl Fn(usize) -> bool + Copy + Send,
) -> Vec<Vec<Said>> {
    thread::scope(|scope| {
        let asked: Vec<_> =
            clients.iter().map(|client| scope.spawn(move || ask(client, questions, tcp))).collect();
        asked.into_iter().map(|asked| asked.join().expect("it answers")).collect()
    })
}

/// What all servers say to all questions. What was cut, or is `short` beside what the first server
/// says, is asked again over TCP.
pub fn ask_all(
    clients: &[Client],
    questions: &[Question],
    short: impl Fn(&Said, &Said) -> bool,
) -> Vec<Vec<Said>> {
    let numbered: Vec<(usize, &Question)> = questions.iter().enumerate().collect();
    let mut said = ask_each(clients, &numbered, |index| index % TCP_EVERY == 0);
    let is_short = |index: usize| {
        let first = &said[0][index];
        said.iter().any(|said| said[index].truncated || short(&said[index], first))
    };
    let again: Vec<_> = numbered.into_iter().filter(|(index, _)| is_short(*index)).collect();
    let whole = ask_each(clients, &again, |_| true);
    for (said, whole) in said.iter_mut().zip(whole) {
        for ((index, _), whole) in again.iter().zip(whole) {
            said[*index] = whole;
        }
    }
    println!("{} questions, {} of them again over TCP", questions.len(), again.len());
    said
}
