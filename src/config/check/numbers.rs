//! Phone numbers of the files: read by the operator's country, and which of them are lines.

use crate::base::PhoneNumber;
use crate::base::phone::{self, Context, Kind};
use crate::config::fault::{At, Fault, Report, nearest};
use crate::config::raw::Raw;

/// How numbers are read, and the lines that there are.
pub(super) struct Numbers<'a> {
    pub(super) country: &'a str,
    lines: Vec<PhoneNumber>,
}

impl<'a> Numbers<'a> {
    /// Takes the country from `[crm]` and the numbers of all lines; a line twice is a fault.
    pub(super) fn of(raw: &'a Raw, report: &Report) -> Self {
        let country = raw.crm.as_ref().and_then(|crm| crm.country.as_ref()).map_or("BR", |country| &country.value);
        let mut this = Self { country, lines: Vec::new() };
        for number in raw.lines.iter().filter_map(|line| line.number.as_ref()) {
            let Some(read) = this.read(number, &format!("line `{}`", number.value), report) else { continue };
            if this.lines.contains(&read) {
                let message = format!("line {read} stands twice in the files");
                report.fault(Fault::new(&number.place, message).label("again").help("keep one of them"));
            }
            this.lines.push(read);
        }
        this
    }

    /// The number of a line whose faults are told already.
    pub(super) fn quietly(&self, text: &str) -> Option<PhoneNumber> {
        // The operator's own word: E.164 as it stands, whatever a plan thinks of it.
        text.parse().ok().or_else(|| phone::read(text, &Context::plain(self.country)).e164)
    }

    /// A number; what cannot be read is a fault of `who`.
    pub(super) fn read(&self, text: &At<String>, who: &str, report: &Report) -> Option<PhoneNumber> {
        let number = self.quietly(&text.value);
        if number.is_none() {
            let reading = phone::read(&text.value, &Context::plain(self.country));
            let why = if reading.kind == Kind::Anonymous { "it holds no digits".to_owned() } else { reading.why };
            let message = format!("{who}: `{}` is no phone number: {why}", text.value);
            report.fault(Fault::new(&text.place, message).help("write it in full, as in \"+5511987654321\""));
        }
        number
    }

    /// The number of a line that `who` names.
    pub(super) fn line(&self, text: &At<String>, who: &str, report: &Report) -> Option<PhoneNumber> {
        let number = self.read(text, who, report)?;
        if self.lines.contains(&number) {
            return Some(number);
        }
        let all: Vec<String> = self.lines.iter().map(PhoneNumber::to_string).collect();
        let help = nearest(&number.to_string(), all.iter().map(String::as_str)).unwrap_or_else(|| {
            if all.is_empty() { "there is no [[line]]".to_owned() } else { format!("the lines are {}", all.join(", ")) }
        });
        let message = format!("{who} names {number}, which is no line");
        report.fault(Fault::new(&text.place, message).label("no such line").help(help));
        None
    }

    pub(super) fn is_line(&self, number: PhoneNumber) -> bool {
        self.lines.contains(&number)
    }
}
