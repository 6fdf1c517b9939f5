//! Faulty files: the fault, its line and its mend.

use super::{faults, in_words, load_text};

/// Writes more below the office, which ends at line 29.
const END: (&str, &str) = ("queue = \"sales\"\n", "queue = \"sales\"\n");

fn below(more: &str) -> Vec<String> {
    faults(&[(END.0, &format!("{}{more}", END.1))])
}

/// One fault, and nothing else.
#[track_caller]
fn one(from: &str, to: &str, fault: &str) {
    assert_eq!(faults(&[(from, to)]), [fault]);
}

#[track_caller]
fn one_below(more: &str, fault: &str) {
    assert_eq!(below(more), [fault]);
}

#[test]
fn unknown_keys_and_sections_are_named_with_their_neighbour() {
    one("mode =", "mod =", "3: [media] knows no key `mod` (did you mean `mode`?)");
    one(
        "name = \"carrier\"",
        "name = \"carrier\"\nfailover = 3",
        "7: trunk `carrier` knows no key `failover` (did you mean `failover_on`?)",
    );
    one_below("[sipp]\n", "30: the file knows no key `sipp` (did you mean `sip`?)");
    one_below("[[employe]]\nid = \"x\"\n", "30: the file knows no key `employe` (did you mean `employee`?)");
    one_below("[sip.timers]\nt3 = \"1s\"\n", "31: [sip.timers] knows no key `t3` (did you mean `t1`?)");
    one_below("[security]\nbananas = true\n", "31: [security] knows no key `bananas` (it knows unknown_source)");
    one_below(
        "[http]\napi_token = { evn = \"X\" }\n",
        "31: [http]: `api_token` knows no key `evn` (did you mean `env`?)",
    );
}

#[test]
fn wrong_types_say_what_is_wanted() {
    one(
        "extension = \"201\"",
        "extension = 201",
        "16: employee `ana`: `extension` wants a text, not a whole number (write \"201\")",
    );
    one_below(
        "[sip]\ndrain = 60\n",
        "31: [sip]: `drain` wants a text, not a whole number (write a number and ms, s, m, h, d or y, as in \"20s\")",
    );
    one(
        "members = [\"bruno\", \"ana\"]",
        "members = \"bruno\"",
        "24: queue `sales`: `members` wants a list of texts, not a text (write it in brackets, as in [\"…\"])",
    );
    one_below(
        "[trace]\npcap = \"no\"\n",
        "31: [trace]: `pcap` wants true or false, not a text (write true or false, without quotes)",
    );
    one_below("[limits]\ncalls = 0\n", "31: [limits]: `calls` is out of range (from 1 to 1000000)");
    one_below(
        "[limits]\ncalls = \"many\"\n",
        "31: [limits]: `calls` wants a whole number, not a text (write digits without quotes, as in 10)",
    );
    one_below(
        "[log]\nlevel = \"inof\"\n",
        "31: [log]: `level`: `inof` is no word for it (did you mean `info`? it is one of \"error\", \"warn\", \"info\", \"debug\", \"trace\")",
    );
    one_below(
        "[store]\nkeep_calls = \"soon\"\n",
        "31: [store]: `keep_calls`: `soon` is no duration (write a number and ms, s, m, h, d or y, as in \"20s\")",
    );
    one_below(
        "[trace]\nsize = \"1Gi\"\n",
        "31: [trace]: `size`: `1Gi` is no size (write a number and KiB, MiB, GiB, kB, MB or GB, as in \"1GiB\")",
    );
    one_below(
        "[http]\nlisten = \"8080\"\n",
        "31: [http]: `listen`: `8080` is no address with a port (write both, as in \"127.0.0.1:8080\")",
    );
    one_below(
        "[sip]\nadvertise = \"pbx.example\"\n",
        "31: [sip]: `advertise`: `pbx.example` is no IP address (write an address without a port, as in \"203.0.113.10\")",
    );
    one_below(
        "[sip]\nlisten = [\"sctp:0.0.0.0:5060\"]\n",
        "31: [sip]: `listen`: `sctp` is no transport (udp, tcp, tls, ws or wss)",
    );
    one_below(
        "[sip]\nlocal = [\"10.0.0.0/40\"]\n",
        "31: [sip]: `local`: `10.0.0.0/40` is no network (write an address and the length of its prefix, as in \"10.0.0.0/8\")",
    );
    one_below(
        "[crm]\ncountry = \"Brazil\"\n",
        "31: [crm]: `country`: `Brazil` is no country (write its two capital letters, as in \"BR\")",
    );
    one_below(
        "[crm]\ndeadline = \"0ms\"\n",
        "31: [crm]: `deadline`: a duration of nothing at all (write more than zero, as in \"20s\")",
    );
}

