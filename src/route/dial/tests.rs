//! What dialled numbers ring.

use super::super::directory::NumbersOut;
use super::super::testing::{House, LINE, house, line};
use super::*;

/// What ana dials, as text: `bruno`, `ext 250`, `queue sales`, `+55… by carrier`, or the refusal's code.
fn ana_dials(house: House, dialled: &str) -> String {
    let dir = house.build();
    let ana = dir.employee(&"ana".into()).expect("ana is in the house");
    said(&dial(&dir, &Dialler::employee(&dir, ana), dialled))
}

/// Somebody at no PBX, with a line or without.
fn nobody(line: Option<&Arc<Line>>) -> Dialler {
    Dialler { employee: None, pbx: None, line: line.cloned() }
}

fn said(dialled: &Result<Dialled, Refusal>) -> String {
    match dialled {
        Ok(Dialled::Queue(name)) => format!("queue {name}"),
        Ok(Dialled::Destination(to @ Destination::Outside { gateway, .. })) => {
            format!("{} by {}", to.label(), gateway.name())
        }
        Ok(Dialled::Destination(to @ Destination::Extension { .. })) => format!("ext {}", to.label()),
        Ok(Dialled::Destination(to)) => to.label().to_owned(),
        Err(refusal) => refusal.status().to_string(),
    }
}

#[test]
fn a_dialled_number_is_an_employee_a_queue_an_extension_an_emergency_code_or_a_number_outside() {
    for (dialled, expected) in [
        ("202", "bruno"),
        ("600", "queue sales"),
        ("250", "ext 250"),
        ("190", "190 by carrier"),
        ("0190", "190 by carrier"),
        ("+5521976543210", "+5521976543210 by carrier"),
        ("021976543210", "+5521976543210 by carrier"),
        ("0021976543210", "+5521976543210 by carrier"),
        ("0987654321", "+5511987654321 by carrier"),
        ("87654321", "+5511987654321 by carrier"),
        ("188", "404"),
        ("*55", "404"),
        ("joao", "404"),
        ("", "404"),
        ("0", "404"),
    ] {
        assert_eq!(ana_dials(house(), dialled), expected, "{dialled}");
    }
}

#[test]
fn a_line_of_ours_dialled_from_inside_is_its_queue() {
    let two = || house().and_line(line("+552133334444", "support"));
    assert_eq!(ana_dials(two(), LINE), "queue sales");
    assert_eq!(ana_dials(two(), "0021 3333-4444"), "queue support");
}

#[test]
fn an_emergency_code_is_not_hidden_by_a_pattern_of_extensions() {
    assert_eq!(ana_dials(house().pbx(|pbx| pbx.extensions = "xxx".into()), "190"), "190 by carrier");
    let dir = house().build();
    assert_eq!(said(&dial(&dir, &nobody(None), "190")), "190 by carrier", "for everybody, with a line or without");
}

#[test]
fn only_countries_allowed_are_called() {
    assert_eq!(ana_dials(house(), "+14155552671"), "403");
    let open = house().with(|dir| dir.limits.outgoing_countries = vec!["BR".into(), "US".into()]);
    assert_eq!(ana_dials(open, "+14155552671"), "+14155552671 by carrier");
}

#[test]
fn numbers_outside_are_written_as_the_trunk_wants_them() {
    let national = || house().trunk(|trunk| trunk.numbers_out = NumbersOut::National);
    assert_eq!(ana_dials(national(), "+5521976543210"), "21976543210 by carrier");
    let dir = national().build();
    let to = dial(&dir, &nobody(Some(&dir.lines[0])), "+5521976543210").unwrap();
    let Dialled::Destination(to) = to else { panic!("{to:?}") };
    assert_eq!(reach::shown_outside(&dir, &to), "1140028922");
}

#[test]
fn nobody_without_a_line_calls_outside() {
    let dir = house().build();
    assert_eq!(said(&dial(&dir, &nobody(None), "+5521976543210")), "403");
    assert_eq!(said(&dial(&dir, &nobody(None), "201")), "ana");
}

#[test]
fn an_employee_whom_no_pbx_serves_cannot_be_dialled() {
    assert_eq!(ana_dials(house().employee("bruno", |bruno| bruno.extension = Some("999".into())), "999"), "480");
}

#[test]
fn the_longest_prefix_is_stripped_and_never_the_whole_number() {
    let prefixes = || house().pbx(|pbx| pbx.dial_prefix = vec!["0".into(), "00".into()]);
    assert_eq!(ana_dials(prefixes(), "00190"), "190 by carrier");
    assert_eq!(ana_dials(house().pbx(|pbx| pbx.dial_prefix = vec!["20".into()]), "202"), "bruno");
}

#[test]
fn another_peer_is_tried_where_the_peer_failed_and_not_the_callee() {
    let dir = house().trunk(|trunk| trunk.failover_on = vec![503]).build();
    let Ok(Dialled::Destination(outside)) = dial(&dir, &nobody(Some(&dir.lines[0])), "+5521976543210") else {
        panic!()
    };
    let Ok(Dialled::Destination(ana)) = dial(&dir, &nobody(None), "201") else { panic!() };
    assert!(reach::fails_over(&dir, &outside, 503) && !reach::fails_over(&dir, &outside, 500), "the trunk's own list");
    assert!(
        reach::fails_over(&dir, &ana, 503)
            && !reach::fails_over(&dir, &ana, 486)
            && !reach::fails_over(&dir, &ana, 480)
    );
}
