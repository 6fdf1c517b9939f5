//! What INVITEs are, by where they come from and what their headers say.

use super::super::testing::{House, LINE, house, line, phone};
use super::*;
use crate::base::Party;

const MARIA: &str = "+5521976543210";

fn party(user: &str) -> Party {
    Party { display: String::new(), user: user.to_owned(), host: "203.0.113.5".to_owned() }
}

/// A call of Maria to the house's line, as a plain carrier sends it.
fn call() -> Identities {
    Identities { request_uri: party(LINE), to: party(LINE), from: party(MARIA), ..Identities::default() }
}

fn carrier() -> Origin {
    Origin::Trunk("carrier".into())
}

#[track_caller]
fn incoming(house: House, ids: &Identities) -> Incoming {
    match inbound(&house.build(), &carrier(), ids) {
        Ok(Entry::Incoming(incoming)) => incoming,
        other => panic!("not an incoming call: {other:?}"),
    }
}

#[track_caller]
fn caller(house: House, change: impl FnOnce(&mut Identities)) -> Caller {
    let mut ids = call();
    change(&mut ids);
    incoming(house, &ids).caller
}

/// The number of the line that an INVITE calls, in a house with a second line; `None`: 404.
fn called(change: impl FnOnce(&mut Identities)) -> Option<String> {
    let mut ids = call();
    change(&mut ids);
    let dir = house().and_line(line("+551140028933", "support")).build();
    match inbound(&dir, &carrier(), &ids) {
        Ok(Entry::Incoming(incoming)) => Some(incoming.line.number.to_string()),
        Err(Refusal::NoLine) => None,
        other => panic!("neither incoming nor without a line: {other:?}"),
    }
}

fn from_office(from: &str, to: &str) -> Identities {
    Identities { request_uri: party(to), to: party(to), from: party(from), ..Identities::default() }
}

#[track_caller]
fn by_office(house: House, from: &str, to: &str) -> Result<Entry, Refusal> {
    inbound(&house.build(), &Origin::Pbx("office".into()), &from_office(from, to))
}

#[test]
fn a_stranger_is_refused_with_403() {
    let refused = inbound(&house().build(), &Origin::Stranger, &call()).unwrap_err();
    assert!(matches!(refused, Refusal::Stranger));
    assert_eq!(refused.status(), 403);
}

#[test]
fn the_line_called_is_found_however_the_carrier_writes_it() {
    for user in ["+551140028922", "551140028922", "1140028922", "01140028922", "40028922", "28922", "8922"] {
        assert_eq!(called(|ids| ids.request_uri = party(user)).as_deref(), Some(LINE), "{user}");
    }
    let nowhere = |ids: &mut Identities| (ids.request_uri, ids.to) = (party("8900"), party("+551144445555"));
    assert_eq!(called(nowhere), None);
}

#[test]
fn a_short_number_that_two_lines_end_with_is_no_line() {
    let dir = house().and_line(line("+552133338922", "support")).build();
    let ids = Identities { request_uri: party("8922"), to: party("8922"), ..call() };
    let refused = inbound(&dir, &carrier(), &ids).unwrap_err();
    assert_eq!(refused.status(), 404);
}

#[test]
fn the_line_is_looked_for_in_the_order_of_did_from() {
    let other = "+551140028933";
    assert_eq!(called(|ids| ids.to = party(other)).as_deref(), Some(LINE), "the Request-URI is first");
    assert_eq!(called(|ids| (ids.request_uri, ids.to) = (party("acme"), party(other))).as_deref(), Some(other));
    let both = |ids: &mut Identities| {
        (ids.request_uri, ids.to, ids.called_party) = (party("acme"), party(LINE), Some(party(other)));
    };
    assert_eq!(called(both).as_deref(), Some(other), "P-Called-Party-ID comes before To");
    // RFC 5806 §4: the first who diverted is the last entry.
    let diverted = |ids: &mut Identities| {
        (ids.request_uri, ids.to) = (party("acme"), party("acme"));
        ids.diversion = vec![party(LINE), party(other)];
    };
    assert_eq!(called(diverted).as_deref(), Some(other));
}

#[test]
fn a_line_of_another_trunk_is_no_line_of_this_one() {
    let elsewhere = house().line(|line| line.gateway = Gateway::Trunk("other".into())).build();
    assert!(matches!(inbound(&elsewhere, &carrier(), &call()), Err(Refusal::NoLine)));
}

#[test]
fn an_untrusted_trunk_is_believed_its_from_alone() {
    let asserted = |ids: &mut Identities| {
        ids.asserted = vec![party("+5511911112222")];
        ids.remote_party = Some(party("+5511933334444"));
    };
    assert_eq!(caller(house(), asserted).number, Some(phone(MARIA)));
}

