//! Who calls whom, as the headers of an INVITE say it: plain text, not believed yet.

use serde::{Deserialize, Serialize};

/// One address out of a header or a URI.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Party {
    /// The display name, unquoted; empty where there is none.
    pub display: String,
    /// The user part, percent-decoded, parameters (`;npdi`, `;ext=`) cut; the number of a tel: URI; may be empty.
    pub user: String,
    /// The host, without port and brackets; empty for tel:.
    pub host: String,
}

/// All that an INVITE says of its caller and its callee.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Identities {
    /// The Request-URI.
    pub request_uri: Party,
    /// To.
    pub to: Party,
    /// From.
    pub from: Party,
    /// P-Asserted-Identity, tel: before sip: (RFC 3325 §9.1 allows one of each).
    pub asserted: Vec<Party>,
    /// Remote-Party-ID.
    pub remote_party: Option<Party>,
    /// P-Called-Party-ID.
    pub called_party: Option<Party>,
    /// Diversion, as the headers stand: the first who diverted is the last entry (RFC 5806 §4).
    pub diversion: Vec<Party>,
    /// Privacy names `id`, `user` or `full`: the identity must not be shown.
    pub private: bool,
}
