//! A name server for tests: it knows what it was told, and can fall silent.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "test code; each test file uses its part")]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// A running name server; dropped, it is dead.
pub struct Dns {
    at: SocketAddr,
    zone: Arc<Mutex<Vec<Record>>>,
    silent: watch::Sender<bool>,
    asked: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Dns {
    pub async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        let zone: Arc<Mutex<Vec<Record>>> = Arc::default();
        let (silent, hears) = watch::channel(false);
        let (asks, asked) = watch::channel(0);
        let task = tokio::spawn(serve(socket, Arc::clone(&zone), hears, asks));
        Self { at, zone, silent, asked, task }
    }

    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Says nothing until told otherwise; then it answers what it was asked meanwhile.
    pub fn be_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Resolves once it has been asked so many questions.
    pub async fn asked(&self, times: usize) {
        self.asked.clone().wait_for(|asked| *asked >= times).await.unwrap();
    }

    /// Questions so far.
    pub fn questions(&self) -> usize {
        *self.asked.borrow()
    }

    pub fn forget(&self, of: &str) {
        let of = name(of);
        self.zone.lock().unwrap().retain(|record| record.name != of);
    }

    pub fn address(&self, of: &str, ttl: u32, ip: &str) {
        let data = match ip.parse().unwrap() {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        };
        self.add(of, ttl, data);
    }

    pub fn srv(&self, of: &str, ttl: u32, (priority, weight): (u16, u16), port: u16, target: &str) {
        self.add(of, ttl, RData::SRV(SRV::new(priority, weight, port, name(target))));
    }

    pub fn naptr(&self, of: &str, (order, preference): (u16, u16), service: &str, replacement: &str) {
        let [flags, services, regexp] = ["s", service, ""].map(|text| text.as_bytes().into());
        let data = NAPTR::new(order, preference, flags, services, regexp, name(replacement));
        self.add(of, 300, RData::NAPTR(data));
    }

    fn add(&self, of: &str, ttl: u32, data: RData) {
        self.zone.lock().unwrap().push(Record::from_rdata(name(of), ttl, data));
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_utf8(text).unwrap();
    name.set_fqdn(true);
    name
}

async fn serve(
    socket: UdpSocket,
    zone: Arc<Mutex<Vec<Record>>>,
    mut hears: watch::Receiver<bool>,
    asks: watch::Sender<usize>,
) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        asks.send_modify(|asked| *asked += 1);
        if hears.wait_for(|silent| !silent).await.is_err() {
            return;
        }
        let question = Message::from_vec(&buffer[..length]).unwrap();
        let query = question.queries[0].clone();
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        let known: Vec<Record> = zone.lock().unwrap().iter().filter(|r| r.name == *query.name()).cloned().collect();
        answer.metadata.response_code = if known.is_empty() { ResponseCode::NXDomain } else { ResponseCode::NoError };
        let wanted = known.into_iter().filter(|record| record.record_type() == query.query_type());
        answer.answers.extend(wanted.filter(|record| record.record_type() != RecordType::OPT));
        answer.add_query(query);
        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
    }
}
