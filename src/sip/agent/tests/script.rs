//! One user agent and a peer that says whatever the test wants.

use rsip::Method;

use super::*;
use crate::sip::message::{Name, Request, Response, Status, build};

/// The user agent, what it sent, and what it told.
pub(super) struct Script {
    pub(super) agent: UserAgent,
    pub(super) millis: u64,
    sends: Vec<Transmit>,
    told: Vec<LegEvent>,
    branches: u32,
}

pub(super) const US: &str = "10.0.0.1:5060";
pub(super) const PEER: &str = "10.0.0.9:5060";

impl Script {
    pub(super) fn new() -> Self {
        let mut ids = Ids::seeded(3);
        let agent = UserAgent::new(ids.call(), ids.fork(), Timers::default());
        Self { agent, millis: 0, sends: Vec::new(), told: Vec::new(), branches: 0 }
    }

    pub(super) fn act<T>(&mut self, what: impl FnOnce(&mut UserAgent, Now, &mut AgentOut) -> T) -> T {
        let mut out = AgentOut::default();
        let result = what(&mut self.agent, at(self.millis), &mut out);
        self.sends.extend(out.sends);
        self.told.extend(out.events);
        result
    }

    /// Calls the peer as leg B; gives the INVITE.
    pub(super) fn invite(&mut self, offer: Option<Bytes>) -> Request {
        let target = Target::new("sip:201@10.0.0.9".into(), hop(US, PEER));
        self.act(|agent, now, out| agent.invite(now, &target, &outgoing(offer), out));
        self.request()
    }

    /// The peer calls: its INVITE has this SDP.
    pub(super) fn invited(&mut self, offer: Option<Bytes>) -> Request {
        let invite = self.peers(Method::Invite, "", "1 INVITE");
        let invite = with_sdp(invite, offer);
        self.say(&invite);
        invite
    }

    /// A request of the peer's on the A leg: `to_tag` is ours, empty for none.
    pub(super) fn peers(&mut self, method: Method, to_tag: &str, cseq: &str) -> Request {
        self.branches += 1;
        let to =
            if to_tag.is_empty() { "<sip:100@10.0.0.1>".into() } else { build::tagged("<sip:100@10.0.0.1>", to_tag) };
        Request::new(method, "sip:100@10.0.0.1")
            .with(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bKpeer{};rport", self.branches))
            .with(Name::MaxForwards, "70")
            .with(Name::From, "\"Maria\" <sip:+5511987654321@10.0.0.9>;tag=theirs")
            .with(Name::To, to)
            .with(Name::CallId, "peer-call-id")
            .with(Name::CSeq, cseq)
            .with(Name::Contact, format!("<sip:maria@{PEER}>"))
    }

    pub(super) fn say(&mut self, message: &Request) {
        self.hear(&message.to_bytes());
    }

    /// The peer answers `request` so; `tag` is its To-tag.
    pub(super) fn answer(&mut self, request: &Request, status: u16, tag: &str, sdp: Option<Bytes>) {
        self.answer_with(
            request,
            status,
            tag,
            |response| response.with(Name::Contact, format!("<sip:ana-{tag}@{PEER}>")),
            sdp,
        );
    }

    pub(super) fn answer_with(
        &mut self,
        request: &Request,
        status: u16,
        tag: &str,
        add: impl FnOnce(Response) -> Response,
        sdp: Option<Bytes>,
    ) {
        let response = Response::to(request, Status::new(status).unwrap());
        let response = if tag.is_empty() { response } else { response.with_to_tag(tag) };
        let response = add(response);
        let response = match sdp {
            Some(sdp) => response.with_body("application/sdp", sdp),
            None => response,
        };
        self.hear(&response.to_bytes());
    }

    pub(super) fn hear(&mut self, bytes: &Bytes) {
        let received = Received { message: read(bytes), hop: hop(US, PEER) };
        self.act(|agent, now, out| agent.receive(now, &received, out));
    }

    pub(super) fn advance(&mut self, millis: u64) {
        let end = self.millis + millis;
        while let Some(due) =
            self.agent.next_wakeup().map(|due| due.as_micros().div_ceil(1_000)).filter(|due| *due <= end)
        {
            self.millis = self.millis.max(due);
            self.act(UserAgent::wake);
        }
        self.millis = end;
    }

    /// What was sent since the last look.
    pub(super) fn sent(&mut self) -> Vec<Message> {
        self.sends.drain(..).map(|sent| read(&sent.bytes)).collect()
    }

    /// The same by name.
    pub(super) fn seen(&mut self) -> Vec<String> {
        self.sent().iter().map(short).collect()
    }

    /// The same with where each went.
    pub(super) fn transmits(&mut self) -> Vec<Transmit> {
        std::mem::take(&mut self.sends)
    }

    /// The last request sent since the last look.
    #[track_caller]
    pub(super) fn request(&mut self) -> Request {
        let sent = self.sent();
        let requests = sent.into_iter().filter_map(|message| match message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        });
        requests.last().expect("a request was sent")
    }

    /// The last response sent since the last look.
    #[track_caller]
    pub(super) fn response(&mut self) -> Response {
        let sent = self.sent();
        let responses = sent.into_iter().filter_map(|message| match message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        });
        responses.last().expect("a response was sent")
    }

    pub(super) fn events(&mut self) -> Vec<String> {
        self.told.drain(..).map(|event| told(&event)).collect()
    }

    /// The request that was last told.
    pub(super) fn last_request(&self) -> RequestId {
        request_of(self.told.last().expect("something was told"))
    }
}

pub(super) fn with_sdp(request: Request, sdp: Option<Bytes>) -> Request {
    match sdp {
        Some(sdp) => request.with_body("application/sdp", sdp),
        None => request,
    }
}

pub(super) fn tag_of(response: &Response) -> String {
    response.headers.to_tag().expect("a tag").to_owned()
}
