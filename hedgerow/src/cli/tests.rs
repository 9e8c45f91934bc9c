#![allow(clippy::unwrap_used)]
use super::*;
use clap::CommandFactory as _;

#[test]
fn the_words_fit_together() {
    Cli::command().debug_assert();
}

fn read(words: &str) -> Result<(), (bool, String)> {
    let args = std::iter::once("hedgerow").chain(words.split_whitespace());
    Cli::try_parse_from(args).map(|_| ()).map_err(|error| (error.exit_code() == 2, error.to_string()))
}

#[test]
fn what_is_promised_can_be_said() {
    for words in [
        "up",
        "up --data d --base-port 17400",
        "up --unsafe-clear-bind",
        "lookup --data d --listen 127.0.0.1:1 --peer http://a:1 --peer http://b:1 --name lookup-1",
        "farm --data d --listen 127.0.0.1:1 --lookup http://a:1",
        "lookup status",
        "lookup status --lookup http://a:1 --json",
        "farm status",
        "farm status cern --json --lookup http://a:1",
        "find",
        "find kind=farm country!=CH has:gpu --json",
        "find --watch kind=farm --events",
        "find --facets kind=farm",
        "find --facets=group,country kind=farm --json",
        "ls a b/c --utc",
        "watch a/b --events --numbers",
        "top",
        "top a where value > 1 --by lowest -n 5 --once --json --timeout 3s --lookup http://a:1",
        "query a where value > 1 since=1h every=5m:mean --as raw --timeout 3s",
        "filter test f.wasm --set a=1 --on a/b --as x --samples s.jsonl --events",
        "filter test load --from cern/hosts --timeout 3s --json",
        "filter run f.wasm --on a/b --set a=1 --as x --farm oak --farm group=a --events",
        "filter run load --json",
        "filter backtest load --from 1h --to 5m --as x --json --utc",
        "collect --config f --only host --target n1 --json",
        "snmp walk 10.0.0.1",
        "snmp walk [::1]:1161 ifXTable --version 1 --community x --numeric --json --max-values 5",
        "snmp get sw1 sysName.0 1.3.6.1.2.1.1.3.0 --community-file f --timeout 200ms --attempts 2",
        "snmp walk a --user u --auth sha256 --auth-password-file a --privacy AES --privacy-password-file p --context c",
        "snmp walk a --config f --credentials core",
        "snmp walk --config f --target core ifTable",
        "snmp get --target core sysName.0 --config f",
        "profile list --config f",
        "profile show interfaces --toml",
        "profile check a.toml b.toml",
        "profile import snmp.yml --only if_mib --into d",
        "filter describe",
        "filter describe threshold --set above=1 --json",
        "filter deploy a --no-check",
        "filter new a",
        "filter new a --lang js --into d",
        "filter build",
        "filter build d --output a.wasm --world trigger",
        "check-config f",
        "completions zsh",
    ] {
        assert_eq!(read(words), Ok(()), "{words}");
    }
}

#[test]
fn what_cannot_be_meant_is_misuse() {
    for words in [
        "",
        "farm",
        "farm --data d status",
        "lookup",
        "lookup --data d status",
        "lookup --data d --name a/b",
        "find --watch --facets",
        "find --events",
        "lookup --data d --name farm",
        "up --base-port 0",
        "up --base-port 65530",
        "watch",
        "query",
        "query a --timeout soon",
        "filter test",
        "filter test f --samples s --from a",
        "collect",
        "snmp",
        "snmp walk",
        "snmp get",
        "snmp walk a --version 4",
        "snmp walk a --user u --auth SHA-265",
        "snmp walk a --auth-password secret",
        "snmp walk a --community x --community-file f",
        "snmp walk a --credentials core",
        "snmp walk --target core",
        "snmp walk --target core --config f --community x",
        "snmp walk a --attempts 0",
        "profile",
        "profile show",
        "profile check",
        "profile import",
        "filter",
        "filter new",
        "filter new a --lang cobol",
        "fnid",
        "__keeper",
    ] {
        let (misuse, text) = read(words).unwrap_err();
        assert!(misuse, "{words}: {text}");
    }
}

/// Every command's help, as a stranger reads it: a change of it is seen.
#[test]
fn help_is_as_it_was() {
    let mut all = String::new();
    let mut root = Cli::command();
    root.build();
    let mut shown = |mut command: clap::Command| {
        all.push_str(&format!("{}\n----\n", command.render_long_help().to_string().trim_end()));
    };
    shown(root.clone().term_width(110));
    for command in root.get_subcommands() {
        shown(command.clone().term_width(110));
        for below in command.get_subcommands() {
            shown(below.clone().term_width(110));
        }
    }
    insta::assert_snapshot!(all);
}
