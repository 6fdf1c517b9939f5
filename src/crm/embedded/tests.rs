//! The embedded CRM in a store of its own: lookups, leads, owners, activities, edits.

use super::*;
use crate::crm::model::{Exclusion, Known, Write};
use crate::crm::testing::*;

fn known(lookup: Lookup) -> Known {
    match lookup {
        Lookup::Known(known) => known,
        other => panic!("known, not {other:?}"),
    }
}

#[track_caller]
fn assert_excluded(lookup: &Lookup) {
    assert!(matches!(lookup, Lookup::Excluded(Exclusion::Exception(_))), "{lookup:?}");
}

#[tokio::test]
async fn a_contact_is_known_by_either_form_of_her_mobile() {
    let house = House::open().await;
    let maria = house.add_contact("Maria Souza", "11 98765-4321", "ana").await;
    for phone in [MARIA, "+551187654321"] {
        let known = known(house.looks_up(phone).await);
        assert_eq!((known.entity, known.name.as_deref()), (maria, Some("Maria Souza")));
        assert_eq!(known.responsible, Some("ana".into()));
        assert_eq!(known.why, "the only contact with this number");
    }
    assert_eq!(house.looks_up(PAULO).await, Lookup::Unknown { fresh: None });
}

#[tokio::test]
async fn what_was_committed_is_known_again_after_a_restart() {
    let mut house = House::open().await;
    house.add_contact("Maria", MARIA, "ana").await;
    house.makes_lead(1, PAULO, "bruno").await;
    let house = house.killed_and_started_again().await;
    assert_eq!(known(house.looks_up(MARIA).await).name.as_deref(), Some("Maria"));
    // The call that made it cannot be up any more.
    assert_eq!(known(house.looks_up(PAULO).await).entity, lead(1));
}

#[tokio::test]
async fn the_preferred_kind_comes_first_and_what_was_passed_over_is_named() {
    let mut house = House::open().await;
    house.makes_lead(1, MARIA, "bruno").await;
    house.ends(1, MARIA).await;
    let maria = house.add_contact("Maria", MARIA, "ana").await;
    let known_now = known(house.looks_up(MARIA).await);
    assert_eq!((known_now.entity, known_now.why.as_str()), (maria, "crm.prefer puts a contact first"));
    assert_eq!(known_now.passed_over[0].what, "lead:1");

    house.crm().set_rules(Rules::new(&[EntityKind::Lead, EntityKind::Contact], &[], "BR"));
    assert_eq!(known(house.looks_up(MARIA).await).entity, lead(1));
}

#[tokio::test]
async fn of_one_kind_the_latest_activity_decides_and_without_one_the_newest() {
    let mut house = House::open().await;
    let older = house.add_contact("Maria", MARIA, "ana").await;
    house.later(1);
    let newer = house.add_contact("Mario", MARIA, "bruno").await;
    let choice = known(house.looks_up(MARIA).await);
    assert_eq!((choice.entity, choice.why.as_str()), (newer, "the newest contact with this number"));

    let mut record = record(1, MARIA);
    record.client = Some(older);
    let activity = owed(1, 0, Write::ActivityCreate(Box::new(record.clone())));
    house.outbox.save(record, vec![activity]).await.unwrap();
    assert_eq!(house.next_effect().await, Effect::Activity { id: 1, attached_to: Some(older) });
    let choice = known(house.looks_up(MARIA).await);
    assert_eq!(choice.entity, older);
    assert_eq!(choice.why, "the contact with the latest activity, 2026-11-24T14:00:44.000Z");
    assert_eq!(choice.passed_over[0].why, "no activity");
    let house = house.killed_and_started_again().await;
    assert_eq!(known(house.looks_up(MARIA).await).entity, older);
}

#[tokio::test]
async fn a_junk_lead_makes_nobody_known_and_gives_way_to_a_new_one() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    house.ends(1, PAULO).await;
    house.edit(Edit::SetStatus { lead: 1, status: "junk".to_owned() }).await;
    assert_eq!(house.looks_up(PAULO).await, Lookup::Unknown { fresh: None });
    assert_eq!(house.makes_lead(2, PAULO, "bruno").await, Effect::Created { record: lead(2), made: true });
}

