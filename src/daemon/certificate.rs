//! The certificate of the encrypted doors: of the owner's files, or one of our own that is kept in the
//! data directory.
//!
//! Our own is signed by itself, so that clients are told which it is: by its file, or by the pin of its
//! key (RFC 7858 section 4.2), which stays when the certificate is made anew: before it ends, and when
//! an address is listened on that is not in it. What is answered behind it is not known here.

use std::{
    fs, io,
    io::Write,
    net::IpAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use data_encoding::BASE64;
use rustls::{
    CertificateError, Error, InconsistentKeys, RootCertStore,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime, pem::PemObject,
    },
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256};

use crate::{
    config::file,
    dns::{Places, Tls, encrypted::TlsError},
    limits::{
        DNS_CERTIFICATE_AHEAD, DNS_CERTIFICATE_BEFORE, DNS_CERTIFICATE_FILE_BYTES_MAX,
        DNS_CERTIFICATE_LIFE, DNS_CERTIFICATE_TOLD,
    },
    time::date,
};

/// Our own certificate and its key, in the data directory.
const OWN: &str = "dns-cert.pem";
const OWN_KEY: &str = "dns-key.pem";

/// Files of the owner: a certificate with those that sign it, and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why there is no certificate to be had.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("{0} has no {1} in PEM (between lines of `-----BEGIN`)")]
    NoPem(PathBuf, &'static str),
    #[error(
        "{0} is encrypted with a passphrase, and nobody is there to give it: \
         `openssl pkey -in {0} -out NEW-FILE`"
    )]
    Locked(PathBuf),
    #[error(
        "{0} is no certificate that can be used ({1}): it has to be of X.509 version 3, as those with \
         subjectAltName are"
    )]
    NotTaken(PathBuf, Error),
    #[error("{1} is not the key of {0}")]
    KeyOfAnother(PathBuf, PathBuf),
    #[error("{0} and {1}: {2}")]
    Unfit(PathBuf, PathBuf, TlsError),
    #[error(
        "others can read the key {0}: `chmod 600 {0}`, and if they may have, remove it and {OWN}: \
         then clients have to trust the new certificate"
    )]
    Open(PathBuf),
    #[error(
        "{0} is no key of djdns: remove it and {OWN}; clients have to trust the new certificate"
    )]
    NoKey(PathBuf),
    #[error("making a certificate: {0}")]
    Making(#[from] rcgen::Error),
    #[error("writing {0}: {1}")]
    Unwritable(PathBuf, io::Error),
}

/// The certificate that is in use, and where it comes from.
pub struct Certificate {
    data_dir: PathBuf,
    places: Places,
    tls: Tls,
    shown: Mutex<Shown>,
    /// Why it could not be read again, or made anew, the last time.
    fault: Mutex<Option<String>>,
}

/// What a client has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub file: PathBuf,
    /// SHA-256 of its public key, in base64 (RFC 7858 section 4.2).
    pub pin: String,
    /// Whether it is ours, so that nobody trusts it who was not told to.
    pub is_own: bool,
    /// Its first and its last second, since 1970 (UTC).
    pub begins: u64,
    pub ends: u64,
}

impl Shown {
    /// That it has ended, or soon will, for who has to renew it.
    pub fn warning(&self, now: u64) -> Option<String> {
        let Shown { file, begins, ends, is_own, .. } = self;
        let soon = now.saturating_add(DNS_CERTIFICATE_TOLD.as_secs());
        let (file, when) = (file.display(), date(*ends));
        if *begins > now {
            let begins = date(*begins);
            return Some(format!(
                "the certificate {file} begins at {begins}, and clients refuse it until then: is the clock right?"
            ));
        }
        if *is_own || *ends >= soon {
            return None;
        }
        let what = match *ends < now {
            true => format!("the certificate {file} has ended ({when}), and clients refuse it"),
            false => {
                format!("the certificate {file} ends at {when}, and clients will refuse it then")
            }
        };
        Some(format!("{what}: renew it, then `systemctl reload djdns`"))
    }
}

/// A certificate, those that sign it, and its key.
struct Proof {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    shown: Shown,
}

