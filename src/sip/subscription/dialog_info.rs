//! The documents of package `dialog`: RFC 4235 §4, always with the full state, which every phone understands and no
//! lost NOTIFY can put wrong.

use bytes::Bytes;

use crate::sip::agent::CallerId;
use crate::sip::message::build;

/// Dialogs in one document, so that it goes into one datagram: a colleague who is in more has her lamp lit all the same.
const MOST: usize = 6;

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 64;

/// One dialog of whoever is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogInfo {
    /// Tells it apart from her others, for as long as it lasts.
    pub id: String,
    /// Its Call-ID.
    pub call_id: String,
    /// The tag of the watched one's own phone. RFC 4235 §4.1.1 has the dialog's identifiers as the watched one's phone
    /// sees them: local is what is remote to us.
    pub local_tag: Option<String>,
    /// The tag that we have in this dialog.
    pub remote_tag: Option<String>,
    /// Who began it.
    pub direction: Direction,
    /// How far it is.
    pub state: DialogState,
    /// Whom she talks with, as her own phone shows it.
    pub peer: CallerId,
}

/// Who began a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The watched one calls.
    Initiator,
    /// She is called.
    Recipient,
}

/// How far a dialog is: RFC 4235 §3.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DialogState {
    /// Its INVITE is out.
    Trying,
    /// It rings.
    Early,
    /// It talks.
    Confirmed,
    /// It is over; said once.
    Terminated,
}

impl DialogState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }
}

/// Whom a document is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    /// Her extension.
    pub(super) user: Box<str>,
    /// The host by which she was asked for.
    pub(super) host: Box<str>,
}

impl Entity {
    pub(super) fn uri(&self) -> String {
        build::sip_uri_at(&self.user, &self.host)
    }
}

/// The document of these dialogs. RFC 4235 §4.1: versions begin at 0 and grow by one with each document that a
/// subscriber is sent.
pub(super) fn document(entity: &Entity, version: u32, dialogs: &[DialogInfo]) -> Bytes {
    let mut out = String::with_capacity(256 + 512 * dialogs.len().min(MOST));
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n");
    out.push_str("<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\"");
    attribute(&mut out, "version", &version.to_string());
    attribute(&mut out, "state", "full");
    attribute(&mut out, "entity", &entity.uri());
    out.push_str(">\r\n");
    for info in dialogs.iter().take(MOST) {
        dialog(&mut out, entity, info);
    }
    out.push_str("</dialog-info>\r\n");
    out.into()
}

fn dialog(out: &mut String, entity: &Entity, info: &DialogInfo) {
    out.push_str("<dialog");
    attribute(out, "id", &info.id);
    attribute(out, "call-id", &info.call_id);
    for (name, tag) in [("local-tag", &info.local_tag), ("remote-tag", &info.remote_tag)] {
        if let Some(tag) = tag {
            attribute(out, name, tag);
        }
    }
    let direction = match info.direction {
        Direction::Initiator => "initiator",
        Direction::Recipient => "recipient",
    };
    attribute(out, "direction", direction);
    out.push_str(">\r\n<state>");
    out.push_str(info.state.as_str());
    out.push_str("</state>\r\n");
    if info.state != DialogState::Terminated {
        participant(out, "local", "", &entity.uri());
        match &info.peer.user {
            Some(user) => participant(out, "remote", &info.peer.display, &build::sip_uri_at(user, &entity.host)),
            // RFC 3323 §4.1: whoever is anonymous to the phone that rings is so to those who watch it.
            None => participant(out, "remote", "Anonymous", "sip:anonymous@anonymous.invalid"),
        }
    }
    out.push_str("</dialog>\r\n");
}

