//! Trunks and PBXs, and whose a request is by the address that it comes from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::names::Names;
use super::numbers::Numbers;
use crate::base::{Account, Transport, phone};
use crate::config::fault::{At, Fault, List, Place, Report};
use crate::config::raw::{Outgoing, Raw, RawPbx, RawTrunk};
use crate::route::directory::{IdentityHeader, NumbersOut, Pbx, Trunk};

/// The trunks, in file order.
pub(super) fn trunks(raw: &Raw, report: &Report) -> Vec<Arc<Trunk>> {
    let country = raw.crm.as_ref().and_then(|crm| crm.country.as_ref()).map_or("BR", |country| &country.value);
    let mut all = Vec::new();
    for trunk in &raw.trunks {
        let (Some(name), Some(peers)) = (&trunk.name, &trunk.peers) else { continue };
        let who = format!("trunk `{}`", name.value);
        none_left(&who, "peers", peers, report);
        none_left_where_written(&who, "did_from", trunk.did_from.as_ref(), report);
        none_left_where_written(&who, "caller_from", trunk.caller_from.as_ref(), report);
        none_left_where_written(&who, "accept", trunk.accept.as_ref(), report);
        if let Some(area) = trunk.area.as_ref().filter(|area| !phone::is_area(country, &area.value)) {
            let message = format!("{who}: `area`: {} is no area code of {country}", area.value);
            report.fault(Fault::new(&area.place, message).help("write it without a zero, as in \"11\""));
        }
        use IdentityHeader::{Diversion, From, PAssertedIdentity, PCalledPartyId, RemotePartyId, RequestUri, To};
        all.push(Arc::new(Trunk {
            name: name.value.as_str().into(),
            peers: values(Some(peers)).unwrap_or_default(),
            accept: values(trunk.accept.as_ref()).unwrap_or_default(),
            trusted: written(trunk.trusted.as_ref(), false),
            did_from: values(trunk.did_from.as_ref())
                .unwrap_or_else(|| vec![RequestUri, PCalledPartyId, To, Diversion]),
            caller_from: values(trunk.caller_from.as_ref())
                .unwrap_or_else(|| vec![PAssertedIdentity, RemotePartyId, From]),
            area: trunk.area.as_ref().map(|area| area.value.clone()),
            numbers_out: written(trunk.numbers_out.as_ref(), NumbersOut::E164),
            foreign_cli: written(trunk.foreign_cli.as_ref(), false),
            channels: written(trunk.channels.as_ref(), 0),
            failover_after: written(trunk.failover_after.as_ref(), Duration::from_secs(3)),
            failover_on: trunk.failover_on.clone().unwrap_or_else(|| vec![408, 500, 502, 503, 504]),
            account: account(trunk, &who, report),
            register: written(trunk.register.as_ref(), false),
            options: written(trunk.options.as_ref(), Duration::from_secs(30)),
        }));
    }
    all
}

/// What answers the carrier's challenges: both keys or none.
fn account(trunk: &RawTrunk, who: &str, report: &Report) -> Option<Arc<Account>> {
    let registers = trunk.register.as_ref().filter(|register| register.value);
    match (&trunk.username, &trunk.password) {
        (Some(username), Some(password)) => {
            Some(Arc::new(Account { username: username.value.clone(), password: password.value.clone() }))
        }
        (None, None) => {
            if let Some(register) = registers {
                let message = format!("{who}: `register` without `username` and `password`");
                report.warn(Fault::new(&register.place, message).help("most carriers challenge a REGISTER"));
            }
            None
        }
        (Some(username), None) => {
            let message = format!("{who}: `username` without `password`");
            report
                .warn(Fault::new(&username.place, message).help("as long as there is none, 401 and 407 fail the call"));
            None
        }
        (None, Some(password)) => {
            let message = format!("{who}: `password` without `username`");
            report.fault(Fault::new(&password.place, message).help("add username = \"…\", as the carrier gave it"));
            None
        }
    }
}

