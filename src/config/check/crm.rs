//! `[crm]`: the rules that calls go by, and which CRM it is.

use std::net::IpAddr;
use std::path::PathBuf;

use super::gateways::{values, written};
use super::numbers::Numbers;
use crate::config::fault::{At, Fault, Place, Report};
use crate::config::raw::{self, Raw, RawBitrix24, RawCrm, RawWebhook};
use crate::config::settings::{Bitrix24, Bitrix24Access, CrmBackend, Webhook};
use crate::route::directory::{CrmMode, CrmRules, SimpleClient};

/// `[crm]`, as far as the directory holds it.
pub(super) fn rules(raw: &Raw, numbers: &Numbers<'_>, report: &Report) -> CrmRules {
    let default = CrmRules::default();
    idle_pipelines(raw, report);
    let Some(crm) = &raw.crm else { return default };
    let exceptions = crm.exceptions.iter().flat_map(|list| &list.value);
    CrmRules {
        deadline: written(crm.deadline.as_ref(), default.deadline),
        country: written(crm.country.as_ref(), default.country),
        prefer: values(crm.prefer.as_ref()).unwrap_or(default.prefer),
        exceptions: exceptions.filter_map(|entry| exception(entry, numbers, report)).collect(),
        mode: mode(crm, report),
    }
}

/// `"+55…; why"`: a number in E.164, or an address in small letters, and the reason.
fn exception(entry: &At<String>, numbers: &Numbers<'_>, report: &Report) -> Option<(String, Option<String>)> {
    let (value, why) =
        entry.value.split_once(';').map_or((entry.value.as_str(), None), |(value, why)| (value, Some(why)));
    let why = why.map(|why| why.trim().to_owned()).filter(|why| !why.is_empty());
    let value = value.trim();
    if value.contains('@') {
        return Some((value.to_lowercase(), why));
    }
    let text = At { value: value.to_owned(), place: entry.place.clone() };
    numbers.read(&text, "[crm]: `exceptions`", report).map(|number| (number.to_string(), why))
}

fn mode(crm: &RawCrm, report: &Report) -> CrmMode {
    let simple = crm.simple.as_ref();
    if !is_simple(crm) {
        idle(simple.map(|simple| &simple.place), "[crm.simple]", "it counts with mode = \"simple\"", report);
        return CrmMode::Classic;
    }
    CrmMode::Simple {
        client: written(simple.and_then(|simple| simple.create.as_ref()), SimpleClient::Contact),
        pipeline: simple.and_then(|simple| simple.pipeline.as_ref()).map_or_else(general, |name| name.value.clone()),
    }
}

fn is_simple(crm: &RawCrm) -> bool {
    crm.mode.as_ref().is_some_and(|mode| mode.value == raw::CrmMode::Simple)
}

/// A line's `pipeline` where no deal will be opened.
fn idle_pipelines(raw: &Raw, report: &Report) {
    if raw.crm.as_ref().is_some_and(is_simple) {
        return;
    }
    for line in &raw.lines {
        let who = line.number.as_ref().map_or("?", |number| &number.value);
        let place = line.pipeline.as_ref().map(|at| &at.place);
        idle(
            place,
            &format!("line `{who}`: `pipeline`"),
            "it counts in simple mode: mode = \"simple\" in [crm]",
            report,
        );
    }
}

fn general() -> String {
    "General".to_owned()
}

/// Which CRM it is.
pub(super) fn backend(raw: &Raw, report: &Report) -> CrmBackend {
    let Some(crm) = &raw.crm else { return CrmBackend::Embedded };
    let word = written(crm.backend.as_ref(), raw::Backend::Embedded);
    let (bitrix24, webhook) = (crm.bitrix24.as_ref(), crm.webhook.as_ref());
    if word != raw::Backend::Bitrix24 {
        idle(bitrix24.map(|at| &at.place), "[crm.bitrix24]", "it counts with backend = \"bitrix24\"", report);
    }
    if word != raw::Backend::Webhook {
        idle(webhook.map(|at| &at.place), "[crm.webhook]", "it counts with backend = \"webhook\"", report);
    }
    let place = crm.backend.as_ref().map_or(&crm.place, |at| &at.place);
    match word {
        raw::Backend::Embedded => CrmBackend::Embedded,
        raw::Backend::Bitrix24 => match bitrix24 {
            Some(written) => self::bitrix24(written, report),
            None => missing(place, "[crm.bitrix24]", "add it with portal, client_id and client_secret", report),
        },
        raw::Backend::Webhook => match webhook {
            Some(written) => self::webhook(written, report),
            None => missing(place, "[crm.webhook]", "add it with url and secret", report),
        },
    }
}

