//! What the operator's files say, checked once and then believed: lines, queues, employees, trunks, PBXs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::{Account, EmployeeId, PbxName, PhoneNumber, QueueName, Secret, Transport, TrunkName, Way};
use crate::crm::model::EntityKind;

/// Everything that routing knows of the house.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// Trunks, in file order.
    pub trunks: Vec<Arc<Trunk>>,
    /// PBXs, in file order.
    pub pbxs: Vec<Arc<Pbx>>,
    /// Employees, in file order.
    pub employees: Vec<Arc<Employee>>,
    /// Queues, in file order.
    pub queues: Vec<Arc<Queue>>,
    /// Lines, in file order.
    pub lines: Vec<Arc<Line>>,
    /// `[crm]`.
    pub crm: CrmRules,
    /// `[blacklist] numbers`.
    pub blacklist: Vec<PhoneNumber>,
    /// `[limits]`.
    pub limits: Limits,
    /// `sip.domain`: the realm of phones that register here.
    pub domain: Option<String>,
    /// Built from the above by [`Directory::index`].
    pub(super) by: Index,
}

/// Where each thing stands, by what it is looked up by.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) line: HashMap<PhoneNumber, usize>,
    pub(super) employee: HashMap<EmployeeId, usize>,
    pub(super) extension: HashMap<String, usize>,
    pub(super) own_number: HashMap<PhoneNumber, usize>,
    pub(super) queue: HashMap<QueueName, usize>,
    pub(super) queue_extension: HashMap<String, usize>,
}

impl Directory {
    /// Makes the look-ups below work: called once, after the lists are filled.
    #[must_use]
    pub fn index(mut self) -> Self {
        let mut by = Index::default();
        for (i, line) in self.lines.iter().enumerate() {
            by.line.insert(line.number, i);
        }
        for (i, employee) in self.employees.iter().enumerate() {
            by.employee.insert(employee.id.clone(), i);
            if let Some(extension) = &employee.extension {
                by.extension.insert(extension.clone(), i);
            }
            for phone in employee.mobile.iter().chain(&employee.phones) {
                by.own_number.insert(*phone, i);
            }
        }
        for (i, queue) in self.queues.iter().enumerate() {
            by.queue.insert(queue.name.clone(), i);
            if let Some(extension) = &queue.extension {
                by.queue_extension.insert(extension.clone(), i);
            }
        }
        self.by = by;
        self
    }

    /// The line with this number.
    pub fn line(&self, number: PhoneNumber) -> Option<&Arc<Line>> {
        self.lines.get(*self.by.line.get(&number)?)
    }

    /// The lines whose calls come and go by this gateway, in file order.
    pub fn lines_of<'a>(&'a self, gateway: &'a Gateway) -> impl Iterator<Item = &'a Arc<Line>> {
        self.lines.iter().filter(move |line| line.gateway == *gateway)
    }

    /// The employee with this id.
    pub fn employee(&self, id: &EmployeeId) -> Option<&Arc<Employee>> {
        self.employees.get(*self.by.employee.get(id)?)
    }

    /// The employee with this extension.
    pub fn employee_at(&self, extension: &str) -> Option<&Arc<Employee>> {
        self.employees.get(*self.by.extension.get(extension)?)
    }

    /// The employee whose mobile or own phone this is.
    pub fn employee_with(&self, number: PhoneNumber) -> Option<&Arc<Employee>> {
        self.employees.get(*self.by.own_number.get(&number)?)
    }

    /// The queue with this name.
    pub fn queue(&self, name: &QueueName) -> Option<&Arc<Queue>> {
        self.queues.get(*self.by.queue.get(name)?)
    }

    /// The queue with this extension.
    pub fn queue_at(&self, extension: &str) -> Option<&Arc<Queue>> {
        self.queues.get(*self.by.queue_extension.get(extension)?)
    }

    /// The trunk with this name.
    pub fn trunk(&self, name: &TrunkName) -> Option<&Arc<Trunk>> {
        self.trunks.iter().find(|t| t.name == *name)
    }

    /// The PBX with this name.
    pub fn pbx(&self, name: &PbxName) -> Option<&Arc<Pbx>> {
        self.pbxs.iter().find(|p| p.name == *name)
    }

