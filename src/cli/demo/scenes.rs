//! The showcase calls, each with what it promises.

use super::stage::{Scene, Stage};
use crate::base::EmployeeId;
use crate::crm::model::Outcome;
use crate::softphone::Act;

/// Maria Souza, ana's client.
pub(super) const MARIA: &str = "+5511987654321";
/// Nobody knows these yet.
pub(super) const PAULO: &str = "+5521976543210";
pub(super) const RITA: &str = "+5531991112222";
pub(super) const OTTO: &str = "+5541992223333";
pub(super) const LIA: &str = "+5551994445555";
/// On the exception list: a supplier.
pub(super) const SUPPLIER: &str = "+551133334444";

/// Everybody whose rows are shown at the end.
pub(super) const ALL: [&str; 6] = [MARIA, PAULO, RITA, OTTO, SUPPLIER, LIA];

/// How a phone of the demo behaves that is answered.
fn answers(after: u64) -> [(u64, Act); 2] {
    [(100, Act::Ring), (after, Act::Answer)]
}

/// A known caller rings at her manager before anybody else hears a phone.
pub(super) async fn known_caller(stage: &mut Stage) -> Scene {
    stage.office.script("ana", &answers(500));
    let mut scene = stage.scene("A known customer calls: her manager's phone rings, and no other", MARIA).await;
    let up = stage.office.until_up("ana").await && stage.carrier.until_up("maria").await;
    scene.promise("ana answers Maria's call", up);
    let shown = stage.office.is("ana", |p| {
        p.invitation
            .as_ref()
            .is_some_and(|i| i.identities.from.user == MARIA && i.identities.from.display == "Maria Souza")
    });
    scene.promise("her phone shows the number, and the name from the CRM", shown);
    scene.promise("nobody else's phone rang", stage.office.calls_of("bruno") + stage.office.calls_of("carla") == 0);
    scene.promise("they hear each other: RTP end to end", stage.talk("maria", "ana").await);
    stage.hang_up("maria", "ana").await;
    let found = stage.until_found(MARIA, |f| !f.activities.is_empty()).await;
    let activity = found.activities.first();
    scene.promise(
        "one activity, answered by ana, at her client",
        found.activities.len() == 1
            && activity.is_some_and(|a| {
                a.outcome == Outcome::Answered
                    && a.employee == Some(EmployeeId::from("ana"))
                    && a.attached_to.is_some_and(|e| e.to_string().starts_with("contact:"))
            }),
    );
    scene.promise("no lead", found.leads.is_empty());
    scene
}

/// A new caller rings in the queue, and is a lead while the phone still rings.
pub(super) async fn new_caller(stage: &mut Stage) -> Scene {
    stage.office.script("bruno", &[(100, Act::Ring)]);
    let mut scene = stage.scene("A new caller: the queue rings, and she is a lead while it rings", PAULO).await;
    scene.promise("bruno's phone rings, the first of the queue", stage.rings("bruno").await);
    let lead = stage.until_found(PAULO, |f| f.leads.len() == 1).await;
    let ringing = !stage.office.is("bruno", |p| p.state == crate::softphone::State::Up);
    scene.promise("the lead is there before anybody answers, and bruno owns it", ringing && owned(&lead, "bruno"));
    stage.office.act("bruno", &Act::Answer);
    scene.promise("bruno answers", stage.carrier.until_up("paulo").await);
    scene.promise("they hear each other", stage.talk("paulo", "bruno").await);
    stage.hang_up("paulo", "bruno").await;
    let found = stage.until_found(PAULO, |f| !f.activities.is_empty()).await;
    scene.promise("one lead, one activity at it", found.leads.len() == 1 && found.activities.len() == 1);
    scene
}

/// A new lead's call is transferred: the owner follows when the new employee answers.
pub(super) async fn transfer_of_a_lead(stage: &mut Stage) -> Scene {
    stage.office.script("bruno", &answers(300));
    stage.office.script("carla", &answers(700));
    let mut scene = stage.scene("A new caller is transferred by REFER: the lead's owner follows", RITA).await;
    scene.promise("bruno answers", stage.office.until_up("bruno").await && stage.carrier.until_up("rita").await);
    stage.office.act("bruno", &Act::Refer("sip:203@pbx.example.com".to_owned()));
    scene.promise("carla's phone rings", stage.rings("carla").await);
    scene.promise("while it rings, bruno still owns the lead", owned(&stage.find(RITA).await, "bruno"));
    scene.promise("carla answers", stage.office.until_up("carla").await);
    let reassigned = stage.until_found(RITA, |f| owned(f, "carla")).await;
    scene.promise("from then on carla owns it", owned(&reassigned, "carla"));
    let told = stage.office.until("bruno", |p| p.notified() == ["100", "200"]).await;
    scene.promise("bruno's phone was told: 100, then 200", told);
    scene.promise("the customer hears carla", stage.talk("rita", "carla").await);
    stage.office.act("bruno", &Act::HangUp);
    stage.hang_up("rita", "carla").await;
    let found = stage.until_found(RITA, |f| !f.activities.is_empty()).await;
    let legs: Vec<_> = found.activities.iter().flat_map(|a| &a.legs).map(|l| l.employee.to_string()).collect();
    scene.promise("one activity with both their legs", found.activities.len() == 1 && legs == ["bruno", "carla"]);
    scene
}

