//! Numbers as they come, and how each must be read.

use super::{Context, Kind, PhoneNumber, keys, national, read, variants};
use Kind::{Anonymous, Emergency, Extension, Feature, Landline, Line, Mobile, Number, Service, ShortCode, Unreadable};

const LINES: &[&str] = &["+551140028922", "+552140028922", "+551130305050"];

/// On the trunk of those lines, area 11, with extension 201.
#[track_caller]
fn on_the_line(raw: &str) -> (String, Kind) {
    let lines: Vec<PhoneNumber> = LINES.iter().map(|line| line.parse().unwrap()).collect();
    let emergency = ["190", "192", "193"].map(str::to_owned);
    let reading = read(
        raw,
        &Context {
            country: "BR",
            area: Some("11"),
            lines: &lines,
            is_extension: &|digits| digits == "201",
            emergency: &emergency,
        },
    );
    assert_eq!(reading.raw, raw, "the raw value is kept");
    assert!(!reading.why.is_empty());
    (reading.e164.map_or_else(|| "-".to_owned(), |number| number.to_string()), reading.kind)
}

/// In a country, without lines, area or extensions.
fn plainly(raw: &str, country: &str) -> (String, Kind) {
    let reading = read(raw, &Context::plain(country));
    (reading.e164.map_or_else(|| "-".to_owned(), |number| number.to_string()), reading.kind)
}

