//! `ramal number`: how a number is read, and why.

use std::path::Path;
use std::process::ExitCode;

use super::out;
use crate::base::PhoneNumber;
use crate::base::phone::{self, Context, Kind, Reading};
use crate::config::{self, Loaded};
use crate::route::directory::{Directory, Gateway, Line};

/// Reads `value` as it would be read on `line`, or on no line at all: 1 where it is no number.
///
/// Without a file at `path` numbers are read by Brazil's plan, with no lines and extensions known.
pub fn run(path: &Path, value: &str, line: Option<&str>, json: bool) -> ExitCode {
    let directory = match directory(path) {
        Ok(directory) => directory,
        Err(words) => {
            eprint!("{words}");
            return ExitCode::FAILURE;
        }
    };
    let line = match line.map(|number| self::line(&directory, number)).transpose() {
        Ok(line) => line,
        Err(words) => {
            eprintln!("{words}");
            return ExitCode::FAILURE;
        }
    };
    let reading = read(&directory, line, value);
    if json {
        out::json(&reading);
    } else {
        out::text(&as_text(&reading));
    }
    if matches!(reading.kind, Kind::Unreadable | Kind::Anonymous) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn directory(path: &Path) -> Result<Directory, String> {
    if !path.exists() {
        eprintln!("{} is not there: read by Brazil's plan, without lines and extensions", path.display());
        return Ok(Directory::default());
    }
    let Loaded { settings, .. } = config::load(path).map_err(|faults| faults.render(false))?;
    Ok((*settings.directory).clone())
}

fn line<'a>(directory: &'a Directory, number: &str) -> Result<&'a Line, String> {
    let read = phone::read(number, &Context::plain(&directory.crm.country)).e164;
    let known = read.and_then(|number| directory.line(number)).map(|line| &**line);
    known.ok_or_else(|| {
        let lines: Vec<String> = directory.lines.iter().map(|line| line.number.to_string()).collect();
        format!(
            "{number} is no line of the files; the lines are: {}",
            if lines.is_empty() { "none".to_owned() } else { lines.join(", ") }
        )
    })
}

/// Reads a number as it stands on a line: with the lines and the area of its trunk.
fn read(directory: &Directory, line: Option<&Line>, value: &str) -> Reading {
    let area = line.and_then(|line| match &line.gateway {
        Gateway::Trunk(name) => directory.trunk(name)?.area.as_deref(),
        Gateway::Pbx(_) => None,
    });
    let beside = |other: &Line| line.is_none_or(|line| line.gateway == other.gateway);
    let lines: Vec<PhoneNumber> =
        directory.lines.iter().filter(|other| beside(other)).map(|other| other.number).collect();
    let is_extension = |digits: &str| directory.employee_at(digits).is_some() || directory.queue_at(digits).is_some();
    phone::read(
        value,
        &Context {
            country: &directory.crm.country,
            area,
            lines: &lines,
            is_extension: &is_extension,
            emergency: &directory.limits.emergency,
        },
    )
}

fn as_text(reading: &Reading) -> String {
    let e164 = reading.e164.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let variants = if reading.variants.is_empty() { "-".to_owned() } else { reading.variants.join(" ") };
    format!("e164      {e164}\nkind      {}\nvariants  {variants}\nwhy       {}\n", reading.kind.as_str(), reading.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> Directory {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ramal.toml");
        directory(&file).unwrap_or_else(|words| panic!("{words}"))
    }

    #[test]
    fn a_number_is_read_with_the_lines_and_the_area_of_the_lines_trunk() {
        let office = office();
        let sales = line(&office, "+551140028922").unwrap();
        assert_eq!(read(&office, Some(sales), "40028922").kind, Kind::Line);
        assert_eq!(read(&office, Some(sales), "98765-4321").e164, "+5511987654321".parse().ok());
        assert_eq!(read(&office, None, "98765-4321").e164, None);
        assert_eq!(read(&office, Some(sales), "201").kind, Kind::Extension);
        assert_eq!(read(&office, Some(sales), "600").kind, Kind::Extension);
        assert_eq!(read(&office, Some(sales), "190").kind, Kind::Emergency);
    }

    #[test]
    fn a_line_that_is_none_is_told_with_those_that_are() {
        let words = line(&office(), "+551140028923").unwrap_err();
        assert_eq!(words, "+551140028923 is no line of the files; the lines are: +551140028922");
    }

    #[test]
    fn json_holds_what_the_contract_names() {
        let reading = serde_json::json!(read(&office(), None, "+551187654321"));
        assert_eq!(reading["e164"], "+5511987654321");
        assert_eq!(reading["variants"].as_array().map(Vec::len), Some(8));
        assert_eq!(reading["why"], "a mobile, its ninth digit added");
        assert_eq!(reading["kind"], "mobile");
    }

    #[test]
    fn text_has_one_thing_a_line() {
        let text = as_text(&read(&office(), None, "anonymous"));
        assert_eq!(text, "e164      -\nkind      anonymous\nvariants  -\nwhy       no identity: nothing to look up\n");
    }
}
