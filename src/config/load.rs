//! From a path to [`Settings`]: the file, what it includes, and everything that is wrong with them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use super::check;
use super::fault::{Fault, Faults, Place, Report, Source};
use super::raw::Raw;
use super::settings::Settings;
use super::tree::Section;
use super::value::{self, Wrong};

/// Files that hold no fault.
#[derive(Debug)]
pub struct Loaded {
    /// What they say.
    pub settings: Settings,
    /// What an operator should know of them.
    pub warnings: Vec<Fault>,
    /// The files read, the one asked for first.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// What there is, in one line: `1 trunk, 1 PBX, 3 employees, 1 queue, 1 line`.
    pub fn summary(&self) -> impl fmt::Display + use<> {
        let directory = &self.settings.directory;
        let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        [
            count(directory.trunks.len(), "trunk", "trunks"),
            count(directory.pbxs.len(), "PBX", "PBXs"),
            count(directory.employees.len(), "employee", "employees"),
            count(directory.queues.len(), "queue", "queues"),
            count(directory.lines.len(), "line", "lines"),
        ]
        .join(", ")
    }
}

/// Reads the file at `path` and all that it includes.
///
/// Every fault is found, with one exception: files that are no TOML are told about alone, since what could be read of
/// them would only make up more.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    let report = Report::default();
    let files = sources(path, &report);
    let settings = settings(&files, &report);
    let (settings, warnings) = report.conclude(&files, settings)?;
    let files = files.iter().map(|file| PathBuf::from(&file.name)).collect();
    Ok(Loaded { settings, warnings, files })
}

fn settings(files: &[Arc<Source>], report: &Report) -> Option<Settings> {
    if report.has_faults() {
        return None;
    }
    let mut raw = Raw::default();
    let trees: Vec<Spanned<DeTable<'_>>> = files.iter().map(|file| DeTable::parse_recoverable(&file.text).0).collect();
    for (file, tree) in files.iter().zip(&trees) {
        raw.add(Section::new("the file", file, tree.get_ref(), 0..0, report));
    }
    let whole = Place { source: files.first()?.clone(), span: 0..0 };
    Some(check::check(&raw, &whole, report))
}

/// The file and those that it includes, each once, in the order in which they are named.
fn sources(path: &Path, report: &Report) -> Vec<Arc<Source>> {
    let mut files: Vec<Arc<Source>> = Vec::new();
    let mut seen = Vec::new();
    let mut waiting = vec![(path.to_owned(), None::<Place>)];
    while let Some((path, named_at)) = waiting.pop() {
        let canonical = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if seen.contains(&canonical) {
            continue;
        }
        seen.push(canonical);
        let name = path.to_string_lossy().into_owned();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let source = Arc::new(Source { name, text });
                files.push(source.clone());
                let mut included = included(&source, report);
                included.reverse(); // the last of a stack comes first
                waiting.extend(included);
            }
            Err(error) => report.fault(unreadable(&name, &error, named_at, &mut files)),
        }
    }
    files
}

fn unreadable(name: &str, error: &std::io::Error, named_at: Option<Place>, files: &mut Vec<Arc<Source>>) -> Fault {
    let is_included = named_at.is_some();
    let place = named_at.unwrap_or_else(|| {
        let source = Arc::new(Source { name: name.to_owned(), text: String::new() });
        files.push(source.clone());
        Place { source, span: 0..0 }
    });
    let help = match error.kind() {
        std::io::ErrorKind::NotFound if is_included => "make it, or take it out of `include`",
        std::io::ErrorKind::NotFound => "name the right one with --config FILE",
        std::io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "see that the user who runs ramal may read it",
    };
    Fault::new(&place, format!("{name} cannot be read: {error}")).help(help)
}

/// The files that this one includes, sorted within each pattern. Also the place where its syntax is judged.
fn included(source: &Arc<Source>, report: &Report) -> Vec<(PathBuf, Option<Place>)> {
    let (tree, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        let place = Place { source: source.clone(), span: error.span().unwrap_or(0..0) };
        report.fault(
            Fault::new(&place, format!("not TOML: {}", error.message().trim_end()))
                .help("mend this first: what stands behind it may have been read wrongly"),
        );
    }
    // What is wrong with the key itself is told when the whole file is read; here only what it includes.
    let silent = Report::default();
    let section = Section::new("the file", source, tree.get_ref(), 0..0, &silent);
    let folder = Path::new(&source.name).parent().unwrap_or(Path::new("")).to_owned();
    let mut all = Vec::new();
    for pattern in section.list("include", value::text).into_iter().flat_map(|list| list.value) {
        match matching(&folder, &pattern.value) {
            Ok(paths) => all.extend(paths.into_iter().map(|path| (path, Some(pattern.place.clone())))),
            Err(Wrong { message, help }) => report.fault(Fault::new(&pattern.place, message).help(help)),
        }
    }
    all
}

fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, Wrong> {
    let wild = pattern.contains(['*', '?', '[']);
    if !wild {
        return Ok(vec![folder.join(pattern)]);
    }
    let whole = Path::new(&glob::Pattern::escape(&folder.to_string_lossy())).join(pattern);
    let wrong = || Wrong::new(format!("`{pattern}` is no pattern of files"), "write it as in \"lines.d/*.toml\"");
    let paths = glob::glob(&whole.to_string_lossy()).map_err(|_| wrong())?;
    paths.collect::<Result<_, _>>().map_err(|error| {
        Wrong::new(format!("{} cannot be read", error.path().display()), "see that the user who runs ramal may read it")
    })
}
