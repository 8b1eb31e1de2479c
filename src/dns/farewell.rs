//! The end of the doors: when they are told to close, and what those are answered who still wait then.

use tokio::{sync::watch, time::sleep};

use super::{Service, options::Client};
use crate::limits::DNS_FAREWELL;

/// Tells when the doors close. Cloning one costs nothing.
#[derive(Clone)]
pub(super) struct Farewell(watch::Receiver<()>);

impl Farewell {
    /// The doors close when the sender is dropped.
    pub(super) fn when(stopped: watch::Receiver<()>) -> Farewell {
        Farewell(stopped)
    }

    /// Returns when the doors close.
    pub(super) async fn told(&mut self) {
        while self.0.changed().await.is_ok() {}
    }

    /// The response from outside the pages; or SERVFAIL, if the doors close and it takes longer than
    /// [`DNS_FAREWELL`] after that.
    pub(super) async fn outside(
        mut self,
        service: &Service,
        message: &[u8],
        client: Client,
    ) -> Vec<u8> {
        let over = async {
            self.told().await;
            sleep(DNS_FAREWELL).await;
        };
        tokio::select! {
            answer = service.outside(message, client) => answer,
            () = over => service.stopping(message, client),
        }
    }
}
