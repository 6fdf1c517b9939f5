//! Header names: the known ones by kind, compact forms read (RFC 3261 §7.3.3), long forms printed.

use std::fmt;

use super::Text;
use super::lexer::is_token;

/// The name of a header that this program has no kind for, as it was written.
///
/// Only [`Name::parse`] makes one, so that it is a token and cannot end a line.
#[derive(Debug, Clone)]
pub struct Extension(Text);

impl Extension {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Extension {
    /// RFC 3261 §7.3.1: "field names are always case-insensitive".
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Extension {}

macro_rules! names {
    ($( $name:ident $long:literal: $($lower:literal)|+ ),* $(,)?) => {
        /// A header's name; compared as RFC 3261 wants, without regard to case and compact form.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the words are the headers' own")]
        pub enum Name {
            $($name,)*
            /// Any other.
            Other(Extension),
        }

        impl Name {
            /// The long form, as RFC 3261 and its extensions write it; an unknown name as it came.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $long,)*
                    Self::Other(name) => name.as_str(),
                }
            }

            /// The known name that these bytes spell, in whatever case.
            pub(super) fn known(bytes: &[u8]) -> Option<Self> {
                let mut lower = [0_u8; LONGEST];
                let lower = lower.get_mut(..bytes.len())?;
                lower.copy_from_slice(bytes);
                lower.make_ascii_lowercase();
                match &*lower {
                    $($($lower)|+ => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

const LONGEST: usize = 24;

names! {
    Accept "Accept": b"accept",
    AcceptContact "Accept-Contact": b"accept-contact" | b"a",
    AcceptEncoding "Accept-Encoding": b"accept-encoding",
    AcceptLanguage "Accept-Language": b"accept-language",
    AlertInfo "Alert-Info": b"alert-info",
    Allow "Allow": b"allow",
    AllowEvents "Allow-Events": b"allow-events" | b"u",
    Authorization "Authorization": b"authorization",
    CallId "Call-ID": b"call-id" | b"i",
    CallInfo "Call-Info": b"call-info",
    Contact "Contact": b"contact" | b"m",
    ContentDisposition "Content-Disposition": b"content-disposition",
    ContentEncoding "Content-Encoding": b"content-encoding" | b"e",
    ContentLength "Content-Length": b"content-length" | b"l",
    ContentType "Content-Type": b"content-type" | b"c",
    CSeq "CSeq": b"cseq",
    Date "Date": b"date",
    Diversion "Diversion": b"diversion",
    Event "Event": b"event" | b"o",
    Expires "Expires": b"expires",
    From "From": b"from" | b"f",
    HistoryInfo "History-Info": b"history-info",
    Identity "Identity": b"identity" | b"y",
    InfoPackage "Info-Package": b"info-package",
    InReplyTo "In-Reply-To": b"in-reply-to",
    MaxForwards "Max-Forwards": b"max-forwards",
    MimeVersion "MIME-Version": b"mime-version",
    MinExpires "Min-Expires": b"min-expires",
    MinSe "Min-SE": b"min-se",
    Organization "Organization": b"organization",
    PAssertedIdentity "P-Asserted-Identity": b"p-asserted-identity",
    PCalledPartyId "P-Called-Party-ID": b"p-called-party-id",
    PPreferredIdentity "P-Preferred-Identity": b"p-preferred-identity",
    Path "Path": b"path",
    Priority "Priority": b"priority",
    Privacy "Privacy": b"privacy",
    ProxyAuthenticate "Proxy-Authenticate": b"proxy-authenticate",
    ProxyAuthorization "Proxy-Authorization": b"proxy-authorization",
    ProxyRequire "Proxy-Require": b"proxy-require",
    RAck "RAck": b"rack",
    Reason "Reason": b"reason",
    RecordRoute "Record-Route": b"record-route",
    RecvInfo "Recv-Info": b"recv-info",
    ReferredBy "Referred-By": b"referred-by" | b"b",
    ReferSub "Refer-Sub": b"refer-sub",
    ReferTo "Refer-To": b"refer-to" | b"r",
    RejectContact "Reject-Contact": b"reject-contact" | b"j",
    RemotePartyId "Remote-Party-ID": b"remote-party-id",
    Replaces "Replaces": b"replaces",
    ReplyTo "Reply-To": b"reply-to",
    RequestDisposition "Request-Disposition": b"request-disposition" | b"d",
    Require "Require": b"require",
    RetryAfter "Retry-After": b"retry-after",
    Route "Route": b"route",
    RSeq "RSeq": b"rseq",
    Server "Server": b"server",
    SessionExpires "Session-Expires": b"session-expires" | b"x",
    Subject "Subject": b"subject" | b"s",
    SubscriptionState "Subscription-State": b"subscription-state",
    Supported "Supported": b"supported" | b"k",
    TargetDialog "Target-Dialog": b"target-dialog",
    Timestamp "Timestamp": b"timestamp",
    To "To": b"to" | b"t",
    Unsupported "Unsupported": b"unsupported",
    UserAgent "User-Agent": b"user-agent",
    Via "Via": b"via" | b"v",
    Warning "Warning": b"warning",
    WwwAuthenticate "WWW-Authenticate": b"www-authenticate",
}

impl Name {
    /// The name that `text` spells; `None` where it is no token.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text.as_bytes(), || Text::from(text))
    }

    /// As [`parse`](Self::parse), with the text of an unknown name made only where it is one.
    pub(super) fn read(bytes: &[u8], text: impl FnOnce() -> Text) -> Option<Self> {
        if let Some(name) = Self::known(bytes) {
            return Some(name);
        }
        (!bytes.is_empty() && bytes.iter().all(|&b| is_token(b))).then(|| Self::Other(Extension(text())))
    }

    /// Lists of these are kept as one header a value, so that the first Via header is the top one.
    pub(super) const fn is_split(&self) -> bool {
        matches!(self, Self::Via | Self::Contact | Self::Route | Self::RecordRoute)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_forms_are_their_long_names_in_any_case() {
        for (text, name) in [
            ("v", Name::Via),
            ("F", Name::From),
            ("i", Name::CallId),
            ("X", Name::SessionExpires),
            ("cSEQ", Name::CSeq),
        ] {
            assert_eq!(Name::parse(text), Some(name));
        }
    }

    #[test]
    fn unknown_names_keep_their_case_and_compare_without_it() {
        let name = Name::parse("X-Trunk-Id").unwrap();
        assert_eq!(name.as_str(), "X-Trunk-Id");
        assert_eq!(Some(name), Name::parse("x-trunk-ID"));
    }

    #[test]
    fn what_is_no_token_is_no_name() {
        for text in ["", "X Y", "X:", "X\r\nEvil", "naïve"] {
            assert_eq!(Name::parse(text), None);
        }
    }
}
