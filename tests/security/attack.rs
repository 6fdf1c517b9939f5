//! A house under attack, and what must be left of it.

use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};

use ramal::crm::Backend;
use ramal::crm::embedded::find;
use ramal::store::CallFilter;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::house::{House, SDP, Wire, header, invite};

/// The lines of the log that an operator would be asked to look at.
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static WATCH: OnceLock<()> = OnceLock::new();

pub(crate) const LINE: &str = "+551140028922";
pub(crate) const CUSTOMER: &str = "+5521976543210";

/// A house with its log watched.
pub(crate) struct Attack {
    pub(crate) house: House,
    /// A trunk of its own, which asks whether all has been taken.
    probe: Wire,
}

impl Attack {
    /// On a house with these lines more in its file.
    pub(crate) async fn on(more: &str) -> Self {
        WATCH.get_or_init(|| {
            let watched = tracing_subscriber::registry().with(Watch);
            tracing::subscriber::set_global_default(watched).expect("nobody else watches the log");
        });
        let probe = Wire::on(("127.0.0.8", 0)).await;
        let trunk = format!("{more}\n[[trunk]]\nname = \"probe\"\npeers = [\"sip:{}\"]\n", probe.at());
        Self { house: House::open(&trunk).await, probe }
    }

    pub(crate) fn udp(&self) -> SocketAddr {
        self.house.udp
    }

    /// All that was sent before this has been taken.
    pub(crate) async fn all_is_taken(&self) {
        let answer = self.probe.ask_until(self.udp(), &options(&self.probe, "taken"), "SIP/2.0 200").await;
        assert_eq!(header(&answer, "CSeq"), "7 OPTIONS");
    }

    /// Ends it: nothing has come of it.
    pub(crate) async fn leaves_nothing(self) {
        self.all_is_taken().await;
        for (who, wire) in [("carrier", &self.house.carrier), ("office", &self.house.office)] {
            let requests: Vec<_> = wire.came().into_iter().filter(|message| !message.starts_with("SIP/2.0")).collect();
            assert_eq!(requests, Vec::<String>::new(), "the {who} is asked something");
        }
        let handle = self.house.handle();
        assert_eq!(handle.live_calls(), [], "no call is up");
        let (ended, _) = handle.store().reader().calls(&CallFilter::default(), None, 10).await.unwrap();
        assert_eq!(ended, [], "no call was logged");
        assert_eq!((handle.outbox().counts().owed, handle.outbox().counts().dead), (0, 0), "the CRM is owed nothing");
        let Backend::Embedded(crm) = handle.crm();
        let found = find(crm, CUSTOMER, &|_| false).await.unwrap();
        assert!(!found.known && found.leads.is_empty() && found.activities.is_empty(), "the CRM has nothing");
        self.leaves_the_log_alone().await;
    }

    /// Ends it: whatever has come of it, nobody has to look at the log.
    pub(crate) async fn leaves_the_log_alone(self) {
        assert_eq!(self.metric("ramal_calls_crashed_total"), 0, "a fault of ours");
        self.house.close().await;
        assert_eq!(*COMPLAINTS.lock().unwrap(), Vec::<String>::new(), "an attacker writes into the log");
    }

    /// The sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.house.handle().metrics_text();
        let series =
            text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// A customer's call that bruno has answered.
    pub(crate) async fn call(&self, id: &str) -> Up {
        let (carrier, office) = (&self.house.carrier, &self.house.office);
        let invite = invite(carrier, LINE, CUSTOMER, id);
        carrier.send(self.udp(), &invite).await;
        let rung = office.expect("INVITE ").await;
        office.answer(self.udp(), &rung, 200, SDP).await;
        let answered = carrier.expect_answer("SIP/2.0 200", "INVITE").await;
        carrier.ack(self.udp(), &invite, &answered).await;
        office.expect("ACK ").await;
        Up { invite, answered, rung }
    }

    /// The call is up as before, and ends as calls do.
    pub(crate) async fn ends_well(&self, call: &Up) {
        let (carrier, office) = (&self.house.carrier, &self.house.office);
        assert!(self.house.handle().live_calls().iter().any(|call| call.ended.is_none()), "the call is up");
        carrier.send(self.udp(), &carrier.in_dialog("BYE", 9_000, &call.invite, &call.answered)).await;
        let bye = office.expect("BYE ").await;
        office.answer(self.udp(), &bye, 200, "").await;
        carrier.expect_answer("SIP/2.0 200", "BYE").await;
    }
}

/// A call that is up: its INVITE, our 200 to that, and our INVITE to the office.
pub(crate) struct Up {
    pub(crate) invite: String,
    pub(crate) answered: String,
    pub(crate) rung: String,
}

/// An OPTIONS from this wire.
pub(crate) fn options(wire: &Wire, id: &str) -> String {
    let at = wire.at();
    format!(
        "OPTIONS sip:ramal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{id};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:probe@example.com>;tag=p1\r\nTo: <sip:ramal>\r\nCall-ID: {id}@example.com\r\nCSeq: 7 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A request outside a dialog from this wire.
pub(crate) fn request(wire: &Wire, method: &str, id: &str) -> String {
    options(wire, id).replace("OPTIONS", method)
}

/// Without its body.
pub(crate) fn head(message: &str) -> &str {
    message.split("\r\n\r\n").next().unwrap()
}

struct Watch;

impl<S: Subscriber> Layer<S> for Watch {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut text = String::new();
            event.record(&mut Text(&mut text));
            COMPLAINTS.lock().unwrap().push(format!("{}: {text}", event.metadata().target()));
        }
    }
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}
