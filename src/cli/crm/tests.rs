//! The commands over a store without a server, beside one, and what they print.

use clap::Parser;

use super::*;
use crate::crm::testing::{House, MARIA, PAULO, rules};

#[derive(Parser)]
enum Commands {
    #[command(subcommand)]
    Crm(CrmCommand),
    #[command(subcommand)]
    Outbox(OutboxCommand),
}

fn request(line: &str) -> Request {
    match Commands::try_parse_from(line.split('|')).unwrap() {
        Commands::Crm(command) => match command.asked() {
            Asked::Request(request) => request,
            Asked::Import(file) => panic!("an import of {}", file.display()),
        },
        Commands::Outbox(command) => command.request(),
    }
}

/// Asks the store at this url; a server is never in reach.
async fn ask_at(url: &str, line: &str) -> Result<Answer, DeskError> {
    let rules = rules(&["+5511900000000"]);
    let clock: Clock = std::sync::Arc::new(|| crate::base::Wall::from_unix_millis(crate::crm::testing::START));
    let access = Access { url, rules: &rules, of_the_house: &|_| false, clock };
    ask(&access, request(line), async |_| Err(DeskError::Elsewhere)).await
}

#[tokio::test]
async fn the_commands_work_on_the_store_while_no_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ramal.db").display());
    let said = async |line: &str| text(&ask_at(&url, line).await.unwrap());
    assert_eq!(said(&format!("ramal|crm|find|{MARIA}")).await, format!("{MARIA}: unknown\n"));
    let add = format!("ramal|crm|add-contact|--name|Maria\x1b[2J|--phone|{MARIA}|--responsible|ana");
    assert_eq!(said(&add).await, "contact:1 added\n");
    let found = said(&format!("ramal|crm|find|{MARIA}")).await;
    assert_eq!(found, format!("{MARIA}: known\n  contact:1  Maria\u{fffd}[2J, responsible ana\n"));
    said("ramal|crm|add-exception|Joao@example.com|--comment|family").await;
    assert_eq!(
        said("ramal|crm|exceptions").await,
        "joao@example.com  family  since 2026-11-24T14:00:00.000Z\n+5511900000000  in the file\n"
    );
    assert_eq!(said("ramal|outbox|list").await, "nothing is owed\n");
    let refused = ask_at(&url, "ramal|crm|convert-lead|7|--to|contact,deal").await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no lead:7; `ramal crm find PHONE` lists what there is");
}

#[tokio::test]
async fn beside_a_server_reading_works_and_changes_are_sent_to_it() {
    let mut house = House::open().await;
    house.makes_lead(1, PAULO, "bruno").await;
    house.ends(1, PAULO).await;
    let url = format!("sqlite:{}", house.folder.path().join("data/ramal.db").display());
    let found = ask_at(&url, &format!("ramal|crm|find|{PAULO}")).await.unwrap();
    assert_eq!(json(&found)["leads"][0]["source"], "Sales line");
    insta::assert_snapshot!(text(&found));
    let sent = ask_at(&url, &format!("ramal|crm|add-exception|{PAULO}")).await;
    assert!(matches!(sent, Err(DeskError::Elsewhere)), "our stand-in for the server was asked");
}

#[test]
fn requests_and_answers_travel_as_json() {
    for line in ["ramal|outbox|retry|000000000000002a|1", "ramal|outbox|drop", "ramal|crm|exceptions"] {
        let asked = request(line);
        let json = serde_json::to_string(&asked).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), asked, "{json}");
    }
    let asked = request("ramal|crm|convert-lead|3|--to|contact,company,deal");
    let json = serde_json::to_string(&asked).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), asked, "{json}");
    assert!(Commands::try_parse_from("ramal|crm|convert-lead|3|--to|lead".split('|')).is_err());
}
