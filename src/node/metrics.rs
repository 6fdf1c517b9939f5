//! What is counted, by the names that docs/running.md lists.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::crm::model::{CallRecord, Direction, LookupKind, Outcome};

/// All counters of a node.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    calls_active: Gauge,
    calls: Family<CallLabels, Counter>,
    messages: Family<MessageLabels, Counter>,
    retransmissions: Counter,
    lookup_seconds: Histogram,
    lookups: Family<LookupLabels, Counter>,
    outbox_pending: Gauge,
    outbox_oldest_seconds: Gauge,
    dead_letters: Gauge,
    post_dial_delay: Histogram,
    trunk_up: Family<TrunkLabels, Gauge>,
    transfers: Family<TransferLabels, Counter>,
    overload_rejected: Counter,
    calls_crashed: Counter,
    strangers_refused: Counter,
    strangers_dropped: Counter,
    /// None pass through us yet.
    rtp_packets: Family<PacketLabels, Counter>,
}

/// What is measured when it is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// Calls that are up.
    pub(super) calls: usize,
    /// CRM writes still owed.
    pub(super) owed: usize,
    /// For how long the oldest of them is.
    pub(super) oldest: Duration,
    /// CRM writes given up.
    pub(super) dead: usize,
    /// Whether each trunk is thought alive.
    pub(super) trunks: Vec<(String, bool)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    direction: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    direction: &'static str,
    method: &'static str,
    /// Empty for requests.
    status: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    result: &'static str,
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TrunkLabels {
    trunk: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransferLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PacketLabels {
    direction: &'static str,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("ramal"),
            calls_active: Gauge::default(),
            calls: Family::default(),
            messages: Family::default(),
            retransmissions: Counter::default(),
            // 100 µs, an index in memory, to 3 s, far behind any deadline.
            lookup_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            lookups: Family::default(),
            outbox_pending: Gauge::default(),
            outbox_oldest_seconds: Gauge::default(),
            dead_letters: Gauge::default(),
            // 10 ms to 40 s.
            post_dial_delay: Histogram::new(exponential_buckets(0.01, 2.0, 13)),
            trunk_up: Family::default(),
            transfers: Family::default(),
            overload_rejected: Counter::default(),
            calls_crashed: Counter::default(),
            strangers_refused: Counter::default(),
            strangers_dropped: Counter::default(),
            rtp_packets: Family::default(),
        };
        metrics.register();
        metrics.begin();
        metrics
    }

    /// Series whose labels are known stand at 0 from the start: else a dashboard misses the first of each.
    fn begin(&self) {
        for direction in [Direction::Incoming, Direction::Outgoing, Direction::Internal] {
            use Outcome::{Answered, Blocked, Busy, Canceled, Declined, Failed, Missed};
            let outcomes: &[Outcome] = match direction {
                Direction::Incoming => &[Answered, Missed, Blocked],
                Direction::Outgoing | Direction::Internal => &[Answered, Canceled, Busy, Declined, Failed],
            };
            for outcome in outcomes {
                let labels = CallLabels { direction: direction.as_str(), outcome: outcome.as_str() };
                drop(self.calls.get_or_create(&labels));
            }
        }
        for result in [LookupKind::Known, LookupKind::Unknown, LookupKind::Excluded, LookupKind::Undetermined] {
            drop(self.lookups.get_or_create(&LookupLabels { result: result.as_str(), source: "embedded" }));
        }
        for result in ["answered", "failed"] {
            drop(self.transfers.get_or_create(&TransferLabels { kind: "blind", result }));
        }
        for direction in ["in", "out"] {
            drop(self.messages.get_or_create(&MessageLabels { direction, method: "INVITE", status: None }));
            drop(self.rtp_packets.get_or_create(&PacketLabels { direction }));
        }
    }

    /// Counters get their `_total` from the crate.
    fn register(&mut self) {
        let Self { registry: to, .. } = self;
        to.register("calls_active", "Calls that are up", self.calls_active.clone());
        to.register("calls", "Calls that have ended", self.calls.clone());
        to.register("sip_messages", "SIP messages received (in) and sent (out)", self.messages.clone());
        to.register("sip_retransmissions", "SIP messages that we sent again", self.retransmissions.clone());
        to.register("crm_lookup_seconds", "How long the CRM took to answer", self.lookup_seconds.clone());
        to.register("crm_lookup", "What lookups came to", self.lookups.clone());
        to.register("crm_outbox_pending", "CRM writes still owed", self.outbox_pending.clone());
        let oldest = self.outbox_oldest_seconds.clone();
        to.register("crm_outbox_oldest_seconds", "Age of the oldest CRM write still owed", oldest);
        to.register("crm_dead_letters", "CRM writes given up, for an operator to look at", self.dead_letters.clone());
        let help = "From an INVITE to the first ringing that its caller was told of";
        to.register("post_dial_delay_seconds", help, self.post_dial_delay.clone());
        to.register("trunk_up", "Whether a trunk is thought alive", self.trunk_up.clone());
        to.register("registrations", "Phones registered here", Gauge::<i64>::default());
        to.register("transfers", "Transfers that came to an end", self.transfers.clone());
        let help = "INVITEs refused by limits, overload or drain";
        to.register("overload_rejected", help, self.overload_rejected.clone());
        let help = "RTP packets relayed";
        to.register("rtp_packets", help, self.rtp_packets.clone());
        to.register("calls_crashed", "Calls ended by a fault of ours", self.calls_crashed.clone());
        let help = "Messages of strangers that were refused, with an answer or in silence";
        to.register("strangers_refused", help, self.strangers_refused.clone());
        let help = "Messages not even read, from addresses that were refused too often";
        to.register("strangers_dropped", help, self.strangers_dropped.clone());
    }

    /// A request (no status) or a response came in.
    pub(super) fn received(&self, method: &'static str, status: Option<u16>) {
        self.messages.get_or_create(&MessageLabels { direction: "in", method, status }).inc();
    }

    /// A message went out.
    pub(super) fn sent(&self, bytes: &[u8], again: bool) {
        let (method, status) = start_of(bytes);
        self.messages.get_or_create(&MessageLabels { direction: "out", method, status }).inc();
        if again {
            self.retransmissions.inc();
        }
    }

    /// A lookup was answered, or will not be.
    pub(super) fn looked_up(&self, result: LookupKind, took: Duration) {
        self.lookup_seconds.observe(took.as_secs_f64());
        self.lookups.get_or_create(&LookupLabels { result: result.as_str(), source: "embedded" }).inc();
    }

    /// A call ended and leaves this record.
    pub(super) fn call_ended(&self, record: &CallRecord) {
        let Some(outcome) = record.outcome else { return };
        let labels = CallLabels { direction: record.direction.as_str(), outcome: outcome.as_str() };
        self.calls.get_or_create(&labels).inc();
    }

    /// A call ended by a fault of ours.
    pub(super) fn call_crashed(&self) {
        self.calls_crashed.inc();
    }

    /// A transfer came to its end.
    pub(super) fn transferred(&self, kind: &'static str, result: &'static str) {
        self.transfers.get_or_create(&TransferLabels { kind, result }).inc();
    }

    /// A caller heard it ring.
    pub(super) fn rang(&self, after: Duration) {
        self.post_dial_delay.observe(after.as_secs_f64());
    }

    /// An INVITE was refused for want of room.
    pub(super) fn overloaded(&self) {
        self.overload_rejected.inc();
    }

    /// A stranger was refused.
    pub(super) fn stranger_refused(&self) {
        self.strangers_refused.inc();
    }

    /// A message of an address that was refused too often was dropped.
    pub(super) fn stranger_dropped(&self) {
        self.strangers_dropped.inc();
    }

    /// All of it as Prometheus reads it.
    pub(super) fn text(&self, reading: Reading) -> String {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.calls_active.set(number(reading.calls));
        self.outbox_pending.set(number(reading.owed));
        self.outbox_oldest_seconds.set(i64::try_from(reading.oldest.as_secs()).unwrap_or(i64::MAX));
        self.dead_letters.set(number(reading.dead));
        self.trunk_up.clear();
        for (trunk, up) in reading.trunks {
            self.trunk_up.get_or_create(&TrunkLabels { trunk }).set(i64::from(up));
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry).expect("a String takes all text");
        text
    }
}

