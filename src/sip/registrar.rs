//! Who has registered here: the bindings of one address-of-record, and what a REGISTER does to them (RFC 3261 §10.3),
//! with Path (RFC 3327) and as much of outbound as phones use (RFC 5626). Who may, and where bindings are kept, is for
//! others to say.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::{Address, Name, Request, Response, Status, build, parse_uri};
use crate::base::{Instant, Transport, Way};

/// What a REGISTER gets that names no interval, in seconds.
pub const DEFAULT_EXPIRES: u32 = 3_600;
/// What it may ask for at least.
pub const MIN_EXPIRES: u32 = 60;
/// What it gets at most: a phone that is gone is rung no longer than so.
pub const MAX_EXPIRES: u32 = 7_200;
/// Bindings of one user; of more the one that would expire first goes.
pub const MOST: usize = 10;
/// Path values of one binding.
const MOST_PATHS: usize = 8;
/// The longest Contact or Path that is kept.
const LONGEST: usize = 1_024;

/// One phone of hers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The URI of its Contact, as it stands: the Request-URI of a call to it.
    pub contact: String,
    /// The values of Path, top first: the Route of a call to it.
    pub path: Vec<String>,
    /// Where its REGISTER came from, which is where a call to it goes: behind a NAT no other address is right.
    pub source: Way,
    /// The listener that it came to.
    pub local: SocketAddr,
    /// The Call-ID of its REGISTER.
    pub call_id: String,
    /// The CSeq of its last one.
    pub cseq: u32,
    /// Its preference in thousandths.
    pub q: u16,
    /// Its `+sip.instance`, and which of its flows this is.
    pub instance: Option<Instance>,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// Until when it holds; of this process, so not written down.
    #[serde(skip)]
    pub until: Instant,
}

/// A device, over restarts and changes of its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `+sip.instance`, a URN, as it stands between its quotes.
    pub urn: String,
    /// `reg-id`: which of its flows.
    pub reg_id: Option<u32>,
}

/// The bindings of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings(Vec<Binding>);

/// Why a REGISTER changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 423: for less than [`MIN_EXPIRES`].
    #[error("the interval is too brief")]
    TooBrief,
    /// 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// 500: it is older than what it would change.
    #[error("an older REGISTER than the last")]
    OutOfOrder,
}

impl Refusal {
    /// The answer.
    pub fn response(self, request: &Request) -> Response {
        match self {
            // RFC 3261 §10.3: "… the registrar MAY reject the registration with a response of 423 (Interval Too Brief).
            // This response MUST contain a Min-Expires header field that states the minimum expiration interval the
            // registrar is willing to honor."
            Self::TooBrief => {
                Response::to(request, Status::INTERVAL_TOO_BRIEF).with(Name::MinExpires, MIN_EXPIRES.to_string())
            }
            Self::Malformed(why) => Response::to(request, Status::BAD_REQUEST).with_reason(why),
            Self::OutOfOrder => Response::to(request, Status::SERVER_INTERNAL_ERROR),
        }
    }
}

impl Bindings {
    /// These, as they were written down; what has no time left is left out.
    pub fn of(bindings: impl IntoIterator<Item = Binding>, now: Instant) -> Self {
        let mut all = Self(bindings.into_iter().collect());
        all.expire(now);
        all.0.truncate(MOST);
        all
    }

