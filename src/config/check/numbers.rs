//! Phone numbers of the files: read by the operator's country, and which of them are lines.

use crate::base::PhoneNumber;
use crate::base::phone::{self, Context, Kind};
use crate::config::fault::{At, Fault, Report, nearest};
use crate::config::raw::Raw;

/// How numbers are read, and the lines that there are.
pub(super) struct Numbers<'a> {
    pub(super) country: &'a str,
    /// `limits.outgoing_countries`.
    may_call: Vec<&'a str>,
    lines: Vec<PhoneNumber>,
}

impl<'a> Numbers<'a> {
    /// Takes the country from `[crm]` and the numbers of all lines; a line twice is a fault.
    pub(super) fn of(raw: &'a Raw, report: &Report) -> Self {
        let country = raw.crm.as_ref().and_then(|crm| crm.country.as_ref()).map_or("BR", |country| &country.value);
        let countries = raw.limits.as_ref().and_then(|limits| limits.outgoing_countries.as_ref());
        let may_call =
            countries.map_or_else(|| vec![country], |all| all.value.iter().map(|at| at.value.as_str()).collect());
        let mut this = Self { country, may_call, lines: Vec::new() };
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

    /// The number of a line whose faults are told already: as the plan reads it, else E.164 as it stands.
    pub(super) fn quietly(&self, text: &str) -> Option<PhoneNumber> {
        phone::read(text, &Context::plain(self.country)).e164.or_else(|| text.parse().ok())
    }

    /// A number; what cannot be read is a fault of `who`, what no plan knows a warning.
    pub(super) fn read(&self, text: &At<String>, who: &str, report: &Report) -> Option<PhoneNumber> {
        let reading = phone::read(&text.value, &Context::plain(self.country));
        if let Some(number) = reading.e164 {
            return Some(number);
        }
        let help = "write it in full, as in \"+5511987654321\"";
        if let Ok(number) = text.value.parse() {
            let message = format!("{who}: {number} fits no numbering plan");
            report.warn(Fault::new(&text.place, message).help("it is taken as written; see that no digit is missing"));
            return Some(number);
        }
        let why = if reading.kind == Kind::Anonymous { "it holds no digits".to_owned() } else { reading.why };
        let message = format!("{who}: `{}` is no phone number: {why}", text.value);
        report.fault(Fault::new(&text.place, message).help(help));
        None
    }

    /// A number that calls are sent to: one abroad has to be in a country that may be called.
    pub(super) fn dialled(&self, text: &At<String>, who: &str, report: &Report) -> Option<PhoneNumber> {
        let number = self.read(text, who, report)?;
        if let Some(country) = phone::country(number).filter(|country| !self.may_call.contains(&country.as_str())) {
            let message = format!("{who}: {number} is in {country}, where no calls may go");
            report.fault(
                Fault::new(&text.place, message).help(format!("add \"{country}\" to `outgoing_countries` in [limits]")),
            );
        }
        Some(number)
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
