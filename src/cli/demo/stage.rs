//! The demo's stage: the real server in a temporary folder, a carrier and a PBX with their phones on real sockets.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bank::Bank;
use super::scenes;
use crate::base::{CallId, Ids, PhoneNumber};
use crate::call::ladder::Entry;
use crate::config;
use crate::crm::Backend;
use crate::crm::embedded::{Done, Edit, EditError, Embedded, Found, find};
use crate::crm::model::EntityKind;
use crate::node::{Clock, Handle, Node};
use crate::route::dial;
use crate::softphone::{Act, State};
use crate::store::CallFilter;

/// The socket for the commands, in the demo's folder.
pub(super) const CONTROL: &str = "ramal.sock";
/// The demo's line.
const LINE: &str = "+551140028922";
/// How long a row may take to appear.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many packets each says: a little more than a second.
const SPOKEN: u16 = 55;
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Everybody and everything.
pub(super) struct Stage {
    pub(super) carrier: Bank,
    pub(super) office: Bank,
    node: Node,
    handle: Handle,
    folder: PathBuf,
    seen: Vec<CallId>,
}

/// One showcase call (or two), and what was promised of it.
pub(super) struct Scene {
    pub(super) title: &'static str,
    customer: &'static str,
    calls: Vec<CallId>,
    /// The softphones' own names of those calls.
    placed: Vec<CallId>,
    promises: Vec<(&'static str, bool)>,
}

/// Why the demo could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoStage {
    /// A socket or a file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The demo's own file.
    #[error("{0}")]
    Files(#[from] config::Faults),
    /// The server.
    #[error("{0}")]
    Node(#[from] crate::node::StartError),
    /// The API, where the server stays up.
    #[error("{0}")]
    Http(#[from] crate::http::server::ListenError),
    /// The sample data.
    #[error("{0}")]
    Sample(#[from] EditError),
}

impl Scene {
    /// Adds a promise, and whether it was kept.
    pub(super) fn promise(&mut self, text: &'static str, kept: bool) {
        self.promises.push((text, kept));
    }

    /// What was promised.
    pub(super) fn promises(&self) -> &[(&'static str, bool)] {
        &self.promises
    }
}

impl Stage {
    /// Starts the real server with sample data in `folder`.
    pub(super) async fn set(folder: PathBuf) -> Result<Self, NoStage> {
        let clock = Clock::start();
        let mut ids = Ids::from_os();
        let carrier = Bank::open(clock, ids.fork(), &[]).await?;
        let office = Bank::open(clock, ids.fork(), &[("201", "ana"), ("202", "bruno"), ("203", "carla")]).await?;
        let file = folder.join("ramal.toml");
        tokio::fs::write(&file, operator_file(&folder, &carrier, &office)).await?;
        let loaded = config::load(&file)?;
        let node = Node::start(loaded.settings, file).await?;
        let stage = Self { carrier, office, handle: node.handle(), node, folder, seen: Vec::new() };
        let us = stage.handle().listening()[0].1;
        stage.carrier.serve(us);
        stage.office.serve(us);
        stage.sample().await?;
        Ok(stage)
    }

    async fn sample(&self) -> Result<(), EditError> {
        let crm = self.crm();
        let maria = Edit::AddClient {
            kind: EntityKind::Contact,
            name: "Maria Souza".to_owned(),
            phones: vec!["(11) 98765-4321".to_owned()],
            responsible: "ana".into(),
            email: None,
        };
        let supplier =
            Edit::AddException { value: "+551133334444".to_owned(), comment: Some("our paper supplier".to_owned()) };
        for edit in [maria, supplier] {
            let _: Done = crm.edit(edit).await?;
        }
        Ok(())
    }

    /// The running server.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    fn crm(&self) -> &Embedded {
        let Backend::Embedded(crm) = self.handle.crm();
        crm
    }

    /// The folder of the demo.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The customer's call comes in.
    pub(super) async fn scene(&mut self, title: &'static str, customer: &'static str) -> Scene {
        let mut scene = Scene { title, customer, calls: Vec::new(), placed: Vec::new(), promises: Vec::new() };
        let placed = self.also(&mut scene, customer).await;
        if !placed {
            scene.promise("the call reaches the server", false);
        }
        scene
    }

    /// One more call from the same customer.
    pub(super) async fn also(&mut self, scene: &mut Scene, customer: &'static str) -> bool {
        let name = name_of(customer);
        let Ok(placed) = self.carrier.call(name, LINE, customer).await else { return false };
        scene.placed.push(placed);
        let handle = self.handle().clone();
        let seen = self.seen.clone();
        let new = || handle.live_calls().into_iter().map(|c| c.id).find(|id| !seen.contains(id));
        let came = self.carrier.until(name, |p| p.state != State::Calling && new().is_some()).await;
        let Some(call) = new().filter(|_| came) else { return false };
        self.seen.push(call);
        scene.calls.push(call);
        true
    }

    /// Waits until this phone rings.
    pub(super) async fn rings(&self, name: &str) -> bool {
        self.office.until(name, |p| matches!(p.state, State::Ringing | State::Up)).await
    }

    /// Waits until this phone has one call more than `before`.
    pub(super) async fn office_call(&self, name: &str, before: usize) -> bool {
        self.office.until_calls(name, before + 1).await
    }

    /// Lets two speak for a while; true where each heard the other.
    pub(super) async fn talk(&self, customer: &str, phone: &str) -> bool {
        let (Some((one, to_one)), Some((two, to_two))) = (self.carrier.media(customer), self.office.media(phone))
        else {
            return false;
        };
        tokio::join!(one.speak(to_one, SPOKEN), two.speak(to_two, SPOKEN));
        one.heard_of(&two) >= u32::from(SPOKEN) - 3 && two.heard_of(&one) >= u32::from(SPOKEN) - 3
    }

    /// The customer hangs up; waits until both calls are over.
    pub(super) async fn hang_up(&self, customer: &str, phone: &str) {
        self.carrier.act(customer, &Act::HangUp);
        self.office.until_over(phone).await;
        self.carrier.until_over(customer).await;
    }

    /// The customer gives up all calls of a scene.
    pub(super) async fn give_up(&self, scene: &Scene) {
        for call in &scene.placed {
            self.carrier.act_in(*call, &Act::Cancel);
        }
        self.carrier.until_over(name_of(scene.customer)).await;
    }

    /// Cuts the CRM off, or lets it back.
    pub(super) fn cut_off_crm(&self, cut: bool) {
        self.crm().cut_off(cut);
    }

    /// How many writes are owed.
    pub(super) async fn owed(&self) -> usize {
        self.handle().outbox().list().await.map_or(0, |owed| owed.len())
    }

    /// What the CRM has of a number.
    pub(super) async fn find(&self, phone: &str) -> Found {
        let dir = self.handle().directory();
        let of_the_house = move |number: PhoneNumber| dial::exclusion(&dir, number).is_some();
        find(self.crm(), phone, &of_the_house).await.expect("the demo's numbers are numbers, and its store is there")
    }

    /// The same, as soon as it is so; what there is after a while where it never is.
    pub(super) async fn until_found(&self, phone: &str, so: impl Fn(&Found) -> bool) -> Found {
        let looks = PATIENCE.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            let found = self.find(phone).await;
            if so(&found) {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.find(phone).await
    }

    /// Whether a call of this number stands in the call log.
    pub(super) async fn is_logged(&self, phone: &str) -> bool {
        let looks = PATIENCE.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            if self.logged(phone).await {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    async fn logged(&self, phone: &str) -> bool {
        let filter = CallFilter { number: Some(phone.to_owned()), ..CallFilter::default() };
        self.handle().store().reader().calls(&filter, None, 10).await.is_ok_and(|(calls, _)| !calls.is_empty())
    }

    /// The ladders of a scene's calls.
    pub(super) async fn ladders(&self, scene: &Scene) -> Vec<Vec<Entry>> {
        let mut ladders = Vec::new();
        for call in &scene.calls {
            match self.handle().live_call(*call) {
                Some((_, ladder)) => ladders.push(ladder),
                None => ladders.extend(self.handle().ended_ladder(*call).await),
            }
        }
        ladders
    }

    /// Everybody whose rows are shown.
    pub(super) async fn rows(&self) -> Vec<Found> {
        let mut rows = Vec::new();
        for phone in scenes::ALL {
            rows.push(self.find(phone).await);
        }
        rows
    }

    /// Ends the server.
    pub(super) async fn strike(self) {
        drop((self.carrier, self.office));
        self.node.stop().await;
    }
}

fn name_of(customer: &str) -> &'static str {
    match customer {
        scenes::MARIA => "maria",
        scenes::PAULO => "paulo",
        scenes::RITA => "rita",
        scenes::OTTO => "otto",
        scenes::SUPPLIER => "supplier",
        _ => "lia",
    }
}

/// The file of the demo's office: what an operator would write.
fn operator_file(folder: &Path, carrier: &Bank, office: &Bank) -> String {
    let folder = folder.display();
    let (carrier, office) = (carrier.at(), office.at());
    format!(
        r#"[sip]
listen = ["udp:127.0.0.1:0"]

[media]
mode = "bypass"

[store]
url = "sqlite:{folder}/ramal.db"

[trace]
path = "{folder}/trace"

[http]
listen  = "127.0.0.1:0"
control = "{folder}/{CONTROL}"

[[trunk]]
name  = "carrier"
peers = ["sip:{carrier}"]

[[pbx]]
name       = "office"
peers      = ["sip:{office}"]
extensions = "2xx"

[[employee]]
id        = "ana"
name      = "Ana Lima"
extension = "201"

[[employee]]
id        = "bruno"
name      = "Bruno Reis"
extension = "202"

[[employee]]
id        = "carla"
name      = "Carla Dias"
extension = "203"

[[queue]]
name    = "sales"
members = ["bruno", "carla", "ana"]

[[line]]
number = "{LINE}"
trunk  = "carrier"
queue  = "sales"
source = "Sales line"
"#
    )
}