/// The PBXs, in file order.
pub(super) fn pbxs(raw: &Raw, numbers: &Numbers<'_>, names: &Names<'_>, report: &Report) -> Vec<Arc<Pbx>> {
    let mut all = Vec::new();
    for pbx in &raw.pbxs {
        let outgoing = outgoing(pbx, numbers, report);
        let (Some(name), Some(peers), Some(extensions)) = (&pbx.name, &pbx.peers, &pbx.extensions) else { continue };
        let who = format!("pbx `{}`", name.value);
        none_left(&who, "peers", peers, report);
        none_left_where_written(&who, "accept", pbx.accept.as_ref(), report);
        if names.is_trunk(&name.value) {
            let message = format!("`{}` is a trunk and a PBX", name.value);
            report.fault(
                Fault::new(&name.place, message).help("give them different names: ladders and metrics show them"),
            );
        }
        all.push(Arc::new(Pbx {
            name: name.value.as_str().into(),
            peers: values(Some(peers)).unwrap_or_default(),
            extensions: extensions.value.clone(),
            accept: values(pbx.accept.as_ref()).unwrap_or_default(),
            connected_line: written(pbx.connected_line.as_ref(), true),
            outgoing,
            dial_prefix: values(pbx.dial_prefix.as_ref()).unwrap_or_else(|| vec!["0".to_owned()]),
        }));
    }
    all
}

/// The line of extensions that are no employee. Without `line` they have none, and their calls are refused.
fn outgoing(pbx: &RawPbx, numbers: &Numbers<'_>, report: &Report) -> Option<crate::base::PhoneNumber> {
    let who = pbx.name.as_ref().map_or("pbx".to_owned(), |name| format!("pbx `{}`", name.value));
    let line = pbx.line.as_ref().and_then(|line| numbers.line(line, &who, report));
    match (&pbx.outgoing, &pbx.line) {
        (Some(At { value: Outgoing::Refuse, .. }), Some(line)) => {
            let message = format!("{who}: `line` is of no use where `outgoing` is \"refuse\"");
            report.fault(Fault::new(&line.place, message).help("keep one of the two"));
            None
        }
        (Some(At { value: Outgoing::Line, place }), None) => {
            let message = format!("{who}: `outgoing` is \"line\", and there is no `line`");
            report.fault(Fault::new(place, message).help("add line = \"+55…\", or write outgoing = \"refuse\""));
            None
        }
        _ => line,
    }
}

/// One way in: whose, from where, and what says so.
struct Origin<'a> {
    gateway: usize,
    who: &'a str,
    net: IpNet,
    /// The port, where it counts.
    port: Option<u16>,
    place: &'a Place,
}

/// A gateway, trunk or PBX, as far as its addresses go.
struct Gateway<'a> {
    who: String,
    peers: Vec<(&'a Place, SocketAddr)>,
    accept: Option<&'a List<IpNet>>,
}

/// Two gateways that the same request could come from: a fault, unless only their ports differ.
pub(super) fn origins(raw: &Raw, report: &Report) {
    let gateways = gateways(raw);
    let mut origins: Vec<Origin<'_>> = Vec::new();
    for (i, gateway) in gateways.iter().enumerate() {
        for (place, peer) in &gateway.peers {
            let net = IpNet::from(peer.ip());
            origins.push(Origin { gateway: i, who: &gateway.who, net, port: Some(peer.port()), place });
        }
        match gateway.accept {
            Some(accept) => origins.extend(accept.value.iter().map(|net| Origin {
                gateway: i,
                who: &gateway.who,
                net: net.value,
                port: None,
                place: &net.place,
            })),
            // `accept` defaults to the peers' addresses, any port, except where another peer shares the address.
            None => origins.extend(gateway.peers.iter().filter(|(_, peer)| !shared(&gateways, i, peer.ip())).map(
                |(place, peer)| Origin { gateway: i, who: &gateway.who, net: peer.ip().into(), port: None, place },
            )),
        }
    }
    for (n, origin) in origins.iter().enumerate() {
        let earlier = origins.iter().take(n);
        let tie = earlier.filter(|other| other.gateway != origin.gateway).find(|other| {
            other.net == origin.net && other.port == origin.port && !only_ports_differ(&gateways, other, origin)
        });
        if let Some(other) = tie {
            let from =
                origin.port.map_or_else(|| origin.net.to_string(), |port| format!("{}:{port}", origin.net.addr()));
            let message = format!("a call from {from} could be one of {} and one of {}", other.who, origin.who);
            let help = "give each addresses of its own with `accept`, or peers with different ports";
            report.fault(Fault::new(origin.place, message).label(format!("{} has it too", other.who)).help(help));
        }
    }
}