#[test]
fn a_secret_is_not_empty() {
    let help = "write a long one by chance, or take the key out";
    assert_eq!(
        faults(&[("id = \"ana\"\n", "id = \"ana\"\npassword = \"\"\n")]),
        [format!("16: employee `ana`: `password` is empty ({help})")]
    );
    one_below("[http]\napi_token = \"\"\n", &format!("31: [http]: `api_token` is empty ({help})"));
}

#[test]
fn nothing_at_all_wants_a_unit_too() {
    assert_eq!(
        faults(&[("name = \"carrier\"\n", "name = \"carrier\"\noptions = \"0\"\n")]),
        ["7: trunk `carrier`: `options`: `0` is no duration (write a unit too, as in \"0s\")"]
    );
}

#[test]
fn peers_are_written_as_uris() {
    let help = "write it as in \"sip:203.0.113.5:5060\" or \"sip:sbc.example.com;transport=tcp\"";
    let peer = |written: &str| faults(&[("sip:203.0.113.5", written)]);
    let fault = |what: &str, help: &str| [format!("7: trunk `carrier`: `peers`: {what} ({help})")];
    assert_eq!(peer("203.0.113.5"), fault("`203.0.113.5` is no peer: it does not begin with sip: or sips:", help));
    assert_eq!(peer("sip:a@b"), fault("`sip:a@b` is no peer: a peer has no user part", help));
    assert_eq!(peer("sip:h:99999"), fault("`sip:h:99999` is no peer: its host or port cannot be read", help));
    assert_eq!(peer("sip:h;lr"), fault("`sip:h;lr` is no peer: `lr` means nothing here", help));
}

#[test]
fn required_keys_that_are_missing_are_asked_for() {
    let missing = |from: &str| faults(&[(from, "")]);
    assert_eq!(
        missing("peers = [\"sip:203.0.113.5\"]\n"),
        ["5: trunk `carrier` has no `peers` (add peers = [\"sip:203.0.113.5\"])"]
    );
    assert_eq!(missing("extensions = \"2xx\"\n"), ["9: pbx `office` has no `extensions` (add extensions = \"2xx\")"]);
    assert_eq!(
        missing("members = [\"bruno\", \"ana\"]\n"),
        ["22: queue `sales` has no `members` (add members = [\"ana\"])"]
    );
    assert_eq!(missing("number = \"+551140028922\"\n"), ["26: line has no `number` (add number = \"+551140028922\")"]);
    assert_eq!(missing("queue = \"sales\"\n"), ["26: line `+551140028922` has no `queue` (add queue = \"sales\")"]);
    assert_eq!(
        missing("trunk = \"carrier\"\n"),
        ["26: line `+551140028922` has neither `trunk` nor `pbx` (add trunk = \"…\", or pbx = \"…\")"]
    );
    // That the queue names her is no second fault.
    assert_eq!(missing("id = \"ana\"\n"), ["14: employee has no `id` (add id = \"ana\")"]);
    assert_eq!(
        faults(&[("members = [\"bruno\", \"ana\"]", "members = []")]),
        ["24: queue `sales` has no members (list at least one employee)"]
    );
    assert_eq!(
        faults(&[("[\"sip:203.0.113.5\"]", "[]")]),
        ["7: trunk `carrier`: `peers` is empty (name at least one)"]
    );
}

