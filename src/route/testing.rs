//! A small house for tests: the ordinary case, of which a test changes what it is about.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::directory::*;
use super::plan::{Live, Presence};
use crate::base::{EmployeeId, PhoneNumber, Transport, Wall, Way};

/// The number of the house's line.
pub(crate) const LINE: &str = "+551140028922";

/// A number from its text.
#[track_caller]
pub(crate) fn phone(text: &str) -> PhoneNumber {
    text.parse().expect("a number in E.164")
}

/// A peer from its address.
#[track_caller]
pub(crate) fn peer(address: &str) -> Peer {
    let at: std::net::SocketAddr = address.parse().expect("address and port");
    Peer {
        uri: format!("sip:{address}"),
        host: at.ip().to_string(),
        port: Some(at.port()),
        transport: None,
        ways: vec![Way { transport: Transport::Udp, address: at }],
    }
}

/// One trunk `carrier` (203.0.113.5, area 11), one PBX `office` (10.0.0.5, 2xx, prefix 0), ana 201, bruno 202, carla
/// 203 with her mobile, queue `sales` (600: bruno, carla, ana), queue `support` (601: dora 204), one line to `sales`.
pub(crate) fn house() -> House {
    let employees = vec![
        employee("ana", "201"),
        employee("bruno", "202"),
        Employee { mobile: Some(phone("+5511912345678")), ..employee("carla", "203") },
        employee("dora", "204"),
    ];
    House(Directory {
        trunks: vec![Arc::new(trunk("carrier", &["203.0.113.5:5060"]))],
        pbxs: vec![Arc::new(pbx("office", &["10.0.0.5:5060"], "2xx"))],
        employees: employees.into_iter().map(Arc::new).collect(),
        queues: vec![
            Arc::new(Queue { extension: Some("600".into()), ..queue("sales", &["bruno", "carla", "ana"]) }),
            Arc::new(Queue { extension: Some("601".into()), ..queue("support", &["dora"]) }),
        ],
        lines: vec![Arc::new(line(LINE, "sales"))],
        ..Directory::default()
    })
}

/// An employee with nothing but her extension.
pub(crate) fn employee(id: &str, extension: &str) -> Employee {
    Employee {
        id: id.into(),
        name: id.to_uppercase(),
        extension: Some(extension.into()),
        mobile: None,
        phones: Vec::new(),
        password: None,
        admin: false,
        line: None,
        crm_user: None,
        login: None,
    }
}

/// A queue by the files' defaults.
pub(crate) fn queue(name: &str, members: &[&str]) -> Queue {
    Queue {
        name: name.into(),
        extension: None,
        members: members.iter().map(|id| EmployeeId::from(*id)).collect(),
        distribution: Distribution::AsEnqueued,
        ring: Duration::from_secs(20),
        skip_busy: false,
        unanswered: Fallback::Hangup,
        max_wait: Duration::from_secs(300),
    }
}

/// A line of the trunk `carrier` by the files' defaults.
pub(crate) fn line(number: &str, queue: &str) -> Line {
    Line {
        number: phone(number),
        gateway: Gateway::Trunk("carrier".into()),
        queue: queue.into(),
        route_to_responsible: true,
        responsible_ring: Duration::from_secs(20),
        unanswered: Fallback::LineQueue,
        unknown_client: UnknownClient::CreateLead,
        create_for: CreateFor::Incoming,
        source: Some("Sales line".into()),
        pipeline: None,
        lead_owner: LeadOwner::FirstInQueue,
        reassign_on_transfer: true,
        hours: None,
        off_hours: Fallback::Hangup,
        record: false,
    }
}

/// A trunk by the files' defaults, in area 11.
pub(crate) fn trunk(name: &str, peers: &[&str]) -> Trunk {
    use IdentityHeader::*;
    Trunk {
        name: name.into(),
        peers: peers.iter().map(|at| peer(at)).collect(),
        accept: Vec::new(),
        trusted: false,
        did_from: vec![RequestUri, PCalledPartyId, To, Diversion],
        caller_from: vec![PAssertedIdentity, RemotePartyId, From],
        area: Some("11".into()),
        numbers_out: NumbersOut::E164,
        foreign_cli: false,
        channels: 0,
        failover_after: Duration::from_secs(3),
        failover_on: vec![408, 500, 502, 503, 504],
        account: None,
        register: false,
        options: Duration::from_secs(30),
    }
}

