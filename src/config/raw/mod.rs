//! The files' sections as they are written: right in themselves, not yet held against each other.

mod crm;
mod gateway;
mod line;
mod people;
mod records;
mod system;

pub(super) use crm::{Backend, CrmMode, RawBitrix24, RawBlacklist, RawCrm, RawLimits, RawWebhook};
pub(super) use gateway::{Outgoing, RawPbx, RawTrunk};
pub(super) use line::{Holiday, RawFallback, RawLine};
pub(super) use people::{RawEmployee, RawQueue};
pub(super) use records::{RawHttp, RawLog, RawRecording, RawStore, RawTrace, RawVoicemail};
pub(super) use system::{RawMedia, RawSecurity, RawSip, RawTls};

use super::fault::{Fault, Place};
use super::tree::Section;

/// All files together. A section that stands alone (`[sip]`) may stand in one of them.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) sip: Option<RawSip>,
    pub(super) media: Option<RawMedia>,
    pub(super) recording: Option<RawRecording>,
    pub(super) voicemail: Option<RawVoicemail>,
    pub(super) store: Option<RawStore>,
    pub(super) trace: Option<RawTrace>,
    pub(super) log: Option<RawLog>,
    pub(super) crm: Option<RawCrm>,
    pub(super) http: Option<RawHttp>,
    pub(super) security: Option<RawSecurity>,
    pub(super) limits: Option<RawLimits>,
    pub(super) blacklist: Option<RawBlacklist>,
    pub(super) trunks: Vec<RawTrunk>,
    pub(super) pbxs: Vec<RawPbx>,
    pub(super) employees: Vec<RawEmployee>,
    pub(super) queues: Vec<RawQueue>,
    pub(super) lines: Vec<RawLine>,
}

impl Raw {
    /// Adds what one more file says.
    pub(super) fn add(&mut self, file: Section<'_>) {
        // Read by the loader already; named here so that it is no unknown key.
        drop(file.list("include", |_| Ok(())));
        once(&mut self.sip, &file, "sip", RawSip::read);
        once(&mut self.media, &file, "media", RawMedia::read);
        once(&mut self.recording, &file, "recording", RawRecording::read);
        once(&mut self.voicemail, &file, "voicemail", RawVoicemail::read);
        once(&mut self.store, &file, "store", RawStore::read);
        once(&mut self.trace, &file, "trace", RawTrace::read);
        once(&mut self.log, &file, "log", RawLog::read);
        once(&mut self.crm, &file, "crm", RawCrm::read);
        once(&mut self.http, &file, "http", RawHttp::read);
        once(&mut self.security, &file, "security", RawSecurity::read);
        once(&mut self.limits, &file, "limits", RawLimits::read);
        once(&mut self.blacklist, &file, "blacklist", RawBlacklist::read);
        self.trunks.extend(file.tables("trunk").into_iter().map(RawTrunk::read));
        self.pbxs.extend(file.tables("pbx").into_iter().map(RawPbx::read));
        self.employees.extend(file.tables("employee").into_iter().map(RawEmployee::read));
        self.queues.extend(file.tables("queue").into_iter().map(RawQueue::read));
        self.lines.extend(file.tables("line").into_iter().map(RawLine::read));
        file.finish();
    }
}

fn once<'a, T: Placed>(slot: &mut Option<T>, file: &Section<'a>, key: &'static str, read: impl Fn(Section<'a>) -> T) {
    let Some(section) = file.table(key, &format!("[{key}]")) else { return };
    let report = section.report();
    let new = read(section);
    if let Some(first) = slot {
        let message = format!("[{key}] stands in {} already", first.place().source.name);
        report.fault(Fault::new(new.place(), message).help("write all of it in one file"));
        return;
    }
    *slot = Some(new);
}

/// Something that stands somewhere.
trait Placed {
    fn place(&self) -> &Place;
}

macro_rules! placed {
    ($($name:ident),*) => {
        $(impl Placed for $name {
            fn place(&self) -> &Place {
                &self.place
            }
        })*
    };
}

placed!(
    RawSip,
    RawMedia,
    RawRecording,
    RawVoicemail,
    RawStore,
    RawTrace,
    RawLog,
    RawCrm,
    RawHttp,
    RawSecurity,
    RawLimits,
    RawBlacklist
);
