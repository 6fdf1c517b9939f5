//! From a name to the ways that lead there: RFC 3263, with the weights of RFC 2782.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::{NetError, runtime::TokioRuntimeProvider};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, ResolverBuilder, TokioResolver};
use tokio::time::timeout;

use super::services::{Naptr, Srv, by_weight, services};
use crate::base::{Transport, Way};

/// Asks DNS.
pub struct Resolver {
    /// The server that it was told of; `None`: as the system has it.
    server: Option<(SocketAddr, Duration)>,
    dns: TokioResolver,
    /// Names that this machine knows by itself; their addresses count alone, as everywhere on it.
    hosts: Hosts,
}

/// What a URI says of where it leads.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// A name.
    pub host: &'a str,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// The transport, where one is written or `sips:` says it.
    pub transport: Option<Transport>,
    /// Of `sips:`.
    pub secure: bool,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In the order in which they are to be tried; never empty.
    pub ways: Vec<Way>,
    /// For how long that is true.
    pub lasts: Duration,
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// DNS says so.
    #[error("DNS knows no such name")]
    NoSuchName,
    /// DNS says nothing, or nothing that can be used.
    #[error("DNS does not answer: {0}")]
    NoAnswer(String),
}

/// Records of one kind, and for how long they last.
struct Records<T> {
    all: Vec<T>,
    lasts: Duration,
}

impl<T> Records<T> {
    const NONE: Self = Self { all: Vec::new(), lasts: LONGEST };

    fn add(&mut self, more: Self) {
        self.all.extend(more.all);
        self.lasts = self.lasts.min(more.lasts);
    }
}

impl Resolver {
    /// By `/etc/resolv.conf` and `/etc/hosts`, as they are now.
    pub fn of_system() -> Self {
        let provider = TokioRuntimeProvider::default();
        let nobody = || TokioResolver::builder_with_config(ResolverConfig::from_name_servers(Vec::new()), provider);
        let builder = TokioResolver::builder_tokio().unwrap_or_else(|fault| {
            tracing::warn!(%fault, "/etc/resolv.conf cannot be used: names are looked up in /etc/hosts alone");
            nobody()
        });
        let hosts = Hosts::from_system().unwrap_or_default();
        Self { server: None, dns: Self::build(builder, ONE_ANSWER), hosts }
    }

