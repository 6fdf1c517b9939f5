//! Who may use whom: one crate has no walls but this test.
//!
//! It reads the paths `crate::…` of every source file and fails on an edge that [`LAYERS`] doesn't allow, and on words
//! of the outside world in the sans-IO core. Tests, test helpers and `sim` are exempt: they see everything.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One module, what it may use, and why. The longest name that fits a path is its layer.
struct Layer {
    name: &'static str,
    uses: &'static [&'static str],
    /// Sans-IO: never names what [`OUTSIDE`] lists.
    core: bool,
    why: &'static str,
}

const fn core(name: &'static str, uses: &'static [&'static str], why: &'static str) -> Layer {
    Layer { name, uses, core: true, why }
}

const fn shell(name: &'static str, uses: &'static [&'static str], why: &'static str) -> Layer {
    Layer { name, uses, core: false, why }
}

const LAYERS: &[Layer] = &[
    core("base", &[], "words that all share know nobody"),
    core("sip", &["base"], "the protocol knows no calls, files or customers"),
    core("sdp", &["base"], "a document, read and rewritten"),
    core("crm::model", &["base"], "what is said about customers, whoever stores it"),
    core(
        "crm::policy",
        &["base", "crm::model", "route::directory"],
        "decides what a call owes the CRM by its line's keys",
    ),
    core("route", &["base", "crm::model"], "decides by the files and the lookup alone, so that `explain` can ask it"),
    core(
        "call",
        &["base", "sip", "sdp", "route", "crm::model", "crm::policy"],
        "decides; sockets, media and rows are actions that it pushes out",
    ),
    core(
        "softphone",
        &["base", "sip", "sdp"],
        "the far end of a call, on our own user agent: for the demo and the sim",
    ),
    shell("softcrm", &["base"], "a portal at the far end, for tests and for people who try one: knows nothing of us"),
    core("fuzz", &["base", "sip", "sdp", "net::framing"], "calls what reads peers' bytes, and nothing else"),
    shell("media", &["base", "sdp"], "packets, not calls"),
    shell("net", &["base", "sip::message"], "bytes and addresses, not calls"),
    shell("store", &["base", "crm::model"], "rows, not protocols"),
    shell(
        "crm",
        &["base", "crm::model", "crm::policy", "store", "route::directory"],
        "backends and the outbox: customers, not calls",
    ),
    shell("config", &["base", "crm::model", "route::directory"], "files in, a checked directory out"),
    shell(
        "node",
        &["base", "sip", "sdp", "route", "call", "media", "net", "store", "crm", "crm::model", "crm::policy", "config"],
        "composes all below; who asks it over HTTP or by command is not its matter",
    ),
    shell(
        "http",
        &["base", "call", "config", "crm", "crm::model", "crm::policy", "node", "route", "store"],
        "shows and asks the node; no SIP internals",
    ),
    shell(
        "cli",
        &["base", "call", "config", "crm", "crm::model", "crm::policy", "http", "node", "route", "softcrm", "store"],
        "the commands: the node's handles, and the store where no server runs",
    ),
    // Its phones and trunk speak SIP over real sockets: they are peers, like sipp.
    shell(
        "cli::demo",
        &[
            "base",
            "call",
            "cli",
            "config",
            "crm",
            "http",
            "media",
            "net",
            "node",
            "route",
            "sdp",
            "sip",
            "softphone",
            "store",
        ],
        "plays the peers of the server that it starts",
    ),
];

/// What the core never names: the world reaches it by events and arguments only.
const OUTSIDE: &[(&str, &str)] = &[
    ("tokio", "effects are pushed into `out`; nothing waits"),
    ("dashmap", "shared state is the node's"),
    ("sqlx", "rows are the store's"),
    ("std::net::UdpSocket", "sockets are net's"),
    ("std::time::Instant", "time is handed in as `Now`"),
    ("SystemTime", "time is handed in as `Now`"),
    ("Zoned::now", "time is handed in as `Now`"),
    ("Timestamp::now", "time is handed in as `Now`"),
    ("rand::rng(", "chance is handed in as `Ids`"),
    ("thread_rng", "chance is handed in as `Ids`"),
    ("std::thread", "whoever has an event steps the machine"),
    ("std::fs", "files are config's and the trace's"),
];

#[test]
fn nobody_uses_a_module_above_or_beside_its_own_layer() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(from) = layer_of(&source.module) else { continue };
        for (line, target) in paths_named(&source.text) {
            let Some(to) = layer_of(&target) else { continue };
            if to.name != from.name && !from.uses.iter().any(|allowed| covers(allowed, &target)) {
                faults.push(format!(
                    "{}:{line}: {} may not use {target} ({})",
                    source.path.display(),
                    from.name,
                    from.why
                ));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_core_names_no_clock_no_chance_and_no_runtime() {
    let mut faults = Vec::new();
    for source in sources() {
        if !layer_of(&source.module).is_some_and(|layer| layer.core) {
            continue;
        }
        for (at, line) in source.text.lines().enumerate() {
            for (word, why) in OUTSIDE.iter().filter(|(word, _)| names(line, word)) {
                faults.push(format!("{}:{}: names {word}: {why}", source.path.display(), at + 1));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_module_stands_in_the_table() {
    let unknown: BTreeSet<String> = sources()
        .into_iter()
        .filter(|source| !source.module.is_empty() && layer_of(&source.module).is_none())
        .map(|source| source.module)
        .collect();
    assert!(unknown.is_empty(), "say who may use them: {unknown:?}");
}

#[test]
fn the_test_sees_what_it_is_to_see() {
    let text = without_tests_and_comments(
        "use crate::base::{Now, Wall};\n// crate::node\nfn f() { crate::crm::policy::outcome() }\n\
         use crate::{\n    sip::agent, store::{rows, Store},\n};\n#[cfg(test)]\nmod tests {\n    use crate::sim::Sim;\n}\n",
    );
    let seen: Vec<String> = paths_named(&text).into_iter().map(|(_, path)| path).collect();
    assert_eq!(seen, ["base::Now", "base::Wall", "crm::policy::outcome", "sip::agent", "store::rows", "store::Store"]);
    assert_eq!(layer_of("crm::policy::outcome").map(|l| l.name), Some("crm::policy"));
    assert_eq!(layer_of("crm::embedded").map(|l| l.name), Some("crm"));
    assert!(!covers("route::directory", "route::plan"));
}

/// A source file: where it is, the module it is, and its text without tests and comments.
struct Source {
    path: PathBuf,
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 10, "no sources under {}", root.display());
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("src is there").map(|entry| entry.expect("it can be listed").path()).collect();
    entries.sort();
    for path in entries {
        let relative = path.strip_prefix(root).expect("found below it");
        let mut module: Vec<&str> = relative.iter().map(|part| part.to_str().expect("our own names")).collect();
        if let Some(last) = module.last_mut() {
            *last = last.trim_end_matches(".rs");
        }
        if module.last() == Some(&"mod") {
            module.pop();
        }
        if matches!(module.first(), Some(&("sim" | "main" | "lib"))) || module.iter().any(|m| is_test(m)) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("it can be read");
            found.push(Source { module: module.join("::"), text: without_tests_and_comments(&text), path });
        }
    }
}

fn is_test(module: &str) -> bool {
    matches!(module, "tests" | "testing")
}

/// Blanks comments and everything from the first `#[cfg(test)]` before a module with a body, which stands last by the
/// rules of this house. Line numbers stay.
fn without_tests_and_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let opens_tests = line.trim() == "#[cfg(test)]"
            && lines[at + 1..]
                .iter()
                .find(|next| !next.trim_start().starts_with("#["))
                .is_some_and(|next| next.trim_start().starts_with("mod ") && next.trim_end().ends_with('{'));
        if opens_tests {
            break;
        }
        if !line.trim_start().starts_with("//") {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

/// Every path below `crate::` with its line, groups in braces taken apart.
fn paths_named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let preceded = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
        if preceded {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        expand(&text[at + "crate::".len()..], "", &mut |path| found.push((line, path)));
    }
    found
}

/// Reads one path, or the group of paths that it ends in; gives back what follows.
fn expand<'a>(text: &'a str, prefix: &str, found: &mut impl FnMut(String)) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let after = expand(rest, prefix, found).trim_start();
            rest = after.strip_prefix(',').unwrap_or(after);
            if rest.len() == text.len() - 1 || rest.is_empty() {
                return rest;
            }
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let path = if prefix.is_empty() { word.to_owned() } else { format!("{prefix}::{word}") };
    if let Some(below) = rest.strip_prefix("::")
        && below.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{')
    {
        return expand(below, &path, found);
    }
    found(path);
    // `as name`, `::*`, `::<T>`: nothing that names another module.
    let stop = rest.find([',', '}', ';', '\n']).unwrap_or(rest.len());
    &rest[stop..]
}

fn layer_of(path: &str) -> Option<&'static Layer> {
    LAYERS.iter().filter(|layer| covers(layer.name, path)).max_by_key(|layer| layer.name.len())
}

fn covers(module: &str, path: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a line of code names a path, at the start of a word.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let starts = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let ends = word.ends_with('(') || after.is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
        starts && ends
    })
}