impl Certificate {
    /// For doors at these places, with the owner's files or our own; that is made where there is none.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn begin(
        data_dir: &Path,
        places: Places,
        files: Option<&Files>,
        now: u64,
    ) -> Result<Certificate, CertificateFault> {
        let proof = proof(data_dir, &places, files, now)?;
        let tls = Tls::new(&proof.chain, &proof.key);
        let tls = tls.map_err(|error| unfit(used_files(data_dir, files), error))?;
        proof.shown.warning(now).iter().for_each(|words| tracing::warn!("{words}"));
        let (data_dir, shown) = (data_dir.to_owned(), Mutex::new(proof.shown));
        Ok(Certificate { data_dir, places, tls, shown, fault: Mutex::default() })
    }

    /// Reads the files again, or makes our own anew if it is time. Whether clients get another now.
    ///
    /// # Errors
    /// [`CertificateFault`]; all is as before then.
    pub fn refresh(&self, files: Option<&Files>, now: u64) -> Result<bool, CertificateFault> {
        let Proof { chain, key, shown } = proof(&self.data_dir, &self.places, files, now)?;
        let replaced = self.tls.replace(&chain, &key);
        let is_other = replaced.map_err(|error| unfit(used_files(&self.data_dir, files), error))?;
        shown.warning(now).iter().for_each(|words| tracing::warn!("{words}"));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        self.note(None, now);
        Ok(is_other)
    }

    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Where the doors are.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Remembers why it was not refreshed, for who asks how this server is.
    pub fn note(&self, fault: Option<&CertificateFault>, now: u64) {
        let words = |fault| format!("the certificate was not renewed ({}): {fault}", date(now));
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault.map(words);
    }

    /// What is wrong with it, for the owner.
    pub fn troubles(&self, now: u64) -> Vec<String> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fault.into_iter().chain(self.shown().warning(now)).collect()
    }

    pub fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks at files of the owner as [`Certificate::begin`] does; what is worth a warning.
///
/// # Errors
/// [`CertificateFault`].
pub fn look(files: &Files, now: u64) -> Result<Option<String>, CertificateFault> {
    let Proof { chain, key, shown } = of_owner(files)?;
    Tls::new(&chain, &key).map_err(|error| unfit(files.clone(), error))?;
    Ok(shown.warning(now))
}

fn unfit(Files { certificate, key }: Files, error: TlsError) -> CertificateFault {
    match error {
        TlsError::Unfit(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            CertificateFault::KeyOfAnother(certificate, key)
        }
        error => CertificateFault::Unfit(certificate, key, error),
    }
}

fn used_files(data_dir: &Path, files: Option<&Files>) -> Files {
    files.cloned().unwrap_or_else(|| own_files(data_dir))
}

fn own_files(data_dir: &Path) -> Files {
    Files { certificate: data_dir.join(OWN), key: data_dir.join(OWN_KEY) }
}

fn proof(
    data_dir: &Path,
    places: &Places,
    files: Option<&Files>,
    now: u64,
) -> Result<Proof, CertificateFault> {
    match files {
        Some(files) => of_owner(files),
        None => own(&own_files(data_dir), &names(places), now),
    }
}

/// What the owner's files say.
fn of_owner(files: &Files) -> Result<Proof, CertificateFault> {
    let (chain, key) = (chain(&files.certificate)?, key(&files.key)?);
    if let Some(error) = chain.first().and_then(|one| ParsedCertificate::try_from(one).err()) {
        return Err(CertificateFault::NotTaken(files.certificate.clone(), error));
    }
    let shown = shown(&files.certificate, &chain, false);
    Ok(Proof { chain, key, shown })
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let text = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    chain.ok_or_else(|| CertificateFault::NoPem(path.to_owned(), "certificate"))
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateFault> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| match is_locked(&text) {
        true => CertificateFault::Locked(path.to_owned()),
        false => CertificateFault::NoPem(path.to_owned(), "private key"),
    })
}

