//! Faults on demand: what a portal does to those who ask a method, and how often.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Ill {
    /// The answer comes this much later; the work is done first.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// The connection is closed before anything is done.
    Down,
    /// 502 in front of a portal that did nothing.
    BadGateway,
    /// The work is done, and the connection is closed in the place of an answer.
    AnswerLost,
    /// 503 `QUERY_LIMIT_EXCEEDED`.
    QueryLimit,
    /// 429 `OPERATION_TIME_LIMIT`.
    OperationLimit,
    /// 401 `expired_token`, whatever the token.
    ExpiredToken,
    /// An answer of this kind.
    Error {
        /// The HTTP status.
        status: u16,
        /// `error`.
        code: String,
        /// `error_description`.
        description: String,
    },
    /// 200 with a body that is no JSON.
    Garbage,
    /// 200 with this in the place of `result`; nothing is done.
    Says {
        /// What.
        result: serde_json::Value,
    },
}

/// One fault: of which method, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The method, in any case; `*` is any; `oauth.token` is the token service.
    pub method: String,
    /// So many requests go well before.
    #[serde(default)]
    pub after: u32,
    /// How many requests meet it; without: until it is mended.
    #[serde(default)]
    pub times: Option<u32>,
    /// What.
    #[serde(flatten)]
    pub ill: Ill,
}

impl Fault {
    /// Every request of `method` meets it.
    pub fn always(method: &str, ill: Ill) -> Self {
        Self { method: method.to_owned(), after: 0, times: None, ill }
    }

    /// The next request of `method` meets it.
    pub fn once(method: &str, ill: Ill) -> Self {
        Self { times: Some(1), ..Self::always(method, ill) }
    }

    /// Every answer of `method` comes this much later.
    pub fn slow(method: &str, by: Duration) -> Self {
        Self::always(method, Ill::Slow { ms: u64::try_from(by.as_millis()).unwrap_or(u64::MAX) })
    }
}

/// The faults that are set.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn set(&mut self, fault: Fault) {
        if self.0.len() < MOST {
            self.0.push(fault);
        }
    }

    /// Mends what was set for a method; `*` mends all.
    pub(super) fn mend(&mut self, method: &str) {
        self.0.retain(|fault| method != "*" && !fault.method.eq_ignore_ascii_case(method));
    }

    /// What a request of this method meets, if anything: the first that fits, which is used up by it.
    pub(super) fn meets(&mut self, method: &str) -> Option<Ill> {
        let fits = |fault: &Fault| fault.method == "*" || fault.method.eq_ignore_ascii_case(method);
        for at in 0..self.0.len() {
            let fault = &mut self.0[at];
            if !fits(fault) || fault.times == Some(0) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            let ill = fault.ill.clone();
            if let Some(times) = &mut fault.times {
                *times -= 1;
                if *times == 0 {
                    self.0.remove(at);
                }
            }
            return Some(ill);
        }
        None
    }

    pub(super) fn all(&self) -> &[Fault] {
        &self.0
    }
}

/// Faults set at once.
const MOST: usize = 100;
