//! The RFCs' own examples, both sides against each other, and garbage.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::base::{Account, Secret};
use crate::sip::message::{Headers, Name};

fn account(username: &str, password: &str) -> Account {
    Account { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

fn session(cnonce: &str, count: u32) -> Session {
    Session { cnonce: cnonce.to_owned(), count }
}

fn read(fields: &[&str]) -> Vec<Challenge> {
    let mut headers = Headers::new();
    fields.iter().for_each(|value| headers.push(Name::WwwAuthenticate, *value));
    challenges(&headers, &Name::WwwAuthenticate)
}

fn response_of(answer: &str) -> &str {
    answer.split("response=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it has one")
}

/// RFC 7616 §3.9.1.
const MUFASA: [&str; 2] = [
    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
];

#[test]
fn the_example_of_rfc_7616_gives_its_responses() {
    let mufasa = account("Mufasa", "Circle of Life");
    let session = session("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1);
    for (challenge, wanted) in read(&MUFASA)
        .iter()
        .zip(["753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", "8ca523f5e9506fed4657c9700eebdbec"])
    {
        let answer = challenge.answer(&mufasa, "GET", "/dir/index.html", &session);
        assert_eq!(response_of(&answer), wanted);
        assert!(answer.ends_with("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", qop=auth, nc=00000001"));
    }
}

#[test]
fn the_examples_of_rfc_2617_and_rfc_2069_give_theirs() {
    let nonce = "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
    for (password, rest, wanted) in [
        ("Circle Of Life", "qop=\"auth,auth-int\"", "6629fae49393a05397450978507c4ef1"),
        ("Circle Of Life", "qop=auth, algorithm=md5-SESS", "8e3825c57e897f5a0dec6c2d4e5059d0"),
        // The response of RFC 2069's erratum.
        ("CircleOfLife", "stale=FALSE", "1949323746fe6a43ef61f9606e7febea"),
    ] {
        let asked = read(&[&format!("Digest realm=\"testrealm@host.com\", {nonce}, {rest}")]);
        let answer = asked[0].answer(&account("Mufasa", password), "GET", "/dir/index.html", &session("0a4f113b", 1));
        assert_eq!(response_of(&answer), wanted, "{rest}");
        assert_eq!(answer.contains("nc="), rest.contains("qop"), "{rest}");
    }
}

#[test]
fn sha_256_is_chosen_before_md5_wherever_it_stands() {
    let turned = [MUFASA[1], MUFASA[0]];
    for fields in [&MUFASA, &turned] {
        assert_eq!(best(read(fields)).unwrap().algorithm, Some(Algorithm::Sha256));
    }
    assert_eq!(best(read(&MUFASA[1..])).unwrap().algorithm, Some(Algorithm::Md5));
    assert_eq!(best(Vec::new()), None);
}

#[test]
fn a_challenge_that_cannot_be_answered_is_passed_over() {
    for refused in [
        "Basic realm=\"x\"",
        "Digest realm=\"x\", nonce=\"1\", algorithm=SHA-512-256",
        "Digest realm=\"x\", nonce=\"1\", algorithm=AKAv1-MD5",
        "Digest realm=\"x\", nonce=\"1\", qop=\"auth-int\"",
        "Digest realm=\"x\", nonce=\"1\", nonce=\"2\"",
        "Digest realm=\"x\"",
        "Digest nonce=\"1\"",
        "Digest realm=\"x\", nonce=\"\"",
        "Digest",
        "",
    ] {
        assert_eq!(read(&[refused]), [], "{refused}");
        let with_better =
            read(&[refused, "Digest realm=\"r\", nonce=\"n\", unknown=\"a,b\", qop=\"auth\", stale=TRUE"]);
        assert_eq!(with_better.len(), 1, "{refused}");
        assert!(with_better[0].stale && with_better[0].qop && with_better[0].algorithm.is_none());
    }
}

#[test]
fn both_sides_agree_whatever_algorithm_is_asked_and_whatever_stands_in_the_names() {
    use Algorithm::{Md5, Md5Sess, Sha256, Sha256Sess};
    for algorithm in [Md5, Md5Sess, Sha256, Sha256Sess] {
        let asked = Challenge::new("a \"realm\", with=all", "nonce1", algorithm, true);
        let [read] = &*read(&[&asked.text()]) else { panic!("{}", asked.text()) };
        assert_eq!(*read, asked);
        let ana = account("ana \"201\"", "p:äß\"");
        let answer = read.answer(&ana, "INVITE", "sip:201@h", &session("c", 0x1f));
        let said = Credentials::parse(&answer).unwrap();
        assert_eq!((&*said.username, said.count, said.algorithm), ("ana \"201\"", Some(0x1f), algorithm));
        assert!(said.are_right(&ana.password, "INVITE"));
        assert!(!said.are_right(&ana.password, "REGISTER"));
        assert!(!said.are_right(&Secret::new("other".to_owned()), "INVITE"));
        for (from, to) in [("sip:201@h", "sip:202@h"), ("nonce1", "nonce2"), ("nc=0000001f", "nc=00000020")] {
            let forged = Credentials::parse(&answer.replace(from, to)).unwrap();
            assert!(!forged.are_right(&ana.password, "INVITE"), "{from}");
        }
    }
}

#[test]
fn credentials_that_cannot_be_checked_say_why() {
    let right = "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", \
                 response=\"0123456789abcdef0123456789ABCDEF\", qop=auth, nc=00000001, cnonce=\"c\"";
    assert_eq!(Credentials::parse(right).map(|said| said.count), Ok(Some(1)));
    for (from, to, why) in [
        ("Digest ", "Basic ", Unusable::NotDigest),
        ("username=\"a\"", "username=\"a", Unusable::Parameters),
        ("realm=\"r\", ", "", Unusable::Parameters),
        ("nc=00000001", "nc=1", Unusable::Parameters),
        ("nc=00000001", "nc=+0000001", Unusable::Parameters),
        ("nc=00000001, ", "", Unusable::Parameters),
        (", cnonce=\"c\"", "", Unusable::Parameters),
        ("0123456789abcdef", "0123456789abcde", Unusable::Parameters),
        ("qop=auth", "qop=auth-int", Unusable::Unsupported),
        ("qop=auth", "qop=auth, algorithm=SHA-512", Unusable::Unsupported),
        ("qop=auth", "qop=auth, algorithm=SHA-256", Unusable::Parameters),
        ("nonce=", "username=\"b\", nonce=", Unusable::Parameters),
    ] {
        assert_eq!(Credentials::parse(&right.replace(from, to)), Err(why), "{to}");
    }
}

#[test]
fn credentials_are_for_the_request_uri_they_name() {
    let said = |uri: &str| {
        let text = format!("Digest username=a, realm=r, nonce=n, uri=\"{uri}\", response={}", "0".repeat(32));
        Credentials::parse(&text).unwrap()
    };
    for (uri, request, same) in [
        ("sip:201@pbx.example.com", "sip:201@PBX.example.com:5060;transport=udp", true),
        ("sip:[2001:db8:0::1]", "sip:[2001:db8::1]", true),
        ("sip:201@h", "sip:202@h", false),
        ("sip:201@h", "sip:201@g", false),
        ("sip:201@h", "sip:201@h:5070", false),
        ("sip:201@h", "tel:201", false),
        ("tel:201", "tel:201", true),
        ("", "sip:h", false),
        ("sip:h:5060", "sip:202@h", true), // the server alone
        ("sip:g:5060", "sip:202@h", false),
        ("sips:h", "sip:202@h", false),
    ] {
        assert_eq!(said(uri).are_for(request), same, "{uri} {request}");
    }
}

#[test]
fn garbage_is_read_without_a_panic_and_within_bounds() {
    let mut chance = StdRng::seed_from_u64(8_760);
    let pieces = [
        "Digest",
        " ",
        ",",
        "=",
        "\"",
        "\\",
        "realm",
        "nonce",
        "qop",
        "auth",
        "nc",
        "response",
        "uri",
        "username",
        "algorithm",
        "SHA-256",
        "é",
        "\u{0}",
        "00000001",
        "a=b",
        "\t",
        "opaque=\"\\\"\"",
        "stale=true",
        "cnonce",
    ];
    for _ in 0..20_000 {
        let text: String =
            (0..chance.random_range(0..40)).map(|_| pieces[chance.random_range(0..pieces.len())]).collect();
        for challenge in read(&[&text]) {
            // What was taken prints, reads back the same, and can be answered.
            assert_eq!(read(&[&challenge.text()]), std::slice::from_ref(&challenge), "{text}");
            let answer = challenge.answer(&account("a", "b"), "INVITE", "sip:h", &session("c", 1));
            assert!(Credentials::parse(&answer).is_ok_and(|said| said.are_right(&Secret::new("b".into()), "INVITE")));
        }
        if let Ok(said) = Credentials::parse(&text) {
            assert!(!said.are_right(&Secret::new(String::new()), "INVITE"));
        }
    }
}
