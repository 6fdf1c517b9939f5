//! The far end of a CRM that is elsewhere: portals that keep their promises and break them on demand, for tests and for
//! people who want to try `ramal` without one of their own.

pub mod bitrix24;
