//! What a new portal holds: three people, sources, two pipelines, a few clients.

use super::portal::{Portal, User};
use super::record::Kind;
use crate::base::Wall;

/// A portal of a small office.
pub(super) fn portal(now: Wall) -> Portal {
    let user = |id, name: &str, last_name: &str, extension: &str, mobile: &str| User {
        id,
        name: name.to_owned(),
        last_name: last_name.to_owned(),
        extension: extension.to_owned(),
        mobile: mobile.to_owned(),
        active: true,
        workday: "OPENED".to_owned(),
    };
    let source = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    let mut portal = Portal {
        users: vec![
            user(ADMIN, "Admin", "Portal", "", ""),
            user(ANA, "Ana", "Souza", "201", "+5511912345678"),
            user(BRUNO, "Bruno", "Lima", "202", ""),
            user(CARLA, "Carla", "Dias", "203", ""),
        ],
        sources: vec![
            source("CALL", "Call"),
            source("WEB", "Website"),
            source("UC_SALES", "Sales line"),
            source("OTHER", "Other"),
        ],
        pipelines: vec![(0, "General".to_owned()), (1, "Retail".to_owned())],
        ..Portal::default()
    };
    portal.add(Kind::Contact, "Maria Souza", &["+55 11 98765-4321"], ANA, now);
    portal.add(Kind::Contact, "João Pereira", &["+5521976543210", "+552133334444"], BRUNO, now);
    portal.add(Kind::Company, "Padaria Central Ltda", &["+551130304040"], CARLA, now);
    portal.add(Kind::Lead, "Quer um orçamento", &["+5531988887777"], BRUNO, now);
    portal
}

pub(super) const ADMIN: i64 = 1;
/// Ana Souza, 201.
pub const ANA: i64 = 1269;
/// Bruno Lima, 202.
pub const BRUNO: i64 = 1270;
/// Carla Dias, 203.
pub const CARLA: i64 = 1271;
