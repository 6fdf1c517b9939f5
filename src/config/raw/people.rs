//! `[[employee]]` and `[[queue]]`, as written.

use std::time::Duration;

use super::gateway::named;
use super::line::{RawFallback, fallback};
use crate::base::Secret;
use crate::config::fault::{At, List, Place};
use crate::config::tree::Section;
use crate::config::value;
use crate::route::directory::{Distribution, Fallback};

/// `[[employee]]`.
#[derive(Debug)]
pub(crate) struct RawEmployee {
    pub(crate) id: Option<At<String>>,
    pub(crate) name: Option<At<String>>,
    pub(crate) extension: Option<At<String>>,
    pub(crate) mobile: Option<At<String>>,
    pub(crate) phones: Option<List<String>>,
    pub(crate) admin: Option<At<bool>>,
    pub(crate) line: Option<At<String>>,
    pub(crate) password: Option<At<Secret>>,
    pub(crate) login: Option<At<Secret>>,
    pub(crate) crm_user: Option<At<i64>>,
}

impl RawEmployee {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let id = named(&mut section, "employee", "id", "\"ana\"");
        let this = Self {
            id,
            name: section.parsed("name", value::text),
            extension: section.parsed("extension", value::digits),
            mobile: section.parsed("mobile", value::text),
            phones: section.list("phones", value::text),
            admin: section.word("role", &[("employee", false), ("admin", true)]),
            line: section.parsed("line", value::text),
            password: section.secret("password"),
            login: section.secret("login"),
            crm_user: section.count("crm_user", 1..=i64::MAX),
        };
        section.finish();
        this
    }
}

/// `[[queue]]`.
#[derive(Debug)]
pub(crate) struct RawQueue {
    pub(crate) name: Option<At<String>>,
    pub(crate) extension: Option<At<String>>,
    pub(crate) members: Option<List<String>>,
    pub(crate) distribution: Option<At<Distribution>>,
    pub(crate) ring: Option<At<Duration>>,
    pub(crate) skip_busy: Option<At<bool>>,
    pub(crate) unanswered: Option<At<RawFallback>>,
    pub(crate) max_wait: Option<At<Duration>>,
    pub(crate) music: Option<Place>,
}

impl RawQueue {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let name = named(&mut section, "queue", "name", "\"sales\"");
        let members = section.list("members", value::text);
        let distributions = [
            ("as-enqueued", Distribution::AsEnqueued),
            ("evenly", Distribution::Evenly),
            ("everybody", Distribution::Everybody),
        ];
        let unanswered = [("hangup", Fallback::Hangup), ("voicemail", Fallback::Voicemail), ("wait", Fallback::Wait)];
        let this = Self {
            name,
            extension: section.parsed("extension", value::digits),
            members: section.required("members", "[\"ana\"]", members),
            distribution: section.word("distribution", &distributions),
            ring: section.parsed("ring", value::some_time),
            skip_busy: section.flag("skip_busy"),
            unanswered: fallback(&section, "unanswered", &unanswered, &["forward", "employee", "queue"]),
            max_wait: section.parsed("max_wait", value::some_time),
            music: section.parsed("music", value::text).map(|at| at.place),
        };
        section.finish();
        this
    }
}
