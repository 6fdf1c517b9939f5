//! Where a request really came from, and where its response goes (RFC 3261 §18.2, RFC 3581).

use std::net::SocketAddr;

use super::lexer::{self, Params};
use super::typed::Via;
use super::{Headers, Name, Text};

impl Headers {
    /// Writes the address that the request came from into its top Via.
    ///
    /// What the sender itself claimed in `received` and `rport` does not stay.
    pub fn stamp_source(&mut self, source: SocketAddr) {
        let Some(value) = self.value_mut(&Name::Via) else { return };
        let Ok(parts) = lexer::via(value) else { return };
        let ip = source.ip().to_canonical();
        let (mut params, mut rport, mut claimed) = (String::new(), false, false);
        for (name, param) in Params(parts.params) {
            if name.eq_ignore_ascii_case("received") {
                claimed = true;
            } else if name.eq_ignore_ascii_case("rport") {
                rport = true;
            } else {
                params.extend([";", name]);
                params.extend(param.into_iter().flat_map(|v| ["=", v]));
            }
        }
        // RFC 3261 §18.2.1: "If the host portion of the "sent-by" parameter contains a domain name, or if it contains
        // an IP address that differs from the packet source address, the server MUST add a "received" parameter".
        let received = rport || lexer::ip(parts.host) != Some(ip);
        if !received && !claimed {
            return;
        }
        let sent_by = value.split(';').next().unwrap_or_default().trim_end();
        let mut stamped = format!("{sent_by}{params}");
        if received {
            stamped.push_str(&format!(";received={ip}"));
        }
        if rport {
            // RFC 3581 §4: "it MUST set the value of the parameter to the source port of the request".
            stamped.push_str(&format!(";rport={}", source.port()));
        }
        *value = Text::from(stamped);
    }

    /// Where a response with these headers goes over UDP, given where its request came from. Over TCP it goes back on
    /// the same connection, and here only once that is gone.
    ///
    /// deviates: `maddr` is not followed (RFC 3261 §18.2.2): it would let a stranger point our answers at anybody.
    pub fn response_target(&self, source: SocketAddr) -> SocketAddr {
        let Some(via) = self.via() else { return source };
        let ip = via.received.or(Some(via.host)).and_then(lexer::ip).unwrap_or(source.ip());
        // RFC 3581 §4: "the response MUST be sent to the IP address listed in the "received" parameter, and the port
        // in the "rport" parameter".
        let port = match via.rport {
            Some(Some(port)) => port,
            Some(None) => source.port(),
            // RFC 3261 §18.2.2: "using the port indicated in the "sent-by" value, or using port
            // 5060 if none is specified explicitly".
            None => default_port(&via),
        };
        SocketAddr::new(ip, port)
    }
}

fn default_port(via: &Via<'_>) -> u16 {
    via.port.unwrap_or(if via.transport.eq_ignore_ascii_case("TLS") { 5061 } else { 5060 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(via: &str, source: &str) -> (String, SocketAddr) {
        let source = source.parse().unwrap();
        let mut headers = Headers::new();
        headers.push(Name::Via, via);
        headers.stamp_source(source);
        (headers.get(&Name::Via).unwrap().to_string(), headers.response_target(source))
    }

    #[test]
    fn rport_sends_the_response_where_the_request_came_from() {
        let (via, target) = stamped("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKk", "192.0.2.1:9988");
        assert_eq!(via, "SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKk;received=192.0.2.1;rport=9988");
        assert_eq!(target, "192.0.2.1:9988".parse().unwrap());
    }

    #[test]
    fn rport_brings_received_even_where_it_equals_the_sent_by() {
        let (via, _) = stamped("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKk;rport", "192.0.2.1:5060");
        assert!(via.ends_with(";received=192.0.2.1;rport=5060"));
    }

    #[test]
    fn without_rport_the_port_is_the_sent_by_s() {
        let (via, target) = stamped("SIP/2.0/UDP pbx.example.com;branch=z9hG4bKk", "192.0.2.1:9988");
        assert_eq!(via, "SIP/2.0/UDP pbx.example.com;branch=z9hG4bKk;received=192.0.2.1");
        assert_eq!(target, "192.0.2.1:5060".parse().unwrap());
        let (via, target) = stamped("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKk", "192.0.2.1:9988");
        assert_eq!(via, "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKk");
        assert_eq!(target, "192.0.2.1:5070".parse().unwrap());
    }

    #[test]
    fn what_the_sender_claims_does_not_point_answers_elsewhere() {
        let (via, target) =
            stamped("SIP/2.0/UDP 192.0.2.1:5060;received=203.0.113.9;rport=53;branch=z9hG4bKk", "192.0.2.1:5060");
        assert_eq!(via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKk;received=192.0.2.1;rport=5060");
        assert_eq!(target, "192.0.2.1:5060".parse().unwrap());
        let (via, _) = stamped("SIP/2.0/UDP 192.0.2.1;received=203.0.113.9;branch=z9hG4bKk", "192.0.2.1:5060");
        assert_eq!(via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKk");
    }

    #[test]
    fn ipv6_sources_are_written_bare_and_found_again() {
        let (via, target) = stamped("SIP/2.0/UDP [2001:db8::9]:5080;branch=z9hG4bKk", "[2001:db8::1]:7000");
        assert!(via.ends_with(";received=2001:db8::1"));
        assert_eq!(target, "[2001:db8::1]:5080".parse().unwrap());
        let (via, _) = stamped("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKk", "[::ffff:192.0.2.1]:7000");
        assert_eq!(via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKk");
    }
}