#[test]
fn names_that_nothing_has_are_faults() {
    one(
        "members = [\"bruno\",",
        "members = [\"brun\",",
        "24: queue `sales` names `brun`, who is no employee (did you mean `bruno`?)",
    );
    one(
        "queue = \"sales\"",
        "queue = \"sale\"",
        "29: line `+551140028922` names `sale`, which is no queue (did you mean `sales`?)",
    );
    one(
        "trunk = \"carrier\"",
        "trunk = \"telco\"",
        "28: line `+551140028922` names `telco`, which is no trunk (there is carrier)",
    );
    one(
        "trunk = \"carrier\"",
        "pbx = \"offic\"",
        "28: line `+551140028922` names `offic`, which is no PBX (did you mean `office`?)",
    );
    one(
        "extension = \"201\"",
        "line = \"+551140028923\"",
        "16: employee `ana` names +551140028923, which is no line (did you mean `+551140028922`?)",
    );
    one(
        "extensions = \"2xx\"",
        "extensions = \"2xx\"\nline = \"+552133334444\"",
        "13: pbx `office` names +552133334444, which is no line (the lines are +551140028922)",
    );
    one(
        "members = [\"bruno\", \"ana\"]",
        "members = [\"bruno\", \"ana\"]\nunanswered = { queue = \"support\" }",
        "25: queue `sales` names `support`, which is no queue (there is sales)",
    );
    one(
        "queue = \"sales\"\n",
        "queue = \"sales\"\noff_hours = { queue = \"nigth\" }\n",
        "30: line `+551140028922` names `nigth`, which is no queue (there is sales)",
    );
}

#[test]
fn things_that_stand_twice_are_faults() {
    one_below(
        "[[employee]]\nid = \"ana\"\n",
        "31: employee `ana` stands twice in the files (the first is ramal.toml:15)",
    );
    one_below(
        "[[employee]]\nid = \"carla\"\nextension = \"202\"\n",
        "32: extension `202` stands twice in the files (the first is ramal.toml:20)",
    );
    one(
        "name = \"sales\"",
        "name = \"sales\"\nextension = \"201\"",
        "24: extension `201` stands twice in the files (the first is ramal.toml:16)",
    );
    one_below(
        "[[queue]]\nname = \"sales\"\nmembers = [\"ana\"]\n",
        "31: queue `sales` stands twice in the files (the first is ramal.toml:23)",
    );
    one_below(
        "[[line]]\nnumber = \"(11) 4002-8922\"\ntrunk = \"carrier\"\nqueue = \"sales\"\n",
        "31: line +551140028922 stands twice in the files (keep one of them)",
    );
    one(
        "members = [\"bruno\", \"ana\"]",
        "members = [\"bruno\", \"bruno\"]",
        "24: queue `sales` names `bruno` twice (a queue rings each member once)",
    );
    one(
        "name = \"office\"",
        "name = \"carrier\"",
        "10: `carrier` is a trunk and a PBX (give them different names: ladders and metrics show them)",
    );
    one(
        "[media]\nmode = \"bypass\"\n",
        "[sip]\nlisten = [\"udp:0.0.0.0:5060\", \"udp:0.0.0.0:5060\"]\n[media]\nmode = \"bypass\"\n",
        "3: [sip]: UDP 0.0.0.0:5060 stands twice in `listen` (keep one of them)",
    );
}

#[test]
fn gateways_that_the_same_call_could_come_from_are_faults() {
    let help = "give each addresses of its own with `accept`, or peers with different ports";
    let fault = |line: u8, from: &str| {
        format!("{line}: a call from {from} could be one of trunk `carrier` and one of pbx `office` ({help})")
    };
    // The same address, the same port.
    one("sip:10.0.0.5", "sip:203.0.113.5", &fault(11, "203.0.113.5/32:5060").replace("/32", ""));
    // The same address, other ports: the port decides.
    assert!(super::right(&super::office(&[("sip:10.0.0.5", "sip:203.0.113.5:5080")])).warnings.is_empty());
    // The same network, written twice.
    let both = [
        ("name = \"carrier\"", "name = \"carrier\"\naccept = [\"192.0.2.0/24\"]"),
        ("name = \"office\"", "name = \"office\"\naccept = [\"192.0.2.0/24\"]"),
    ];
    assert_eq!(faults(&both), [fault(12, "192.0.2.0/24")]);
    // A longer prefix wins, so there is no tie.
    let nested = [both[0], ("name = \"office\"", "name = \"office\"\naccept = [\"192.0.2.0/25\"]")];
    assert!(super::warnings(&nested).is_empty());
    // Loopback, as in tests: both accept all of it, and their peers differ in ports only.
    let loopback = [
        ("sip:203.0.113.5", "sip:127.0.0.1:5070"),
        ("sip:10.0.0.5", "sip:127.0.0.1:5080"),
        ("name = \"carrier\"", "name = \"carrier\"\naccept = [\"127.0.0.0/8\"]"),
        ("name = \"office\"", "name = \"office\"\naccept = [\"127.0.0.0/8\"]"),
    ];
    assert!(super::warnings(&loopback).is_empty());
}

