//! Who may use `/api`: whoever holds `http.api_token`, which gives the admin's rights, and employees who have signed in.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::error::ApiError;
use super::shared::Shared;
use crate::config::Secret;

/// The cookie that holds a session.
pub(super) const COOKIE: &str = "ramal_session";
/// What changes under that cookie have to carry: another site's page can send the cookie, but has not read this.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");
/// The one request that needs nobody: it is where one says who one is.
const SIGN_IN: &str = "/api/session";

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Lets those pass who are known, and tells the handlers who they are.
pub(super) async fn known_only(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().path(), |uri| uri.path());
    if request.method() == Method::POST && path == SIGN_IN {
        return next.run(request).await;
    }
    match judge(&shared, request.method(), request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn judge(shared: &Shared, method: &Method, headers: &HeaderMap) -> Result<Caller, ApiError> {
    // Whoever shows a token means that, cookie or not.
    if headers.contains_key(header::AUTHORIZATION) {
        return holds_token(shared.api_token.as_ref(), headers).map(|()| Caller::Program);
    }
    let mut cookies = cookies(headers).peekable();
    if cookies.peek().is_none() {
        return holds_token(shared.api_token.as_ref(), headers).map(|()| Caller::Program);
    }
    let (now, directory) = (shared.node.clock().now().mono, shared.node.directory());
    // A path or a domain beside ours may have set one of the same name.
    let holder = cookies.find_map(|token| shared.sessions.holder(now, &directory, token));
    let Some(holder) = holder else {
        return Err(ApiError::unauthorized("the session has ended: POST /api/session begins one"));
    };
    if !method.is_safe() {
        let given = headers.get(CSRF).map_or(&[][..], |value| value.as_bytes());
        if !bool::from(holder.csrf.as_bytes().ct_eq(given)) {
            let message = "a change under the cookie carries X-CSRF-Token, as POST /api/session gave it";
            return Err(ApiError::csrf(message));
        }
    }
    Ok(Caller::Person(holder))
}

fn holds_token(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), ApiError> {
    // An empty one is none: it would let in whoever says `Bearer` alone.
    let Some(token) = token.filter(|token| !token.expose().is_empty()) else {
        let message = "sign in by POST /api/session; there is no token: set http.api_token in the file, and restart";
        return Err(ApiError::unauthorized(message));
    };
    let Some(given) = bearer(headers) else {
        let message =
            "sign in by POST /api/session, or say `Authorization: Bearer TOKEN`, with the token of http.api_token";
        return Err(ApiError::unauthorized(message));
    };
    // In constant time, so that how long a refusal takes tells nobody how much of the token was right.
    match bool::from(token.expose().as_bytes().ct_eq(given.as_bytes())) {
        true => Ok(()),
        false => Err(ApiError::unauthorized("this is not the token of http.api_token")),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // RFC 9110 §11.1: "a case-insensitive token to identify the authentication scheme"
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// What cookies of our name hold.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| name.trim() == COOKIE).map(|(_, value)| value.trim())
}

/// From which address a request comes. A proxy on this machine is believed to say for whom it asks: the last address
/// is the one that it has seen itself.
pub(super) fn address(peer: Option<Peer>, headers: &HeaderMap) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| address.to_canonical());
    if !peer.is_loopback() {
        return peer;
    }
    let last = headers.get_all("x-forwarded-for").into_iter().next_back();
    let last = last.and_then(|line| line.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    last.unwrap_or(peer)
}

/// Whether the browser speaks https, to a proxy before us.
pub(super) fn is_https(headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let name = HeaderName::from_static;
        lines.iter().map(|(key, value)| (name(key), value.parse().unwrap())).collect()
    }

    #[test]
    fn our_cookie_is_found_among_others() {
        let found = |line: &'static str| cookies(&headers(&[("cookie", line)])).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(found("a=b; ramal_session=one; c=d"), ["one"]);
        assert_eq!(found("ramal_session=one;ramal_session=two"), ["one", "two"]);
        assert_eq!(found("xramal_session=one; ramal_session; =; ;"), Vec::<String>::new());
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed_to_say_for_whom_it_asks() {
        let says = headers(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]);
        let peer = |text: &str| Some(Peer(text.parse().unwrap()));
        assert_eq!(address(peer("127.0.0.1"), &says).to_string(), "2.2.2.2");
        assert_eq!(address(peer("::1"), &says).to_string(), "2.2.2.2");
        assert_eq!(address(peer("10.0.0.9"), &says).to_string(), "10.0.0.9");
        assert_eq!(address(peer("127.0.0.1"), &headers(&[("x-forwarded-for", "x")])).to_string(), "127.0.0.1");
        assert_eq!(address(peer("::ffff:10.0.0.9"), &headers(&[])).to_string(), "10.0.0.9");
    }
}
