//! Several files, secrets in files, and the two that come with `ramal`.

use std::fs;
use std::path::Path;

use super::super::load;
use super::{in_words, office};

#[test]
fn the_complete_and_the_minimal_file_are_right_and_warn_of_nothing() {
    for name in ["config/ramal.toml", "config/minimal.toml"] {
        let loaded =
            load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(loaded.warnings.is_empty(), "{name}: {:#?}", in_words(&loaded.warnings));
        assert_eq!(loaded.summary().to_string(), "1 trunk, 1 PBX, 3 employees, 1 queue, 1 line");
    }
}

/// Whatever is commented out in the complete file is known too: uncommented, it brings no unknown key.
#[test]
fn the_complete_file_knows_the_keys_that_it_comments_out() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ramal.toml")).unwrap();
    let start = text.find("\n[sip]").unwrap();
    let uncommented = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let all: Vec<String> = text[start..].lines().map(uncommented).collect();
    let all = all.join("\n").replace("mode = \"bypass\" ", "mode = \"relay\" ");
    let loaded = super::load_text(&all).unwrap_or_else(|faults| panic!("{faults}"));
    let quiet: Vec<String> = in_words(&loaded.warnings)
        .into_iter()
        .filter(|warning| {
            ![
                "not done by this release",
                "does nothing here",
                "is not set",
                "not relayed",
                "cannot be read",
                "without `",
            ]
            .iter()
            .any(|part| warning.contains(part))
        })
        .collect();
    assert!(quiet.is_empty(), "{quiet:#?}");
}

#[test]
fn included_files_are_read_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("ramal.toml");
    fs::create_dir(folder.path().join("lines.d")).unwrap();
    let line = |number: &str| format!("[[line]]\nnumber = \"{number}\"\ntrunk = \"carrier\"\nqueue = \"sales\"\n");
    fs::write(&main, format!("include = [\"lines.d/*.toml\", \"none.d/*.toml\"]\n{}", office(&[]))).unwrap();
    fs::write(folder.path().join("lines.d/b.toml"), line("+551130000002")).unwrap();
    fs::write(folder.path().join("lines.d/a.toml"), line("+551130000001")).unwrap();
    let loaded = load(&main).unwrap();
    let numbers: Vec<String> = loaded.settings.directory.lines.iter().map(|line| line.number.to_string()).collect();
    assert_eq!(numbers, ["+551140028922", "+551130000001", "+551130000002"]);
    assert_eq!(loaded.files.len(), 3);

    fs::write(
        folder.path().join("lines.d/b.toml"),
        "[[line]]\nnumber = \"+551130000002\"\ntrunk = \"carier\"\nqueue = \"sales\"\n[media]\n",
    )
    .unwrap();
    let faults = in_words(load(&main).unwrap_err().faults());
    assert_eq!(
        faults.first().map(String::as_str),
        Some("b.toml:3: line `+551130000002` names `carier`, which is no trunk (did you mean `carrier`?)")
    );
    assert!(faults.len() == 2 && faults[1].starts_with("b.toml:5: [media] stands in "), "{faults:?}");
}

#[test]
fn a_file_that_includes_itself_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("ramal.toml");
    fs::write(&main, format!("include = [\"ramal.toml\", \"*.toml\"]\n{}", office(&[]))).unwrap();
    assert_eq!(load(&main).unwrap().files.len(), 1);
}

#[test]
fn a_file_that_is_not_there_is_a_fault_where_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("ramal.toml");
    let missing = in_words(load(&main).unwrap_err().faults());
    assert!(missing.len() == 1 && missing[0].contains("cannot be read"), "{missing:?}");
    fs::write(&main, format!("include = [\"lines.toml\"]{}", office(&[]))).unwrap();
    let missing = in_words(load(&main).unwrap_err().faults());
    assert!(missing.len() == 1 && missing[0].starts_with("1: lines.toml cannot be read"), "{missing:?}");
    assert!(missing[0].contains("take it out of `include`"), "{missing:?}");
}

#[test]
fn a_secret_comes_from_a_file_beside_and_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("ramal.toml");
    fs::write(folder.path().join("token"), "s3cret\n").unwrap();
    fs::write(&main, format!("{}[http]\napi_token = {{ file = \"token\" }}\n", office(&[]))).unwrap();
    let settings = load(&main).unwrap().settings;
    assert_eq!(settings.http.api_token.as_ref().map(super::super::Secret::expose), Some("s3cret"));
    assert!(!format!("{settings:?}").contains("s3cret"));
    fs::remove_file(folder.path().join("token")).unwrap();
    let missing = in_words(load(&main).unwrap_err().faults());
    assert!(
        missing.len() == 1 && missing[0].starts_with("31: [http]: `api_token`: token cannot be read"),
        "{missing:?}"
    );
}
