//! `djdns page follow`: how closely this copy of a page follows the others (N8).

use std::time::Duration;

use clap::Args;

use crate::{
    cli::{
        args,
        context::{Context, ask},
        fault::Outcome,
        output,
        resolve::short,
    },
    control::{
        report::Following,
        request::{Answer, PageSelector, Request, WishChange},
    },
    sync::Pace,
};

/// Set how closely this copy of a page follows the others, or show it.
///
/// --live fetches what is new at once, which is usual; --every so often; --paused not at all: the page
/// is answered as it is here, and what you say on it is still told to others. A page larger than
/// --max-size is not fetched, and one that grows over it is not gone on with. What is not named stays
/// as it is.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns page follow music.ct\n  djdns page follow music.ct --every 6h --max-size 500M"
)]
pub struct Follow {
    /// The page: its name, or the first digits of its id; all of them for one that is not here yet
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Fetch what is new at once
    #[arg(long, group = "pace")]
    live: bool,
    /// Fetch what is new every so often, as 30m, 6h or 1d
    #[arg(long, value_name = "D", group = "pace", value_parser = args::span)]
    every: Option<Duration>,
    /// Fetch nothing
    #[arg(long, group = "pace")]
    paused: bool,
    /// The most that the page may take, in bytes or as 500K, 20M or 1G; `none` takes the limit away
    #[arg(long, value_name = "S", value_parser = args::size)]
    max_size: Option<u64>,
    /// The most that fetching it may take of the line in a second, with headers, likewise
    #[arg(long, value_name = "S", value_parser = args::size)]
    max_rate: Option<u64>,
}

impl Follow {
    pub fn run(self, context: &mut Context) -> Outcome {
        let pace = match (self.live, self.every, self.paused) {
            (true, _, _) => Some(Pace::Live),
            (_, Some(every), _) => Some(Pace::Every(every)),
            (_, _, true) => Some(Pace::Paused),
            _ => None,
        };
        let change =
            WishChange { pace, bytes_max: self.max_size, bytes_per_second_max: self.max_rate };
        let request = Request::Follow { page: self.page, change };
        let following = ask!(context, request, Answer::Following(following) => following);
        if context.json {
            return output::print_json(&following);
        }
        let name = following.name.as_deref();
        let page =
            name.map_or_else(|| format!("the page {}", short(&following.page_id)), str::to_owned);
        output::print(&format!("{page} is followed {}\n", words(&following)))
    }
}

/// How a page is followed, in a few words.
pub fn words(following: &Following) -> String {
    let mut words = match (following.pace.as_str(), following.every_seconds) {
        ("live", _) => "live: what is new is fetched at once".to_owned(),
        ("paused", _) => "no more: nothing is fetched while it is paused".to_owned(),
        (_, every) => format!("every {}", args::span_words(every.unwrap_or_default())),
    };
    if let Some(limit) = following.bytes_max {
        words += &format!("; it may take {}", args::size_words(limit));
    }
    if let Some(limit) = following.bytes_per_second_max {
        words += &format!("; {} in a second at most", args::size_words(limit));
    }
    words
}