    /// By this server alone, which may take so long for one answer.
    pub fn at(server: SocketAddr, one_answer: Duration) -> Self {
        let told = Some((server, one_answer));
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_name_servers(vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Self { server: told, dns: Self::build(builder, one_answer), hosts: Hosts::default() }
    }

    /// The same, after the system's files may have changed.
    #[must_use]
    pub fn again(&self) -> Self {
        self.server.map_or_else(Self::of_system, |(server, one_answer)| Self::at(server, one_answer))
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>, one_answer: Duration) -> TokioResolver {
        let options = builder.options_mut();
        // Whoever asks keeps what she got for its time.
        options.cache_size = 0;
        options.timeout = one_answer;
        options.attempts = 2;
        builder.build().expect("without TLS there is nothing that could fail")
    }

    /// Where a name leads, by the transports that `speaks` knows; `chance` gives a number below its argument.
    pub async fn find(
        &self,
        wanted: Wanted<'_>,
        speaks: impl Fn(Transport) -> bool,
        chance: impl FnMut(u64) -> u64,
    ) -> Result<Found, NotFound> {
        match timeout(ALL_ANSWERS, self.look(wanted, &speaks, chance)).await {
            Ok(Ok(Records { all, .. })) if all.is_empty() => Err(NotFound::NoSuchName),
            Ok(Ok(Records { all, lasts })) => {
                Ok(Found { ways: all.into_iter().take(MOST_WAYS).collect(), lasts: lasts.clamp(SHORTEST, LONGEST) })
            }
            Ok(Err(fault)) => Err(NotFound::NoAnswer(fault.to_string())),
            Err(_) => Err(NotFound::NoAnswer("it takes too long".to_owned())),
        }
    }

    async fn look(
        &self,
        Wanted { host, port, transport, secure }: Wanted<'_>,
        speaks: &impl Fn(Transport) -> bool,
        chance: impl FnMut(u64) -> u64,
    ) -> Result<Records<Way>, NetError> {
        let plain = transport.unwrap_or(if secure { Transport::Tls } else { Transport::Udp });
        // RFC 3263 §4.1: "if no transport protocol is specified, and the TARGET is not numeric, but an explicit port is
        // provided, the client SHOULD use UDP for a SIP URI, and TCP for a SIPS URI"; §4.2: "the client performs an A
        // or AAAA record lookup of the domain name". Names of this machine and its network have no services.
        if port.is_some() || !host.contains('.') || self.is_known_here(host) {
            let addresses = self.addresses(&Name::from_utf8(host)?, plain, port).await?;
            return Ok(addresses);
        }
        let mut services = Records { all: Vec::new(), lasts: LONGEST };
        if transport.is_none() {
            // A server that does not know the kind may still know the next one.
            let naptr = self.naptr(host).await.unwrap_or(Records::NONE);
            services = Records { all: Naptr::services(naptr.all, secure, speaks), lasts: naptr.lasts };
        }
        if services.all.is_empty() {
            services.all = self::services(host, transport, secure).into_iter().filter(|(t, _)| speaks(*t)).collect();
        }
        match self.by_services(services, chance).await? {
            Some(ways) => Ok(ways),
            // RFC 3263 §4.2: "If no SRV records were found, the client performs an A or AAAA record lookup of the domain
            // name."
            None => self.addresses(&absolute(host)?, plain, None).await,
        }
    }

    /// The servers of all these services, in order; `None`: there are no such services.
    async fn by_services(
        &self,
        services: Records<(Transport, String)>,
        mut chance: impl FnMut(u64) -> u64,
    ) -> Result<Option<Records<Way>>, NetError> {
        let mut ways = Records { all: Vec::new(), lasts: services.lasts };
        let mut is_any = false;
        let asked = join_all(services.all.iter().map(|(_, name)| self.srv(name))).await;
        let mut trouble = None;
        for ((transport, _), servers) in services.all.into_iter().zip(asked) {
            let servers = match servers {
                Ok(servers) => servers,
                Err(fault) => {
                    trouble = Some(fault);
                    continue;
                }
            };
            is_any |= !servers.all.is_empty();
            ways.lasts = ways.lasts.min(servers.lasts);
            let servers = by_weight(servers.all, &mut chance);
            let found =
                join_all(servers.iter().map(|srv| self.addresses(&srv.target, transport, Some(srv.port)))).await;
            for addresses in found {
                match addresses {
                    Ok(addresses) => ways.add(addresses),
                    Err(fault) => trouble = Some(fault),
                }
            }
        }
        match trouble {
            // Nothing was found because something could not be asked: not the time to try the name's own addresses.
            Some(fault) if ways.all.is_empty() => Err(fault),
            _ => Ok(is_any.then_some(ways)),
        }
    }

    fn is_known_here(&self, host: &str) -> bool {
        let Ok(name) = Name::from_utf8(host) else { return false };
        let knows = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)).is_some();
        knows(RecordType::A) || knows(RecordType::AAAA)
    }

    /// IPv6 first, as RFC 6724 has it; what no listener could send to is left out by whoever asks.
    async fn addresses(&self, name: &Name, transport: Transport, port: Option<u16>) -> Result<Records<Way>, NetError> {
        let address = |data: &RData| match data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        };
        let six = self.records(name, RecordType::AAAA, address);
        let (six, four) = tokio::join!(six, self.records(name, RecordType::A, address));
        let mut found = match (six, four) {
            (Ok(mut six), Ok(four)) => {
                six.add(four);
                six
            }
            (Ok(some), Err(_)) | (Err(_), Ok(some)) if !some.all.is_empty() => some,
            (Err(fault), _) | (_, Err(fault)) => return Err(fault),
        };
        let port = port.unwrap_or(transport.default_port());
        let way = |ip| Way { transport, address: SocketAddr::new(ip, port) };
        Ok(Records { all: found.all.drain(..).map(way).collect(), lasts: found.lasts })
    }

    async fn naptr(&self, host: &str) -> Result<Records<Naptr>, NetError> {
        let naptr = |data: &RData| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                service: String::from_utf8_lossy(&naptr.services).into_owned(),
                replacement: naptr.replacement.to_utf8(),
            }),
            _ => None,
        };
        self.records(&absolute(host)?, RecordType::NAPTR, naptr).await
    }

    async fn srv(&self, name: &str) -> Result<Records<Srv>, NetError> {
        let srv = |data: &RData| match data {
            RData::SRV(srv) => {
                Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.clone() })
            }
            _ => None,
        };
        self.records(&absolute(name)?, RecordType::SRV, srv).await
    }

    /// The records of a name; that there are none is an answer too.
    async fn records<T>(
        &self,
        name: &Name,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Records<T>, NetError> {
        let lookup = match self.dns.lookup(name.clone(), kind).await {
            Ok(lookup) => lookup,
            Err(fault) if fault.is_no_records_found() => return Ok(Records::NONE),
            Err(fault) => return Err(fault),
        };
        let mut records = Records::NONE;
        for record in lookup.answers().iter().take(MOST_RECORDS) {
            // Also of the aliases on the way there.
            records.lasts = records.lasts.min(Duration::from_secs(record.ttl.into()));
            records.all.extend(read(&record.data));
        }
        Ok(records)
    }
}

fn absolute(name: &str) -> Result<Name, NetError> {
    let mut name = Name::from_utf8(name)?;
    name.set_fqdn(true);
    Ok(name)
}

/// For one question, sent twice.
const ONE_ANSWER: Duration = Duration::from_secs(2);
/// For all questions about one name.
const ALL_ANSWERS: Duration = Duration::from_secs(10);
/// What DNS says is believed for so long at least, and at most.
const SHORTEST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3600);
/// Ways to one name.
const MOST_WAYS: usize = 16;
/// Records of one kind that are looked at.
const MOST_RECORDS: usize = 32;
