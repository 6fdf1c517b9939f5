//! The proxies that a dialog's requests must visit: RFC 3261 §12.1 (how the set is learnt), §12.2.1.1 (how it is used).

/// The route set, in the order that requests visit it; each a `name-addr` with its parameters, as it was received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteSet(Box<[Box<str>]>);

/// Where a request of a dialog goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Routed<'a> {
    /// Its Request-URI.
    pub request_uri: &'a str,
    /// Its Route header fields, in order; each a `name-addr`.
    pub routes: Vec<String>,
    /// The URI of whom it is sent to.
    pub next: &'a str,
}

impl RouteSet {
    /// That of a UAS. RFC 3261 §12.1.1: "The route set MUST be set to the list of URIs in the Record-Route header field
    /// from the request, taken in order and preserving all URI parameters."
    pub fn of_uas<'a>(record_route: impl IntoIterator<Item = &'a str>) -> Self {
        Self(record_route.into_iter().map(Box::from).collect())
    }

    /// That of a UAC. RFC 3261 §12.1.2: "The route set MUST be set to the list of URIs in the Record-Route header field
    /// from the response, taken in reverse order and preserving all URI parameters."
    pub fn of_uac<'a>(record_route: impl IntoIterator<Item = &'a str>) -> Self {
        let mut routes: Vec<Box<str>> = record_route.into_iter().map(Box::from).collect();
        routes.reverse();
        Self(routes.into())
    }

    /// How a request to this remote target goes.
    pub fn route<'a>(&'a self, target: &'a str) -> Routed<'a> {
        let Some((first, rest)) = self.0.split_first() else {
            return Routed { request_uri: target, routes: Vec::new(), next: target };
        };
        let first_uri = uri_of(first);
        if is_loose(first_uri) {
            // RFC 3261 §12.2.1.1: "If the route set is not empty, and the first URI in the route set contains the lr
            // parameter …, the UAC MUST place the remote target URI into the Request-URI and MUST include a Route
            // header field containing the route set values in order, including all parameters."
            let routes = self.0.iter().map(ToString::to_string).collect();
            return Routed { request_uri: target, routes, next: first_uri };
        }
        // "If … its first URI does not contain the lr parameter, the UAC MUST place the first URI from the route set
        // into the Request-URI …. The UAC MUST add a Route header field containing the remainder of the route set
        // values in order …. The UAC MUST then place the remote target URI into the Route header field as the last
        // value."
        let routes = rest.iter().map(ToString::to_string).chain([format!("<{target}>")]).collect();
        Routed { request_uri: first_uri, routes, next: first_uri }
    }
}

/// The URI of a `name-addr`, or of what stands without brackets.
pub fn uri_of(address: &str) -> &str {
    // A display name in quotes may hold brackets; the URI's come after it.
    let after_display = match address.trim_start().strip_prefix('"') {
        Some(quoted) => after_quote(quoted),
        None => address,
    };
    match after_display.split_once('<') {
        Some((_, rest)) => rest.split_once('>').map_or(rest, |(uri, _)| uri).trim(),
        None => after_display.split(';').next().unwrap_or_default().trim(),
    }
}

/// An address without the parameters that follow its URI, its tag among them.
pub fn without_params(address: &str) -> &str {
    let uri = uri_of(address);
    let end = uri.as_ptr() as usize - address.as_ptr() as usize + uri.len();
    let bracket = address.get(end..).is_some_and(|rest| rest.trim_start().starts_with('>'));
    let end =
        if bracket { address.get(end..).and_then(|rest| rest.find('>')).map_or(end, |at| end + at + 1) } else { end };
    address.get(..end).unwrap_or(address).trim()
}

/// What stands behind the closing quote; everything where there is none.
fn after_quote(text: &str) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return text.get(at + 1..).unwrap_or_default(),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text
}

fn is_loose(uri: &str) -> bool {
    let params = uri.split('?').next().unwrap_or_default().split(';').skip(1);
    params.into_iter().any(|param| param.split('=').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("lr")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "sip:ana@192.0.2.7";

    #[test]
    fn without_routes_a_request_goes_straight_to_the_target() {
        let set = RouteSet::default();
        assert_eq!(set.route(TARGET), Routed { request_uri: TARGET, routes: vec![], next: TARGET });
    }

    #[test]
    fn loose_routes_leave_the_request_uri_alone() {
        let set = RouteSet::of_uas(["<sip:p1;lr>", "<sip:p2;lr>;x=y"]);
        let routed = set.route(TARGET);
        assert_eq!(routed.request_uri, TARGET);
        assert_eq!(routed.routes, ["<sip:p1;lr>", "<sip:p2;lr>;x=y"]);
        assert_eq!(routed.next, "sip:p1;lr");
    }

    #[test]
    fn a_strict_router_stands_in_the_request_uri_and_the_target_comes_last() {
        let set = RouteSet::of_uac(["<sip:p2;lr>", "\"a <b\" <sip:p1>"]);
        let routed = set.route(TARGET);
        assert_eq!(routed.request_uri, "sip:p1");
        assert_eq!(routed.routes, ["<sip:p2;lr>", "<sip:ana@192.0.2.7>"]);
        assert_eq!(routed.next, "sip:p1");
    }

    #[test]
    fn a_caller_visits_the_routes_of_the_response_from_its_last() {
        let set = RouteSet::of_uac(["<sip:near-callee;lr>", "<sip:near-us;lr>"]);
        assert_eq!(set.route(TARGET).next, "sip:near-us;lr");
    }

    #[test]
    fn lr_in_another_parameter_or_in_headers_is_none() {
        assert!(is_loose("sip:p;transport=udp;lr"));
        assert!(is_loose("sip:p;LR=on"));
        assert!(!is_loose("sip:p;lrx"));
        assert!(!is_loose("sip:p?x=;lr"));
    }

    #[test]
    fn the_uri_of_an_address() {
        for (address, uri) in [
            ("<sip:a@b;lr>;x=y", "sip:a@b;lr"),
            ("Ana <sip:a@b>", "sip:a@b"),
            ("\"A \\\" <x>\" <sip:a@b>", "sip:a@b"),
            ("sip:a@b;tag=1", "sip:a@b"),
            ("<sip:a@b", "sip:a@b"),
            ("\"", ""),
        ] {
            assert_eq!(uri_of(address), uri, "{address}");
        }
    }
}