#[test]
fn a_line_has_one_gateway() {
    one(
        "trunk = \"carrier\"",
        "trunk = \"carrier\"\npbx = \"office\"",
        "29: line `+551140028922` has both `trunk` and `pbx` (keep the one that its calls come through)",
    );
}

#[test]
fn what_follows_an_unanswered_call_is_one_known_thing() {
    let words = "it is one of \"queue\", \"mobile\", \"voicemail\", \"hangup\"";
    one_below(
        "unanswered = { forward = \"+5511987654321\" }\n",
        &format!("30: line `+551140028922`: `unanswered` is a word here, not a table ({words})"),
    );
    one_below(
        "unanswered = \"mobil\"\n",
        &format!("30: line `+551140028922`: `unanswered`: `mobil` is no word for it ({words})"),
    );
    let all = "it is one of \"hangup\", \"voicemail\", { forward = \"+55…\" }, { queue = \"…\" }";
    one_below(
        "off_hours = { queue = \"sales\", forward = \"+5511987654321\" }\n",
        &format!("30: line `+551140028922`: `off_hours` names one thing ({all})"),
    );
    one(
        "name = \"sales\"",
        "name = \"sales\"\ndistribution = \"as-enqueued\"\nunanswered = \"wait\"",
        "25: queue `sales`: `unanswered` cannot be \"wait\" where `distribution` is \"as-enqueued\" (write distribution = \"evenly\" or \"everybody\")",
    );
}

#[test]
fn calls_are_forwarded_only_where_calls_may_go() {
    one_below(
        "off_hours = { forward = \"+442079460958\" }\n",
        "30: line `+551140028922`: +442079460958 is in GB, where no calls may go (add \"GB\" to `outgoing_countries` in [limits])",
    );
    let allowed = "off_hours = { forward = \"+442079460958\" }\n[limits]\noutgoing_countries = [\"BR\", \"GB\"]\n";
    assert!(super::warnings(&[(END.0, &format!("{}{allowed}", END.1))]).is_empty());
}

#[test]
fn hours_and_holidays_are_held_to_their_form() {
    let hours = "write days and times, as in \"Mon-Fri 08:00-18:00; Sat 09:00-13:00\"";
    for (written, what) in [
        ("Mon-Fry 08:00-18:00", "Mon-Fry 08:00-18:00"),
        ("Mon 08:00-08:00", "Mon 08:00-08:00"),
        ("Mon 8h-18h", "Mon 8h-18h"),
        ("Mon 08:00-25:00", "Mon 08:00-25:00"),
        ("Mon-Fri 08:00-18:00; always", "always"),
    ] {
        one_below(
            &format!("hours = \"{written}\"\n"),
            &format!("30: line `+551140028922`: `hours`: `{what}` is no opening time ({hours})"),
        );
    }
    one_below(
        "holidays = [\"12-25\", \"13-01\"]\n",
        "30: line `+551140028922`: `holidays`: `13-01` is no day (write month and day, as in \"12-25\", or a date, as in \"2027-02-09\")",
    );
    one_below(
        "timezone = \"Sao Paulo\"\n",
        "30: line `+551140028922`: `timezone`: `Sao Paulo` is no time zone (write its name, as in \"America/Sao_Paulo\")",
    );
}

