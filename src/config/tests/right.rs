//! Right values, and the defaults of what is not written.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::super::value;
use super::super::{LogFormat, LogLevel, MediaMode, SipTimers, UnknownSource};
use super::{OFFICE, office, right};
use crate::base::Transport;
use crate::crm::model::EntityKind;
use crate::route::directory::{
    CreateFor, Distribution, Fallback, Gateway, IdentityHeader, LeadOwner, NumbersOut, UnknownClient,
};

const END: &str = "queue = \"sales\"\n";

#[test]
fn what_is_not_written_has_the_default_of_the_contract() {
    let settings = right(OFFICE).settings;
    let any: SocketAddr = "0.0.0.0:5060".parse().unwrap();
    assert_eq!(settings.sip.listen, [(Transport::Udp, any), (Transport::Tcp, any)]);
    assert_eq!(settings.sip.local.len(), 6);
    assert_eq!(settings.sip.drain, Duration::from_secs(60));
    assert!(settings.sip.tcp_switch && settings.sip.advertise.is_none());
    let (t1, t2, t4) = (Duration::from_millis(500), Duration::from_secs(4), Duration::from_secs(5));
    assert_eq!(settings.sip.timers, SipTimers { t1, t2, t4 });
    assert_eq!(settings.media, MediaMode::Bypass);
    assert_eq!(settings.store.path, Path::new("data/ramal.db"));
    assert_eq!(settings.trace.size, 1 << 30);
    assert_eq!((settings.log.level, settings.log.format), (LogLevel::Info, LogFormat::Text));
    assert_eq!(settings.http.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(settings.http.control, Path::new("data/ramal.sock"));
    assert_eq!(settings.unknown_source, UnknownSource::Forbid);
    assert_eq!(settings.directory.crm.deadline, Duration::from_millis(150));
    assert_eq!(settings.directory.limits.outgoing_countries, ["BR"]);
    assert_eq!(settings.directory.limits.emergency, ["190", "192", "193"]);
}

#[test]
fn the_defaults_of_trunks_queues_and_lines_are_those_of_the_contract() {
    let directory = right(OFFICE).settings.directory;
    let trunk = directory.trunk(&"carrier".into()).unwrap();
    assert_eq!(trunk.did_from.len(), 4);
    assert_eq!(trunk.caller_from.first(), Some(&IdentityHeader::PAssertedIdentity));
    assert_eq!((trunk.numbers_out, trunk.channels, trunk.trusted), (NumbersOut::E164, 0, false));
    assert_eq!(trunk.failover_on, [408, 500, 502, 503, 504]);
    assert!(trunk.accept.is_empty());
    assert_eq!(
        trunk.peers.first().and_then(|peer| peer.ways.first()).map(|way| way.address),
        Some("203.0.113.5:5060".parse().unwrap())
    );
    let pbx = directory.pbx_for("250").unwrap();
    assert_eq!((pbx.outgoing, pbx.connected_line), (None, true));
    assert_eq!(pbx.dial_prefix, ["0"]);
    let queue = directory.queue(&"sales".into()).unwrap();
    assert_eq!((queue.distribution, &queue.unanswered), (Distribution::AsEnqueued, &Fallback::Hangup));
    assert_eq!((queue.ring, queue.max_wait), (Duration::from_secs(20), Duration::from_secs(300)));
    let line = directory.line("+551140028922".parse().unwrap()).unwrap();
    assert_eq!(line.gateway, Gateway::Trunk("carrier".into()));
    assert_eq!((&line.unanswered, &line.off_hours), (&Fallback::LineQueue, &Fallback::Hangup));
    assert_eq!((line.unknown_client, line.create_for), (UnknownClient::CreateLead, CreateFor::Incoming));
    assert_eq!(line.lead_owner, LeadOwner::FirstInQueue);
    assert!(line.route_to_responsible && line.reassign_on_transfer && line.hours.is_none() && !line.record);
    let ana = directory.employee_at("201").unwrap();
    assert_eq!((ana.name.as_str(), ana.admin), ("ana", false));
}

#[test]
fn numbers_of_the_files_are_read_by_the_country() {
    let more = "[crm]\nexceptions = [\"11 95555-4444; the courier\", \"Joao@Example.com\"]\n[blacklist]\nnumbers = [\"0303 123 4567\"]\n";
    let directory = right(&office(&[
        ("id = \"ana\"\n", "id = \"ana\"\nmobile = \"11 91234-5678\"\nphones = [\"(11) 8765-4321\"]\n"),
        ("\"+551140028922\"", "\"(11) 4002-8922\""),
        (END, &format!("{END}{more}")),
    ]))
    .settings
    .directory;
    let ana = directory.employee_with("+5511912345678".parse().unwrap()).unwrap();
    assert_eq!(ana.phones, ["+5511987654321".parse().unwrap()]);
    assert!(directory.line("+551140028922".parse().unwrap()).is_some());
    let exceptions: Vec<_> =
        directory.crm.exceptions.iter().map(|(value, why)| (value.as_str(), why.as_deref())).collect();
    assert_eq!(exceptions, [("+5511955554444", Some("the courier")), ("joao@example.com", None)]);
    assert_eq!(directory.blacklist, ["+553031234567".parse().unwrap()]);
    assert_eq!(directory.crm.prefer, [EntityKind::Contact, EntityKind::Company, EntityKind::Lead]);
}

#[test]
fn another_country_is_the_default_for_calls_out() {
    let directory = right(&office(&[(END, &format!("{END}[crm]\ncountry = \"PT\"\n"))])).settings.directory;
    assert_eq!(directory.limits.outgoing_countries, ["PT"]);
}

#[test]
fn unanswered_and_off_hours_name_whom_they_mean() {
    let directory = right(&office(&[
        ("name = \"sales\"\n", "name = \"sales\"\nunanswered = { employee = \"ana\" }\n"),
        (END, &format!("{END}unanswered = \"mobile\"\noff_hours = {{ forward = \"11 98765-4321\" }}\n")),
    ]))
    .settings
    .directory;
    assert_eq!(directory.queues[0].unanswered, Fallback::Employee("ana".into()));
    assert_eq!(directory.lines[0].unanswered, Fallback::Mobile);
    assert_eq!(directory.lines[0].off_hours, Fallback::Forward("+5511987654321".parse().unwrap()));
}

#[test]
fn wait_without_a_written_distribution_is_no_fault() {
    right(&office(&[("name = \"sales\"\n", "name = \"sales\"\nunanswered = \"wait\"\n")]));
}

#[test]
fn opening_times_are_spans_of_minutes() {
    assert_eq!(
        value::hours("Mon-Tue 08:00-18:00; Sat 09:00-13:00").unwrap(),
        [(1, 480, 1080), (2, 480, 1080), (6, 540, 780)]
    );
    assert_eq!(value::hours("mon,wed 00:00-24:00").unwrap(), [(1, 0, 1440), (3, 0, 1440)]);
    assert_eq!(value::hours("Sun 22:00-06:00").unwrap(), [(1, 0, 360), (7, 1320, 1440)]);
    assert_eq!(value::hours("Sat-Mon 10:00-11:00").unwrap(), [(1, 600, 660), (6, 600, 660), (7, 600, 660)]);
}

#[test]
fn holidays_alone_close_a_line_that_is_open_all_week() {
    let directory =
        right(&office(&[(END, &format!("{END}holidays = [\"12-25\", \"2027-02-09\"]\n"))])).settings.directory;
    let hours = directory.lines[0].hours.clone().unwrap();
    assert_eq!(hours.open.len(), 7);
    assert_eq!(hours.holidays_yearly, [(12, 25)]);
    assert_eq!(hours.holidays_once, [jiff::civil::date(2027, 2, 9)]);
    assert_eq!(hours.timezone.iana_name(), Some("America/Sao_Paulo"));
}

#[test]
fn durations_and_sizes_have_their_units() {
    let seconds = |text| value::duration(text).unwrap().as_secs();
    assert_eq!(value::duration("150ms").unwrap(), Duration::from_millis(150));
    assert_eq!([seconds("0s"), seconds("5m"), seconds("4h"), seconds("180d")], [0, 300, 14_400, 15_552_000]);
    assert_eq!(seconds("5y"), 5 * 365 * 86_400);
    assert!(
        ["", "s", "20", "20 weeks", "-1s", "99999999999999999999y", "18446744073709551615y"]
            .iter()
            .all(|text| value::duration(text).is_err())
    );
    assert_eq!(value::size("1GiB").unwrap(), 1 << 30);
    assert_eq!(value::size("500MB").unwrap(), 500_000_000);
    assert!(value::size("0B").is_err() && value::size("1G").is_err());
}

fn address(peer: &crate::route::directory::Peer) -> Option<std::net::SocketAddr> {
    peer.ways.first().map(|way| way.address)
}

#[test]
fn peers_are_addresses_or_names() {
    let peer = value::peer("sip:sbc.example.com:5070;transport=tcp").unwrap();
    assert_eq!(
        (peer.host.as_str(), peer.port, peer.transport, address(&peer)),
        ("sbc.example.com", Some(5070), Some(Transport::Tcp), None)
    );
    let peer = value::peer("sip:[2001:db8::1]").unwrap();
    assert_eq!((peer.host.as_str(), address(&peer)), ("2001:db8::1", Some("[2001:db8::1]:5060".parse().unwrap())));
    let peer = value::peer("sip:10.0.0.5:5080;transport=UDP").unwrap();
    assert_eq!((peer.port, peer.transport), (Some(5080), Some(Transport::Udp)));
    assert!(
        ["sip:", "sip:[::1", "sip:[::1]x", "sip:host:", "sip:host:0", "sip:ho st"]
            .iter()
            .all(|text| value::peer(text).is_err())
    );
}