#[test]
fn a_trusted_trunk_is_believed_p_asserted_identity_then_remote_party_id_then_from() {
    let trusted = || house().trunk(|trunk| trunk.trusted = true);
    let all = |ids: &mut Identities| {
        ids.asserted = vec![party("+5511911112222")];
        ids.remote_party = Some(party("+5511933334444"));
    };
    assert_eq!(caller(trusted(), all).number, Some(phone("+5511911112222")));
    let remote = |ids: &mut Identities| ids.remote_party = Some(party("+5511933334444"));
    assert_eq!(caller(trusted(), remote).number, Some(phone("+5511933334444")));
    assert_eq!(caller(trusted(), |_| {}).number, Some(phone(MARIA)));
    // An account's name says nothing of who calls.
    assert_eq!(caller(trusted(), |ids| ids.asserted = vec![party("acme")]).number, Some(phone(MARIA)));
    let withheld_from = |ids: &mut Identities| {
        ids.from = party("anonymous");
        ids.asserted = vec![party("+5511911112222")];
    };
    assert_eq!(caller(trusted(), withheld_from).number, Some(phone("+5511911112222")));
}

#[test]
fn a_caller_without_an_identity_is_excluded_and_shown_as_anonymous() {
    for user in ["anonymous", "Anonymous", "unavailable", "unknown", "restricted", "", "0000", "+0000000000"] {
        let caller = caller(house(), |ids| ids.from = party(user));
        assert_eq!(caller, Caller::anonymous(), "{user}");
        assert_eq!(caller.shown(), "anonymous");
    }
    let invalid = Party { host: "anonymous.invalid".into(), ..party("+5511987654321") };
    assert_eq!(caller(house(), |ids| ids.from = invalid), Caller::anonymous());
}

#[test]
fn a_private_caller_is_anonymous_to_phones_and_records_also_by_p_asserted_identity() {
    let trusted = house().trunk(|trunk| trunk.trusted = true);
    let private = |ids: &mut Identities| {
        ids.private = true;
        ids.from.display = "Maria".into();
        ids.asserted = vec![party(MARIA)];
    };
    assert_eq!(caller(trusted, private), Caller::anonymous());
}

#[test]
fn the_lines_own_number_and_other_lines_of_ours_are_no_callers() {
    for user in [LINE, "1140028922", "40028922"] {
        let caller = caller(house(), |ids| ids.from = party(user));
        assert_eq!(caller.excluded, Some(Exclusion::OwnLine(phone(LINE))), "{user}");
    }
    let elsewhere = Line { gateway: Gateway::Trunk("other".into()), ..line("+552133334444", "support") };
    let caller = caller(house().and_line(elsewhere), |ids| ids.from = party("+552133334444"));
    assert_eq!(caller.excluded, Some(Exclusion::OwnLine(phone("+552133334444"))));
}

#[test]
fn an_employees_extension_mobile_and_phones_are_excluded() {
    let with_phone = || house().employee("ana", |ana| ana.phones = vec![phone("+5511933334444")]);
    for (user, who) in [("201", "ana"), ("+5511912345678", "carla"), ("11912345678", "carla"), ("11933334444", "ana")] {
        let caller = caller(with_phone(), |ids| ids.from = party(user));
        assert_eq!(caller.excluded, Some(Exclusion::Employee(who.into())), "{user}");
    }
    // Her mobile, sent without the ninth digit.
    let old = house().employee("ana", |ana| ana.mobile = Some(phone("+5511987654321")));
    let caller = caller(old, |ids| ids.from = party("1187654321"));
    assert_eq!(caller.excluded, Some(Exclusion::Employee("ana".into())));
}

#[test]
fn a_caller_whose_number_cannot_be_read_is_kept_as_received_and_not_looked_up() {
    let caller = caller(house(), |ids| ids.from = Party { host: "example.com".into(), ..party("joao") });
    assert_eq!((caller.number, caller.shown().as_str()), (None, "joao"));
    assert_eq!(caller.address, "joao@example.com");
    assert!(caller.excluded.is_some());
}

#[test]
fn the_callers_number_is_read_by_the_trunks_area_and_her_name_and_address_are_kept() {
    let from = Party { display: "Maria".into(), user: "987654321".into(), host: "carrier.example".into() };
    let caller = caller(house(), |ids| ids.from = from);
    assert_eq!(caller.number, Some(phone("+5511987654321")));
    assert_eq!((caller.display.as_str(), caller.raw.as_str()), ("Maria", "987654321"));
    assert_eq!((caller.address.as_str(), caller.excluded), ("987654321@carrier.example", None));
}

#[test]
fn without_an_area_the_lines_own_counts() {
    let caller = caller(house().trunk(|trunk| trunk.area = None), |ids| ids.from = party("987654321"));
    assert_eq!(caller.number, Some(phone("+5511987654321")));
}

