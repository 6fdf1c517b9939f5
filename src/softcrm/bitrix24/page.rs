//! The page at `/`: what the portal holds, for people who try it. Nothing in it does anything.

use std::fmt::Write as _;

use super::portal::Portal;
use super::record::Kind;
use super::telephony::of_row;
use crate::base::inert;

/// The page.
pub(super) fn show(portal: &Portal) -> String {
    let mut page = String::from(
        "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"3\"><title>Fake Bitrix24</title>\
         <style>body{font:14px sans-serif;margin:2em}td,th{padding:2px 12px;text-align:left}</style><h1>Fake Bitrix24</h1>",
    );
    let owner = |id: i64| portal.user(id).map_or_else(|| id.to_string(), |user| user.name.clone());
    for (title, kind) in
        [("Contacts", Kind::Contact), ("Companies", Kind::Company), ("Leads", Kind::Lead), ("Deals", Kind::Deal)]
    {
        table(
            &mut page,
            title,
            &["id", "name", "phones", "responsible", "stage"],
            portal.all(kind).rev().map(|record| {
                let stage = record.field("STATUS_ID").or_else(|| record.field("STAGE_ID")).unwrap_or_default();
                let phones = record.phones().collect::<Vec<_>>().join(", ");
                [record.id.to_string(), record.name(), phones, owner(record.owner()), stage.to_owned()]
            }),
        );
    }
    table(
        &mut page,
        "Cards",
        &["call", "phone", "line", "on the screen of"],
        portal.calls.values().filter(|call| !call.shown.is_empty()).map(|call| {
            let users = call.shown.iter().map(|id| owner(*id)).collect::<Vec<_>>().join(", ");
            [call.key.external.clone(), call.key.phone.clone(), call.key.line.clone(), users]
        }),
    );
    table(
        &mut page,
        "Calls",
        &["call", "phone", "line", "user", "seconds", "code"],
        portal.statistics.iter().rev().map(|row| {
            let keys = [
                "EXTERNAL_CALL_ID",
                "PHONE_NUMBER",
                "PORTAL_NUMBER",
                "PORTAL_USER_ID",
                "CALL_DURATION",
                "CALL_FAILED_CODE",
            ];
            keys.map(|key| of_row(row, key))
        }),
    );
    page
}

fn table<const N: usize>(page: &mut String, title: &str, heads: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    // Writing to a text cannot fail.
    let _ = write!(page, "<h2>{title}</h2><table><tr>");
    for head in heads {
        let _ = write!(page, "<th>{head}</th>");
    }
    for row in rows.take(MOST) {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escaped(&cell));
        }
    }
    page.push_str("</table>");
}

fn escaped(text: &str) -> String {
    inert(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Rows of a table.
const MOST: usize = 200;
