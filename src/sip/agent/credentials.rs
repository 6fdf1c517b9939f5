//! Answers to challenges: 401 and 407 to requests of ours (RFC 3261 §22), and what is remembered of them for the rest
//! of the dialog.
//!
//! A challenge is answered with the account that its leg was given and with no other, only toward the address that the
//! leg itself has, and once: whoever challenges the answer again, without calling its nonce stale, does not take the
//! password.

use std::sync::Arc;

use rsip::Method;

use super::leg::{Calling, Cancel, Leg, Usage};
use super::transactions::Purpose;
use super::{AgentOut, UserAgent, tokens};
use crate::base::{Account, Hop, Ids, LegId, Now};
use crate::sip::digest::{Challenge, Session, best, challenges};
use crate::sip::message::{Headers, Name, Request, Response, build, method_text};

/// How many realms one leg has credentials for: a proxy or two, and who stands behind them.
const MOST_REALMS: usize = 4;

/// How many challenges are answered for one request: each realm once, and a nonce or two gone stale.
const MOST_ANSWERS: usize = 6;

/// What a leg answers challenges with.
#[derive(Debug, Default)]
pub(super) struct Wallet {
    /// `None`: none is answered.
    account: Option<Arc<Account>>,
    /// What has been asked so far.
    realms: Vec<Realm>,
}

/// Who has asked, and what.
#[derive(Debug)]
struct Realm {
    asker: Asker,
    challenge: Challenge,
    session: Session,
}

/// Which pair of headers a challenge and its answer use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// WWW-Authenticate, Authorization.
    Peer,
    /// Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

/// A request that may be challenged: as it was before credentials were added.
#[derive(Debug)]
pub(super) struct Retry {
    request: Request,
    /// Whose challenges it has answered.
    answered: Vec<(Asker, String)>,
}

impl Asker {
    const BOTH: [Self; 2] = [Self::Peer, Self::Proxy];

    const fn asks(self) -> Name {
        match self {
            Self::Peer => Name::WwwAuthenticate,
            Self::Proxy => Name::ProxyAuthenticate,
        }
    }

    const fn is_answered(self) -> Name {
        match self {
            Self::Peer => Name::Authorization,
            Self::Proxy => Name::ProxyAuthorization,
        }
    }
}

impl Wallet {
    /// With this account, where there is one.
    pub(super) fn new(account: Option<Arc<Account>>) -> Self {
        Self { account, realms: Vec::new() }
    }

    /// Adds credentials for every realm that has asked.
    ///
    /// RFC 3261 §22.3: "Once authentication has succeeded a user agent SHOULD cache these credentials for a given value
    /// of the To header field and "realm" and attempt to re-use these values on the next request for that destination."
    fn sign(&mut self, request: &mut Request) {
        let Some(account) = &self.account else { return };
        for realm in &mut self.realms {
            realm.session.count = realm.session.count.saturating_add(1);
            let method = method_text(request.method);
            let answer = realm.challenge.answer(account, method, &request.uri, &realm.session);
            request.headers.push(realm.asker.is_answered(), answer);
        }
    }

    /// Takes the challenges of a response to a request that has answered these; gives whose they are. `None`: there is
    /// none, or one that an answer of ours has met with already.
    fn learn(
        &mut self,
        headers: &Headers,
        answered: &[(Asker, String)],
        ids: &mut Ids,
    ) -> Option<Vec<(Asker, String)>> {
        let asked = asked(headers);
        let is_refusal = |(asker, challenge): &(Asker, Challenge)| {
            let was_sent = self
                .realms
                .iter()
                .any(|known| known.is_of(*asker, challenge) && known.challenge.nonce == challenge.nonce);
            let was_answered = answered.iter().any(|(known, realm)| known == asker && *realm == challenge.realm);
            // RFC 7616 §3.3: "stale: … If stale is true, the client may wish to simply retry the request with a new
            // encrypted response".
            was_sent || (was_answered && !challenge.stale)
        };
        if asked.is_empty() || asked.iter().any(is_refusal) {
            return None;
        }
        let whose = asked.iter().map(|(asker, challenge)| (*asker, challenge.realm.clone())).collect();
        for (asker, challenge) in asked {
            self.realms.retain(|known| !known.is_of(asker, &challenge));
            if self.realms.len() >= MOST_REALMS {
                self.realms.remove(0);
            }
            let session = Session { cnonce: format!("{:016x}", ids.bits()), count: 0 };
            self.realms.push(Realm { asker, challenge, session });
        }
        Some(whose)
    }
}

impl Realm {
    fn is_of(&self, asker: Asker, challenge: &Challenge) -> bool {
        self.asker == asker && self.challenge.realm == challenge.realm
    }
}

/// The challenge of each realm that a response names.
fn asked(headers: &Headers) -> Vec<(Asker, Challenge)> {
    let mut asked = Vec::new();
    for asker in Asker::BOTH {
        let mut left = challenges(headers, &asker.asks());
        while let Some(realm) = left.first().map(|first| first.realm.clone()) {
            let (same, others) = left.into_iter().partition(|challenge| challenge.realm == realm);
            asked.extend(best(same).map(|challenge| (asker, challenge)));
            left = others;
        }
    }
    asked.truncate(MOST_REALMS);
    asked
}