/// A PBX by the files' defaults, with the prefix 0.
pub(crate) fn pbx(name: &str, peers: &[&str], extensions: &str) -> Pbx {
    Pbx {
        name: name.into(),
        peers: peers.iter().map(|at| peer(at)).collect(),
        extensions: extensions.into(),
        accept: Vec::new(),
        connected_line: true,
        outgoing: Some(phone(LINE)),
        dial_prefix: vec!["0".into()],
    }
}

/// A directory that is still being built.
pub(crate) struct House(pub(crate) Directory);

impl House {
    /// Changes the first line.
    pub(crate) fn line(mut self, change: impl FnOnce(&mut Line)) -> Self {
        change(Arc::make_mut(&mut self.0.lines[0]));
        self
    }

    /// Changes a queue.
    #[track_caller]
    pub(crate) fn queue(mut self, name: &str, change: impl FnOnce(&mut Queue)) -> Self {
        let queue = self.0.queues.iter_mut().find(|queue| queue.name.as_str() == name).expect("such a queue");
        change(Arc::make_mut(queue));
        self
    }

    /// Changes an employee.
    #[track_caller]
    pub(crate) fn employee(mut self, id: &str, change: impl FnOnce(&mut Employee)) -> Self {
        let employee = self.0.employees.iter_mut().find(|who| who.id.as_str() == id).expect("such an employee");
        change(Arc::make_mut(employee));
        self
    }

    /// Changes the first trunk.
    pub(crate) fn trunk(mut self, change: impl FnOnce(&mut Trunk)) -> Self {
        change(Arc::make_mut(&mut self.0.trunks[0]));
        self
    }

    /// Changes the first PBX.
    pub(crate) fn pbx(mut self, change: impl FnOnce(&mut Pbx)) -> Self {
        change(Arc::make_mut(&mut self.0.pbxs[0]));
        self
    }

    /// Adds a line.
    pub(crate) fn and_line(mut self, line: Line) -> Self {
        self.0.lines.push(Arc::new(line));
        self
    }

    /// Changes whatever else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Directory)) -> Self {
        change(&mut self.0);
        self
    }

    /// The directory.
    pub(crate) fn build(self) -> Directory {
        self.0.index()
    }
}

/// Who is away, busy, and was rung when: everybody available and never rung unless said otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Office {
    presence: HashMap<EmployeeId, Presence>,
    busy: Vec<EmployeeId>,
    last_rung: HashMap<EmployeeId, Wall>,
    registered: Vec<EmployeeId>,
}

impl Office {
    /// Everybody is there.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// She is away, or off.
    pub(crate) fn presence(mut self, id: &str, presence: Presence) -> Self {
        self.presence.insert(id.into(), presence);
        self
    }

    /// She talks.
    pub(crate) fn busy(mut self, id: &str) -> Self {
        self.busy.push(id.into());
        self
    }

    /// A phone of hers has registered.
    pub(crate) fn registered(mut self, id: &str) -> Self {
        self.registered.push(id.into());
        self
    }

    /// She was last rung at this minute.
    pub(crate) fn rung_at(mut self, id: &str, minute: i64) -> Self {
        self.last_rung.insert(id.into(), Wall::from_unix_millis(minute * 60_000));
        self
    }
}

impl Live for Office {
    fn presence(&self, employee: &EmployeeId) -> Presence {
        self.presence.get(employee).copied().unwrap_or_default()
    }

    fn busy(&self, employee: &EmployeeId) -> bool {
        self.busy.contains(employee)
    }

    fn last_rung(&self, employee: &EmployeeId) -> Option<Wall> {
        self.last_rung.get(employee).copied()
    }

    fn registered(&self, employee: &EmployeeId) -> bool {
        self.registered.contains(employee)
    }
}
