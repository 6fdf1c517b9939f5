//! RFC 4475's cases: the RFC's own files and ours, with what is right to make of each.

use std::path::{Path, PathBuf};

/// What the parser makes of a message: 0 is taken, 1 dropped in silence, else the code of its answer.
pub(crate) type Verdict = u16;
/// Taken.
pub(crate) const TAKEN: Verdict = 0;
/// Dropped in silence.
pub(crate) const DROPPED: Verdict = 1;

/// Each of RFC 4475's files and the verdicts that are right.
pub(crate) const RFC: &[(&str, &[Verdict])] = &[
    ("wsinv", &[TAKEN]),
    ("intmeth", &[501, 405]),
    ("esc01", &[TAKEN]),
    ("escnull", &[TAKEN]),
    ("esc02", &[501, 405]),
    ("lwsdisp", &[TAKEN]),
    ("longreq", &[TAKEN]),
    ("dblreq", &[TAKEN]),
    ("semiuri", &[TAKEN]),
    ("transports", &[TAKEN]),
    ("mpart01", &[TAKEN]),
    ("unreason", &[TAKEN]),
    ("noreason", &[TAKEN]),
    ("badinv01", &[400]),
    ("clerr", &[400]),
    ("ncl", &[400]),
    ("scalar02", &[400]),
    ("scalarlg", &[DROPPED]),
    ("quotbal", &[400]),
    ("ltgtruri", &[400]),
    ("lwsruri", &[400]),
    ("lwsstart", &[400]),
    ("trws", &[400]),
    ("escruri", &[400]),
    ("baddate", &[400, TAKEN]),
    ("regbadct", &[400]),
    ("badaspec", &[400]),
    ("baddn", &[400, TAKEN]),
    ("badvers", &[505]),
    ("mismatch01", &[400]),
    ("mismatch02", &[400, 501]),
    ("bigcode", &[DROPPED]),
    ("badbranch", &[400, TAKEN]),
    ("insuf", &[400]),
    ("unkscm", &[416]),
    ("novelsc", &[416]),
    ("unksm2", &[400]),
    ("bext01", &[420]),
    ("invut", &[415]),
    ("regaut01", &[401]),
    ("multi01", &[400]),
    ("mcl01", &[400]),
    ("bcast", &[DROPPED]),
    ("zeromf", &[483]),
    ("cparam01", &[TAKEN]),
    ("cparam02", &[TAKEN]),
    ("regescrt", &[TAKEN]),
    ("sdp01", &[406]),
    ("inv2543", &[TAKEN]),
];

/// Our own messages, in the order of RFC 4475's cases.
pub(crate) const OWN: &[(&str, Verdict)] = &[
    ("valid-white-space", TAKEN),
    ("valid-odd-method-and-characters", 501),
    ("valid-escapes-in-user-parts", TAKEN),
    ("valid-escaped-null", TAKEN),
    ("valid-percent-is-no-escape-in-tokens", 501),
    ("valid-no-space-before-bracket", TAKEN),
    ("valid-long-values", TAKEN),
    ("valid-second-request-behind", TAKEN),
    ("valid-semicolon-in-user-part", TAKEN),
    ("valid-unknown-transports", TAKEN),
    ("valid-binary-multipart", TAKEN),
    ("valid-reason-in-utf8", TAKEN),
    ("valid-reason-empty", TAKEN),
    ("invalid-separators", 400),
    ("invalid-length-too-large", 400),
    ("invalid-length-negative", 400),
    ("invalid-scalars-in-request", 400),
    ("invalid-scalars-in-response", DROPPED),
    ("invalid-open-quote", 400),
    ("invalid-request-uri-in-brackets", 400),
    ("invalid-space-in-request-uri", 400),
    ("invalid-double-spaces-in-request-line", 400),
    ("invalid-space-after-version", 400),
    ("invalid-headers-in-request-uri", 400),
    ("invalid-date-zone", 400),
    ("invalid-contact-headers-without-brackets", 400),
    ("invalid-spaces-in-address", 400),
    ("lenient-comma-in-bare-name", TAKEN),
    ("invalid-version", 505),
    ("invalid-method-differs-from-cseq", 400),
    ("invalid-unknown-method-differs-from-cseq", 400),
    ("invalid-status-code", DROPPED),
    ("invalid-branch-cookie-alone", 400),
    ("app-mandatory-headers-missing", 400),
    ("app-unknown-scheme", 416),
    ("app-unknown-hierarchical-scheme", 416),
    ("app-foreign-schemes-in-register", 400),
    ("app-unknown-requirements", 420),
    ("app-unknown-content-type", 415),
    ("app-unknown-credentials", 401),
    ("app-repeated-headers", 400),
    ("app-two-lengths", 400),
    ("app-foreign-response", DROPPED),
    ("app-no-hops-left", 483),
    ("app-unknown-contact-parameter", TAKEN),
    ("app-unknown-uri-parameter", TAKEN),
    ("app-headers-in-contact", TAKEN),
    ("app-no-sdp-accepted", 406),
    ("old-rfc-2543", TAKEN),
];

/// A message of ours.
pub(crate) fn own(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture").join(name).with_extension("sip");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A message of the RFC's, where a folder with them is near: `RAMAL_TORTURE`, else `../shared/torture` beside the
/// checkout.
pub(crate) fn rfcs(name: &str) -> Option<Vec<u8>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/torture");
    let folder = std::env::var_os("RAMAL_TORTURE").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        return None;
    }
    let path = folder.join(name).with_extension("dat");
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}