fn gateways(raw: &Raw) -> Vec<Gateway<'_>> {
    let trunks = raw.trunks.iter().map(|trunk| ("trunk", &trunk.name, &trunk.peers, &trunk.accept));
    let pbxs = raw.pbxs.iter().map(|pbx| ("pbx", &pbx.name, &pbx.peers, &pbx.accept));
    trunks
        .chain(pbxs)
        .map(|(kind, name, peers, accept)| Gateway {
            who: format!("{kind} `{}`", name.as_ref().map_or("?", |name| &name.value)),
            peers: peers
                .iter()
                .flat_map(|peers| &peers.value)
                .flat_map(|peer| peer.value.ways.iter().map(|way| (&peer.place, way.address)))
                .collect(),
            accept: accept.as_ref(),
        })
        .collect()
}

/// Whether a peer of another gateway has this address too.
fn shared(gateways: &[Gateway<'_>], own: usize, address: IpAddr) -> bool {
    let others = gateways.iter().enumerate().filter(|(i, _)| *i != own);
    others.flat_map(|(_, gateway)| &gateway.peers).any(|(_, peer)| peer.ip() == address)
}

/// Whether both have peers at one address within the net they share, on different ports: then the port decides.
fn only_ports_differ(gateways: &[Gateway<'_>], a: &Origin<'_>, b: &Origin<'_>) -> bool {
    let peers = |origin: &Origin<'_>| gateways.get(origin.gateway).map(|gateway| &gateway.peers);
    let (Some(first), Some(second)) = (peers(a), peers(b)) else { return false };
    let within = first.iter().filter(|(_, peer)| a.net.contains(&peer.ip()));
    a.port.is_none()
        && within.clone().any(|(_, x)| second.iter().any(|(_, y)| x.ip() == y.ip()))
        && within.clone().all(|(_, x)| second.iter().all(|(_, y)| x != y))
}

/// Peers whose transport has no listener: nothing can be sent to them, for requests of theirs need a way in.
pub(super) fn unheard(raw: &Raw, listen: &[(Transport, SocketAddr)], report: &Report) {
    let trunks = raw.trunks.iter().filter_map(|trunk| trunk.peers.as_ref());
    let pbxs = raw.pbxs.iter().filter_map(|pbx| pbx.peers.as_ref());
    for At { value: peer, place } in trunks.chain(pbxs).flat_map(|peers| &peers.value) {
        let transport = peer.transport.or_else(|| peer.ways.first().map(|way| way.transport));
        let family = |local: &SocketAddr| peer.ways.first().is_none_or(|way| way.address.is_ipv4() == local.is_ipv4());
        if let Some(transport) = transport
            && !listen.iter().any(|(spoken, local)| *spoken == transport && family(local))
        {
            let name = transport.as_str().to_ascii_lowercase();
            let message = format!("`{}` goes by {name}, and no listener in [sip] `listen` does", peer.uri);
            let help =
                format!("add one, as in \"{name}:0.0.0.0:{}\" (\"{name}:[::]:…\" for IPv6)", transport.default_port());
            report.warn(Fault::new(place, message).help(help));
        }
    }
}

fn none_left<T>(who: &str, key: &str, list: &List<T>, report: &Report) {
    // Where items were refused, they were told about one by one.
    if list.value.is_empty()
        && list.place.source.text.get(list.place.span.clone()).is_some_and(|text| !text.contains('"'))
    {
        report.fault(Fault::new(&list.place, format!("{who}: `{key}` is empty")).help("name at least one"));
    }
}

fn none_left_where_written<T>(who: &str, key: &str, list: Option<&List<T>>, report: &Report) {
    if let Some(list) = list {
        none_left(who, key, list, report);
    }
}

/// What the file says, else the default.
pub(super) fn written<T: Clone>(found: Option<&At<T>>, default: T) -> T {
    found.map_or(default, |at| at.value.clone())
}

/// The values of a list without their places.
pub(super) fn values<T: Clone>(found: Option<&List<T>>) -> Option<Vec<T>> {
    found.map(|list| list.value.iter().map(|item| item.value.clone()).collect())
}