/// RFC 4235 §4.1.6: who a side is (identity), and where it is reached (target).
fn participant(out: &mut String, side: &str, display: &str, uri: &str) {
    out.push('<');
    out.push_str(side);
    out.push_str("><identity");
    if !display.is_empty() {
        let name: String = display.chars().take(LONGEST_NAME).collect();
        attribute(out, "display", &name);
    }
    out.push('>');
    escaped(out, uri);
    out.push_str("</identity><target");
    attribute(out, "uri", uri);
    out.push_str("/></");
    out.push_str(side);
    out.push_str(">\r\n");
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escaped(out, value);
    out.push('"');
}

/// Text that ends no element and no attribute, and holds only what XML 1.0 §2.2 calls a character.
fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity() -> Entity {
        Entity { user: "202".into(), host: "pbx.example.com".into() }
    }

    fn info() -> DialogInfo {
        DialogInfo {
            id: "ab-1".to_owned(),
            call_id: "c@192.0.2.1".to_owned(),
            local_tag: Some("hers".to_owned()),
            remote_tag: Some("ours".to_owned()),
            direction: Direction::Recipient,
            state: DialogState::Early,
            peer: CallerId { display: "Maria Souza".to_owned(), user: Some("+5511987654321".to_owned()) },
        }
    }

    fn text(dialogs: &[DialogInfo]) -> String {
        String::from_utf8(document(&entity(), 3, dialogs).to_vec()).unwrap()
    }

    #[test]
    fn a_ringing_colleague_is_shown_with_what_a_pickup_needs() {
        assert_eq!(
            text(&[info()]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
             <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"3\" state=\"full\" \
             entity=\"sip:202@pbx.example.com\">\r\n\
             <dialog id=\"ab-1\" call-id=\"c@192.0.2.1\" local-tag=\"hers\" remote-tag=\"ours\" direction=\"recipient\">\r\n\
             <state>early</state>\r\n\
             <local><identity>sip:202@pbx.example.com</identity><target uri=\"sip:202@pbx.example.com\"/></local>\r\n\
             <remote><identity display=\"Maria Souza\">sip:+5511987654321@pbx.example.com</identity>\
             <target uri=\"sip:+5511987654321@pbx.example.com\"/></remote>\r\n\
             </dialog>\r\n</dialog-info>\r\n"
        );
    }

    #[test]
    fn nobody_in_a_call_is_a_document_without_dialogs() {
        assert!(text(&[]).ends_with("entity=\"sip:202@pbx.example.com\">\r\n</dialog-info>\r\n"));
    }

    #[test]
    fn a_name_breaks_out_of_no_attribute() {
        let display = "\"/><evil a='&\u{0}\r\n\u{fffe}\u{1b}".to_owned();
        let peer = CallerId { display, user: Some("1\"><x".to_owned()) };
        let text = text(&[DialogInfo { peer, call_id: "<&>\"".to_owned(), ..info() }]);
        assert!(text.contains("display=\"&quot;/&gt;&lt;evil a=&apos;&amp;    \""), "{text}");
        assert!(text.contains("call-id=\"&lt;&amp;&gt;&quot;\""), "{text}");
        assert!(!text.contains("<evil") && !text.contains("<x"), "{text}");
    }

    #[test]
    fn an_anonymous_caller_stays_so_and_a_dialog_that_is_over_says_no_more_of_anybody() {
        let peer = CallerId { display: "Secret".to_owned(), user: None };
        let shown = text(&[DialogInfo { peer, ..info() }]);
        assert!(shown.contains("<identity display=\"Anonymous\">sip:anonymous@anonymous.invalid<"), "{shown}");
        assert!(!shown.contains("Secret"));
        let over = text(&[DialogInfo { state: DialogState::Terminated, ..info() }]);
        assert!(over.contains("<state>terminated</state>") && !over.contains("Maria"), "{over}");
    }

    #[test]
    fn a_document_stays_within_a_datagram() {
        let peer = CallerId { display: "ç".repeat(500), user: Some("+5511987654321".to_owned()) };
        let many = vec![DialogInfo { peer, ..info() }; 100];
        assert_eq!(text(&many).matches("<dialog ").count(), MOST);
        assert!(text(&many).len() < 4_000);
    }
}