#[tokio::test]
async fn a_converted_lead_is_known_as_its_client_who_keeps_owner_history_and_number() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    house.ends(1, PAULO).await;
    let to = vec![EntityKind::Contact, EntityKind::Company, EntityKind::Deal];
    let name = Some("Paulo".to_owned());
    let Done::Converted { to, .. } = house.edit(Edit::ConvertLead { lead: 1, to, name, pipeline: None }).await else {
        panic!()
    };
    assert_eq!(to.iter().map(ToString::to_string).collect::<Vec<_>>(), ["contact:1", "company:1", "deal:1"]);
    let choice = known(house.looks_up(PAULO).await);
    assert_eq!((choice.entity, choice.responsible), (to[0], Some("bruno".into())));
    let found = house.find(PAULO).await;
    assert_eq!(found.leads[0].status, "converted");
    assert_eq!(found.deals[0].responsible, Some("bruno".into()));
    assert_eq!(found.activities[0].attached_to, Some(to[0]));
}

#[tokio::test]
async fn exceptions_match_by_number_by_address_and_by_a_clients_email() {
    let house = House::open().await;
    let except = |value: &str| Edit::AddException { value: value.to_owned(), comment: Some("family".to_owned()) };
    house.edit(except("+5511 98765-4321")).await;
    assert_eq!(
        house.looks_up("+551187654321").await,
        Lookup::Excluded(Exclusion::Exception("+5511987654321; family".to_owned()))
    );

    house.edit(except("Joao@Example.com")).await;
    let from_joao = WhoCalls { address: "joao@example.com".to_owned(), ..asked(PAULO) };
    assert_excluded(&house.crm().who_calls(&from_joao).await.unwrap());
    assert_eq!(house.looks_up(PAULO).await, Lookup::Unknown { fresh: None });

    house
        .edit(Edit::AddClient {
            kind: EntityKind::Contact,
            name: "João".to_owned(),
            phones: vec![PAULO.to_owned()],
            responsible: "ana".into(),
            email: Some("JOAO@example.com".to_owned()),
        })
        .await;
    assert_excluded(&house.looks_up(PAULO).await);

    let house = house.killed_and_started_again().await;
    assert_excluded(&house.looks_up(PAULO).await);
    house.edit(Edit::RemoveException { value: "joao@example.com".to_owned() }).await;
    assert_eq!(known(house.looks_up(PAULO).await).responsible, Some("ana".into()));
    let twice = house.crm().edit(Edit::RemoveException { value: "joao@example.com".to_owned() }).await;
    assert!(matches!(twice, Err(EditError::NoSuchException(_))));
}

#[tokio::test]
async fn the_files_exceptions_count_too() {
    let house = House::open().await;
    house.crm().set_rules(rules(&[PAULO]));
    assert_excluded(&house.looks_up(PAULO).await);
}

#[tokio::test]
async fn many_calls_at_once_from_one_number_share_one_lead() {
    let mut house = House::open().await;
    let calls: Vec<_> = (1..=50)
        .map(|call| {
            let outbox = house.outbox.clone();
            tokio::spawn(async move { outbox.tell(vec![create(call, PAULO, "bruno")]) })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let mut made = 0;
    for _ in 0..50 {
        match house.next_effect().await {
            Effect::Created { record: shared, made: this } if shared == lead(1) => made += usize::from(this),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(made, 1);
    assert_eq!(house.find(PAULO).await.leads.len(), 1);
}

#[tokio::test]
async fn a_lead_is_unknown_while_its_call_is_up_and_known_afterwards() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    assert_eq!(house.looks_up(PAULO).await, Lookup::Unknown { fresh: Some(lead(1)) });
    assert_eq!(house.ends(1, PAULO).await, Effect::Activity { id: 1, attached_to: Some(lead(1)) });
    assert_eq!(known(house.looks_up(PAULO).await).entity, lead(1));
}

#[tokio::test]
async fn a_lead_is_void_for_a_number_that_has_become_a_clients() {
    let mut house = House::open().await;
    house.add_contact("Paulo", PAULO, "ana").await;
    assert!(matches!(house.makes_lead(1, PAULO, "bruno").await, Effect::Void(_)));
    let attached_to = Some(EntityRef { kind: EntityKind::Contact, id: 1 });
    assert_eq!(house.ends(1, PAULO).await, Effect::Activity { id: 1, attached_to });
}

#[tokio::test]
async fn the_owner_moves_along_a_chain_of_transfers_and_back() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    for (seq, from, to) in [(1, "bruno", "ana"), (2, "ana", "carla"), (3, "carla", "bruno")] {
        house.outbox.tell(vec![reassign(1, seq, to)]);
        let moved = Effect::Reassigned { moved: vec![(lead(1), from.into())], to: to.into() };
        assert_eq!(house.next_effect().await, moved);
    }
    assert_eq!(house.find(PAULO).await.leads[0].responsible, Some("bruno".into()));
}

#[tokio::test]
async fn of_calls_that_share_a_lead_the_last_transfer_decides() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    assert_eq!(house.makes_lead(2, PAULO, "bruno").await, Effect::Created { record: lead(1), made: false });
    house.outbox.tell(vec![reassign(1, 1, "ana")]);
    house.outbox.tell(vec![reassign(2, 1, "carla")]);
    house.next_effect().await;
    house.next_effect().await;
    assert_eq!(house.find(PAULO).await.leads[0].responsible, Some("carla".into()));
}

#[tokio::test]
async fn an_owner_set_by_hand_stays() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    house.edit(Edit::SetOwner { record: lead(1), responsible: "carla".into() }).await;
    house.outbox.tell(vec![reassign(1, 1, "ana")]);
    assert_eq!(house.next_effect().await, Effect::Void("lead:1 belongs to carla".to_owned()));
}

