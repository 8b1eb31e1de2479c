//! The examples that `--help` shows, typed as they stand there.
//!
//! Each command's are run in a home of their own, in order, with the demonstration's keys. Left out is
//! what stands for something else: an id or a key that nobody has, a stick, a terminal, another shell,
//! another's file; and what changes the machine.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use super::commands::with_data;
use crate::support::daemon::Home;

/// What an example with one of these in it needs is not here.
const ELSEWHERE: [&str; 18] = [
    "…",
    "/media/",
    "--passphrase",
    "--follow",
    "djdns serve",
    // They want a daemon.
    "djdns stats",
    "djdns logs",
    "djdns peers",
    "djdns connect",
    "beacon publish",
    "| man",
    ". ./djdns.bash",
    "ct.bundle",
    "register",
    "/etc/djdns",
    "status 4c5d6e",
    // It would change the machine that runs the tests.
    "sudo ",
    "djdns system",
];

/// What examples take for granted.
const BEFORE: &str = "djdns -q key new frank && djdns -q key new zoe && djdns -q host ff.ct --as alice \
                      && djdns -q page export ff.ct > ff.ct.zone && printf 'www A 192.0.2.1\\n' > \
                      friends.zone";

fn typed(home: &Home, line: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_djdns"));
    let folder = program.parent().expect("a program is in a directory").display();
    let mut shell = home.program(Path::new("/bin/sh"));
    shell.env("PATH", format!("{folder}:/usr/bin:/bin")).stderr(Stdio::piped());
    shell.env("DJDNS_DATA_DIR", home.data_dir()).args(["-c", line]);
    shell.current_dir(home.data_dir().parent().expect("a home"));
    shell.output().expect("the shell starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn help(home: &Home, command: &str) -> String {
    text(&typed(home, &format!("djdns help {command}")).stdout)
}

/// All commands below this one, and itself.
fn commands(home: &Home, command: &str) -> Vec<String> {
    let help = help(home, command);
    let list = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let names = list.lines().take_while(|line| !line.is_empty());
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    let below = names.into_iter().filter(|name| *name != "help");
    let below = below.flat_map(|name| commands(home, format!("{command} {name}").trim()));
    std::iter::once(command.to_owned()).chain(below).collect()
}

/// Whether a word is the first digits of an id, which is another one on every machine.
fn has_an_id(line: &str) -> bool {
    let is_id = |word: &str| {
        (6..=8).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_hexdigit())
            && word.bytes().any(|byte| byte.is_ascii_digit())
    };
    line.split_whitespace().any(is_id)
}

fn examples(help: &str) -> Vec<&str> {
    let after = help.split("EXAMPLE\n").nth(1).unwrap_or_default();
    let lines = after.lines().take_while(|line| line.starts_with("  "));
    let here = |line: &&str| !has_an_id(line) && ELSEWHERE.iter().all(|word| !line.contains(word));
    lines.map(str::trim).filter(here).collect()
}

#[test]
fn examples_work_as_they_are_written() {
    let shown = Home::new();
    let (mut run, mut failed) = (0, Vec::new());
    for command in commands(&shown, "") {
        let help = help(&shown, &command);
        let examples = examples(&help);
        if examples.is_empty() {
            continue;
        }
        let home = with_data();
        let before = typed(&home, BEFORE);
        assert_eq!(before.status.code(), Some(0), "{}", text(&before.stderr));
        for example in examples {
            let output = typed(&home, example);
            if output.status.code() != Some(0) {
                failed.push(format!("{command}: `{example}`: {}", text(&output.stderr)));
            }
            run += 1;
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(run > 30, "{run} examples were run");
}