    /// All that hold.
    pub fn all(&self) -> &[Binding] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the next of them ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.0.iter().map(|binding| binding.until).min()
    }

    /// Takes out what has ended.
    pub fn expire(&mut self, now: Instant) {
        self.0.retain(|binding| binding.until > now);
    }

    /// Takes out what `gone` says is no more.
    pub fn remove(&mut self, gone: impl Fn(&Binding) -> bool) {
        self.0.retain(|binding| !gone(binding));
    }

    /// Does what a REGISTER asks, which came from `source` to `local`: all of it or nothing.
    ///
    /// # Errors
    /// Why nothing is done.
    pub fn register(&mut self, now: Instant, request: &Request, source: Way, local: SocketAddr) -> Result<(), Refusal> {
        let headers = &request.headers;
        let call_id = headers.call_id().map(ToString::to_string).ok_or(Refusal::Malformed("Call-ID is missing"))?;
        let (cseq, _) = headers.cseq().ok_or(Refusal::Malformed("CSeq is malformed"))?;
        // RFC 3261 §10.3: "If any of the bindings updates fail, … all the updates MUST be undone": on a copy.
        let mut after = self.clone();
        after.expire(now);
        if headers.all(&Name::Contact).any(|contact| &**contact == "*") {
            // RFC 3261 §10.3: "the request MUST be rejected … if there are additional Contact fields or an expiration
            // time other than zero".
            if headers.all(&Name::Contact).count() > 1 || headers.number(&Name::Expires) != Some(0) {
                return Err(Refusal::Malformed("* needs Expires: 0 and no other Contact"));
            }
            if after.0.iter().any(|binding| binding.call_id == call_id && binding.cseq >= cseq) {
                return Err(Refusal::OutOfOrder);
            }
            after.0.clear();
        }
        let asked = headers.contacts();
        if asked.len() > MOST {
            return Err(Refusal::Malformed("too many Contacts"));
        }
        let path = path(request)?;
        let user_agent = headers.get(&Name::UserAgent).map(|agent| agent.chars().take(100).collect::<String>());
        for contact in asked {
            let expires = expires(&contact, headers.number(&Name::Expires))?;
            after.put(
                now,
                expires,
                Binding {
                    contact: contact_uri(&contact)?,
                    path: path.clone(),
                    source,
                    local,
                    call_id: call_id.clone(),
                    cseq,
                    q: q(&contact),
                    instance: instance(&contact),
                    user_agent: user_agent.clone(),
                    until: now + Duration::from_secs(u64::from(expires)),
                },
            )?;
        }
        *self = after;
        Ok(())
    }

    /// One Contact.
    fn put(&mut self, now: Instant, expires: u32, new: Binding) -> Result<(), Refusal> {
        // RFC 3261 §10.3: "For each address, the registrar then searches the list of current bindings using the URI
        // comparison rules." RFC 5626 §6: with an instance and a reg-id it is those that are compared.
        let same = |old: &Binding| is_same_phone(old, &new);
        if self.0.iter().any(|old| same(old) && old.call_id == new.call_id && old.cseq >= new.cseq) {
            // "If the value is higher than that of the existing binding, it MUST update or remove the binding … If not,
            // the update MUST be aborted and the request fails."
            return Err(Refusal::OutOfOrder);
        }
        let at = self.0.iter().position(same);
        self.0.retain(|old| !is_same_phone(old, &new));
        if expires > 0 {
            self.0.insert(at.unwrap_or(self.0.len()).min(self.0.len()), new);
        }
        if self.0.len() > MOST
            && let Some(soonest) = (0..self.0.len()).min_by_key(|at| self.0.get(*at).map_or(now, |old| old.until))
        {
            self.0.remove(soonest);
        }
        Ok(())
    }

    /// The 200 to a REGISTER.
    ///
    /// RFC 3261 §10.3: "The response MUST contain Contact header field values enumerating all current bindings. Each
    /// Contact value MUST feature an "expires" parameter indicating its expiration interval chosen by the registrar."
    pub fn response(&self, now: Instant, request: &Request, transport: Transport) -> Response {
        let mut response = Response::to(request, Status::OK);
        for binding in &self.0 {
            response = response.with(Name::Contact, listed(binding, now));
        }
        // RFC 3327 §5.3: "… the registrar then includes a copy of the Path header field values in its 2xx response".
        response.headers.copy(&Name::Path, &request.headers);
        response = response.with(Name::Supported, "path, outbound");
        // RFC 5626 §6: by UDP the phone would keep its flow alive by STUN, which is not spoken here.
        let does_outbound = transport.is_reliable()
            && request.headers.has_token(&Name::Supported, "outbound")
            && request.headers.contacts().iter().any(|contact| contact.param("reg-id").is_some());
        if does_outbound { response.with(Name::Require, "outbound") } else { response }
    }
}