fn bitrix24(raw: &RawBitrix24, report: &Report) -> CrmBackend {
    let what = "[crm.bitrix24]";
    let application = [
        raw.client_id.as_ref().map(|at| &at.place),
        raw.client_secret.as_ref().map(|at| &at.place),
        raw.portal.as_ref().map(|at| &at.place),
    ];
    let access = match (&raw.webhook, &raw.portal, &raw.client_id, &raw.client_secret) {
        (None, Some(portal), Some(id), Some(secret)) => Bitrix24Access::Application {
            portal: portal.value.trim_end_matches('/').to_owned(),
            client_id: id.value.clone(),
            client_secret: secret.value.clone(),
            token_url: raw.token_url.as_ref().map_or_else(token_url, |at| at.value.clone()),
            tokens: raw.tokens.as_ref().map_or_else(|| PathBuf::from("data/b24-tokens.json"), |at| at.value.clone()),
        },
        (Some(address), _, id, secret) => {
            if let Some(at) = id.as_ref().map(|at| &at.place).or(secret.as_ref().map(|at| &at.place)) {
                let message = format!("{what}: an application and a webhook stand side by side");
                report.fault(Fault::new(at, message).help("keep the application, and take `webhook` out"));
            }
            let address = &address.value;
            Bitrix24Access::Webhook(crate::base::Secret::new(format!("{}/", address.expose().trim_end_matches('/'))))
        }
        (None, ..) => {
            let place = application.into_iter().flatten().next().unwrap_or(&raw.place);
            return missing(place, what, "write portal, client_id and client_secret, or webhook alone", report);
        }
    };
    CrmBackend::Bitrix24(Box::new(Bitrix24 {
        access,
        application_token: raw.application_token.as_ref().map(|at| at.value.clone()),
        rate: written(raw.rate.as_ref(), 2),
        mirror: written(raw.mirror.as_ref(), true),
    }))
}

fn token_url() -> String {
    "https://oauth.bitrix.info/oauth/token/".to_owned()
}

fn webhook(raw: &RawWebhook, report: &Report) -> CrmBackend {
    match (&raw.url, &raw.secret) {
        (Some(url), Some(secret)) => {
            in_the_clear(url, "[crm.webhook]: `url`", report);
            CrmBackend::Webhook(Webhook { url: url.value.clone(), secret: secret.value.clone() })
        }
        _ => missing(&raw.place, "[crm.webhook]", "write url and secret: each body is signed with it", report),
    }
}

/// Customers' numbers go there: within this machine or its network that may be in the clear.
fn in_the_clear(url: &At<String>, what: &str, report: &Report) {
    let Ok(read) = reqwest::Url::parse(&url.value) else { return };
    let near = match read.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") | None => true,
        Some(host) => match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(at)) => at.is_loopback() || at.is_private(),
            Ok(IpAddr::V6(at)) => at.is_loopback() || at.is_unique_local(),
            Err(_) => !host.contains('.'),
        },
    };
    if read.scheme() == "http" && !near {
        let message = format!("{what}: customers' numbers leave this network in the clear");
        report.warn(Fault::new(&url.place, message).help("write it with https://"));
    }
}

/// What the backend cannot do without. A key that is there and wrong is told of already.
fn missing(place: &Place, what: &str, help: &str, report: &Report) -> CrmBackend {
    report.fault(Fault::new(place, format!("{what} is not complete")).help(help));
    CrmBackend::Embedded
}

fn idle(place: Option<&Place>, what: &str, help: &str, report: &Report) {
    if let Some(place) = place {
        report.warn(Fault::new(place, format!("{what} does nothing here")).help(help));
    }
}