/// Whether a key is there that takes a passphrase (RFC 7468 section 11, RFC 1421 section 4.6.1.1).
fn is_locked(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateFault> {
    let bytes = file::read(path, DNS_CERTIFICATE_FILE_BYTES_MAX as u64);
    bytes.map_err(|error| CertificateFault::Unreadable(path.to_owned(), error))
}

fn shown(file: &Path, chain: &[CertificateDer<'_>], is_own: bool) -> Shown {
    let first = chain.first().and_then(|first| ParsedCertificate::try_from(first).ok());
    let key = first.map(|first| BASE64.encode(&Sha256::digest(first.subject_public_key_info())));
    let (begins, ends) = chain.first().map_or((0, LAST_SECOND), span);
    Shown { file: file.to_owned(), pin: key.unwrap_or_default(), is_own, begins, ends }
}

/// Our own, made where it is missing, or made anew with the same key.
fn own(files: &Files, names: &[String], now: u64) -> Result<Proof, CertificateFault> {
    let is_there = |path: &Path| path.try_exists().unwrap_or(true);
    let pair = if is_there(&files.key) { own_key(&files.key)? } else { make_key(&files.key)? };
    let kept = is_there(&files.certificate).then(|| chain(&files.certificate).ok()).flatten();
    let chain = match kept.filter(|chain| fits(chain, &pair, names, now)) {
        Some(chain) => chain,
        None => vec![make(&files.certificate, &pair, names, now)?],
    };
    let shown = shown(&files.certificate, &chain, true);
    let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
    Ok(Proof { chain, key, shown })
}

fn own_key(path: &Path) -> Result<rcgen::KeyPair, CertificateFault> {
    let unreadable = |error| CertificateFault::Unreadable(path.to_owned(), error);
    if fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
        return Err(CertificateFault::Open(path.to_owned()));
    }
    let pair = key(path).ok().and_then(|key| rcgen::KeyPair::try_from(&key).ok());
    pair.ok_or_else(|| CertificateFault::NoKey(path.to_owned()))
}

fn make_key(path: &Path) -> Result<rcgen::KeyPair, CertificateFault> {
    let pair = rcgen::KeyPair::generate()?;
    let der = PrivatePkcs8KeyDer::from(pair.serialize_der());
    write(path, &pem("PRIVATE KEY", der.secret_pkcs8_der()), 0o600)?;
    Ok(pair)
}

/// Makes a certificate for these names, and keeps it.
fn make(
    path: &Path,
    pair: &rcgen::KeyPair,
    names: &[String],
    now: u64,
) -> Result<CertificateDer<'static>, CertificateFault> {
    let moment = |seconds: u64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    let mut params = rcgen::CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "djdns");
    let begins = now.saturating_sub(DNS_CERTIFICATE_BEFORE.as_secs());
    params.not_before = moment(begins);
    // Its last second is a part of it (RFC 5280 section 4.1.2.5).
    let ends = begins.saturating_add(DNS_CERTIFICATE_LIFE.as_secs() - 1);
    params.not_after = moment(ends.min(LAST_SECOND));
    // One that is made anew is another one of the same issuer (RFC 5280 section 4.1.2.2).
    params.serial_number = Some(now.into());
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(pair)?.der().clone();
    write(path, &pem("CERTIFICATE", &certificate), 0o644)?;
    tracing::info!(file = %path.display(), "a certificate was made for DoT, DoH and DoQ");
    Ok(certificate)
}

/// The end of the year 9999, after which a certificate has no date (RFC 5280 section 4.1.2.5).
const LAST_SECOND: u64 = 253_402_300_799;

/// Whether our certificate is of this key, holds for a while yet, and is for all these names.
fn fits(chain: &[CertificateDer<'_>], pair: &rcgen::KeyPair, names: &[String], now: u64) -> bool {
    let [certificate] = chain else { return false };
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return false };
    let key = parsed.subject_public_key_info();
    let is_of_key = key.ends_with(pair.public_key_raw());
    let later = now.saturating_add(DNS_CERTIFICATE_AHEAD.as_secs());
    let holds = [now, later].into_iter().all(|time| check(certificate, time).is_ok());
    let is_for = |name: &String| {
        let name = ServerName::try_from(name.as_str());
        name.is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
    };
    is_of_key && holds && names.iter().all(is_for)
}

/// What is wrong with a certificate at a time, for whoever trusts it.
fn check(certificate: &CertificateDer<'_>, time: u64) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone().into_owned())?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time));
    let known = ring::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], time, known.all)
}

/// The first and the last second of a certificate, which rustls says of one that is looked at before or after.
fn span(certificate: &CertificateDer<'_>) -> (u64, u64) {
    use CertificateError::{ExpiredContext, NotValidYetContext};
    let begins = match check(certificate, 0) {
        Err(Error::InvalidCertificate(NotValidYetContext { not_before, .. })) => not_before,
        _ => UnixTime::since_unix_epoch(Duration::ZERO),
    };
    let ends = match check(certificate, LAST_SECOND) {
        Err(Error::InvalidCertificate(ExpiredContext { not_after, .. })) => not_after,
        _ => UnixTime::since_unix_epoch(Duration::from_secs(LAST_SECOND)),
    };
    (begins.as_secs(), ends.as_secs())
}