#[tokio::test]
async fn a_call_that_created_nothing_moves_nobody() {
    let mut house = House::open().await;
    house.add_contact("Maria", MARIA, "ana").await;
    house.outbox.tell(vec![reassign(1, 0, "carla")]);
    assert!(matches!(house.next_effect().await, Effect::Void(_)));
    assert_eq!(house.find(MARIA).await.contacts[0].responsible, Some("ana".into()));
}

#[tokio::test]
async fn a_lead_converted_during_the_call_moves_as_its_client_and_deal() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    let to = vec![EntityKind::Contact, EntityKind::Deal];
    house.edit(Edit::ConvertLead { lead: 1, to, name: None, pipeline: None }).await;
    house.outbox.tell(vec![reassign(1, 1, "ana")]);
    let Effect::Reassigned { moved, .. } = house.next_effect().await else { panic!() };
    assert_eq!(moved.iter().map(|(at, _)| at.to_string()).collect::<Vec<_>>(), ["contact:1", "deal:1"]);
    let attached_to = Some(EntityRef { kind: EntityKind::Contact, id: 1 });
    assert_eq!(house.ends(1, PAULO).await, Effect::Activity { id: 1, attached_to });
    assert_eq!(house.find(PAULO).await.deals[0].responsible, Some("ana".into()));
}

#[tokio::test]
async fn an_activity_of_nobody_stands_at_the_number() {
    let mut house = House::open().await;
    assert_eq!(house.ends(1, PAULO).await, Effect::Activity { id: 1, attached_to: None });
    let found = house.find(PAULO).await;
    assert!(!found.known);
    assert_eq!(found.activities.len(), 1);
}

#[tokio::test]
async fn find_has_the_shape_of_the_contract() {
    let mut house = House::open().await;
    house.makes_lead(0x2a, PAULO, "bruno").await;
    house.ends(0x2a, PAULO).await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&house.find(PAULO).await).unwrap());
    insta::assert_snapshot!(serde_json::to_string(&house.find(MARIA).await).unwrap());
}

#[tokio::test]
async fn find_beside_a_running_server_sees_the_same() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    let url = format!("sqlite:{}", house.folder.path().join("data/ramal.db").display());
    let reader = crate::store::Reader::open(&url).await.unwrap();
    let beside = async || find_beside(&reader, &rules(&[]), PAULO, &|_| false).await.unwrap();
    assert!(!beside().await.known, "its call is up");
    assert_eq!(beside().await, house.find(PAULO).await);
    house.ends(1, PAULO).await;
    assert!(beside().await.known);
    assert_eq!(beside().await, house.find(PAULO).await);
}

#[tokio::test]
async fn numbers_of_the_house_are_excluded_and_still_listed() {
    let house = House::open().await;
    house.add_contact("Ana herself", MARIA, "ana").await;
    let found = find(house.crm(), "+551187654321", &|phone| phone == number(MARIA)).await.unwrap();
    assert_eq!((found.known, found.lookup), (false, crate::crm::model::LookupKind::Excluded));
    assert_eq!(found.contacts.len(), 1);
}
