//! TLS to an upstream: whose certificates count, the handshake, and what went wrong in words that a
//! person can act on.
//!
//! What is said inside is not known here. rustls looks at the wall clock by itself, as it must:
//! certificates have dates.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        AlertDescription, CertificateError, ClientConfig, Error, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use super::Trouble;
use crate::dns::forward::exchange;

/// Whom this machine trusts to say whose a certificate is.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

impl Default for Roots {
    fn default() -> Roots {
        Roots(Arc::new(RootCertStore::empty()))
    }
}

impl Roots {
    /// Those of the system, or of the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. A file is
    /// read for that, a few hundred kB. What cannot be read is left out.
    pub fn of_system() -> Roots {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a root certificate of this machine cannot be used");
        }
        Roots::of(found.certs)
    }

    /// These.
    pub fn of(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Roots {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        Roots(Arc::new(store))
    }
}

/// Whom to meet behind an address, and for which protocol. What it remembers of a session shortens
/// the next handshake (RFC 8446 section 2.2).
pub struct Meeting {
    name: Result<ServerName<'static>, String>,
    config: Result<Arc<ClientConfig>, String>,
    alpn: &'static [u8],
}

impl Meeting {
    /// The certificate must be for `name`; `alpn` names the protocol (RFC 7301).
    pub fn new(name: &str, alpn: &'static [u8], roots: &Roots) -> Meeting {
        Meeting {
            name: ServerName::try_from(name.to_owned())
                .map_err(|_| format!("no certificate can be for the name {name}")),
            config: config(alpn, roots),
            alpn,
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Trouble::Connect`] and [`Trouble::Machine`].
    pub async fn connect(&self, address: SocketAddr) -> Result<TlsStream<TcpStream>, Trouble> {
        let name = self.name.clone().map_err(Trouble::Connect)?;
        let config = self.config.clone().map_err(Trouble::Connect)?;
        let no_stream = |error: io::Error| match exchange::is_own(&error) {
            true => Trouble::Machine(error.to_string()),
            false => Trouble::Connect(unreached(&error)),
        };
        let stream = TcpStream::connect(address).await.map_err(no_stream)?;
        stream.set_nodelay(true).map_err(no_stream)?;
        let connector = TlsConnector::from(config);
        let stream = connector.connect(name.clone(), stream).await;
        stream.map_err(|error| Trouble::Connect(untrusted(&error, &name.to_str())))
    }

    /// Whether the server agreed to the protocol, not only to TLS.
    pub fn agreed(&self, stream: &TlsStream<TcpStream>) -> bool {
        stream.get_ref().1.alpn_protocol() == Some(self.alpn)
    }
}

fn config(alpn: &[u8], roots: &Roots) -> Result<Arc<ClientConfig>, String> {
    if roots.0.is_empty() {
        return Err("this machine has no root certificates to check it by: install the package \
                    ca-certificates, or name a file of them in SSL_CERT_FILE"
            .to_owned());
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut config = builder.with_root_certificates(roots.0.clone()).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(Arc::new(config))
}

fn unreached(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there (connection refused)".to_owned(),
        _ => format!("it cannot be reached: {error}"),
    }
}

/// Why a handshake failed.
fn untrusted(error: &io::Error, name: &str) -> String {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "it closed the connection instead of speaking TLS".to_owned()
            }
            _ => unreached(error),
        };
    };
    match tls {
        Error::InvalidCertificate(fault) => certificate(fault, name),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "it does not speak TLS".to_owned()
        }
        Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::NoApplicationProtocol => {
            "it speaks TLS, but for another protocol than DNS".to_owned()
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion) | Error::PeerIncompatible(_) => {
            "it speaks no version of TLS that is safe (1.2 or 1.3)".to_owned()
        }
        other => format!("TLS failed: {other}"),
    }
}

fn certificate(fault: &CertificateError, name: &str) -> String {
    match fault {
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("its certificate is for {}, not {name}", names(presented))
        }
        CertificateError::NotValidForName => format!("its certificate is not for {name}"),
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            format!("its certificate expired {days} days ago, if this machine's clock is right")
        }
        CertificateError::Expired => {
            "its certificate expired, if this machine's clock is right".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, if this machine's clock is right".to_owned()
        }
        // A bad signature has the name of somebody who is trusted, and not that one's key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by nobody whom this machine trusts: it signed it itself, or \
             somebody is in between"
                .to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// The names in a certificate, from rustls' form `DnsName("dns.example")`; what a server writes there
/// is shown with care.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inside = name.split_once('(').map_or(&name[..], |(_, inside)| inside);
        inside.trim_end_matches(')').trim_matches('"').escape_default().to_string()
    };
    let mut shown: Vec<String> = presented.iter().take(NAMES_SHOWN).map(bare).collect();
    match presented.len().saturating_sub(NAMES_SHOWN) {
        0 if shown.is_empty() => "no name".to_owned(),
        0 => shown.join(", "),
        more => {
            shown.push(format!("{more} more"));
            shown.join(", ")
        }
    }
}

/// Names of a certificate that are shown (choice).
const NAMES_SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_said_in_words_that_name_it() {
        let check = |error: Error, expect: &str| {
            let said = untrusted(&io::Error::other(error), "dns.example");
            assert!(said.contains(expect), "{said}");
        };
        let wrong = |presented: &[&str]| {
            Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("dns.example").unwrap(),
                presented: presented.iter().map(|name| format!("DnsName(\"{name}\")")).collect(),
            })
        };
        check(wrong(&["other.example"]), "is for other.example, not dns.example");
        check(wrong(&["a", "b", "c", "d", "e"]), "is for a, b, c, 2 more, not");
        check(wrong(&["\u{1b}[31m"]), "is for \\u{1b}[31m, not");
        check(wrong(&[]), "is for no name, not");
        check(Error::InvalidCertificate(CertificateError::Expired), "expired");
        check(
            Error::InvalidCertificate(CertificateError::UnknownIssuer),
            "nobody whom this machine",
        );
        let alert = AlertDescription::NoApplicationProtocol;
        check(Error::AlertReceived(alert), "another protocol");
    }

    #[test]
    fn without_root_certificates_nobody_can_be_believed() {
        let meeting = Meeting::new("dns.example", b"dot", &Roots::default());
        assert!(meeting.config.unwrap_err().contains("ca-certificates"));
    }
}