/// What clients may call this server: localhost, and every address that is listened on.
fn names(places: &Places) -> Vec<String> {
    let loopback = [IpAddr::V4([127, 0, 0, 1].into()), IpAddr::V6(1u128.to_be_bytes().into())];
    let mut addresses = loopback.to_vec();
    for address in places.all().map(|place| place.ip()) {
        match address.is_unspecified() {
            true => addresses.extend(of_machine(address)),
            false => addresses.push(address),
        }
    }
    addresses[loopback.len()..].sort_unstable();
    let mut seen = Vec::new();
    addresses.retain(|address| !seen.contains(address) && (seen.push(*address), true).1);
    let addresses = addresses.into_iter().map(|address| address.to_string());
    ["localhost".to_owned()].into_iter().chain(addresses).collect()
}

/// The addresses of this machine that `0.0.0.0` or `[::]` stands for.
fn of_machine(all: IpAddr) -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let of_others = interfaces.iter().filter(|one| !one.is_loopback() && !one.is_link_local());
    let addresses = of_others.map(if_addrs::Interface::ip);
    addresses.filter(|address| address.is_ipv4() == all.is_ipv4()).take(ADDRESSES_MAX).collect()
}

/// Addresses of this machine in a certificate (choice: more have only routers).
const ADDRESSES_MAX: usize = 16;

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

