//! What NAPTR and SRV records mean, and the order that they give: RFC 3263 §4, RFC 2782; no I/O.

use hickory_resolver::proto::rr::Name;

use crate::base::Transport;

/// A NAPTR record: which service there is, and where its servers are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naptr {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) service: String,
    pub(super) replacement: String,
}

/// A SRV record: one server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: Name,
}

impl Naptr {
    /// The services that we can use, the preferred first.
    ///
    /// RFC 3263 §4.1: "For NAPTR records with SIPS protocol fields, … the client SHOULD … discard any services … which
    /// do not contain "SIPS" as the protocol in the service field" where the URI is a SIPS URI.
    pub(super) fn services(
        mut records: Vec<Self>,
        secure: bool,
        speaks: &impl Fn(Transport) -> bool,
    ) -> Vec<(Transport, String)> {
        records.sort_by_key(|record| (record.order, record.preference));
        let usable = records.into_iter().filter(|record| record.flags.eq_ignore_ascii_case("s"));
        let known = usable.filter_map(|record| Some((record.transport()?, record.replacement)));
        known.filter(|(transport, _)| speaks(*transport) && (!secure || transport.is_secure())).take(MOST).collect()
    }

    fn transport(&self) -> Option<Transport> {
        match &*self.service.to_ascii_uppercase() {
            "SIP+D2U" => Some(Transport::Udp),
            "SIP+D2T" => Some(Transport::Tcp),
            "SIPS+D2T" => Some(Transport::Tls),
            _ => None,
        }
    }
}

/// The services that a domain may have where it has no NAPTR records, ours to prefer: UDP, TCP, TLS.
///
/// RFC 3263 §4.1: "If no NAPTR records are found, the client constructs SRV queries for those transport protocols it
/// supports, and does a query for each." Of a transport that the URI names, that one alone.
pub(super) fn services(host: &str, transport: Option<Transport>, secure: bool) -> Vec<(Transport, String)> {
    let all = [(Transport::Udp, "_sip._udp"), (Transport::Tcp, "_sip._tcp"), (Transport::Tls, "_sips._tcp")];
    let fits = |(known, _): &(Transport, &str)| match transport {
        Some(wanted) => *known == wanted,
        None => known.is_secure() || !secure,
    };
    all.into_iter().filter(fits).map(|(transport, label)| (transport, format!("{label}.{host}"))).collect()
}

/// The servers in the order in which they are to be tried; `chance` gives a number below its argument.
///
/// RFC 2782: "A client MUST attempt to contact the target host with the lowest-numbered priority it can reach; target
/// hosts with the same priority SHOULD be tried in an order defined by the weight field."
pub(super) fn by_weight(mut servers: Vec<Srv>, chance: &mut impl FnMut(u64) -> u64) -> Vec<Srv> {
    // "A Target of "." means that the service is decidedly not available at this domain."
    servers.retain(|server| !server.target.is_root());
    // "arrange all SRV RRs (that have not been ordered yet) in any order, except that all those with weight 0 are placed
    // at the beginning of the list."
    servers.sort_by_key(|server| (server.priority, server.weight > 0));
    let mut ordered = Vec::with_capacity(servers.len());
    while let Some(first) = servers.first() {
        let priority = first.priority;
        let same = servers.iter().take_while(|server| server.priority == priority);
        let sum: u64 = same.clone().map(|server| u64::from(server.weight)).sum();
        // "choose a uniform random number between 0 and the sum computed (inclusive), and select the RR whose running
        // sum value is the first in the selected order which is greater than or equal to the random number selected."
        let number = chance(sum + 1);
        let mut running = 0;
        let reaches = |server: &Srv| {
            running += u64::from(server.weight);
            running >= number
        };
        let at = same.clone().position(reaches).unwrap_or(0);
        ordered.push(servers.remove(at));
    }
    ordered
}

/// Services that are looked at.
const MOST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Ids;

    fn srv(priority: u16, weight: u16, port: u16) -> Srv {
        Srv { priority, weight, port, target: Name::from_ascii("h.test.").unwrap() }
    }

    #[test]
    fn priorities_go_before_weights_and_weights_share_the_load() {
        let servers = vec![srv(20, 100, 9), srv(10, 0, 1), srv(10, 10, 2), srv(10, 30, 3)];
        let mut ids = Ids::seeded(7);
        let mut first = [0; 4];
        for _ in 0..4000 {
            let order = by_weight(servers.clone(), &mut |below| ids.below(below));
            assert_eq!(order.len(), 4);
            assert_eq!(order[3].port, 9, "the higher number is the last resort");
            first[usize::from(order[0].port)] += 1;
        }
        assert!((1..300).contains(&first[1]), "weight 0 has a very small chance: {first:?}");
        assert!((2700..3200).contains(&first[3]), "three times as often: {first:?}");
        assert!((800..1200).contains(&first[2]), "{first:?}");
    }

    #[test]
    fn a_root_as_target_means_that_there_is_no_such_service() {
        let nothing = Srv { target: Name::root(), ..srv(0, 0, 0) };
        assert_eq!(by_weight(vec![nothing], &mut |_| 0), []);
    }

    #[test]
    fn naptr_gives_usable_services_in_its_order_and_sips_secure_ones_alone() {
        let naptr = |order, preference, flags: &str, service: &str, to: &str| Naptr {
            order,
            preference,
            flags: flags.to_owned(),
            service: service.to_owned(),
            replacement: to.to_owned(),
        };
        let records = vec![
            naptr(20, 10, "s", "SIP+D2U", "udp"),
            naptr(10, 20, "S", "sip+d2t", "tcp"),
            naptr(10, 10, "s", "SIPS+D2T", "tls"),
            naptr(10, 5, "u", "E2U+sip", "enum"),
            naptr(10, 5, "s", "SIP+D2S", "sctp"),
        ];
        let names = |secure, without: Option<Transport>| {
            let services = Naptr::services(records.clone(), secure, &|spoken| Some(spoken) != without);
            services.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(false, None), ["tls", "tcp", "udp"]);
        assert_eq!(names(true, None), ["tls"]);
        assert_eq!(names(false, Some(Transport::Tls)), ["tcp", "udp"]);
    }

    #[test]
    fn without_naptr_each_transport_has_its_name_and_a_written_one_has_it_alone() {
        let names =
            |transport, secure| services("h", transport, secure).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names(None, false), ["_sip._udp.h", "_sip._tcp.h", "_sips._tcp.h"]);
        assert_eq!(names(None, true), ["_sips._tcp.h"]);
        assert_eq!(names(Some(Transport::Tcp), false), ["_sip._tcp.h"]);
        assert!(names(Some(Transport::Ws), false).is_empty(), "RFC 7118 has no SRV of its own");
    }
}