/// Whether a REGISTER of the one replaces the other.
fn is_same_phone(old: &Binding, new: &Binding) -> bool {
    if old.contact == new.contact || is_same_uri(&old.contact, &new.contact) {
        return true;
    }
    old.instance.is_some() && old.instance == new.instance
}

/// RFC 3261 §19.1.4, as far as it tells phones apart: user, host, port, transport.
fn is_same_uri(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let uri = parse_uri(text).ok()?;
        let transport = uri.params.iter().find_map(|param| match param {
            rsip::Param::Transport(transport) => Some(transport.to_string().to_ascii_lowercase()),
            _ => None,
        });
        Some((
            uri.auth.map(|auth| auth.user),
            uri.host_with_port.host.to_string().to_ascii_lowercase(),
            uri.host_with_port.port.map(|port| *port.value()),
            transport,
        ))
    };
    parts(one).is_some_and(|one| parts(other) == Some(one))
}

/// The interval of one Contact, in seconds.
///
/// RFC 3261 §10.3: "If the field value has an "expires" parameter, that value MUST be taken as the requested expiration.
/// … If there is no such parameter, but the request has an Expires header field, that value MUST be taken … If there is
/// neither, a locally-configured default value MUST be taken".
fn expires(contact: &Address, header: Option<u32>) -> Result<u32, Refusal> {
    // "malformed values SHOULD be treated as equivalent to 3600" (§20.19, §10.2.1.1).
    let own = contact.param("expires").map(|text| text.parse().unwrap_or(DEFAULT_EXPIRES));
    match own.or(header).unwrap_or(DEFAULT_EXPIRES) {
        0 => Ok(0),
        1..MIN_EXPIRES => Err(Refusal::TooBrief),
        seconds => Ok(seconds.min(MAX_EXPIRES)),
    }
}

fn contact_uri(contact: &Address) -> Result<String, Refusal> {
    if !contact.is_sip() {
        return Err(Refusal::Malformed("Contact is no SIP URI"));
    }
    if contact.uri_text.len() > LONGEST {
        return Err(Refusal::Malformed("Contact is too long"));
    }
    // What stands behind `?` would be a header of every call to it.
    let uri = contact.uri_text.split('?').next().unwrap_or_default();
    Ok(uri.to_owned())
}

fn path(request: &Request) -> Result<Vec<String>, Refusal> {
    let values = request.headers.addresses(&Name::Path);
    let is_too_much = values.len() > MOST_PATHS || values.iter().any(|value| value.uri_text.len() > LONGEST);
    if is_too_much {
        return Err(Refusal::Malformed("Path is too long"));
    }
    // RFC 3327 §5.1 has a UA without `Supported: path` refused with 420 as an option; a phone that does not look at the
    // Path in the response loses nothing by it.
    Ok(values.iter().map(|value| format!("<{}>", value.uri_text)).collect())
}

/// RFC 3261 §20.10: 0 to 1 with three digits behind the point; 1 where it is missing or malformed.
fn q(contact: &Address) -> u16 {
    let parsed = contact.param("q").and_then(|text| text.parse::<f32>().ok());
    let thousandths = parsed.filter(|q| (0.0..=1.0).contains(q)).map(|q| (q * 1_000.0).round());
    // In bounds by the filter.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    thousandths.map_or(1_000, |q| q as u16)
}

fn instance(contact: &Address) -> Option<Instance> {
    let urn = contact.param("+sip.instance").filter(|urn| !urn.is_empty() && urn.len() <= 200)?;
    Some(Instance { urn, reg_id: contact.param("reg-id").and_then(|id| id.parse().ok()) })
}

/// A binding as the 200 lists it.
fn listed(binding: &Binding, now: Instant) -> String {
    let left = binding.until.since(now).as_secs();
    let mut text = format!("{};expires={left}", build::name_addr("", &binding.contact));
    if binding.q != 1_000 {
        text.push_str(&format!(";q=0.{:03}", binding.q));
    }
    // No gruu is given: requests inside dialogs to one are not routed here.
    if let Some(instance) = &binding.instance {
        text.push_str(&format!(";+sip.instance={}", build::quoted(&instance.urn)));
        if let Some(id) = instance.reg_id {
            text.push_str(&format!(";reg-id={id}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
