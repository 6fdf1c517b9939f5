//! What `check` warns of, with exit code 0.

use super::{in_words, load_text, right, warnings};

const END: &str = "queue = \"sales\"\n";

#[track_caller]
fn below(more: &str) -> Vec<String> {
    warnings(&[(END, &format!("{END}{more}"))])
}

#[test]
fn the_office_itself_has_no_warning() {
    assert!(warnings(&[]).is_empty());
}

#[test]
fn media_that_is_to_be_relayed_is_one_warning() {
    let message = "media is not relayed by this release: it flows end to end, as with mode = \"bypass\" (write mode = \"bypass\" in [media] to say so)";
    assert_eq!(warnings(&[("mode = \"bypass\"", "mode = \"relay\"")]), [format!("3: {message}")]);
    assert_eq!(warnings(&[("[media]\nmode = \"bypass\"\n", "")]), [format!("1: {message}")]);
    assert_eq!(warnings(&[("mode = \"bypass\"", "ports = \"30000-39999\"")]), [format!("2: {message}")]);
}

#[test]
fn passwords_that_are_guessed_are_told() {
    let with = |password: &str| {
        let keys = format!("id = \"ana\"\npassword = \"{password}\"\n");
        warnings(&[("id = \"ana\"\n", keys.as_str())])
            .into_iter()
            .filter(|told| told.contains("guess") || told.contains("finds"))
            .count()
    };
    assert_eq!(["201", "12345", "kI9-xa2-Lq4"].map(with), [1, 1, 0]);
}

#[test]
fn keys_that_do_nothing_yet_are_told_one_by_one() {
    let trunk = "register = true\nusername = \"acme\"\npassword = \"geheim\"\ncodecs = [\"PCMA\"]\nmedia_from = \"any\"\noptions = \"30s\"\n";
    assert_eq!(
        warnings(&[("name = \"carrier\"\n", &format!("name = \"carrier\"\n{trunk}"))]),
        [
            "10: trunk `carrier`: `codecs` is not done by this release (offers go through as they come)",
            "11: trunk `carrier`: `media_from` is not done by this release (media does not pass through ramal)",
        ]
    );
    assert_eq!(
        below("[trace]\npcap = true\n"),
        ["31: [trace]: `pcap` is not done by this release (ladders are kept, raw messages are not)"]
    );
    assert_eq!(below("[crm.webhook]\nurl = \"https://crm.example.com\"\n").len(), 1);
    assert!(below("[trace]\npcap = false\n").is_empty());
}

#[test]
fn no_key_is_passed_over_in_silence() {
    for (above, key) in [
        ("name = \"sales\"", "max_wait = \"5m\""),
        ("mode = \"bypass\"", "ports = \"30000-39999\""),
        ("mode = \"bypass\"", "timeout = \"60s\""),
    ] {
        let found = warnings(&[(above, &format!("{above}\n{key}"))]);
        assert!(found.len() == 1 && found[0].contains("is not done by this release"), "{key}: {found:#?}");
    }
    for (above, key) in [
        ("name = \"carrier\"", "channels = 30\nforeign_cli = true\nfailover_after = \"3s\""),
        ("name = \"office\"", "connected_line = true"),
        ("name = \"office\"", "connected_line = false"),
        ("id = \"ana\"", "role = \"admin\"\nlogin = \"geheim\""),
        ("trunk = \"carrier\"", "unknown_client = \"offer\""),
        ("id = \"ana\"", "password = \"geheim\""),
        ("name = \"carrier\"", "options = \"30s\"\nregister = true\nusername = \"acme\"\npassword = \"geheim\""),
    ] {
        let found = warnings(&[(above, &format!("{above}\n{key}"))]);
        assert!(found.is_empty(), "{key} asks for nothing: {found:#?}");
    }
}

#[test]
fn what_needs_media_ends_in_480_until_the_relay_comes() {
    let relay = [
        ("mode = \"bypass\"", "mode = \"relay\""),
        ("name = \"sales\"", "name = \"sales\"\ndistribution = \"evenly\"\nunanswered = \"wait\""),
        (END, "queue = \"sales\"\noff_hours = \"voicemail\"\n"),
    ];
    let found = warnings(&relay);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().skip(1).all(|warning| warning.contains("ends with 480")), "{found:#?}");
}

#[test]
fn an_extension_that_no_pbx_serves_is_told() {
    assert_eq!(
        warnings(&[("extension = \"202\"", "extension = \"302\"")]),
        ["20: employee `bruno`: no PBX serves 302, so it rings nowhere (the PBXs serve 2xx)"]
    );
}

#[test]
fn a_phone_that_two_employees_share_is_told() {
    let phone = "phones = [\"+5511933334444\"]\n";
    let both = [
        ("id = \"ana\"\n", format!("id = \"ana\"\n{phone}")),
        ("id = \"bruno\"\n", format!("id = \"bruno\"\n{phone}")),
    ];
    let changes: Vec<(&str, &str)> = both.iter().map(|(from, to)| (*from, to.as_str())).collect();
    assert_eq!(warnings(&changes).len(), 1);
}

#[test]
fn a_number_that_no_plan_knows_is_told_and_taken_as_written() {
    assert_eq!(
        warnings(&[("id = \"ana\"\n", "id = \"ana\"\nmobile = \"+551198765\"\n")]),
        [
            "16: employee `ana`: +551198765 fits no numbering plan (it is taken as written; see that no digit is missing)"
        ]
    );
}

#[test]
fn a_secret_from_an_unset_variable_counts_as_not_written() {
    let loaded =
        right(&super::office(&[(END, &format!("{END}[http]\napi_token = {{ env = \"RAMAL_TEST_UNSET\" }}\n"))]));
    assert!(loaded.settings.http.api_token.is_none());
    assert_eq!(
        in_words(&loaded.warnings),
        [
            "31: [http]: `api_token`: the environment variable RAMAL_TEST_UNSET is not set (as long as it is not, the key counts as not written)"
        ]
    );
}

#[test]
fn a_file_without_a_line_is_told() {
    let loaded = load_text("[media]\nmode = \"bypass\"\n").unwrap();
    assert_eq!(in_words(&loaded.warnings).len(), 1);
}
