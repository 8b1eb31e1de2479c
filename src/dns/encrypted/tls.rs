//! TLS of our own doors: what they prove themselves by, for which protocols.
//!
//! Where the certificate comes from, and for how long it holds, is not known here. rustls keeps some
//! sessions to be resumed, and never takes data before the handshake has ended.

use std::sync::Arc;

use arc_swap::ArcSwap;
use quinn::crypto::rustls::QuicServerConfig;
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    version::TLS13,
};

/// What the doors prove themselves by; another may take its place while they serve. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ArcSwap<Configs>>);

/// For each protocol its own: a client that speaks another one is told so in the handshake.
pub(super) struct Configs {
    chain: Vec<CertificateDer<'static>>,
    pub(super) dot: Arc<ServerConfig>,
    pub(super) doh: Arc<ServerConfig>,
    pub(super) doq: Arc<QuicServerConfig>,
}

impl std::fmt::Debug for Configs {
    /// Nobody reads a key in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Configs")
    }
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate and the key cannot be used: {0}")]
    Unfit(#[from] rustls::Error),
    #[error("QUIC without its first cipher")]
    Cipher(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

impl Tls {
    /// From a certificate, with those that sign it behind it, and its key.
    ///
    /// # Errors
    /// When they do not belong together, or are of a kind that rustls does not know.
    pub fn new(
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
    ) -> Result<Tls, TlsError> {
        Ok(Tls(Arc::new(ArcSwap::from_pointee(Configs::of(chain, key)?))))
    }

    /// Takes others from now on; connections that there are go on. Whether the certificate is another.
    ///
    /// # Errors
    /// As [`Tls::new`]; all is as before then.
    pub fn replace(
        &self,
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
    ) -> Result<bool, TlsError> {
        let configs = Configs::of(chain, key)?;
        let is_other = configs.chain != self.now().chain;
        self.0.store(Arc::new(configs));
        Ok(is_other)
    }

    pub(super) fn now(&self) -> Arc<Configs> {
        self.0.load_full()
    }

    /// For DNS over TLS (RFC 7858).
    pub(in crate::dns) fn dot(&self) -> Arc<ServerConfig> {
        self.now().dot.clone()
    }
}

impl Configs {
    fn of(
        chain: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
    ) -> Result<Configs, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = || ServerConfig::builder_with_provider(provider.clone());
        let both = || builder().with_safe_default_protocol_versions();
        let finish = |builder: rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>,
                      alpn: &[u8]| {
            let builder = builder.with_no_client_auth();
            let mut config = builder.with_single_cert(chain.to_vec(), key.clone_key())?;
            config.alpn_protocols = vec![alpn.to_vec()];
            Ok::<_, rustls::Error>(config)
        };
        let doq = finish(builder().with_protocol_versions(&[&TLS13])?, b"doq")?;
        Ok(Configs {
            chain: chain.to_vec(),
            dot: Arc::new(finish(both()?, b"dot")?),
            doh: Arc::new(finish(both()?, b"h2")?),
            doq: Arc::new(QuicServerConfig::try_from(doq)?),
        })
    }
}
