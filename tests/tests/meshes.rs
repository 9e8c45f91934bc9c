//! Promise: lookups of two meshes in one list are never mixed: the one named first decides, and the other is refused by name.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use hedgerow_e2e::{Finished, PATIENCE, Process, Sandbox, json_lines, wait_until};

/// Two lookups, each with a mesh of its own; and the ids of the meshes.
fn two(sandbox: &Sandbox) -> ([Process; 2], [String; 2]) {
    let start = |above: u16| {
        let (data, address) =
            (sandbox.path(&format!("mesh-{above}")), format!("127.0.0.1:{}", sandbox.base_port() + above));
        let mut lookup = sandbox.start(
            &format!("lookup-{above}"),
            &["lookup", "--data", data.to_str().unwrap(), "--listen", &address],
        );
        lookup.prints("Ctrl-C stops", PATIENCE);
        lookup
    };
    let lookups = [start(1), start(2)];
    let id = |above| {
        let status = sandbox.run(&["lookup", "status", "--json", "--lookup", &sandbox.url(above)]);
        status.json()[0]["mesh_id"].as_str().unwrap().to_owned()
    };
    (lookups, [id(1), id(2)])
}

fn names_both(said: &Finished, ids: &[String; 2]) -> bool {
    ids.iter().all(|id| said.stderr.contains(id))
}

#[test]
fn clients_ask_the_mesh_of_the_lookup_named_first_and_say_that_it_is_not_all() {
    let sandbox = Sandbox::new();
    let (mut lookups, ids) = two(&sandbox);
    let urls = [sandbox.url(1), sandbox.url(2)];
    for (first, second) in [(0, 1), (1, 0)] {
        for words in
            [&["find", "--json"][..], &["lookup", "status", "--json"], &["find", "--facets=kind", "--json"]]
        {
            let named = ["--lookup", &urls[first], "--lookup", &urls[second]];
            let said = sandbox.run(&[words, &named].concat());
            assert_eq!(said.code(), 3, "{}", said.told());
            assert!(names_both(&said, &ids), "{}", said.told());
            if words.len() == 2 {
                let found = json_lines(&said.stdout);
                assert_eq!(found.len(), 1, "{}", said.told());
                assert_eq!(found[0]["endpoints"][0], urls[first].as_str());
            }
        }
    }
    // Where the first is dead the next decides, and that is said.
    lookups[0].kill();
    let said = sandbox.run(&["find", "--json", "--lookup", &urls[0], "--lookup", &urls[1]]);
    assert_eq!((said.code(), json_lines(&said.stdout).len()), (0, 1), "{}", said.told());
    assert!(
        said.stderr.contains(&ids[1]) && said.stderr.contains("did not answer: asking mesh"),
        "{}",
        said.told()
    );
}

#[test]
fn a_lookup_with_peers_of_two_meshes_does_not_start() {
    let sandbox = Sandbox::new();
    let (_lookups, ids) = two(&sandbox);
    let (data, address) = (sandbox.path("third"), format!("127.0.0.1:{}", sandbox.port()));
    let words = ["lookup", "--data", data.to_str().unwrap(), "--listen", &address];
    let said = sandbox.run(&[&words[..], &["--peer", &sandbox.url(1), "--peer", &sandbox.url(2)]].concat());
    assert_eq!(said.code(), 1, "{}", said.told());
    assert!(names_both(&said, &ids), "{}", said.told());
}

#[test]
fn a_farm_with_lookups_of_two_meshes_keeps_to_that_of_the_first_and_says_what_is_wrong_with_the_other() {
    let sandbox = Sandbox::new();
    let (_lookups, ids) = two(&sandbox);
    let urls = [sandbox.url(1), sandbox.url(2)];
    let (data, address) = (sandbox.path("site"), format!("127.0.0.1:{}", sandbox.port()));
    let words = ["farm", "--data", data.to_str().unwrap(), "--listen", &address];
    let words = [&words[..], &["--lookup", &urls[0], "--lookup", &urls[1]]].concat();
    let mut farm = sandbox.start("farm", &words);
    farm.prints("Ctrl-C stops", PATIENCE);
    let status = |more: &[&str]| sandbox.run(&[&["farm", "status", "--lookup", &urls[0]], more].concat());
    let lookups = || {
        let said = status(&["--json"]);
        json_lines(&said.stdout).pop().map(|farm| farm["lookups"].clone()).unwrap_or_default()
    };
    wait_until("both in its status", PATIENCE, || {
        lookups().as_array().is_some_and(|all| all.len() == 2 && all[0]["registered"] == true)
    });
    let other = &lookups()[1];
    let why = other["last_error"].as_str().unwrap();
    assert!(other["url"] == urls[1].as_str() && other["registered"] == false, "{other}");
    assert!(ids.iter().all(|id| why.contains(id)), "{why}");
    let table = status(&[]);
    assert!(table.stdout.contains("NOT registered") && table.stdout.contains(&ids[1]), "{}", table.told());
    let names_both = |text: &str| ids.iter().all(|id| text.contains(id));
    wait_until("its log", PATIENCE, || farm.stderr().lines().any(names_both));
    let count = |item: &str| {
        let path = format!("*/hedgerow/*/lookups[{item}]");
        let said = sandbox.run(&["query", &path, "--json", "--lookup", &urls[0]]);
        json_lines(&said.stdout).pop().and_then(|sample| sample["value"].as_u64())
    };
    wait_until("its own series", PATIENCE, || {
        count("registered") == Some(1) && count("not_registered") == Some(1)
    });
    let there = sandbox.run(&["find", "kind=farm", "--json", "--lookup", &urls[1]]);
    assert_eq!((there.code(), there.stdout.as_str()), (0, ""), "{}", there.told());
    assert!(farm.is_running());
}
