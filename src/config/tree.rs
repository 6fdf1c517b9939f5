//! One table of a file, read key by key: every wrong type, wrong word and unknown key becomes a fault of its own.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{At, Fault, List, Place, Report, Source, nearest};
use super::value::Wrong;

/// A table that is being read. Each reader names its key, and [`Section::finish`] refuses the keys that nobody named.
pub(super) struct Section<'a> {
    /// As faults call it: `[sip]`, `trunk`, `employee`.
    pub(super) what: String,
    /// Its header, or its inline table.
    pub(super) place: Place,
    table: &'a DeTable<'a>,
    pub(super) source: &'a Arc<Source>,
    pub(super) report: &'a Report,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        what: impl Into<String>,
        source: &'a Arc<Source>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        report: &'a Report,
    ) -> Self {
        let place = Place { source: source.clone(), span };
        Self { what: what.into(), place, table, source, report, asked: RefCell::default() }
    }

    pub(super) const fn report(&self) -> &'a Report {
        self.report
    }

    pub(super) fn at(&self, span: Range<usize>) -> Place {
        Place { source: self.source.clone(), span }
    }

    pub(super) fn find(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// A value of one shape; another shape is a fault.
    fn shaped<T>(&self, key: &'static str, want: &str, take: impl Fn(&'a DeValue<'a>) -> Option<T>) -> Option<At<T>> {
        let value = self.find(key)?;
        let place = self.at(value.span());
        match take(value.get_ref()) {
            Some(value) => Some(At { value, place }),
            None => {
                self.wrong_type(&place, key, want, value.get_ref());
                None
            }
        }
    }

    pub(super) fn wrong_type(&self, place: &Place, key: &str, want: &str, got: &DeValue<'_>) {
        let message = format!("{}: `{key}` wants {want}, not {}", self.what, type_name(got));
        let help = format!("write {}", example(want));
        self.report.fault(Fault::new(place, message).label(format!("{want} wanted")).help(help));
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<At<bool>> {
        self.shaped(key, "true or false", |value| match value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A whole number within `range`.
    pub(super) fn count<T: TryFrom<i64>>(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<At<T>> {
        let found = self.shaped(key, "a whole number", integer)?;
        let inside = Some(found.value).filter(|n| range.contains(n)).and_then(|n| T::try_from(n).ok());
        if inside.is_none() {
            let message = format!("{}: `{key}` is out of range", self.what);
            let help = format!("from {} to {}", range.start(), range.end());
            self.report.fault(Fault::new(&found.place, message).help(help));
        }
        Some(At { value: inside?, place: found.place })
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<At<T>> {
        let value = self.find(key)?;
        self.text(key, value, &parse)
    }

    fn text<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        parse: &impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let place = self.at(value.span());
        match value.get_ref() {
            DeValue::String(text) => self.understood(key, text, &place, parse),
            DeValue::Integer(number) => {
                // Right but for its quotes, or wrong all over: `drain = 60` lacks its unit too.
                let help = parse(number.as_str()).map_or_else(|wrong| wrong.help, |_| format!("write \"{number}\""));
                let message = format!("{}: `{key}` wants a text, not a whole number", self.what);
                self.report.fault(Fault::new(&place, message).label("a text wanted").help(help));
                None
            }
            other => {
                self.wrong_type(&place, key, "a text", other);
                None
            }
        }
    }

    fn understood<T>(
        &self,
        key: &str,
        text: &str,
        place: &Place,
        parse: &impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        match parse(text) {
            Ok(value) => Some(At { value, place: place.clone() }),
            Err(Wrong { message, help }) => {
                self.report.fault(Fault::new(place, format!("{}: `{key}`: {message}", self.what)).help(help));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<At<T>> {
        self.parsed(key, |text| word(text, words))
    }

    /// A list of texts that `parse` understands; those that it does not are faults, the others stay.
    pub(super) fn list<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<List<T>> {
        let found = self.shaped(key, "a list of texts", DeValue::as_array)?;
        let mut all = Vec::new();
        for item in found.value {
            all.extend(self.text(key, item, &parse));
        }
        Some(At { value: all, place: found.place })
    }

    /// A list of whole numbers within `range`.
    pub(super) fn counts<T: TryFrom<i64>>(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<Vec<T>> {
        let found = self.shaped(key, "a list of whole numbers", DeValue::as_array)?;
        let mut all = Vec::new();
        for item in found.value {
            match integer(item.get_ref()).filter(|n| range.contains(n)).and_then(|n| T::try_from(n).ok()) {
                Some(number) => all.push(number),
                None => {
                    let message = format!(
                        "{}: `{key}` holds what is no number from {} to {}",
                        self.what,
                        range.start(),
                        range.end()
                    );
                    let help = format!("write whole numbers, as in {key} = [{}]", range.start());
                    self.report.fault(Fault::new(&self.at(item.span()), message).help(help));
                }
            }
        }
        Some(all)
    }

    /// A table inside this one.
    pub(super) fn table(&self, key: &'static str, what: &str) -> Option<Section<'a>> {
        let found = self.shaped(key, "a table", DeValue::as_table)?;
        Some(Section::new(what, self.source, found.value, found.place.span, self.report))
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(found) = self.shaped(key, &format!("tables, each written [[{key}]]"), DeValue::as_array) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for item in found.value {
            match item.get_ref().as_table() {
                Some(table) => all.push(Section::new(key, self.source, table, item.span(), self.report)),
                None => self.wrong_type(&self.at(item.span()), key, "a table", item.get_ref()),
            }
        }
        all
    }

    /// A text, or an inline table with one of `keys`: how `unanswered` and `off_hours` are written.
    pub(super) fn word_or_table(&self, key: &'static str) -> Option<At<Result<&'a str, Section<'a>>>> {
        let value = self.find(key)?;
        let place = self.at(value.span());
        match value.get_ref() {
            DeValue::String(word) => Some(At { value: Ok(word), place }),
            DeValue::Table(table) => {
                let what = format!("{}: `{key}`", self.what);
                Some(At { value: Err(Section::new(what, self.source, table, value.span(), self.report)), place })
            }
            other => {
                self.wrong_type(&place, key, "a text or a table", other);
                None
            }
        }
    }

    /// The value of a key that has to be there.
    pub(super) fn required<T>(&self, key: &'static str, example: &str, value: Option<T>) -> Option<T> {
        let written = self.table.iter().any(|(name, _)| name.get_ref() == key);
        if value.is_none() && !written {
            let message = format!("{} has no `{key}`", self.what);
            self.report
                .fault(Fault::new(&self.place, message).label("belongs here").help(format!("add {key} = {example}")));
        }
        value
    }

    /// Refuses the keys that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            if asked.contains(&**key.get_ref()) {
                continue;
            }
            let message = format!("{} knows no key `{}`", self.what, key.get_ref());
            let all: Vec<&str> = asked.iter().copied().collect();
            let help =
                nearest(key.get_ref(), asked.iter().copied()).unwrap_or_else(|| format!("it knows {}", all.join(", ")));
            self.report.fault(Fault::new(&self.at(key.span()), message).label("unknown key").help(help));
        }
    }
}

/// One of `words`, else a fault that names them all.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    let names = format!("it is one of {}", all.join(", "));
    let help =
        nearest(text, words.iter().map(|(word, _)| *word)).map_or(names.clone(), |near| format!("{near} {names}"));
    Err(Wrong::new(format!("`{text}` is no word for it"), help))
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// How what is wanted is written.
fn example(want: &str) -> &str {
    match want {
        "true or false" => "true or false, without quotes",
        "a whole number" => "digits without quotes, as in 10",
        "a list of texts" => "it in brackets, as in [\"…\"]",
        "a list of whole numbers" => "it in brackets, as in [500, 503]",
        "a table" => "it as a section of its own, or as in { … = … }",
        "a text" => "it in quotes, as in \"…\"",
        other => other,
    }
}

const fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
