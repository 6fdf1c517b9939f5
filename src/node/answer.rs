//! Answers that keep no state (RFC 3261 §8.2.7): a retransmission gets the same one again, with the same To-tag, and the
//! ACK to a refusal finds nobody and needs nobody. Strangers get few, and short ones.

use std::net::SocketAddr;

use bytes::Bytes;
use rsip::Method;

use super::Inner;
use super::admission::Full;
use super::receive::Came;
use super::repeats::Answer;
use super::strangers::modest;
use crate::base::Hop;
use crate::net::sink::Path;
use crate::route;
use crate::sip::message::{Name, Request, Response, Status};

impl Inner {
    /// Answers without state.
    pub(super) fn answer(&self, path: Path, response: Response) {
        let response = located(path, response);
        self.answer_bytes(path, response_target(path, &response), &response.to_bytes(), false);
    }

    pub(super) fn answer_bytes(&self, path: Path, remote: SocketAddr, bytes: &Bytes, again: bool) {
        let hop = Hop { transport: path.transport, local: path.local, remote, advertised: path.local, name: None };
        self.metrics.sent(bytes, again);
        if self.outbound.send(&hop, bytes).is_err() {
            tracing::debug!(%remote, "an answer could not be sent");
        }
    }

    /// Refuses a stranger; her ACK is dropped.
    pub(super) fn forbid(&self, came: Came, request: &Request) {
        // RFC 3261 §17.1.1.3: an ACK is never answered.
        if request.method != Method::Ack {
            self.offended(came.path);
            self.answer_stranger(came, Response::to(request, Status::FORBIDDEN));
        }
    }

    /// A stranger wanted something of us.
    pub(super) fn offended(&self, path: Path) {
        self.metrics.stranger_refused();
        let ip = path.remote.ip();
        // One at an address that the files name is somebody's mistake, or forged: the trunk there must be heard.
        let is_spared = self.registrar.is_address(ip) || route::origin::is_named(&self.house.directory(), ip);
        if !is_spared && self.admission.refused_stranger(ip) {
            tracing::debug!(%ip, "refused too often: it is not listened to for a while");
        }
    }

    pub(super) fn refuse_for_now(&self, came: Came, request: &Request, full: Full) {
        tracing::debug!(from = %came.path.remote, why = %full, "an INVITE is refused for now");
        self.metrics.overloaded();
        let response = Response::to(request, Status::SERVICE_UNAVAILABLE);
        self.refuse(came, response.with(Name::RetryAfter, full.retry_after().to_string()));
    }

    /// Answers an INVITE without state, and its retransmissions without reading them.
    pub(super) fn refuse(&self, came: Came, response: Response) {
        let response = located(came.path, response);
        let answer = Answer { target: response_target(came.path, &response), bytes: response.to_bytes() };
        self.answer_bytes(came.path, answer.target, &answer.bytes, false);
        if let Some(print) = came.print {
            self.repeats.keep(print, answer, self.clock.now().mono);
        }
    }

    pub(super) fn answer_stranger(&self, came: Came, response: Response) {
        if !self.admission.answers_stranger(came.path.remote.ip()) {
            return;
        }
        let response = located(came.path, response);
        let whole = came.path.transport.is_reliable();
        let target = response_target(came.path, &response);
        if let Some(bytes) = if whole { Some(response.to_bytes()) } else { modest(response, came.size) } {
            self.answer_bytes(came.path, target, &bytes, false);
        }
    }
}

/// A stateless answer with what it says of its request's source, and a To-tag.
pub(super) fn located(path: Path, mut response: Response) -> Response {
    response.headers.stamp_source(path.remote);
    response.with_stateless_to_tag()
}

/// RFC 3261 §18.2.2: over a reliable transport "the response MUST be sent using the existing connection".
pub(super) fn response_target(path: Path, response: &Response) -> SocketAddr {
    if path.transport.is_reliable() { path.remote } else { response.headers.response_target(path.remote) }
}
