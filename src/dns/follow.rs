//! Follows aliases out of the pages and back into them: of each name on the way the one speaks who
//! has a say about it.
//!
//! An upstream that answers `www.example. CNAME blog.ct.` sends the records of `blog.ct.` along. What a
//! page says, and what is special, is taken from here all the same, or an upstream could speak for it.

use std::{
    future::{Future, pending, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use tokio::time::timeout;

use super::{
    Answer, Outside, Rcode, Seeking, View, Wanted,
    answer::{EDE_NO_REACHABLE_AUTHORITY, EDE_OTHER, Part},
    path::Path,
};
use crate::{
    limits::{CNAME_CHAIN_MAX, FORWARD_DEADLINE, FORWARD_FAREWELL},
    page::record::RecordType,
};

/// Goes on where `begun`, which the pages say, leads out of them. `wanted` is the question.
pub async fn follow<'v>(
    view: &'v View,
    begun: Answer<'v>,
    wanted: Wanted,
    outside: &dyn Outside,
) -> Answer<'v> {
    let patience = FORWARD_DEADLINE.saturating_sub(FORWARD_FAREWELL);
    let followed = timeout(patience, follow_on(view, begun, wanted, outside)).await;
    followed.unwrap_or_else(|_| {
        let text = "following the aliases takes too long";
        Answer::failed(Rcode::SERVFAIL, EDE_NO_REACHABLE_AUTHORITY, text)
    })
}

/// The same, if nobody has to be waited for.
pub fn at_once<'v>(
    view: &'v View,
    begun: Answer<'v>,
    wanted: Wanted,
    outside: &dyn Outside,
) -> Option<Answer<'v>> {
    let known = Known(outside);
    let mut following = pin!(follow_on(view, begun, wanted, &known));
    match following.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// What somebody knows without waiting; all else is never answered.
struct Known<'o>(&'o dyn Outside);

impl Outside for Known<'_> {
    fn at_once(&self, wanted: &Wanted) -> Option<Answer<'static>> {
        self.0.at_once(wanted)
    }

    fn resolve(&self, wanted: Wanted) -> Seeking<'_> {
        match self.at_once(&wanted) {
            Some(answer) => Box::pin(ready(answer)),
            None => Box::pin(pending()),
        }
    }
}

async fn follow_on<'v>(
    view: &'v View,
    mut answer: Answer<'v>,
    wanted: Wanted,
    outside: &dyn Outside,
) -> Answer<'v> {
    let mut passed: Vec<Path> = Vec::new();
    while let Some(name) = answer.outside.take() {
        if passed.iter().any(|passed| passed.wire() == name.wire()) {
            answer.add_error(EDE_OTHER, CIRCLE);
            break;
        }
        if passed.len() >= CNAME_CHAIN_MAX {
            answer.add_error(EDE_OTHER, "the chain of aliases is too long");
            break;
        }
        let mut found = outside.resolve(Wanted { name, ..wanted }).await;
        let back = cut_at_page(view, &mut found, &name, wanted.qtype);
        found.add_hidden(view, &name);
        answer = match passed.is_empty() && name.wire() == wanted.name.wire() {
            true => found,
            false => answer.followed_by(found, &name),
        };
        passed.push(name);
        let follows = ![RecordType::CNAME, RecordType::ANY].contains(&wanted.qtype);
        if let Some(target) = back.filter(|_| follows) {
            if target.wire() == wanted.name.wire() {
                answer.add_error(EDE_OTHER, CIRCLE);
                break;
            }
            let said = Answer::look_up(view, &target, wanted.qtype);
            let outside = said.outside;
            answer = answer.followed_by(said, &target);
            answer.outside = outside;
        }
    }
    answer
}

const CIRCLE: &str = "the aliases go in a circle";

/// Takes out of what an upstream says of `name` all about names that are not outside, and gives the
/// first of those that an alias leads to.
fn cut_at_page(
    view: &View,
    found: &mut Answer<'static>,
    name: &Path,
    qtype: RecordType,
) -> Option<Path> {
    let mut passed = vec![*name];
    let target = loop {
        let last = passed.last()?;
        let target = alias(found, last, name)?;
        if passed.iter().any(|passed| passed.wire() == target.wire()) {
            return None;
        }
        let outside = Answer::look_up(view, &target, qtype).outside;
        if outside.is_none_or(|outside| outside.wire() != target.wire()) {
            break target;
        }
        passed.push(target);
    };
    let owner = |part: &Part<'_>| part.owner.clone().unwrap_or_else(|| name.wire().into());
    found.answer.retain(|part| {
        let owner = owner(part);
        // Its own, or of a DNAME above it.
        passed.iter().any(|passed| passed.cut_at(&owner).is_some())
    });
    found.authority.clear();
    found.rcode = Rcode::NOERROR;
    Some(target)
}

/// What a name is an alias of in an answer about `asked`.
fn alias(found: &Answer<'_>, name: &Path, asked: &Path) -> Option<Path> {
    let is_its = |part: &&Part<'_>| {
        let owner = part.owner.as_deref().unwrap_or(asked.wire());
        part.rtype == RecordType::CNAME && owner == name.wire()
    };
    let alias = found.answer.iter().find(is_its)?;
    Path::read(alias.iter().next()?.rdata)
}
