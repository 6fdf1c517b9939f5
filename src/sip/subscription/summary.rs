//! The documents of package `message-summary`: RFC 3842 §3.5.

use bytes::Bytes;

use super::dialog_info::Entity;

/// Voice messages that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Messages {
    /// Not listened to yet.
    pub new: u32,
    /// Listened to.
    pub old: u32,
}

/// The document of these messages. RFC 3842 §5.2: the numbers in brackets are those of urgent ones.
pub(super) fn document(entity: &Entity, messages: Messages) -> Bytes {
    let Messages { new, old } = messages;
    let waiting = if new > 0 { "yes" } else { "no" };
    let account = entity.uri();
    format!("Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old} (0/0)\r\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lamp_is_lit_by_new_messages_only() {
        let entity = Entity { user: "201".into(), host: "pbx.example.com".into() };
        let said = |new, old| String::from_utf8(document(&entity, Messages { new, old }).to_vec()).unwrap();
        assert_eq!(
            said(0, 0),
            "Messages-Waiting: no\r\nMessage-Account: sip:201@pbx.example.com\r\nVoice-Message: 0/0 (0/0)\r\n"
        );
        assert!(said(0, 3).starts_with("Messages-Waiting: no\r\n"));
        assert!(said(2, 3).starts_with("Messages-Waiting: yes\r\n"));
        assert!(said(2, 3).ends_with("Voice-Message: 2/3 (0/0)\r\n"));
    }
}