#[test]
fn all_faults_are_found_at_once_in_the_order_of_the_file() {
    let found = faults(&[
        ("mode = \"bypass\"", "mode = \"bypas\""),
        ("peers = [\"sip:203.0.113.5\"]", "peers = [\"203.0.113.5\"]"),
        ("extension = \"201\"", "extension = 201"),
        ("\"bruno\", \"ana\"", "\"brun\", \"anna\""),
        ("queue = \"sales\"", "queue = \"support\""),
    ]);
    let lines: Vec<&str> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["3", "7", "16", "24", "24", "29"], "{found:#?}");
}

#[test]
fn a_fault_is_shown_with_its_line_and_a_mend() {
    let faults = load_text(&super::office(&[("\"bruno\", \"ana\"", "\"brun\", \"ana\"")])).unwrap_err();
    let shown = faults.render(false);
    for part in [
        "× queue `sales` names `brun`",
        "ramal.toml:24:12",
        "members = [\"brun\", \"ana\"]",
        "no employee",
        "did you mean `bruno`?",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(faults.render(true).contains("\u{1b}["));
}

#[test]
fn numbers_have_to_be_numbers() {
    one(
        "extension = \"201\"",
        "mobile = \"98765-4321\"",
        "16: employee `ana`: `98765-4321` is no phone number: 987654321 fits no numbering plan; kept as received (write it in full, as in \"+5511987654321\")",
    );
    one(
        "\"+551140028922\"",
        "\"main\"",
        "27: line `main`: `main` is no phone number: not a phone number (write it in full, as in \"+5511987654321\")",
    );
    one_below(
        "[blacklist]\nnumbers = [\"spam\"]\n",
        "31: [blacklist]: `spam` is no phone number: not a phone number (write it in full, as in \"+5511987654321\")",
    );
    one_below(
        "[crm]\nexceptions = [\"courier\"]\n",
        "31: [crm]: `exceptions`: `courier` is no phone number: not a phone number (write it in full, as in \"+5511987654321\")",
    );
}

#[test]
fn keys_at_odds_are_faults_where_both_are_written() {
    one_below(
        "record = true\n",
        "30: line `+551140028922`: `record` needs media to pass through ramal, and [media] says \"bypass\" (take it out, or write mode = \"relay\" in [media])",
    );
    one_below(
        "[recording]\nannounce = true\n",
        "30: [recording] needs media to pass through ramal, and [media] says \"bypass\" (take it out, or write mode = \"relay\" in [media])",
    );
    one_below(
        "off_hours = \"voicemail\"\n",
        "30: line `+551140028922`: voicemail needs media to pass through ramal, and [media] says \"bypass\" (take it out, or write mode = \"relay\" in [media])",
    );
}

#[test]
fn queues_that_hand_calls_round_are_faults() {
    let more = "[[queue]]\nname = \"a\"\nmembers = [\"ana\"]\nunanswered = { queue = \"b\" }\n[[queue]]\nname = \"b\"\nmembers = [\"ana\"]\nunanswered = { queue = \"a\" }\n";
    one_below(
        more,
        "37: unanswered calls go round for ever: a → b → a (let one of them end in \"hangup\" or elsewhere)",
    );
}

#[test]
fn what_this_release_cannot_do_without_is_a_fault() {
    one_below(
        "[store]\nurl = \"postgres://db/ramal\"\n",
        "31: [store]: `url`: PostgreSQL comes with a later release (write sqlite: and a path, as in \"sqlite:data/ramal.db\")",
    );
    one_below(
        "[crm]\nbackend = \"bitrix24\"\nbitrix24.webhook = \"https://acme.bitrix24.com.br/rest/1/x/\"\n",
        "31: [crm]: `backend`: this release has the embedded CRM alone (write backend = \"embedded\", or leave the key out)",
    );
    one_below(
        "[sip]\nlisten = [\"tls:0.0.0.0:5061\"]\n",
        "31: [sip]: `listen`: tls needs a certificate, and there is no [sip.tls] (add [sip.tls] with `certificate` and `key`)",
    );
}

#[test]
fn text_that_is_no_toml_is_told_alone() {
    let found = in_words(load_text("[media]\nmode = \n\n[[line]\nnumber = 1\n").unwrap_err().faults());
    assert!(found.len() >= 2, "{found:?}");
    assert!(found.iter().all(|fault| fault.contains("not TOML")), "{found:?}");
}
