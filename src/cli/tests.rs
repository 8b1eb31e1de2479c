//! What can be typed: the commands of this milestone, and nothing that does not work yet.

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("djdns").chain(line.split_whitespace()))
}

fn all(command: &clap::Command, name: &str, found: &mut Vec<(String, clap::Command)>) {
    for sub in command.get_subcommands() {
        let name = format!("{name} {}", sub.get_name());
        all(sub, &name, found);
        found.push((name, sub.clone()));
    }
}

#[test]
fn the_commands_are_put_together_well() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let mut commands = Vec::new();
    all(&Cli::command(), "djdns", &mut commands);
    assert!(commands.len() > 30);
    for (name, command) in commands {
        assert!(command.get_about().is_some(), "{name} says nothing");
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        // Every example begins with what is being explained.
        assert!(after.starts_with("EXAMPLE\n  djdns "), "{name} has no example");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name} {} says nothing", argument.get_id());
        }
    }
}

#[test]
fn what_every_command_takes_may_stand_before_or_after_its_name() {
    for line in [
        "--json --data-dir D status",
        "status --json --data-dir D",
        "--json propose --data-dir D ff.ct set a A 192.0.2.1",
        "propose ff.ct set a A 192.0.2.1 --json --data-dir D",
        "page list --data-dir D --json",
    ] {
        let cli = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(cli.global.json && cli.global.data_dir == Some(PathBuf::from("D")), "{line}");
    }
}

#[test]
fn everything_promised_can_be_typed() {
    let id = "5f0c".repeat(16);
    let code = page_code();
    let lines = [
        "serve --dns 127.0.0.1:5300 --dns [::1]:5300".to_owned(),
        "resolve brickwindows.ff.ct AAAA --trace --offline".to_owned(),
        "explain ff.ct".to_owned(),
        "status -q".to_owned(),
        "key new alice --passphrase".to_owned(),
        "key import alice -".to_owned(),
        "key export alice -o f".to_owned(),
        "key show".to_owned(),
        "page create a.ct --participant alice --participant demo:bob=2 --zone f --param a=1 --parent ct"
            .to_owned(),
        "page show 5f0c5f".to_owned(),
        "page participants .".to_owned(),
        "page history ct".to_owned(),
        "page verify ct --full".to_owned(),
        "page import ct f --no-vote".to_owned(),
        "page export ct --format bundle -o f".to_owned(),
        format!("page join ct {id}"),
        "page accept ct --as alice".to_owned(),
        "propose ct set @ TXT hello --ttl 1h --as alice --reason because".to_owned(),
        "propose ct --as alice add _sip._tcp SRV 1 2 3 x".to_owned(),
        "propose ct set @ LOC 52 22 23 N 4 53 32 E -- -2.00m".to_owned(),
        "propose ct delete *.a".to_owned(),
        format!("propose ct link ff {id}"),
        "propose ct apply f --dry-run".to_owned(),
        format!("propose ct participant add alice=2 --acceptance {code}"),
        "propose ct participant remove alice".to_owned(),
        "propose ct participant power alice=3".to_owned(),
        format!("propose ct participant replace alice bob --acceptance {code}"),
        "propose ct params track1_bp=4000 min_voters=3".to_owned(),
        format!("propose ct relink ff {id}"),
        "propose ct unlink ff".to_owned(),
        "proposals ct --all".to_owned(),
        "vote ct 5f0c5f - --reject --reason no --as alice".to_owned(),
        "propose ct --from-request 5f0c5f --no-vote --as alice".to_owned(),
        "request ct set @ MX 10 mail --ttl 1h --words please --as zoe".to_owned(),
        format!("request ct --as zoe link friends {id} --words please"),
        "request status 5f0c5f --json".to_owned(),
        "request status".to_owned(),
        "request refuse 5f0c5f --reason no --as alice".to_owned(),
        "requests ct --follow --all".to_owned(),
        "inbox --as alice".to_owned(),
        "serve --upstream tls://192.0.2.1#dns.example --upstream 192.0.2.53".to_owned(),
        "serve --listen 127.0.0.1:1 --listen [::1]:1 --peer 192.0.2.7 --peer node.example:1".to_owned(),
        "serve --listen off".to_owned(),
        "peers --json".to_owned(),
        "connect DMCT:0.5428:31415:a3f2c8b9".to_owned(),
        "connect 192.0.2.7".to_owned(),
        "connect node.ff.ct".to_owned(),
        "config check f --json".to_owned(),
        "config show".to_owned(),
        "config example".to_owned(),
        "system enable --split --domain ct --address [::1]:5300 --force --dry-run".to_owned(),
        "system disable --force --root d".to_owned(),
        "system --root d status --json".to_owned(),
        "system pause 10m".to_owned(),
        "completions zsh".to_owned(),
        "man --dir d".to_owned(),
    ];
    for line in lines {
        if let Err(error) = parse(&line) {
            panic!("{line}: {error}");
        }
    }
}

fn page_code() -> String {
    page::accept::write(&crate::key::Signature([7; 64]))
}

#[test]
fn what_is_wrong_or_comes_later_is_a_usage_error() {
    for line in [
        "serve --listen 127.0.0.1",
        "serve --peer https://node.example",
        "connect",
        "serve --upstream dns.example",
        "serve --http 8053",
        "resolve a..b",
        "resolve a NOTYPE",
        "page create a.ct",
        "page create a.ct --participant alice=0",
        "page join ct 5f0c",
        "propose ct set a A",
        "propose ct set a A 192.0.2.1 --no-vote --reason no",
        "propose ct participant add alice",
        "propose ct participant power alice",
        "vote ct",
        "request ct set a A",
        "request status 5f0c",
        "request refuse 5f0c5f",
        "requests",
        "vote ct 5f0c5f --approve --reject",
        "-v -q status",
        "system",
        "system pause",
        "system enable --split --domain .",
    ] {
        match parse(line) {
            Ok(_) => panic!("{line}: was understood"),
            Err(error) => assert_eq!(error.exit_code(), 2, "{line}"),
        }
    }
}
