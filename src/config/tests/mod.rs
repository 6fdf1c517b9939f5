//! What `check` finds in files, and what right ones come to.

mod certificates;
mod faulty;
mod files;
mod right;
mod warned;

use std::path::Path;

use super::{Fault, Faults, Loaded, load};

/// An office with nothing wrong, in the keys that have to be there; its lines are numbered in `faulty`.
const OFFICE: &str = r#"
[media]
mode = "bypass"

[[trunk]]
name = "carrier"
peers = ["sip:203.0.113.5"]

[[pbx]]
name = "office"
peers = ["sip:10.0.0.5"]
extensions = "2xx"

[[employee]]
id = "ana"
extension = "201"

[[employee]]
id = "bruno"
extension = "202"

[[queue]]
name = "sales"
members = ["bruno", "ana"]

[[line]]
number = "+551140028922"
trunk = "carrier"
queue = "sales"
"#;

/// The office with pieces of its text replaced, each of which must be there.
#[track_caller]
fn office(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(OFFICE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the office has no {from:?}");
        text.replacen(from, to, 1)
    })
}

/// Loads a text as the only file of a folder.
fn load_text(text: &str) -> Result<Loaded, Faults> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ramal.toml");
    std::fs::write(&path, text).unwrap();
    load(&path)
}

#[track_caller]
fn right(text: &str) -> Loaded {
    match load_text(text) {
        Ok(loaded) => loaded,
        Err(faults) => panic!("{faults}"),
    }
}

/// `LINE: message (mend)`, without the folder of the test.
fn in_words(faults: &[Fault]) -> Vec<String> {
    let one = |fault: &Fault| {
        let folder = format!("{}/", Path::new(fault.file()).parent().unwrap().display());
        let text = fault.to_string().replace(&folder, "");
        text.strip_prefix("ramal.toml:").unwrap_or(&text).to_owned()
    };
    faults.iter().map(one).collect()
}

/// The faults of the office with these changes.
#[track_caller]
fn faults(changes: &[(&str, &str)]) -> Vec<String> {
    match load_text(&office(changes)) {
        Ok(_) => panic!("no fault was found"),
        Err(faults) => in_words(faults.faults()),
    }
}

/// The warnings of the office with these changes, which have no fault.
#[track_caller]
fn warnings(changes: &[(&str, &str)]) -> Vec<String> {
    in_words(&right(&office(changes)).warnings)
}
