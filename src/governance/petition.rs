//! Petitions: what somebody who takes no part asks a page for, and a refusal of it (G13).
//!
//! Neither is a statement of the page: they are not governed, not in its log and not in bundles,
//! and so they have doors of their own. How many of them are kept, and for how long, is [`inbox`]'s
//! business; what becomes of an operation made from one is [`super::Governance`]'s.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::envelope::{self, Envelope};
use crate::{
    id::{Id, Kind},
    key::{KeyRefusal, PublicKey, RawKey, SecretKey, WrongSignature},
    limits::*,
    page::{
        Page,
        codec::{self, CodecRefusal},
        entry::{EntryRefusal, RecordSet, RecordSets},
        name::Owner,
    },
};

pub mod inbox;

/// What somebody asks for, as they sign it: the value of one entry, whole, as a `SetEntry` would
/// replace it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    pub author: RawKey,
    pub owner: Owner,
    /// What is to stand at `owner`; no record sets ask that the entry be deleted.
    pub sets: Vec<RecordSet>,
    /// When it was made, in seconds since 1970, by the author's own clock.
    pub created: u64,
    /// Words for those who decide; empty for none.
    pub words: String,
}

/// A participant's answer that a petition is not taken up, as they sign it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusing {
    pub participant: RawKey,
    pub petition: Id,
    /// Why not; empty for no reason.
    pub words: String,
}

/// A well-formed, truly signed petition. Cloning one costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Petition(Arc<Signed<Asking>>);

/// A well-formed, truly signed refusal of a petition. Cloning one costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Arc<Signed<Refusing>>);