/// Method and status of a message that we printed.
fn start_of(bytes: &[u8]) -> (&'static str, Option<u16>) {
    let Some(status) = bytes.strip_prefix(b"SIP/2.0 ") else { return (known(bytes), None) };
    let status = status.iter().take(3).fold(0, |n, digit| n * 10 + u16::from(digit.wrapping_sub(b'0')));
    let cseq = memchr::memmem::find(bytes, b"\r\nCSeq: ").and_then(|at| bytes.get(at + 8..)).unwrap_or_default();
    let method = memchr::memchr(b' ', cseq).and_then(|at| cseq.get(at + 1..)).unwrap_or_default();
    (known(method), Some(status))
}

/// The method that this text begins with; whatever a peer makes up is one more word for all.
fn known(text: &[u8]) -> &'static str {
    METHODS.iter().find(|method| text.starts_with(method.as_bytes())).copied().unwrap_or("OTHER")
}

const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "MESSAGE",
    "PRACK",
    "SUBSCRIBE",
    "PUBLISH",
    "REGISTER",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_contracts() {
        let metrics = Metrics::new();
        metrics.received("INVITE", None);
        metrics.sent(b"SIP/2.0 180 Ringing\r\nVia: x\r\nCSeq: 1 INVITE\r\n\r\n", true);
        metrics.looked_up(LookupKind::Known, Duration::from_micros(150));
        metrics.rang(Duration::from_millis(20));
        metrics.transferred("blind", "answered");
        let trunks = vec![("carrier".to_owned(), true)];
        let text = metrics.text(Reading { calls: 2, trunks, ..Reading::default() });
        for line in [
            "ramal_calls_active 2",
            "ramal_sip_messages_total{direction=\"in\",method=\"INVITE\",status=\"\"} 1",
            "ramal_sip_messages_total{direction=\"out\",method=\"INVITE\",status=\"180\"} 1",
            "ramal_sip_retransmissions_total 1",
            "ramal_crm_lookup_seconds_count 1",
            "ramal_crm_lookup_total{result=\"known\",source=\"embedded\"} 1",
            "ramal_crm_outbox_pending 0",
            "ramal_crm_outbox_oldest_seconds 0",
            "ramal_crm_dead_letters 0",
            "ramal_post_dial_delay_seconds_count 1",
            "ramal_trunk_up{trunk=\"carrier\"} 1",
            "ramal_registrations 0",
            "ramal_transfers_total{kind=\"blind\",result=\"answered\"} 1",
            "ramal_overload_rejected_total 0",
            "ramal_strangers_dropped_total 0",
            "ramal_strangers_refused_total 0",
            "ramal_calls_total{direction=\"incoming\",outcome=\"missed\"} 0",
            "ramal_rtp_packets_total{direction=\"in\"} 0",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} not in:\n{text}");
        }
    }
}