#[test]
fn a_blacklisted_caller_is_refused_with_603_also_where_she_withholds_her_number() {
    let listed = || house().with(|dir| dir.blacklist = vec![phone(MARIA)]).build();
    let refused = |ids: &Identities| match inbound(&listed(), &carrier(), ids) {
        Err(refusal @ Refusal::Blacklisted(_)) if refusal.status() == 603 => match refusal {
            Refusal::Blacklisted(call) => call.caller,
            _ => unreachable!("matched above"),
        },
        other => panic!("not blacklisted: {other:?}"),
    };
    assert_eq!(refused(&call()).number, Some(phone(MARIA)), "for its row");
    assert_eq!(refused(&Identities { private: true, ..call() }), Caller::anonymous());
}

#[test]
fn an_employee_at_her_pbx_calls_outside_by_her_line() {
    let entry = by_office(house(), "201", "0021976543210").unwrap();
    let Entry::Outgoing(call) = entry else { panic!("{entry:?}") };
    assert_eq!(call.employee.as_ref().map(|who| who.id.as_str()), Some("ana"));
    assert_eq!((call.line.number, call.number), (phone(LINE), Some(phone(MARIA))));
    assert_eq!((call.to.label(), call.excluded), (MARIA, None));
}

#[test]
fn an_employees_line_is_her_own_else_the_first_with_her_in_its_queue_else_the_first() {
    let lines = || house().and_line(line("+551140028933", "support"));
    let shown = |house: House, from: &str| match by_office(house, from, MARIA) {
        Ok(Entry::Outgoing(call)) => call.line.number.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shown(lines(), "204"), "+551140028933", "dora answers support");
    assert_eq!(shown(lines().employee("dora", |dora| dora.line = Some(phone(LINE))), "204"), LINE);
    assert_eq!(shown(house(), "204"), LINE, "no queue with her has a line");
}

#[test]
fn a_call_to_an_employees_own_mobile_is_excluded() {
    let Ok(Entry::Outgoing(call)) = by_office(house(), "201", "011912345678") else { panic!() };
    assert_eq!(call.excluded, Some(Exclusion::Employee("carla".into())));
}

#[test]
fn an_extension_that_is_no_employee_calls_out_by_the_pbxs_line_without_the_crm_or_is_refused() {
    let entry = by_office(house(), "250", MARIA).unwrap();
    let Entry::Outgoing(call) = entry else { panic!("{entry:?}") };
    assert_eq!((call.employee.is_none(), call.extension.as_str()), (true, "250"));
    assert_eq!((call.line.number, call.excluded), (phone(LINE), Some(Exclusion::Internal)));
    let refused = by_office(house().pbx(|pbx| pbx.outgoing = None), "250", MARIA).unwrap_err();
    assert_eq!(refused.status(), 403);
}

#[test]
fn calls_between_extensions_and_to_queues_are_internal() {
    let Ok(Entry::Internal(call)) = by_office(house(), "201", "202") else { panic!() };
    assert!(matches!(&call.to, Dialled::Destination(Destination::Employee { id, .. }) if id.as_str() == "bruno"));
    let Ok(Entry::Internal(call)) = by_office(house(), "201", "600") else { panic!() };
    assert_eq!(call.to, Dialled::Queue("sales".into()));
    assert_eq!(call.line.as_ref().map(|line| line.number), Some(phone(LINE)), "what the queue forwards goes by it");
    let Ok(Entry::Internal(call)) = by_office(house().pbx(|pbx| pbx.outgoing = None), "250", "201") else { panic!() };
    assert!(call.employee.is_none() && call.line.is_none());
}

#[test]
fn what_the_pbx_asserts_names_the_extension_before_from_does() {
    let mut ids = from_office(LINE, "202");
    ids.asserted = vec![party("201")];
    let Ok(Entry::Internal(call)) = inbound(&house().build(), &Origin::Pbx("office".into()), &ids) else { panic!() };
    assert_eq!(call.employee.map(|who| who.id.clone()), Some("ana".into()));
}

#[test]
fn a_line_may_come_in_by_a_pbx_and_its_callers_are_customers() {
    let by_pbx = || house().line(|line| line.gateway = Gateway::Pbx("office".into()));
    let Ok(Entry::Incoming(call)) = by_office(by_pbx(), MARIA, "1140028922") else { panic!() };
    assert_eq!((call.line.number, call.caller.number), (phone(LINE), Some(phone(MARIA))));
    // From inside the same number is the line's queue.
    let Ok(Entry::Internal(call)) = by_office(by_pbx(), "201", LINE) else { panic!() };
    assert_eq!(call.to, Dialled::Queue("sales".into()));
}

#[test]
fn nobodys_number_is_404() {
    for dialled in ["*55", "777", "acme", ""] {
        assert_eq!(by_office(house(), "201", dialled).unwrap_err().status(), 404, "{dialled}");
    }
}
