//! What can be subscribed to: the packages, and what a SUBSCRIBE says of them.

use crate::base::EmployeeId;
use crate::sip::message::{Headers, Name};

/// The packages that we know, as Allow-Events lists them. `refer` is subscribed to by REFER alone.
pub const ALLOW_EVENTS: &str = "dialog, message-summary, refer";

/// The longest `id` of an Event that is kept.
const LONGEST_ID: usize = 128;

/// An event package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Package {
    /// RFC 4235: who talks with whom.
    Dialog,
    /// RFC 3842: messages that wait.
    MessageSummary,
}

impl Package {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
        }
    }

    /// The type of the bodies of its NOTIFYs.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Dialog => "application/dialog-info+xml",
            Self::MessageSummary => "application/simple-message-summary",
        }
    }

    /// Whether whoever accepts these types accepts that one; whoever names none takes the package's own.
    pub(super) fn is_accepted_by(self, headers: &Headers) -> bool {
        let ours = self.content_type();
        let fits = |accepted: &str| {
            let range = accepted.split(';').next().unwrap_or_default().trim();
            range == "*/*" || range.eq_ignore_ascii_case("application/*") || range.eq_ignore_ascii_case(ours)
        };
        !headers.has(&Name::Accept) || headers.tokens(&Name::Accept).any(fits)
    }
}

/// What a SUBSCRIBE's Event header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The package.
    pub package: Package,
    /// Its `id`, which tells subscriptions of one dialog apart.
    id: Option<Box<str>>,
}

/// Why an Event is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoEvent {
    /// It is none of our packages.
    Unknown,
    /// It is REFER's own.
    Refer,
}

impl Event {
    pub(super) fn read(headers: &Headers) -> Result<Self, NoEvent> {
        let value = headers.get(&Name::Event).ok_or(NoEvent::Unknown)?;
        let mut parts = value.split(';').map(str::trim);
        let package = match parts.next().unwrap_or_default() {
            "dialog" => Package::Dialog,
            "message-summary" => Package::MessageSummary,
            "refer" => return Err(NoEvent::Refer),
            _ => return Err(NoEvent::Unknown),
        };
        let id = parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.trim() == "id"));
        match id.map(|(_, id)| id.trim()) {
            Some(id) if id.len() > LONGEST_ID || !id.bytes().all(|b| b.is_ascii_graphic()) => Err(NoEvent::Unknown),
            id => Ok(Self { package, id: id.map(Box::from) }),
        }
    }

    /// As NOTIFYs name it: by package and `id` a subscriber tells which subscription one is of (RFC 6665 §8.2.1).
    pub(super) fn value(&self) -> String {
        match &self.id {
            Some(id) => format!("{};id={id}", self.package.as_str()),
            None => self.package.as_str().to_owned(),
        }
    }
}

/// Whom a subscription is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Watched {
    /// An employee, by whichever of her phones.
    Employee(EmployeeId),
    /// An extension that is no employee's.
    Extension(Box<str>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Request;

    fn headers(name: Name, value: &str) -> Headers {
        Request::new(rsip::Method::Subscribe, "sip:202@ramal").with(name, value).headers
    }

    #[test]
    fn events_are_read_by_package_and_id() {
        for (value, read) in [
            ("dialog", Ok("dialog")),
            ("dialog;id=7", Ok("dialog;id=7")),
            ("dialog ; include-session-description ; id=a.b", Ok("dialog;id=a.b")),
            ("message-summary", Ok("message-summary")),
            ("refer;id=2", Err(NoEvent::Refer)),
            ("presence", Err(NoEvent::Unknown)),
            ("dialog.winfo", Err(NoEvent::Unknown)),
            ("", Err(NoEvent::Unknown)),
        ] {
            let event = Event::read(&headers(Name::Event, value)).map(|event| event.value());
            assert_eq!(event, read.map(str::to_owned), "{value}");
        }
        let long = format!("dialog;id={}", "7".repeat(LONGEST_ID + 1));
        assert_eq!(Event::read(&headers(Name::Event, &long)), Err(NoEvent::Unknown));
    }

    #[test]
    fn a_type_is_accepted_that_is_named_or_where_none_is() {
        for (accept, fits) in [
            ("application/dialog-info+xml", true),
            ("application/pidf+xml, Application/Dialog-Info+XML;q=0.5", true),
            ("*/*", true),
            ("application/pidf+xml", false),
        ] {
            assert_eq!(Package::Dialog.is_accepted_by(&headers(Name::Accept, accept)), fits, "{accept}");
        }
        assert!(Package::Dialog.is_accepted_by(&headers(Name::Event, "dialog")));
    }
}
