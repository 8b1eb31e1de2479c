//! `djdns page`: look at pages, found them, carry them.

use clap::{Args, Subcommand};

use super::{context::Context, fault::Outcome};

pub mod accept;
mod carry;
mod choose;
pub mod create;
pub mod export;
mod follow;
pub mod held;
mod import;
mod look;
mod stage;
pub mod survival;

/// Look at pages, found them, carry them.
///
/// A page is one zone: its entries, the participants who decide about them, and every signed
/// statement that led there. P is a page's name, or at least six digits of its page id.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page list\n  djdns page show ff.ct")]
pub struct Page {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Create(create::Create),
    List(look::List),
    Show(look::Show),
    Participants(look::Participants),
    History(look::History),
    Verify(look::Verify),
    Import(import::Import),
    Export(export::Export),
    Join(look::Join),
    Choose(choose::Choose),
    Forget(carry::Forget),
    Follow(follow::Follow),
    Carry(carry::Carry),
    Accept(accept::Accept),
}

impl Page {
    pub fn run(self, context: &mut Context) -> Outcome {
        match self.what {
            What::Create(command) => command.run(context),
            What::List(command) => command.run(context),
            What::Show(command) => command.run(context),
            What::Participants(command) => command.run(context),
            What::History(command) => command.run(context),
            What::Verify(command) => command.run(context),
            What::Import(command) => command.run(context),
            What::Export(command) => command.run(context),
            What::Join(command) => command.run(context),
            What::Choose(command) => command.run(context),
            What::Forget(command) => command.run(context),
            What::Follow(command) => command.run(context),
            What::Carry(command) => command.run(context),
            What::Accept(command) => command.run(context),
        }
    }
}
