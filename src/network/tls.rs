//! Who is on the other side (N1): TLS 1.3 with the node's own key, and nothing else.
//!
//! Both sides present one certificate with an Ed25519 key and prove by the handshake that they have
//! the secret half. That key is the identity; the certificate's names, dates and signer say nothing
//! that the handshake does not, and are not judged. Resumption and early data are off: every
//! connection is proved anew, and nothing that arrives can be a copy of what was sent before.

use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key},
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
        UnixTime,
    },
    server::{
        NoServerSessionStorage, ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};

use crate::key::{KeyRefusal, PublicKey, RawKey, SecretKey};

/// The protocol's name in the handshake (RFC 7301, N1).
pub const ALPN: &[u8] = b"djdns/1";

/// A host name for interfaces that want one. It is not sent.
pub(super) const SERVER_NAME: &str = "djdns";

/// PKCS#8 around the 32 bytes of an Ed25519 seed (RFC 8410 section 7).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// SubjectPublicKeyInfo around the 32 bytes of an Ed25519 key (RFC 8410 section 4).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Why somebody's certificate does not say who they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {
    #[error("{0} certificates instead of one")]
    Certificates(usize),
    #[error("no certificate that can be read")]
    Unreadable,
    #[error("a certificate of another kind of key than Ed25519")]
    OtherKind,
    #[error(transparent)]
    Key(#[from] KeyRefusal),
}

/// Both sides' configuration.
pub(super) struct Crypto {
    pub client: Arc<QuicClientConfig>,
    pub server: Arc<QuicServerConfig>,
}

/// What could not be made of a key; a fault of this program.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    #[error("a certificate of the node's key")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS with the node's key")]
    Tls(#[from] Error),
    #[error("QUIC without its first cipher")]
    Cipher(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

impl Crypto {
    pub(super) fn of(key: &SecretKey) -> Result<Crypto, CryptoError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Verifier(provider.clone()));
        let certificate = certificate(key)?;
        let pkcs8 = || PrivateKeyDer::Pkcs8(pkcs8(key));
        let mut client = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_client_auth_cert(vec![certificate.clone()], pkcs8())?;
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_sni = false;
        client.resumption = Resumption::disabled();
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate], pkcs8())?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Crypto {
            client: Arc::new(QuicClientConfig::try_from(client)?),
            server: Arc::new(QuicServerConfig::try_from(server)?),
        })
    }
}

/// The self-signed certificate of a node key: the same one every time.
fn certificate(key: &SecretKey) -> Result<CertificateDer<'static>, rcgen::Error> {
    let pair = rcgen::KeyPair::try_from(&pkcs8(key))?;
    Ok(rcgen::CertificateParams::default().self_signed(&pair)?.der().clone())
}

fn pkcs8(key: &SecretKey) -> PrivatePkcs8KeyDer<'static> {
    [&PKCS8_HEAD[..], &key.seed()].concat().into()
}

/// Whose key certificates are of (N1).
///
/// # Errors
/// [`IdentityRefusal`].
pub fn identity(certificates: &[CertificateDer<'_>]) -> Result<PublicKey, IdentityRefusal> {
    let [certificate] = certificates else {
        return Err(IdentityRefusal::Certificates(certificates.len()));
    };
    let spki = spki(certificate)?;
    let raw = spki.strip_prefix(&SPKI_HEAD).and_then(|raw| <[u8; 32]>::try_from(raw).ok());
    Ok(PublicKey::admit(RawKey(raw.ok_or(IdentityRefusal::OtherKind)?))?)
}

fn spki(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, IdentityRefusal> {
    let parsed = ParsedCertificate::try_from(certificate);
    Ok(parsed.map_err(|_| IdentityRefusal::Unreadable)?.subject_public_key_info())
}

/// Whose key the other side of a connection proved to have.
pub(super) fn peer_of(connection: &quinn::Connection) -> Result<PublicKey, IdentityRefusal> {
    let identity_of_peer = connection.peer_identity();
    let certificates =
        identity_of_peer.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    identity(&certificates.unwrap_or_default())
}

/// Admits everybody who has the secret half of the key they present.
#[derive(Debug)]
struct Verifier(Arc<CryptoProvider>);

impl Verifier {
    fn admit(&self, one: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), Error> {
        let count = 1 + more.len();
        let who = if count > 1 {
            Err(IdentityRefusal::Certificates(count))
        } else {
            identity(std::slice::from_ref(one))
        };
        let refusal = |why| CertificateError::Other(OtherError(Arc::new(why)));
        who.map(|_| ()).map_err(|why| Error::InvalidCertificate(refusal(why)))
    }

    fn check(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = spki(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.admit(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.admit(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a peer is judged by, for a test that is none.
    pub(in crate::network) fn verifier() -> Arc<dyn ServerCertVerifier> {
        Arc::new(Verifier(Arc::new(ring::default_provider())))
    }

    fn alice() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    /// N1 accepts: one certificate of an Ed25519 key, which is the identity.
    #[test]
    fn a_nodes_certificate_is_of_its_key_and_always_the_same() {
        let certificate = certificate(&alice()).unwrap();
        assert_eq!(identity(std::slice::from_ref(&certificate)), Ok(alice().public()));
        assert_eq!(self::certificate(&alice()).unwrap(), certificate);
    }

    /// N1 refuses: none, two, of another kind of key, of a weak key, or bytes that are none.
    #[test]
    fn other_certificates_are_refused_by_name() {
        let good = certificate(&alice()).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let other = rcgen::CertificateParams::default().self_signed(&other).unwrap();
        let mut weak = good.to_vec();
        let at = weak.windows(12).position(|part| part == SPKI_HEAD).unwrap() + SPKI_HEAD.len();
        weak[at..at + 32].fill(0);
        let check = |certificates: &[CertificateDer<'_>], expect: IdentityRefusal| {
            assert_eq!(identity(certificates), Err(expect));
        };
        check(&[], IdentityRefusal::Certificates(0));
        check(&[good.clone(), good.clone()], IdentityRefusal::Certificates(2));
        check(&[other.der().clone()], IdentityRefusal::OtherKind);
        check(&[weak.into()], IdentityRefusal::Key(KeyRefusal::Weak));
        check(&[good[..good.len() - 1].to_vec().into()], IdentityRefusal::Unreadable);
    }
}