/// Writes a file aside and renames it: there is never half of one.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateFault> {
    let aside = path.with_extension("pem.new");
    let write = || {
        // What an interrupted start left may be readable by others.
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
    };
    write().map_err(|error| CertificateFault::Unwritable(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    fn places(dot: &str) -> Places {
        Places { dot: vec![dot.parse().unwrap()], ..Places::default() }
    }

    fn begin(dir: &Path, dot: &str, now: u64) -> Result<Certificate, CertificateFault> {
        Certificate::begin(dir, places(dot), None, now)
    }

    fn stored(dir: &Path) -> Vec<u8> {
        fs::read(dir.join(OWN)).unwrap()
    }

    #[test]
    fn our_own_is_kept_until_its_time_comes_and_its_key_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let first = begin(dir.path(), "127.0.0.1:853", NOW).unwrap();
        let mode = fs::metadata(dir.path().join(OWN_KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = stored(dir.path());
        let pin = first.shown().pin;
        assert_eq!(BASE64.decode(pin.as_bytes()).unwrap().len(), 32);
        let life = DNS_CERTIFICATE_LIFE - DNS_CERTIFICATE_BEFORE - DNS_CERTIFICATE_AHEAD;
        let last = NOW + life.as_secs() - 1;
        let same = begin(dir.path(), "127.0.0.1:853", last).unwrap();
        assert_eq!((stored(dir.path()), same.shown().pin), (text.clone(), pin.clone()));
        assert!(!first.refresh(None, last).unwrap(), "nothing to be done");
        assert!(first.refresh(None, last + 1).unwrap(), "it is made anew");
        assert_ne!(stored(dir.path()), text);
        assert_eq!(first.shown().pin, pin);
        let text = stored(dir.path());
        begin(dir.path(), "192.0.2.1:853", last + 1).unwrap();
        assert_ne!(stored(dir.path()), text, "another address is listened on");
        let [certificate] = &chain(&dir.path().join(OWN)).unwrap()[..] else { panic!() };
        assert!(check(certificate, last + 2 - DAY).is_ok(), "for a clock that is behind");
        let begins = last + 1 - DNS_CERTIFICATE_BEFORE.as_secs();
        assert!(check(certificate, begins).is_ok() && check(certificate, begins - 1).is_err());
        // As Apple counts, both ends are parts of it.
        let ends = begins + DNS_CERTIFICATE_LIFE.as_secs() - 1;
        assert_eq!(span(certificate), (begins, ends));
        assert!(check(certificate, ends).is_ok() && check(certificate, ends + 1).is_err());
    }

    #[test]
    fn its_names_are_localhost_and_where_it_listens() {
        let check = |dot: &str, expect: &[&str]| {
            let found = names(&places(dot));
            assert_eq!(found, [&["localhost", "127.0.0.1", "::1"], expect].concat());
        };
        check("127.0.0.1:853", &[]);
        check("192.0.2.1:853", &["192.0.2.1"]);
        check("[2001:db8::1]:853", &["2001:db8::1"]);
        assert!(names(&places("0.0.0.0:853")).iter().all(|name| name != "0.0.0.0"));
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        begin(dir.path(), "127.0.0.1:853", NOW).unwrap();
        let key = dir.path().join(OWN_KEY);
        let said = || begin(dir.path(), "127.0.0.1:853", NOW).err().unwrap().to_string();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(said().contains("others can read the key"), "{}", said());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&key, "x").unwrap();
        assert!(said().contains("is no key of djdns"), "{}", said());
        fs::remove_file(&key).unwrap();
        let text = stored(dir.path());
        begin(dir.path(), "127.0.0.1:853", NOW).unwrap();
        assert_ne!(stored(dir.path()), text, "the certificate was of another key");
        fs::write(dir.path().join(OWN), "half").unwrap();
        assert!(begin(dir.path(), "127.0.0.1:853", NOW).is_ok(), "it is made anew");
    }

    #[test]
    fn a_certificate_that_somebody_else_signed_is_told_of_two_weeks_before_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let files = own_files(dir.path());
        let pair = make_key(&files.key).unwrap();
        let above = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
        let issuer = rcgen::Issuer::new(params, above);
        let mut params = rcgen::CertificateParams::new(vec!["dns.example".to_owned()]).unwrap();
        let date = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        (params.not_before, params.not_after) = (date(NOW - 90 * DAY), date(NOW));
        let certificate = params.signed_by(&pair, &issuer).unwrap();
        write(&files.certificate, &pem("CERTIFICATE", certificate.der()), 0o644).unwrap();
        let said = |now| look(&files, now).unwrap().unwrap_or_default();
        let early = NOW - DNS_CERTIFICATE_TOLD.as_secs();
        assert_eq!(said(early), "");
        assert!(said(early + 1).contains("cert.pem ends at 2027-01-15"), "{}", said(early + 1));
        assert!(said(NOW).contains("will refuse it then: renew it"), "{}", said(NOW));
        assert!(said(NOW + 1).contains("has ended (2027-01-15"), "{}", said(NOW + 1));
        assert_eq!(said(NOW - 90 * DAY), "");
        let before = said(NOW - 90 * DAY - 1);
        assert!(before.contains("begins at 2026-10-17") && before.contains("clock"), "{before}");
    }

    #[test]
    fn files_of_the_owner_are_read_again_and_faulty_ones_change_nothing() {
        let (dir, mine) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = own_files(mine.path());
        own(&files, &["dns.example".to_owned()], NOW).unwrap();
        let place = places("127.0.0.1:853");
        let used = Certificate::begin(dir.path(), place.clone(), Some(&files), NOW).unwrap();
        let shown = used.shown();
        assert_eq!((&shown.file, shown.is_own), (&files.certificate, false));
        assert!(!dir.path().join(OWN_KEY).exists());
        assert!(!used.refresh(Some(&files), NOW).unwrap());
        let check = |file: &Path, text: &str, expect: &str| {
            let old = fs::read(file).unwrap();
            fs::write(file, text).unwrap();
            let fault = used.refresh(Some(&files), NOW).unwrap_err();
            assert!(fault.to_string().contains(expect), "{fault}");
            used.note(Some(&fault), NOW);
            fs::write(file, old).unwrap();
            assert_eq!(used.shown(), shown);
            assert!(used.troubles(NOW).concat().contains(expect));
            used.refresh(Some(&files), NOW).unwrap();
            assert_eq!(used.troubles(NOW), [""; 0]);
        };
        check(&files.certificate, "x", "has no certificate in PEM");
        check(&files.key, "x", "has no private key in PEM");
        let other = pem("PRIVATE KEY", &rcgen::KeyPair::generate().unwrap().serialize_der());
        let said = format!("{} is not the key of", files.key.display());
        check(&files.key, &other, &said);
        let locked = other.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        check(&files.key, &locked, "is encrypted with a passphrase");
        check(&files.certificate, &pem("CERTIFICATE", b"none"), "no certificate that can be used");
        check(&files.certificate, &"x".repeat(100_000), "longer than");
        fs::remove_file(&files.key).unwrap();
        own(&files, &["dns.example".to_owned()], NOW).unwrap();
        assert!(used.refresh(Some(&files), NOW).unwrap());
        assert_ne!(used.shown().pin, shown.pin);
        fs::remove_file(&files.key).unwrap();
        let said = used.refresh(Some(&files), NOW).unwrap_err().to_string();
        assert!(said.contains("dns-key.pem cannot be read"), "{said}");
    }
}