/// A known client's call is transferred: her owner stays.
pub(super) async fn transfer_of_a_client(stage: &mut Stage) -> Scene {
    stage.office.script("ana", &answers(300));
    stage.office.script("carla", &answers(300));
    let mut scene = stage.scene("A known client is transferred: her owner stays", MARIA).await;
    scene.promise("ana answers", stage.office.until_up("ana").await && stage.carrier.until_up("maria").await);
    let before = stage.office.calls_of("carla");
    stage.office.act("ana", &Act::Refer("sip:203@pbx.example.com".to_owned()));
    scene.promise("carla answers", stage.office_call("carla", before).await && stage.office.until_up("carla").await);
    let told = stage.office.until("ana", |p| p.notified() == ["100", "200"]).await;
    scene.promise("ana's phone was told: 100, then 200", told);
    stage.office.act("ana", &Act::HangUp);
    stage.hang_up("maria", "carla").await;
    let found = stage.until_found(MARIA, |f| f.activities.len() == 2).await;
    let owner = found.contacts.first().and_then(|c| c.responsible.clone());
    scene.promise("Maria is still ana's client", owner == Some(EmployeeId::from("ana")));
    scene.promise("and there is no lead", found.leads.is_empty());
    scene
}

/// Two calls at once from one new number make one lead.
pub(super) async fn two_at_once(stage: &mut Stage) -> Scene {
    stage.office.script("bruno", &[(100, Act::Ring)]);
    let mut scene = stage.scene("Two calls at once from one new number: one lead", OTTO).await;
    let second = stage.also(&mut scene, OTTO).await;
    scene.promise("both ring", stage.rings("bruno").await && second);
    let found = stage.until_found(OTTO, |f| f.leads.len() == 1).await;
    scene.promise("there is one lead", found.leads.len() == 1);
    stage.give_up(&scene).await;
    let found = stage.until_found(OTTO, |f| f.activities.len() == 2).await;
    scene.promise("two activities, both missed, both at the one lead", {
        let lead = found.leads.first().map(|l| format!("lead:{}", l.id));
        let at_it = |a: &crate::store::FoundActivity| a.attached_to.map(|e| e.to_string()) == lead;
        found.leads.len() == 1
            && found.activities.len() == 2
            && found.activities.iter().all(|a| a.outcome == Outcome::Missed && at_it(a))
    });
    scene
}

/// A number on the exception list is routed, and nothing of it enters the CRM.
pub(super) async fn exception(stage: &mut Stage) -> Scene {
    stage.office.script("bruno", &answers(300));
    let mut scene = stage.scene("A number on the exception list: routed, and nothing in the CRM", SUPPLIER).await;
    scene.promise("bruno answers", stage.carrier.until_up("supplier").await);
    stage.hang_up("supplier", "bruno").await;
    scene.promise("the call stands in the call log", stage.is_logged(SUPPLIER).await);
    let found = stage.find(SUPPLIER).await;
    scene.promise("and nothing of it in the CRM", found.leads.is_empty() && found.activities.is_empty());
    scene
}

/// The CRM is cut off during a call: the call goes on, and the rows are there afterwards.
pub(super) async fn crm_cut_off(stage: &mut Stage) -> Scene {
    stage.office.script("bruno", &answers(300));
    stage.cut_off_crm(true);
    let mut scene = stage.scene("The CRM is cut off during a call: rows there afterwards, once", LIA).await;
    scene.promise("the call is routed all the same: bruno answers", stage.carrier.until_up("lia").await);
    stage.hang_up("lia", "bruno").await;
    scene.promise("what the call owes is kept", stage.is_logged(LIA).await && stage.owed().await == 2);
    let before = stage.find(LIA).await;
    scene.promise("meanwhile nothing is in the CRM", before.leads.is_empty() && before.activities.is_empty());
    stage.cut_off_crm(false);
    let found = stage.until_found(LIA, |f| f.leads.len() == 1 && f.activities.len() == 1).await;
    let at = found.activities.first().and_then(|a| a.attached_to).map(|e| e.to_string());
    let lead = found.leads.first().map(|l| format!("lead:{}", l.id));
    scene.promise("back again: one lead, one activity at it", found.leads.len() == 1 && at.is_some() && at == lead);
    scene
}

fn owned(found: &crate::crm::embedded::Found, by: &str) -> bool {
    found.leads.first().is_some_and(|l| l.responsible == Some(EmployeeId::from(by)))
}
