//! Lines.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::gateways::written;
use super::names::{Names, Thing};
use super::numbers::Numbers;
use super::people::meant;
use crate::config::fault::{Fault, Report};
use crate::config::raw::{Holiday, Raw, RawFallback, RawLine};
use crate::route::directory::{CreateFor, Fallback, Gateway, Hours, LeadOwner, Line, UnknownClient};

/// The lines, in file order.
pub(super) fn lines(raw: &Raw, numbers: &Numbers<'_>, names: &Names<'_>, report: &Report) -> Vec<Arc<Line>> {
    let mut all = Vec::new();
    for line in &raw.lines {
        let who = line.number.as_ref().map_or("line".to_owned(), |number| format!("line `{}`", number.value));
        let gateway = gateway(line, &who, names, report);
        let queue = line.queue.as_ref().and_then(|queue| names.meant(Thing::Queue, queue, &who, report));
        let fallback = |way: Option<&RawFallback>, default| {
            way.and_then(|way| meant(way, &who, numbers, names, report)).unwrap_or(default)
        };
        let unanswered = fallback(line.unanswered.as_ref().map(|at| &at.value), Fallback::LineQueue);
        let off_hours = fallback(line.off_hours.as_ref().map(|at| &at.value), Fallback::Hangup);
        let number = line.number.as_ref().and_then(|number| numbers.quietly(&number.value));
        let (Some(number), Some(gateway), Some(queue)) = (number, gateway, queue) else { continue };
        all.push(Arc::new(Line {
            number,
            gateway,
            queue: queue.into(),
            route_to_responsible: written(line.route_to_responsible.as_ref(), true),
            responsible_ring: written(line.responsible_ring.as_ref(), Duration::from_secs(20)),
            unanswered,
            unknown_client: written(line.unknown_client.as_ref(), UnknownClient::CreateLead),
            create_for: written(line.create_for.as_ref(), CreateFor::Incoming),
            source: line.source.as_ref().map(|source| source.value.clone()),
            pipeline: line.pipeline.as_ref().map(|pipeline| pipeline.value.clone()),
            lead_owner: written(line.lead_owner.as_ref(), LeadOwner::FirstInQueue),
            reassign_on_transfer: written(line.reassign_on_transfer.as_ref(), true),
            hours: hours(line),
            off_hours,
            record: written(line.record.as_ref(), false),
        }));
    }
    all
}

fn gateway(line: &RawLine, who: &str, names: &Names<'_>, report: &Report) -> Option<Gateway> {
    match (&line.trunk, &line.pbx) {
        (Some(trunk), None) => names.meant(Thing::Trunk, trunk, who, report).map(|name| Gateway::Trunk(name.into())),
        (None, Some(pbx)) => names.meant(Thing::Pbx, pbx, who, report).map(|name| Gateway::Pbx(name.into())),
        (Some(_), Some(pbx)) => {
            let message = format!("{who} has both `trunk` and `pbx`");
            report.fault(Fault::new(&pbx.place, message).help("keep the one that its calls come through"));
            None
        }
        (None, None) => {
            let message = format!("{who} has neither `trunk` nor `pbx`");
            report.fault(
                Fault::new(&line.place, message).label("belongs here").help("add trunk = \"…\", or pbx = \"…\""),
            );
            None
        }
    }
}

/// When it is open; holidays alone close a line that is open all week.
fn hours(line: &RawLine) -> Option<Hours> {
    let holidays = || line.holidays.iter().flat_map(|list| &list.value).map(|day| day.value);
    let open = match &line.open {
        Some(open) => open.value.clone(),
        None if holidays().next().is_some() => (1..=7).map(|day| (day, 0, 24 * 60)).collect(),
        None => return None,
    };
    Some(Hours {
        open,
        timezone: line.timezone.as_ref().map_or_else(home_zone, |zone| zone.value.clone()),
        holidays_yearly: holidays()
            .filter_map(|day| if let Holiday::Yearly(m, d) = day { Some((m, d)) } else { None })
            .collect(),
        holidays_once: holidays()
            .filter_map(|day| if let Holiday::Once(date) = day { Some(date) } else { None })
            .collect(),
    })
}

/// `America/Sao_Paulo`, from the zones that the binary carries.
fn home_zone() -> TimeZone {
    TimeZone::get("America/Sao_Paulo").unwrap_or(TimeZone::UTC)
}