/// Removes credentials: a CANCEL is never challenged (RFC 3261 §22.1), and those of its INVITE are not its own.
pub(super) fn without_credentials(mut request: Request) -> Request {
    Asker::BOTH.iter().for_each(|asker| request.headers.remove(&asker.is_answered()));
    request
}

/// Adds the credentials that an INVITE had to its ACK.
///
/// RFC 3261 §22.1: "UACs creating an ACK message will duplicate all of the Authorization and Proxy-Authorization header
/// field values that appeared in the INVITE to which the ACK corresponds."
pub(super) fn with_credentials_of(mut request: Request, invite: &Request) -> Request {
    Asker::BOTH.iter().for_each(|asker| request.headers.copy(&asker.is_answered(), &invite.headers));
    request
}

impl UserAgent {
    /// An agent that answers challenges on the A leg with this account.
    #[must_use]
    pub fn with_account(mut self, account: Option<Arc<Account>>) -> Self {
        self.caller_account = account;
        self
    }

    /// The request with the credentials that its leg has learned to send, and what is kept of it should it be
    /// challenged; without either where the leg has no account, or where it goes elsewhere than the leg.
    pub(super) fn signed(&mut self, leg: LegId, hop: &Hop, mut request: Request) -> (Request, Option<Box<Retry>>) {
        if request.method == Method::Cancel {
            return (without_credentials(request), None);
        }
        let Some(leg) = self.leg_mut(leg) else { return (request, None) };
        // A Contact or Record-Route may lead anywhere: a hash of the trunk's password is the trunk's alone to ask for.
        if leg.wallet.account.is_none() || hop.remote.ip() != leg.hop.remote.ip() {
            return (request, None);
        }
        let retry = Retry { request: request.clone(), answered: Vec::new() };
        leg.wallet.sign(&mut request);
        (request, Some(Box::new(retry)))
    }

    /// Sends a request again that was challenged. False: it was not, or its challenge is not to be answered.
    ///
    /// RFC 3261 §8.1.3.5: "This new request constitutes a new transaction and SHOULD have the same value of the Call-ID,
    /// To, and From of the previous request, but the CSeq should contain a new sequence number that is one higher than
    /// the previous."
    pub(super) fn challenged(&mut self, now: Now, at: usize, response: &Response, out: &mut AgentOut) -> bool {
        if response.status.is_provisional() {
            return false;
        }
        let client = &mut self.clients[at];
        let (leg, hop, purpose, cseq) = (client.leg, client.hop, client.purpose, client.cseq);
        // Whatever the final response is, nothing is sent again after it.
        let Some(Retry { mut request, mut answered }) = client.retry.take().map(|retry| *retry) else { return false };
        if !matches!(response.status.code(), 401 | 407) || answered.len() >= MOST_ANSWERS {
            return false;
        }
        let mut ids = self.ids.fork();
        let Some(this) = self.leg_mut(leg).filter(|leg| leg.wants_again(purpose)) else { return false };
        let Some(whose) = this.wallet.learn(&response.headers, &answered, &mut ids) else { return false };
        answered.extend(whose);
        let cseq = this.number_after(cseq, request.headers.to_tag());
        if let (Purpose::Invite, Usage::Calling(calling), Some(sent)) = (purpose, &mut this.usage, &mut this.sent) {
            sent.cseq = cseq;
            // Early dialogs end with the final response that their INVITE has got.
            calling.forks.clear();
            calling.silence = None;
        }
        let branch = tokens::branch(self.call, leg, &mut self.ids);
        request.headers.set(Name::Via, build::via(hop.transport, hop.advertised, &branch));
        request.headers.set(Name::CSeq, build::cseq(cseq, request.method));
        self.start(now, leg, hop, (&branch, cseq), (request, purpose), out);
        if let Some(retry) = self.clients.last_mut().and_then(|client| client.retry.as_mut()) {
            retry.answered = answered;
        }
        true
    }
}

impl Leg {
    /// Whether a request for this purpose is still to be sent, now that it has been challenged.
    fn wants_again(&self, purpose: Purpose) -> bool {
        match purpose {
            // One that is taken back is not sent again.
            Purpose::Invite => matches!(self.usage, Usage::Calling(Calling { cancel: Cancel::No, .. })),
            Purpose::Cancel => false,
            Purpose::Bye | Purpose::Notify { .. } => true,
            _ => !self.is_over(),
        }
    }

    /// The number of a request that follows one with this number in the dialog with this tag.
    fn number_after(&mut self, cseq: u32, tag: Option<&str>) -> u32 {
        let own = match &self.usage {
            Usage::Calling(_) => None,
            _ => self.dialog_mut().filter(|dialog| tag.is_some_and(|tag| *dialog.remote.tag == *tag)),
        };
        match own {
            Some(dialog) => dialog.local_cseq.take_next(),
            // An INVITE that calls, or the BYE of a fork that lost: nothing else has gone there since.
            None => cseq.saturating_add(1),
        }
    }
}