/// Why bytes are no petition and no refusal of one, or not for this page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PetitionRefusal {
    #[error("the encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("kind {found} is no {}", expected.word())]
    OtherKind { found: u8, expected: Kind },
    #[error("the author's key: {0}")]
    Key(#[from] KeyRefusal),
    #[error(transparent)]
    Signature(#[from] WrongSignature),
    #[error("words of {0} bytes are longer than {REASON_BYTES_MAX}: say it shorter")]
    WordsTooLong(usize),
    #[error("it is about the page {0}, not this one")]
    OtherPage(Id),
    #[error("{0} takes part in this page, and participants propose: see `djdns propose`")]
    Participant(PublicKey),
    #[error("{0} takes no part in this page, and only participants refuse a petition")]
    NotParticipant(PublicKey),
    #[error("the entry that it asks for: {0}")]
    Entry(#[from] EntryRefusal),
}

/// What is known of anything signed: shared by both kinds.
#[derive(Debug, PartialEq, Eq)]
struct Signed<T> {
    id: Id,
    page: Id,
    author: PublicKey,
    body: T,
    bytes: Vec<u8>,
}

/// A body that is signed by the author it names.
trait Body: Serialize + for<'de> Deserialize<'de> {
    const KIND: Kind;
    /// Bytes, without the envelope.
    const BYTES_MAX: usize;
    fn author(&self) -> RawKey;
    fn words(&self) -> &str;
}

impl Body for Asking {
    const KIND: Kind = Kind::Petition;
    const BYTES_MAX: usize = PETITION_BYTES_MAX;

    fn author(&self) -> RawKey {
        self.author
    }

    fn words(&self) -> &str {
        &self.words
    }
}

impl Body for Refusing {
    const KIND: Kind = Kind::Refusal;
    const BYTES_MAX: usize = REFUSAL_BYTES_MAX;

    fn author(&self) -> RawKey {
        self.participant
    }

    fn words(&self) -> &str {
        &self.words
    }
}

impl<T: Body> Signed<T> {
    fn sign(page: &Id, body: &T, key: &SecretKey) -> Result<Signed<T>, PetitionRefusal> {
        Signed::admit(&envelope::sign(T::KIND, page, codec::encode(body), key))
    }

    fn admit(bytes: &[u8]) -> Result<Signed<T>, PetitionRefusal> {
        let (signed, envelope) = Signed::<T>::read(bytes)?;
        envelope.verify(T::KIND, &signed.author)?;
        Ok(signed)
    }

    /// Everything but the signature.
    fn read(bytes: &[u8]) -> Result<(Signed<T>, Envelope), PetitionRefusal> {
        let envelope = Envelope::decode(bytes, T::BYTES_MAX + ENVELOPE_BYTES)?;
        if envelope.kind != T::KIND as u8 {
            return Err(PetitionRefusal::OtherKind { found: envelope.kind, expected: T::KIND });
        }
        let body: T = codec::decode(&envelope.body.0, T::BYTES_MAX)?;
        if body.words().len() > REASON_BYTES_MAX {
            return Err(PetitionRefusal::WordsTooLong(body.words().len()));
        }
        let (author, id) = (PublicKey::admit(body.author())?, envelope.id(T::KIND));
        let signed = Signed { id, page: envelope.page, author, body, bytes: bytes.to_vec() };
        Ok((signed, envelope))
    }
}

impl Petition {
    /// Signs a petition to one page. The author named in it must be the key's public half.
    ///
    /// # Errors
    /// What [`Petition::admit`] would say of the result.
    pub fn sign(page: &Id, asking: &Asking, key: &SecretKey) -> Result<Petition, PetitionRefusal> {
        Ok(Petition(Arc::new(Signed::sign(page, asking, key)?)))
    }

    /// The door: one strict encoding, within limits, signed by the author it names.
    ///
    /// # Errors
    /// The first [`PetitionRefusal`] found.
    pub fn admit(bytes: &[u8]) -> Result<Petition, PetitionRefusal> {
        Ok(Petition(Arc::new(Signed::admit(bytes)?)))
    }

    /// Reads a petition that was admitted before, from a file whose checksum proves it unchanged:
    /// everything is checked but the signature.
    ///
    /// # Errors
    /// Any [`PetitionRefusal`] but those about signatures.
    pub fn reopen(bytes: &[u8]) -> Result<Petition, PetitionRefusal> {
        Ok(Petition(Arc::new(Signed::read(bytes)?.0)))
    }

    /// Judges it against the page: the entry that it asks for could stand there (P8), and its author
    /// takes no part. Returns that entry's value.
    ///
    /// # Errors
    /// [`PetitionRefusal::OtherPage`], [`PetitionRefusal::Participant`] or
    /// [`PetitionRefusal::Entry`].
    pub fn judge(&self, page: &Page) -> Result<RecordSets, PetitionRefusal> {
        if self.page() != page.id() {
            return Err(PetitionRefusal::OtherPage(self.page()));
        }
        if page.roster().power(&self.author()).is_some() {
            return Err(PetitionRefusal::Participant(self.author()));
        }
        let Asking { owner, sets, .. } = self.asking();
        Ok(RecordSets::admit(sets.clone(), owner, page.name())?)
    }

    /// Its id (P3).
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The page that is asked.
    pub fn page(&self) -> Id {
        self.0.page
    }

    /// Who asks.
    pub fn author(&self) -> PublicKey {
        self.0.author
    }

    /// What for.
    pub fn asking(&self) -> &Asking {
        &self.0.body
    }

    /// The bytes that were received, and are stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Refusal {
    /// Signs a refusal of a petition to one page. The participant named in it must be the key's
    /// public half.
    ///
    /// # Errors
    /// What [`Refusal::admit`] would say of the result.
    pub fn sign(page: &Id, said: &Refusing, key: &SecretKey) -> Result<Refusal, PetitionRefusal> {
        Ok(Refusal(Arc::new(Signed::sign(page, said, key)?)))
    }

    /// The door: one strict encoding, within limits, signed by the participant it names.
    ///
    /// # Errors
    /// The first [`PetitionRefusal`] found.
    pub fn admit(bytes: &[u8]) -> Result<Refusal, PetitionRefusal> {
        Ok(Refusal(Arc::new(Signed::admit(bytes)?)))
    }

    /// Reads a refusal that was admitted before; as [`Petition::reopen`].
    ///
    /// # Errors
    /// Any [`PetitionRefusal`] but those about signatures.
    pub fn reopen(bytes: &[u8]) -> Result<Refusal, PetitionRefusal> {
        Ok(Refusal(Arc::new(Signed::read(bytes)?.0)))
    }

    /// Judges it against the page: only who takes part may refuse.
    ///
    /// # Errors
    /// [`PetitionRefusal::OtherPage`] or [`PetitionRefusal::NotParticipant`].
    pub fn judge(&self, page: &Page) -> Result<(), PetitionRefusal> {
        if self.page() != page.id() {
            return Err(PetitionRefusal::OtherPage(self.page()));
        }
        match page.roster().power(&self.author()) {
            Some(_) => Ok(()),
            None => Err(PetitionRefusal::NotParticipant(self.author())),
        }
    }

    /// Its id (P3).
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The page whose petition it refuses.
    pub fn page(&self) -> Id {
        self.0.page
    }

    /// Who refuses.
    pub fn author(&self) -> PublicKey {
        self.0.author
    }

    /// Which petition.
    pub fn petition(&self) -> Id {
        self.0.body.petition
    }

    /// Why.
    pub fn words(&self) -> &str {
        &self.0.body.words
    }

    /// The bytes that were received, and are stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{
        genesis::{Parameters, RawGenesis},
        name::Name,
        record::{PageLink, RecordType},
        roster_rows,
    };

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    fn name() -> Name {
        Name::parse("ff.ct").unwrap()
    }

    /// A page of three, 1 to 3; others are strangers.
    fn page() -> Page {
        let roster = roster_rows((1..=3).map(|n| (key(n).public(), 1)));
        let raw = RawGenesis::new(name(), roster, Parameters::default(), 1, Id::ZERO);
        Page::found(raw, []).unwrap().0
    }

    fn asking(by: u8, at: &str, records: &[(RecordType, &[u8])]) -> Asking {
        let set = |(rtype, data): &(RecordType, &[u8])| RecordSet {
            rtype: *rtype,
            ttl: 60,
            rdata: vec![crate::page::entry::Rdata((*data).into())],
        };
        Asking {
            author: key(by).public().raw(),
            owner: Owner::parse(at, &name()).unwrap(),
            sets: records.iter().map(set).collect(),
            created: 1_700_000_000,
            words: "please".to_owned(),
        }
    }

    fn judged(by: u8, at: &str, records: &[(RecordType, &[u8])]) -> Result<(), PetitionRefusal> {
        let petition = Petition::sign(&page().id(), &asking(by, at, records), &key(by))?;
        assert_eq!(Petition::admit(petition.bytes()).as_ref(), Ok(&petition));
        assert_eq!(Petition::reopen(petition.bytes()).as_ref(), Ok(&petition));
        petition.judge(&page()).map(drop)
    }

    /// G13 accepts: an address, a subpage, and a deletion, asked for by somebody without power.
    #[test]
    fn a_stranger_may_ask_for_whatever_a_participant_could_propose() {
        let link = PageLink { page: Id::hash(&[b"theirs"]), beacons: vec![] }.to_rdata().unwrap();
        assert_eq!(judged(9, "friend", &[(RecordType::A, &[192, 0, 2, 7])]), Ok(()));
        assert_eq!(judged(9, "friend", &[(RecordType::PAGE, &link)]), Ok(()));
        assert_eq!(judged(9, "a.friend", &[]), Ok(()));
    }

    /// G13 refuses: a participant's petition, and an entry that could not stand where it is asked for.
    #[test]
    fn participants_propose_and_nobody_asks_for_what_cannot_stand() {
        let address: (RecordType, &[u8]) = (RecordType::A, &[192, 0, 2, 7]);
        let participant = PetitionRefusal::Participant(key(2).public());
        assert_eq!(judged(2, "friend", &[address]), Err(participant));
        let short: (RecordType, &[u8]) = (RecordType::A, &[192, 0, 2]);
        assert!(matches!(judged(9, "friend", &[short]), Err(PetitionRefusal::Entry(_))));
        let link = PageLink { page: Id::ZERO, beacons: vec![] }.to_rdata().unwrap();
        let deep = judged(9, "a.friend", &[(RecordType::PAGE, &link)]);
        assert_eq!(deep, Err(PetitionRefusal::Entry(EntryRefusal::PageNotOneLabel)));
        let elsewhere = Petition::sign(&Id::ZERO, &asking(9, "x", &[address]), &key(9)).unwrap();
        assert_eq!(elsewhere.judge(&page()), Err(PetitionRefusal::OtherPage(Id::ZERO)));
    }

    /// G13 refuses: a refusal by somebody without power, or for another page.
    #[test]
    fn only_participants_refuse() {
        let refusal = |by: u8, page: &Id| {
            let participant = key(by).public().raw();
            let said = Refusing { participant, petition: Id::ZERO, words: "no".to_owned() };
            Refusal::sign(page, &said, &key(by)).unwrap()
        };
        assert_eq!(refusal(1, &page().id()).judge(&page()), Ok(()));
        let stranger = PetitionRefusal::NotParticipant(key(9).public());
        assert_eq!(refusal(9, &page().id()).judge(&page()), Err(stranger));
        let other = PetitionRefusal::OtherPage(Id::ZERO);
        assert_eq!(refusal(1, &Id::ZERO).judge(&page()), Err(other));
    }

    #[test]
    fn a_petition_and_a_refusal_are_never_taken_for_each_other_or_for_a_statement() {
        let petition = Petition::sign(&page().id(), &asking(9, "x", &[]), &key(9)).unwrap();
        let participant = key(1).public().raw();
        let said = Refusing { participant, petition: petition.id(), words: String::new() };
        let refusal = Refusal::sign(&page().id(), &said, &key(1)).unwrap();
        let other = |found, expected| Err(PetitionRefusal::OtherKind { found, expected });
        assert_eq!(Refusal::admit(petition.bytes()).map(drop), other(9, Kind::Refusal));
        assert_eq!(Petition::admit(refusal.bytes()).map(drop), other(10, Kind::Petition));
        for bytes in [petition.bytes(), refusal.bytes()] {
            assert!(super::super::statement::Statement::admit(bytes).is_err());
        }
    }
}
