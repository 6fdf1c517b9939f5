//! A CSV file with the columns name, phone, responsible and, where wanted, email, company.

use std::borrow::Cow;
use std::io::Cursor;

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::crm::embedded::{EditError, numbers};

/// A row that was left out, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Why.
    pub why: String,
    /// What stands in it.
    #[serde(skip)]
    pub cells: Vec<String>,
}

/// The file, read row by row.
pub struct Sheet {
    rows: csv::Reader<Cursor<String>>,
    titles: Vec<String>,
    columns: Columns,
    country: String,
    rejected: Vec<Rejected>,
}

/// Where what stands.
#[derive(Debug, Clone, Copy)]
struct Columns {
    name: usize,
    phone: usize,
    responsible: usize,
    email: Option<usize>,
    company: Option<usize>,
}

impl Sheet {
    /// Of a file's bytes; refused whole where it has not the columns. Numbers are read the national way of `country`.
    pub fn open(bytes: &[u8], country: &str) -> Result<Self, EditError> {
        let mut rows = table(text_of(bytes));
        let titles = rows.headers().map_err(|error| EditError::NotCsv(error.to_string()))?.clone();
        let column = |title: &str| titles.iter().position(|t| t.eq_ignore_ascii_case(title));
        let wanted = |title: &str| column(title).ok_or_else(|| EditError::NotCsv(format!("no column `{title}`")));
        let columns = Columns {
            name: wanted("name")?,
            phone: wanted("phone")?,
            responsible: wanted("responsible")?,
            email: column("email"),
            company: column("company"),
        };
        let titles = titles.iter().map(str::to_owned).collect();
        Ok(Self { rows, titles, columns, country: country.to_owned(), rejected: Vec::new() })
    }

    /// The next contacts, at most so many; empty at the end.
    pub fn next(&mut self, most: usize) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(most);
        let mut row = csv::StringRecord::new();
        while entries.len() < most {
            match self.rows.read_record(&mut row) {
                Ok(true) => match self.columns.entry(&row, &self.country) {
                    Ok(entry) => entries.push(entry),
                    Err(why) => {
                        let line = row.position().map_or(0, csv::Position::line);
                        let cells = row.iter().map(str::to_owned).collect();
                        self.rejected.push(Rejected { line, why: why.to_owned(), cells });
                    }
                },
                Ok(false) => break,
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    self.rejected.push(Rejected { line, why: error.to_string(), cells: Vec::new() });
                    if error.is_io_error() {
                        break; // it would say so again for ever
                    }
                }
            }
        }
        entries
    }

    /// How much of the file was read so far, and how much there is, in bytes.
    pub fn read_so_far(&self) -> (u64, u64) {
        (self.rows.position().byte(), self.rows.get_ref().get_ref().len() as u64)
    }

    /// The titles of its columns.
    pub fn titles(&self) -> &[String] {
        &self.titles
    }

    /// The rows that were left out so far.
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }
}

impl Columns {
    fn entry(&self, row: &csv::StringRecord, country: &str) -> Result<Entry, &'static str> {
        let cell = |at: usize| row.get(at).filter(|cell| !cell.is_empty());
        let number = cell(self.phone).ok_or("no phone")?;
        Ok(Entry {
            name: cell(self.name).ok_or("no name")?.to_owned(),
            phone: numbers::read(number, country).ok_or("the phone cannot be read")?,
            responsible: cell(self.responsible).ok_or("no responsible")?.into(),
            email: self.email.and_then(cell).map(str::to_owned),
            company: self.company.and_then(cell).map(str::to_owned),
        })
    }
}

/// The text of a file: UTF-8, or the one byte a letter that spreadsheets of western Europe and Brazil save as.
fn text_of(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    };
    // With one byte a line's end, the reader's line numbers are those of the file.
    text.replace("\r\n", "\n")
}

fn table(text: String) -> csv::Reader<Cursor<String>> {
    let head = text.lines().next().unwrap_or_default();
    // Spreadsheets of this part of the world separate by semicolons.
    let delimiter = if head.contains(';') && !head.contains(',') { b';' } else { b',' };
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter).trim(csv::Trim::All).flexible(true).from_reader(Cursor::new(text))
}