    /// The PBX that serves this extension: the first in the file whose pattern fits.
    pub fn pbx_for(&self, extension: &str) -> Option<&Arc<Pbx>> {
        self.pbxs.iter().find(|p| p.serves(extension))
    }

    /// The line that an employee's outgoing calls show: her own, else the first with her in its queue, else the first.
    pub fn line_of(&self, employee: &Employee) -> Option<&Arc<Line>> {
        if let Some(number) = employee.line {
            return self.line(number);
        }
        let has_her = |line: &&Arc<Line>| self.queue(&line.queue).is_some_and(|q| q.members.contains(&employee.id));
        self.lines.iter().find(has_her).or_else(|| self.lines.first())
    }
}

/// One address of a trunk or a PBX, as `peers` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// As the file writes it: `sip:203.0.113.5:5070;transport=tcp`.
    pub uri: String,
    /// Host without brackets: a name or an address.
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// By `;transport=`, or `sips:`, where one of them is written.
    pub transport: Option<Transport>,
    /// The ways to it, in order of preference: of a literal address at once, of a name once it is looked up.
    pub ways: Vec<Way>,
}

impl Peer {
    /// Whether its host is an address, which no DNS has to be asked for.
    pub fn is_literal(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_ok()
    }
}

/// A header that may hold the number called or the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the headers' own names")]
pub enum IdentityHeader {
    RequestUri,
    PCalledPartyId,
    To,
    Diversion,
    PAssertedIdentity,
    RemotePartyId,
    From,
}

/// How numbers are written toward a carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum NumbersOut {
    E164,
    National,
}

/// A carrier.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the key of config/ramal.toml that has its name")]
pub struct Trunk {
    pub name: TrunkName,
    pub peers: Vec<Peer>,
    /// Where its calls may come from; empty where the peers alone may.
    pub accept: Vec<IpNet>,
    pub trusted: bool,
    pub did_from: Vec<IdentityHeader>,
    pub caller_from: Vec<IdentityHeader>,
    pub area: Option<String>,
    pub numbers_out: NumbersOut,
    pub foreign_cli: bool,
    pub channels: u32,
    pub failover_after: Duration,
    pub failover_on: Vec<u16>,
    /// `username` and `password`.
    pub account: Option<Arc<Account>>,
    pub register: bool,
    /// How often it is asked whether it is there; zero: never.
    pub options: Duration,
}

/// A PBX that serves extensions.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the key of config/ramal.toml that has its name")]
pub struct Pbx {
    pub name: PbxName,
    pub peers: Vec<Peer>,
    /// Digits and `x`, one for each digit.
    pub extensions: String,
    pub accept: Vec<IpNet>,
    pub connected_line: bool,
    /// The line for calls of extensions that are no employee; `None`: refused.
    pub outgoing: Option<PhoneNumber>,
    pub dial_prefix: Vec<String>,
}

impl Pbx {
    /// Whether `extensions` fits this one.
    pub fn serves(&self, extension: &str) -> bool {
        let fits = |(p, c): (char, char)| if p == 'x' { c.is_ascii_digit() } else { p == c };
        extension.len() == self.extensions.len() && self.extensions.chars().zip(extension.chars()).all(fits)
    }
}

/// A person with an extension.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the key of config/ramal.toml that has its name")]
pub struct Employee {
    pub id: EmployeeId,
    pub name: String,
    pub extension: Option<String>,
    pub mobile: Option<PhoneNumber>,
    pub phones: Vec<PhoneNumber>,
    /// Set: her phones register here, with her extension as the user.
    pub password: Option<Secret>,
    pub admin: bool,
    pub line: Option<PhoneNumber>,
    /// Her id in an external CRM.
    pub crm_user: Option<i64>,
    /// Her password for the console and the API.
    pub login: Option<Secret>,
}

/// Whom a queue rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// File order.
    AsEnqueued,
    /// Longest since she was last rung first; ties in file order.
    Evenly,
    /// All at once.
    Everybody,
}

/// What follows when nobody answered, or out of hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// 480.
    Hangup,
    /// The caller leaves a message.
    Voicemail,
    /// The line's queue.
    LineQueue,
    /// The responsible's mobile.
    Mobile,
    /// A number outside.
    Forward(PhoneNumber),
    /// An employee.
    Employee(EmployeeId),
    /// Another queue.
    Queue(QueueName),
    /// Wait until somebody is free.
    Wait,
}

