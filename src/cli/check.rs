//! `ramal check`: every fault of the files, with its place and a mend.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::out::{self, say};
use crate::config::{self, Fault};

/// One fault or warning, as `--json` prints it.
#[derive(Serialize)]
struct Finding<'a> {
    file: &'a str,
    line: usize,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> From<&'a Fault> for Finding<'a> {
    fn from(fault: &'a Fault) -> Self {
        Self { file: fault.file(), line: fault.line(), message: fault.message(), help: fault.mend() }
    }
}

/// Reads the files and prints what is wrong with them: 1 where anything is, 0 also with warnings.
pub fn run(path: &Path, json: bool) -> ExitCode {
    let checked = config::load(path);
    let (faults, warnings) = match &checked {
        Ok(loaded) => (&[][..], loaded.warnings.as_slice()),
        Err(faults) => (faults.faults(), faults.warnings()),
    };
    if json {
        out::json(&as_json(faults, warnings));
    } else {
        let colours = std::io::stderr().is_terminal();
        warnings.iter().chain(faults).for_each(|fault| eprint!("{}", fault.render(colours)));
        if let Ok(loaded) = &checked {
            say!("ok: {}: {}", path.display(), loaded.summary());
        }
    }
    if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn as_json(faults: &[Fault], warnings: &[Fault]) -> serde_json::Value {
    let list =
        |found: &'_ [Fault]| found.iter().map(|fault| serde_json::json!(Finding::from(fault))).collect::<Vec<_>>();
    serde_json::json!({ "faults": list(faults), "warnings": list(warnings) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_every_fault_with_its_place_and_mend() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ramal.toml");
        std::fs::write(&path, "[media]\nmod = \"bypass\"\n").unwrap();
        let faults = config::load(&path).unwrap_err();
        let json = as_json(faults.faults(), faults.warnings());
        assert_eq!(json["faults"][0]["line"], 2);
        assert_eq!(json["faults"][0]["file"], path.to_str().unwrap());
        assert_eq!(json["faults"][0]["message"], "[media] knows no key `mod`");
        assert_eq!(json["faults"][0]["help"], "did you mean `mode`?");
        assert!(json["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty()));
    }
}