fn number(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

const MARIA: &str = "+5511987654321";

const IN_BRAZIL: &[(&str, &str, Kind)] = &[
    // As people and PBXs write it.
    ("+5511987654321", MARIA, Mobile),
    ("5511987654321", MARIA, Mobile),
    ("11987654321", MARIA, Mobile),
    ("(11) 98765-4321", MARIA, Mobile),
    ("11 9 8765 4321", MARIA, Mobile),
    ("+55 (11) 98765-4321", MARIA, Mobile),
    ("+55 (0)11 98765.4321", MARIA, Mobile),
    ("+55 11 98765–4321", MARIA, Mobile),
    ("\u{202a}+55\u{a0}11\u{a0}98765\u{2011}4321\u{202c}", MARIA, Mobile),
    ("＋５５１１９８７６５４３２１", MARIA, Mobile),
    ("011 98765-4321", MARIA, Mobile),
    ("011987654321", MARIA, Mobile),
    // With a carrier's code.
    ("0 15 11 98765-4321", MARIA, Mobile),
    ("01511987654321", MARIA, Mobile),
    ("02111987654321", MARIA, Mobile),
    ("0xx11 98765-4321", MARIA, Mobile),
    ("0XX11987654321", MARIA, Mobile),
    ("0 41 21 3456-7890", "+552134567890", Landline),
    // Collect.
    ("9015 11 98765-4321", MARIA, Mobile),
    ("901511987654321", MARIA, Mobile),
    ("90 11 98765-4321", MARIA, Mobile),
    ("9090 98765-4321", MARIA, Mobile),
    ("90903456-7890", "+551134567890", Landline),
    // Prefixes too many.
    ("+550 11 98765-4321", MARIA, Mobile),
    ("+55011987654321", MARIA, Mobile),
    ("+55 0 15 11 98765-4321", MARIA, Mobile),
    ("005511987654321", MARIA, Mobile),
    ("00550 11 98765-4321", MARIA, Mobile),
    ("0041 11 98765-4321", MARIA, Mobile),
    ("0015 55 11 98765-4321", MARIA, Mobile),
    ("+0 11 98765-4321", MARIA, Mobile),
    // The ninth digit missing.
    ("+551187654321", MARIA, Mobile),
    ("551187654321", MARIA, Mobile),
    ("1187654321", MARIA, Mobile),
    ("01187654321", MARIA, Mobile),
    ("11 6765-4321", "+5511967654321", Mobile),
    ("11 9765-4321", "+5511997654321", Mobile),
    ("+558591234567", "+5585991234567", Mobile),
    // Eight digits that begin with 7 are kept.
    ("11 7654-3210", "+551176543210", Mobile),
    ("+5511976543210", "+5511976543210", Mobile),
    // Nine digits that do not begin with 9 are nothing.
    ("11 88765-4321", "-", Unreadable),
    ("+5511887654321", "-", Unreadable),
    ("31 88765-4321", "-", Unreadable), // and not +31 in the Netherlands
    // Without area code: the line's.
    ("98765-4321", MARIA, Mobile),
    ("987654321", MARIA, Mobile),
    ("8765-4321", MARIA, Mobile),
    ("3456-7890", "+551134567890", Landline),
    ("+55 98765-4321", MARIA, Mobile),
    // Landlines never get a ninth digit.
    ("+551134567890", "+551134567890", Landline),
    ("(21) 2345-6789", "+552123456789", Landline),
    ("55 3222-1234", "+555532221234", Landline), // area 55, no country code
    ("55 99123-4567", "+5555991234567", Mobile),
    ("5555991234567", "+5555991234567", Mobile),
    // Areas that don't exist.
    ("+5520987654321", "-", Unreadable),
    ("23 98765-4321", "-", Unreadable),
    // Services belong to nobody.
    ("0800 123 4567", "+558001234567", Service),
    ("0800 12 34 56", "+55800123456", Service),
    ("8001234567", "+558001234567", Service),
    ("+55 800 123 4567", "+558001234567", Service),
    ("0300 123 4567", "+553001234567", Service),
    ("0303 123 4567", "+553031234567", Service),
    ("4004-1234", "+5540041234", Service),
    ("3003-1234", "+5530031234", Service),
    // Our own lines, whole and short, before any plan.
    ("+551140028922", "+551140028922", Line),
    ("551140028922", "+551140028922", Line),
    ("1140028922", "+551140028922", Line),
    ("011 4002-8922", "+551140028922", Line),
    ("40028922", "+551140028922", Line), // two lines end so: the trunk's area decides
    ("2140028922", "+552140028922", Line),
    ("30305050", "+551130305050", Line),
    ("5050", "+551130305050", Line),
    ("00551130305050", "+551130305050", Line),
    // Extensions and short codes.
    ("201", "-", Extension),
    ("sip:201@10.0.0.5", "-", Extension),
    ("190", "-", Emergency),
    ("193", "-", Emergency),
    ("188", "-", ShortCode),
    ("10315", "-", ShortCode),
    ("*55", "-", Feature),
    ("#21#", "-", Feature),
    ("202", "-", Unreadable),
    ("888", "-", Unreadable),
    // Nobody.
    ("anonymous", "-", Anonymous),
    ("Anonymous <sip:anonymous@anonymous.invalid>", "-", Anonymous),
    ("sip:+5511987654321@anonymous.invalid", "-", Anonymous),
    ("Unavailable", "-", Anonymous),
    ("unknown", "-", Anonymous),
    ("Restricted", "-", Anonymous),
    ("", "-", Anonymous),
    ("  ", "-", Anonymous),
    ("sip:10.0.0.5", "-", Anonymous),
    ("<sip:carrier.example:5060>", "-", Anonymous),
    ("sip:11987654321", MARIA, Mobile),
    ("+00000000", "-", Anonymous),
    ("0000", "-", Anonymous),
    // Pasted URIs.
    ("tel:+55-11-98765-4321", MARIA, Mobile),
    ("tel:98765-4321;phone-context=+5511", MARIA, Mobile),
    ("sip:+5511987654321@203.0.113.5;user=phone", MARIA, Mobile),
    ("sip:%2B5511987654321@203.0.113.5", MARIA, Mobile),
    ("SIP:11987654321;npdi;rn=+5511900000000@carrier.example", MARIA, Mobile),
    ("+5511987654321;ext=12", MARIA, Mobile),
    ("+5511987654321,12", MARIA, Mobile),
    ("\"Maria\" <sip:011987654321@203.0.113.5>;tag=1", MARIA, Mobile),
    // Abroad.
    ("+442079460958", "+442079460958", Landline),
    ("+12025550123", "+12025550123", Number),
    ("0015 44 20 7946 0958", "+442079460958", Landline),
    ("00 44 20 7946 0958", "+442079460958", Landline),
    ("0021 1 202 555 0123", "+12025550123", Number),
    ("442079460958", "+442079460958", Landline),
    ("+39 06 698 12345", "+390669812345", Number),
    ("+999 123 4567", "-", Unreadable),
    // Neither.
    ("joao@example.com", "-", Unreadable),
    ("0800 FLORES", "-", Unreadable),
    ("12345678901234567890", "-", Unreadable),
    ("98%zz", "-", Unreadable),
];

#[test]
fn numbers_in_brazil_are_read_as_people_mean_them() {
    let wrong: Vec<String> = IN_BRAZIL
        .iter()
        .filter_map(|(raw, e164, kind)| {
            let got = on_the_line(raw);
            (got != ((*e164).to_owned(), *kind)).then(|| format!("{raw:?}: {got:?} instead of {e164} {kind:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_elsewhere_are_read_by_their_own_plan() {
    assert_eq!(plainly("020 7946 0958", "GB"), ("+442079460958".to_owned(), Landline));
    assert_eq!(plainly("(202) 555-0123", "US"), ("+12025550123".to_owned(), Number));
    assert_eq!(plainly("912 345 678", "PT"), ("+351912345678".to_owned(), Mobile));
    assert_eq!(plainly("+55 11 8765-4321", "PT"), (MARIA.to_owned(), Mobile));
    assert_eq!(plainly("00 55 11 98765-4321", "PT"), (MARIA.to_owned(), Mobile));
}

#[test]
fn without_an_area_a_local_number_is_nobodys() {
    assert_eq!(plainly("98765-4321", "BR"), ("-".to_owned(), Unreadable));
    assert_eq!(plainly("4002-8922", "BR"), ("+5540028922".to_owned(), Service));
}

#[test]
fn a_short_number_that_ends_two_lines_of_other_areas_is_neither() {
    let lines = ["+552140028922", "+553140028922"].map(number);
    let reading = read("40028922", &Context { area: Some("11"), lines: &lines, ..Context::plain("BR") });
    assert_eq!(reading.kind, Service);
}

#[test]
fn a_mobile_is_searched_by_both_its_forms_and_nothing_else() {
    let found = |text| keys(number(text)).iter().map(PhoneNumber::to_string).collect::<Vec<_>>();
    assert_eq!(found(MARIA), ["+5511987654321", "+551187654321"]);
    assert_eq!(found("+551187654321"), ["+551187654321", "+5511987654321"]);
    assert_eq!(found("+551176543210"), ["+551176543210", "+5511976543210"]);
    assert_eq!(found("+5511976543210"), ["+5511976543210", "+551176543210"]);
    // Without its ninth digit this would be the landline 2345-6789.
    assert_eq!(found("+5511923456789"), ["+5511923456789"]);
    assert_eq!(found("+551123456789"), ["+551123456789"]);
    assert_eq!(found("+442079460958"), ["+442079460958"]);
    assert_eq!(found("+558001234567"), ["+558001234567"]);
    assert_eq!(found("+5540028922"), ["+5540028922"]);
}

#[test]
fn variants_begin_with_e164_and_stay_few() {
    assert_eq!(
        variants(number(MARIA)),
        [
            "+5511987654321",
            "5511987654321",
            "11987654321",
            "011987654321",
            "+551187654321",
            "551187654321",
            "1187654321",
            "01187654321"
        ]
    );
    assert_eq!(variants(number("+551134567890")), ["+551134567890", "551134567890", "1134567890", "01134567890"]);
    assert_eq!(variants(number("+5540028922")), ["+5540028922", "5540028922", "40028922"]);
    assert_eq!(variants(number("+442079460958")), ["+442079460958", "442079460958", "02079460958"]);
}

#[test]
fn numbers_go_out_the_national_way() {
    assert_eq!(national(number(MARIA), "BR"), "11987654321");
    assert_eq!(national(number("+551134567890"), "BR"), "1134567890");
    assert_eq!(national(number("+558001234567"), "BR"), "08001234567");
    assert_eq!(national(number("+5540028922"), "BR"), "40028922");
    assert_eq!(national(number("+442079460958"), "BR"), "00442079460958");
    assert_eq!(national(number("+442079460958"), "GB"), "02079460958");
    assert_eq!(national(number(MARIA), "GB"), "005511987654321");
}

#[test]
fn a_number_knows_its_country() {
    assert_eq!(super::country(number(MARIA)).as_deref(), Some("BR"));
    assert_eq!(super::country(number("+442079460958")).as_deref(), Some("GB"));
    assert_eq!(super::country(number("+12025550123")).as_deref(), Some("US"));
}

#[test]
fn whatever_is_read_reads_the_same_again() {
    // A shared-cost number behind a bare 55 could as well be a landline of area 55.
    let shared_cost = |e164: &str| e164.len() == "+5540041234".len();
    for (raw, e164, _) in IN_BRAZIL.iter().filter(|(_, e164, _)| e164.starts_with("+55") && !shared_cost(e164)) {
        assert_eq!(on_the_line(e164).0, *e164, "{raw}");
        for variant in variants(number(e164)) {
            let again = read(&variant, &Context::plain("BR")).e164;
            assert!(again.is_some_and(|found| keys(found).contains(&number(e164))), "{variant} of {raw}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(raw in ".{0,40}") {
        on_the_line(&raw);
    }

    #[test]
    fn no_digits_make_the_reader_panic(raw in "[+0-9*#xX;@<> %-]{0,24}") {
        on_the_line(&raw);
        plainly(&raw, "US");
    }
}
