//! What the files may say and this release does not do: told, never passed over in silence.

use crate::config::fault::{At, Fault, Place, Report};
use crate::config::raw::{Backend, Raw, RawEmployee, RawFallback, RawQueue, RawTrunk};
use crate::config::settings::MediaMode;
use crate::route::directory::Fallback;

/// `mode = "bypass"` beside keys that need media to pass through us. Only what is written is at odds.
pub(super) fn bypass(raw: &Raw, report: &Report) {
    if !bypassed(raw) {
        return;
    }
    for (place, what) in needs_media(raw) {
        let message = format!("{what} needs media to pass through ramal, and [media] says \"bypass\"");
        report.fault(Fault::new(&place, message).help("take it out, or write mode = \"relay\" in [media]"));
    }
}

fn bypassed(raw: &Raw) -> bool {
    let mode = raw.media.as_ref().and_then(|media| media.mode.as_ref());
    mode.is_some_and(|mode| mode.value == MediaMode::Bypass)
}

/// Every key that records, plays or takes a message, with what faults call it.
fn needs_media(raw: &Raw) -> Vec<(Place, String)> {
    let mut all = Vec::new();
    all.extend(raw.recording.as_ref().map(|section| (section.place.clone(), "[recording]".to_owned())));
    all.extend(raw.voicemail.as_ref().map(|section| (section.place.clone(), "[voicemail]".to_owned())));
    for queue in &raw.queues {
        let who = format!("queue `{}`", queue.name.as_ref().map_or("?", |name| &name.value));
        all.extend(queue.music.as_ref().map(|place| (place.clone(), format!("{who}: `music`"))));
        let unanswered = queue.unanswered.as_ref().filter(|way| is_voicemail(&way.value));
        all.extend(unanswered.map(|way| (way.place.clone(), format!("{who}: voicemail"))));
    }
    for line in &raw.lines {
        let who = format!("line `{}`", line.number.as_ref().map_or("?", |number| &number.value));
        for way in [&line.unanswered, &line.off_hours].into_iter().flatten().filter(|way| is_voicemail(&way.value)) {
            all.push((way.place.clone(), format!("{who}: voicemail")));
        }
        let record = line.record.as_ref().filter(|record| record.value);
        all.extend(record.map(|record| (record.place.clone(), format!("{who}: `record`"))));
    }
    all
}

const fn is_voicemail(way: &RawFallback) -> bool {
    matches!(way, RawFallback::Word(Fallback::Voicemail))
}

/// One warning for each key written that does nothing yet; a fault where the process could not do its work without.
pub(super) fn not_yet(raw: &Raw, whole: &Place, report: &Report) {
    media(raw, whole, report);
    crm(raw, report);
    raw.trunks.iter().for_each(|trunk| self::trunk(trunk, report));
    raw.employees.iter().for_each(|employee| self::employee(employee, report));
    raw.queues.iter().for_each(|queue| self::queue(queue, report));
    let pcap = raw.trace.as_ref().and_then(|trace| trace.pcap.as_ref()).filter(|pcap| pcap.value);
    warn(pcap.map(|at| &at.place), "[trace]: `pcap`", "ladders are kept, raw messages are not", report);
}

fn media(raw: &Raw, whole: &Place, report: &Report) {
    if bypassed(raw) {
        for (key, place) in raw.media.iter().flat_map(|media| &media.relay) {
            warn(Some(place), &format!("[media]: `{key}`"), "media does not pass through ramal", report);
        }
        return;
    }
    let mode = raw.media.as_ref().map(|media| media.mode.as_ref().map_or(&media.place, |mode| &mode.place));
    let message = "media is not relayed by this release: it flows end to end, as with mode = \"bypass\"";
    report.warn(Fault::new(mode.unwrap_or(whole), message).help("write mode = \"bypass\" in [media] to say so"));
    for (place, what) in needs_media(raw) {
        let help = "it comes with the relay; a call that would leave a message ends with 480";
        warn(Some(&place), &what, help, report);
    }
}

fn crm(raw: &Raw, report: &Report) {
    let Some(crm) = &raw.crm else { return };
    if let Some(backend) = crm.backend.as_ref().filter(|backend| backend.value != Backend::Embedded) {
        let message = "[crm]: `backend`: this release has the embedded CRM alone";
        report.fault(Fault::new(&backend.place, message).help("write backend = \"embedded\", or leave the key out"));
    }
}

fn trunk(trunk: &RawTrunk, report: &Report) {
    let who = format!("trunk `{}`", trunk.name.as_ref().map_or("?", |name| &name.value));
    let later = &trunk.later;
    let tell = |place: Option<&Place>, key: &str, help: &str| warn(place, &format!("{who}: `{key}`"), help, report);
    let codecs = later.codecs.as_ref().filter(|codecs| !codecs.value.is_empty());
    tell(codecs.map(|at| &at.place), "codecs", "offers go through as they come");
    tell(on(later.media_from.as_ref()), "media_from", "media does not pass through ramal");
}

fn employee(employee: &RawEmployee, report: &Report) {
    let who = format!("employee `{}`", employee.id.as_ref().map_or("?", |id| &id.value));
    let later = |place, key: &str, help: &str| warn(place, &format!("{who}: `{key}`"), help, report);
    later(employee.crm_user.as_ref().map(|at| &at.place), "crm_user", "it counts with an external CRM");
}

fn queue(queue: &RawQueue, report: &Report) {
    let who = format!("queue `{}`", queue.name.as_ref().map_or("?", |name| &name.value));
    let wait = queue.unanswered.as_ref().filter(|way| matches!(way.value, RawFallback::Word(Fallback::Wait)));
    let help = "it comes with the media; a call that nobody answered ends with 480";
    warn(wait.map(|way| &way.place), &format!("{who}: \"wait\""), help, report);
    let longest = queue.max_wait.as_ref().map(|at| &at.place);
    warn(longest, &format!("{who}: `max_wait`"), "the rings of its members bound the wait", report);
}

/// Where a flag is set.
fn on(flag: Option<&At<bool>>) -> Option<&Place> {
    flag.filter(|flag| flag.value).map(|flag| &flag.place)
}

fn warn(place: Option<&Place>, what: &str, help: &str, report: &Report) {
    if let Some(place) = place {
        let message = format!("{what} is not done by this release");
        report.warn(Fault::new(place, message).label("does nothing yet").help(help));
    }
}