/// People who are rung in turn.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the key of config/ramal.toml that has its name")]
pub struct Queue {
    pub name: QueueName,
    pub extension: Option<String>,
    pub members: Vec<EmployeeId>,
    pub distribution: Distribution,
    pub ring: Duration,
    pub skip_busy: bool,
    pub unanswered: Fallback,
    pub max_wait: Duration,
}

/// By what a line's calls come in and go out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Gateway {
    Trunk(TrunkName),
    Pbx(PbxName),
}

impl Gateway {
    /// The trunk's or the PBX's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Trunk(name) => name.as_str(),
            Self::Pbx(name) => name.as_str(),
        }
    }
}

/// What becomes of a client whom nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of `unknown_client`")]
pub enum UnknownClient {
    CreateLead,
    Offer,
}

/// For which calls a lead is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of `create_for`")]
pub enum CreateFor {
    Incoming,
    Outgoing,
    Any,
}

/// Who owns a new lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of `lead_owner`")]
pub enum LeadOwner {
    FirstInQueue,
    AnsweredBy,
}

/// When a line is open.
#[derive(Debug, Clone)]
pub struct Hours {
    /// Open spans, as (weekday, from, to): Monday is 1, minutes since midnight.
    pub open: Vec<(u8, u16, u16)>,
    /// The line's time zone.
    pub timezone: jiff::tz::TimeZone,
    /// Closed days, each year.
    pub holidays_yearly: Vec<(i8, i8)>,
    /// Closed days, once.
    pub holidays_once: Vec<jiff::civil::Date>,
}

/// A number that customers call.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the key of config/ramal.toml that has its name")]
pub struct Line {
    pub number: PhoneNumber,
    pub gateway: Gateway,
    pub queue: QueueName,
    pub route_to_responsible: bool,
    pub responsible_ring: Duration,
    pub unanswered: Fallback,
    pub unknown_client: UnknownClient,
    pub create_for: CreateFor,
    pub source: Option<String>,
    pub pipeline: Option<String>,
    pub lead_owner: LeadOwner,
    pub reassign_on_transfer: bool,
    /// `None`: always open, but for `holidays`, which then stand in an `Hours` that is open all week.
    pub hours: Option<Hours>,
    pub off_hours: Fallback,
    pub record: bool,
}

/// What a call makes of a client whom nobody knows: `crm.mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrmMode {
    /// A lead.
    Classic,
    /// A client and a deal at once; no leads on show.
    Simple {
        /// `crm.simple.create`.
        client: SimpleClient,
        /// `crm.simple.pipeline`: for lines that name none of their own.
        pipeline: String,
    },
}

/// The words of `crm.simple.create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum SimpleClient {
    Contact,
    Company,
    Both,
}

/// `[crm]`, as far as routing and the calls need it.
#[derive(Debug, Clone)]
pub struct CrmRules {
    /// How long an INVITE waits for the lookup.
    pub deadline: Duration,
    /// Region for numbers written the national way: two letters.
    pub country: String,
    /// Which kind of record wins.
    pub prefer: Vec<EntityKind>,
    /// The file's own exceptions: the value and what stands behind its `;`.
    pub exceptions: Vec<(String, Option<String>)>,
    /// `crm.mode` with `[crm.simple]`.
    pub mode: CrmMode,
}

impl Default for CrmRules {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(150),
            country: "BR".to_owned(),
            prefer: vec![EntityKind::Contact, EntityKind::Company, EntityKind::Lead],
            exceptions: Vec::new(),
            mode: CrmMode::Classic,
        }
    }
}

/// `[limits]`.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the key of config/ramal.toml that has its name")]
pub struct Limits {
    pub calls: usize,
    pub calls_per_second: u32,
    pub per_employee: u32,
    pub longest_call: Duration,
    pub unsaved: usize,
    pub owed_for: Duration,
    pub outgoing_countries: Vec<String>,
    pub emergency: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 2000,
            calls_per_second: 200,
            per_employee: 10,
            longest_call: Duration::from_secs(4 * 3600),
            unsaved: 10_000,
            owed_for: Duration::from_secs(3600),
            outgoing_countries: vec!["BR".to_owned()],
            emergency: ["190", "192", "193"].map(str::to_owned).to_vec(),
        }
    }
}
