//! Questions about names whose page is not here: they wait for it, so long and no longer.

#![expect(
    clippy::disallowed_methods,
    reason = "it reads the clock of its runtime, which stands still"
)]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arc_swap::ArcSwap;
use djdns::{
    dns::{Client, Fetch, Lacking, Reply, Service, Transport, View, fetch::Waiting},
    limits::MISS_PATIENCE,
};
use tokio::time::Instant;

use super::{replay, support};

/// Has some pages, which come one after the other when they are waited for.
struct Fetcher {
    views: Arc<ArcSwap<View>>,
    /// Name and lines.
    pages: Vec<(&'static str, &'static str)>,
    is_worth_it: bool,
    /// What is not among its pages never comes; else it is said that it does not.
    is_silent: bool,
    waited: AtomicUsize,
}

impl Fetch for Fetcher {
    fn is_worth_waiting(&self, _: &Lacking) -> bool {
        self.is_worth_it
    }

    fn wait(&self, lacking: Lacking) -> Waiting<'_> {
        self.waited.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            assert_eq!(lacking.page, support::page_id(&lacking.name.to_string()));
            let name = lacking.name.to_string();
            let Some((name, lines)) = self.pages.iter().find(|(page, _)| *page == name) else {
                return if self.is_silent { std::future::pending().await } else { false };
            };
            let view = support::with_page(&self.views.load(), name, lines);
            self.views.store(Arc::new(view));
            true
        })
    }
}

struct Story {
    service: Service,
    fetcher: Arc<Fetcher>,
}

/// The root page is here, and links `ct.`; nothing else is.
fn story(pages: &[(&'static str, &'static str)], is_worth_it: bool, is_silent: bool) -> Story {
    let root = View::new().with_anchor(&support::name("."), support::page_id("."));
    let lines = "ct 300 PAGE ct.\nalias 300 CNAME www.ct.\nstays 300 A 192.0.2.9\n";
    let views = Arc::new(ArcSwap::from_pointee(support::with_page(&root, ".", lines)));
    let (views_of_fetcher, pages) = (views.clone(), pages.to_vec());
    let fetcher = Arc::new(Fetcher {
        views: views_of_fetcher,
        pages,
        is_worth_it,
        is_silent,
        waited: AtomicUsize::new(0),
    });
    Story { service: Service::new(views, None).with_fetch(fetcher.clone()), fetcher }
}

impl Story {
    async fn ask(&self, name: &str) -> Vec<String> {
        self.ask_with(&support::query(name, 1, Some(1232))).await
    }

    async fn ask_with(&self, message: &[u8]) -> Vec<String> {
        let client = Client { address: [127, 0, 0, 1].into(), transport: Transport::Udp };
        let answer = match self.service.reply(message, client) {
            Reply::Now(answer) => answer,
            Reply::Later => self.service.outside(message, client).await,
            Reply::Silence => panic!("it deserves an answer"),
        };
        replay::render(&answer)
    }

    fn waited(&self) -> usize {
        self.fetcher.waited.load(Ordering::Relaxed)
    }
}

const CT: (&str, &str) = ("ct.", "www 300 A 192.0.2.1\nff 300 PAGE ff.ct.\n");
const FF: (&str, &str) = ("ff.ct.", "www 300 A 192.0.2.2\n");

/// N2 accepts: a name below a page that is not here, and comes in time.
#[tokio::test(start_paused = true)]
async fn a_name_is_answered_from_a_page_that_comes_in_time() {
    let check = async |name: &str, expect: &str, waited| {
        let story = story(&[CT, FF], true, false);
        let answer = story.ask(name).await;
        assert!(answer.iter().any(|line| line.contains(expect)), "{name}: {answer:?}");
        assert_eq!(story.waited(), waited, "{name}");
        // Now it is here, and nobody waits.
        story.ask(name).await;
        assert_eq!(story.waited(), waited, "{name}");
    };
    check("www.ct.", "192.0.2.1", 1).await;
    check("www.ff.ct.", "192.0.2.2", 2).await;
    check("alias.", "192.0.2.1", 1).await;
    check("stays.", "192.0.2.9", 0).await;
}

/// N2 refuses: a page that nobody has; the question ends within a stub resolver's patience, with a
/// reason.
#[tokio::test(start_paused = true)]
async fn a_page_that_does_not_come_is_waited_for_so_long_and_no_longer() {
    let not_ready = |answer: &[String]| {
        assert!(answer[0].starts_with("SERVFAIL"), "{answer:?}");
        assert!(answer.iter().any(|line| line.starts_with("ede 14 ")), "{answer:?}");
    };
    let silent = story(&[], true, true);
    let begun = Instant::now();
    not_ready(&silent.ask("www.ct.").await);
    assert_eq!(begun.elapsed(), MISS_PATIENCE);
    let begun = Instant::now();
    let refused = story(&[], true, false);
    not_ready(&refused.ask("www.ct.").await);
    let hopeless = story(&[CT], false, false);
    not_ready(&hopeless.ask("www.ct.").await);
    assert_eq!((begun.elapsed().as_millis(), hopeless.waited()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_recursion_waits_for_nothing() {
    let story = story(&[CT], true, false);
    let mut message = support::query("www.ct.", 1, Some(1232));
    message[2] = 0;
    let answer = story.ask_with(&message).await;
    assert!(answer[0].starts_with("SERVFAIL"), "{answer:?}");
    assert_eq!(story.waited(), 0);
}
