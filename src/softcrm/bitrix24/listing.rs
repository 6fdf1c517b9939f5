//! Lists: what a filter keeps, in which order, page by page of fifty.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::methods::Answer;
use super::params::{Params, several, text};

/// The rows of a page.
pub(super) const PAGE: usize = 50;

/// Gives a field's values by a row's name for it.
pub(super) type Field<'a, T> = &'a dyn Fn(&T, &str) -> Vec<String>;

/// The page of `rows` that is asked for: filtered by `filter`, ordered by `order`, from `start`; `-1` counts nothing
/// and is the first page.
pub(super) fn page<'a, T: 'a>(
    rows: impl Iterator<Item = &'a T>,
    asked: &Params,
    field: Field<'_, T>,
    show: impl Fn(&T) -> Value,
) -> (Vec<Value>, Answer) {
    let filter = asked.map("filter");
    let order: Vec<(String, bool)> = asked
        .map("order")
        .into_iter()
        .map(|(key, way)| (key, text(&way).is_some_and(|way| way.eq_ignore_ascii_case("desc"))))
        .collect();
    let start = asked.number("start").unwrap_or(0);
    let from = usize::try_from(start).unwrap_or(0);
    if start < 0 && order.iter().all(|(key, descending)| key.eq_ignore_ascii_case("id") && !descending) {
        // As the rows come, and no further than the page.
        let shown = rows.filter(|row| keeps(*row, &filter, field)).take(PAGE).map(show).collect();
        return (shown, Answer::default());
    }
    let mut kept: Vec<&T> = rows.filter(|row| keeps(*row, &filter, field)).collect();
    if !order.is_empty() {
        kept.sort_by(|a, b| compared(*a, *b, &order, field));
    }
    let total = kept.len();
    let shown: Vec<Value> = kept.into_iter().skip(from).take(PAGE).map(show).collect();
    let mut answer = Answer::default();
    if start >= 0 {
        answer.total = Some(total);
        answer.next = (from + PAGE < total).then_some(from + PAGE);
    }
    (shown, answer)
}

/// Whether a filter's every condition holds: `=`, `!`, `>`, `>=`, `<`, `<=`, `%`, `@` before the name.
fn keeps<T>(row: &T, filter: &Map<String, Value>, field: Field<'_, T>) -> bool {
    filter.iter().all(|(key, wanted)| {
        let name = key.trim_start_matches(['=', '!', '>', '<', '%', '@']);
        let sign = &key[..key.len() - name.len()];
        let held = field(row, name);
        let wanted: Vec<String> = several(wanted).iter().filter_map(text).collect();
        let any = |test: &dyn Fn(Ordering) -> bool| {
            held.iter().any(|held| wanted.iter().any(|wanted| test(compare(held, wanted))))
        };
        match sign {
            "!" | "!=" | "!@" => !any(&Ordering::is_eq),
            ">" => any(&Ordering::is_gt),
            ">=" => any(&Ordering::is_ge),
            "<" => any(&Ordering::is_lt),
            "<=" => any(&Ordering::is_le),
            "%" => held.iter().any(|held| wanted.iter().any(|part| held.contains(part.as_str()))),
            _ if wanted.is_empty() => held.iter().all(String::is_empty),
            _ => any(&Ordering::is_eq),
        }
    })
}

fn compared<T>(a: &T, b: &T, order: &[(String, bool)], field: Field<'_, T>) -> Ordering {
    for (key, descending) in order {
        let first = |row| field(row, key).into_iter().next().unwrap_or_default();
        let way = compare(&first(a), &first(b));
        let way = if *descending { way.reverse() } else { way };
        if way.is_ne() {
            return way;
        }
    }
    Ordering::Equal
}

/// As numbers where both are some, else as text: dates of one zone sort so too.
fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<i64>(), b.parse::<i64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}
