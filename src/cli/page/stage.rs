//! Sending a whole page to the node, in parts that fit a message.

use crate::{
    cli::{
        context::{Context, ask},
        fault::Outcome,
    },
    control::{
        report::{Carried, PageSummary},
        request::{Answer, Request},
    },
    limits::CONTROL_PART_BYTES,
    page::entry::Rdata,
};

/// Stages a page and has it taken in. Nothing is copied: the bytes move into the requests.
///
/// # Errors
/// What the node says; nothing of it is taken in then.
pub fn carry(
    context: &mut Context,
    genesis: Rdata,
    entries: impl IntoIterator<Item = Rdata>,
    said: impl IntoIterator<Item = (u8, Rdata)>,
) -> Outcome<Carried> {
    contents(context, genesis, entries)?;
    in_parts(said, |(_, bytes)| bytes.0.len() + 7, &mut |said| {
        stage(context, None, Vec::new(), said)
    })?;
    ask!(context, Request::Carry, Answer::Carried(carried) => Ok(carried))
}

/// Stages a page whose genesis names no state root yet, and founds it.
///
/// # Errors
/// What the node says; nothing of the page is held then.
pub fn found(
    context: &mut Context,
    genesis: Rdata,
    entries: impl IntoIterator<Item = Rdata>,
) -> Outcome<PageSummary> {
    contents(context, genesis, entries)?;
    ask!(context, Request::Found, Answer::Committed { page } => Ok(page))
}

fn contents(
    context: &mut Context,
    genesis: Rdata,
    entries: impl IntoIterator<Item = Rdata>,
) -> Outcome {
    stage(context, Some(genesis), Vec::new(), Vec::new())?;
    // A head of at most five bytes stands before each.
    let len = |entry: &Rdata| entry.0.len() + 5;
    in_parts(entries, len, &mut |entries| stage(context, None, entries, Vec::new()))
}

fn stage(
    context: &mut Context,
    genesis: Option<Rdata>,
    entries: Vec<Rdata>,
    said: Vec<(u8, Rdata)>,
) -> Outcome {
    let request = Request::Stage { genesis, entries, said };
    ask!(context, request, Answer::Staged => Ok(()))
}

/// Hands items on in parts of at most [`CONTROL_PART_BYTES`], or of one that is larger.
fn in_parts<T>(
    items: impl IntoIterator<Item = T>,
    len: impl Fn(&T) -> usize,
    send: &mut dyn FnMut(Vec<T>) -> Outcome,
) -> Outcome {
    let mut part = Vec::new();
    let mut bytes = 0;
    for item in items {
        let len = len(&item);
        if bytes + len > CONTROL_PART_BYTES && !part.is_empty() {
            send(std::mem::take(&mut part))?;
            bytes = 0;
        }
        bytes += len;
        part.push(item);
    }
    if part.is_empty() { Ok(()) } else { send(part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_they_may_be_and_nothing_is_lost() {
        let check = |lens: &[usize], expect: &[usize]| {
            let items = lens.iter().map(|len| Rdata(vec![0; *len].into()));
            let mut parts = Vec::new();
            in_parts(items, |item| item.0.len() + 5, &mut |part| {
                parts.push(part.len());
                Ok(())
            })
            .unwrap();
            assert_eq!(parts, expect, "{lens:?}");
        };
        let half = CONTROL_PART_BYTES / 2 - 5;
        check(&[], &[]);
        check(&[half, half], &[2]);
        check(&[half, half + 1], &[1, 1]);
        check(&[CONTROL_PART_BYTES * 2, 1, 1], &[1, 2]);
    }
}
