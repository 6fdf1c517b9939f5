//! Class 4, and what past the limits costs: many connections, many calls, the same call again and again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};

use crate::attack::{Attack, CUSTOMER, LINE};
use crate::house::{header, invite};

#[tokio::test]
async fn two_thousand_silent_connections_hold_up_no_call() {
    let attack = Attack::on("").await;
    let mut silent: Vec<TcpStream> = Vec::new();
    for n in 0..2_000_u32 {
        let socket = TcpSocket::new_v4().unwrap();
        // 200 from each of ten addresses: more than 256 from one are closed at once.
        socket.bind(format!("127.0.2.{}:0", 1 + n % 10).parse().unwrap()).unwrap();
        silent.push(socket.connect(attack.house.tcp).await.unwrap());
    }
    let call = attack.call("q1").await;
    attack.ends_well(&call).await;
    drop(silent);
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn of_three_times_the_rate_the_limits_worth_goes_on_and_the_rest_gets_503_at_once() {
    let attack = Attack::on("[limits]\ncalls_per_second = 20").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    let began = Instant::now();
    let calls: Vec<_> =
        (0..60).map(|n| invite(carrier, LINE, &format!("+55219765432{n:02}"), &format!("c{n}"))).collect();
    for call in &calls {
        carrier.send(attack.udp(), call).await;
    }
    let (mut going, mut refused) = (HashSet::new(), HashSet::new());
    while going.len() + refused.len() < 60 {
        let answer = carrier.expect("SIP/2.0 ").await;
        let id = header(&answer, "Call-ID").to_owned();
        if answer.starts_with("SIP/2.0 503 ") {
            assert_eq!(header(&answer, "Retry-After"), "1", "{answer}");
            refused.insert(id);
        } else {
            assert!(answer.starts_with("SIP/2.0 100 "), "{answer}");
            going.insert(id);
        }
    }
    let took = began.elapsed();
    let more = usize::try_from(took.as_millis() / 50).unwrap() + 1;
    assert!((20..=20 + more).contains(&going.len()), "{} go on in {took:?}", going.len());
    assert!(going.is_disjoint(&refused));
    for _ in 0..going.len() {
        office.expect("INVITE ").await;
    }
    assert_eq!(attack.metric("ramal_overload_rejected_total"), u64::try_from(refused.len()).unwrap());
    // Later there is room again; those who were told 503 call elsewhere, and their retransmissions are told so again,
    // without another look at them.
    tokio::time::timeout(crate::house::SOON, room_for_one(&attack)).await.expect("the bucket fills again");
    let decided = attack.metric("ramal_overload_rejected_total");
    let again = calls.iter().filter(|call| refused.contains(header(call, "Call-ID")));
    for call in again.clone() {
        carrier.send(attack.udp(), call).await;
    }
    let mut told = HashSet::new();
    while told.len() < refused.len() {
        told.insert(header(&carrier.expect("SIP/2.0 503 ").await, "Call-ID").to_owned());
    }
    assert_eq!(told, refused);
    assert_eq!(attack.metric("ramal_overload_rejected_total"), decided, "nothing is decided twice");
    attack.leaves_the_log_alone().await;
}

async fn room_for_one(attack: &Attack) {
    let before = attack.house.handle().live_calls().len();
    for n in 0.. {
        let call = invite(&attack.house.carrier, LINE, CUSTOMER, &format!("room{n}"));
        let answer = attack.house.carrier.ask_until(attack.udp(), &call, "SIP/2.0 ").await;
        if answer.starts_with("SIP/2.0 100") && attack.house.handle().live_calls().len() > before {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_calls_for_help_gets_through_whatever_the_limits_say() {
    let attack = Attack::on("[limits]\ncalls_per_second = 1\ncalls = 1\nper_employee = 1").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    let asked = |to: &str, id: &str| invite(office, to, "201", id);
    office.send(attack.udp(), &asked("+5521976543210", "h1")).await;
    carrier.expect("INVITE sip:").await;
    office.ask_until(attack.udp(), &asked("+5521976543211", "h2"), "SIP/2.0 503").await;
    office.send(attack.udp(), &asked("190", "h3")).await;
    let help = carrier.expect("INVITE sip:190@").await;
    assert!(help.starts_with("INVITE sip:190@"), "{help}");
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_silent_second_is_all_that_a_flood_from_one_stranger_costs_her_neighbours() {
    let attack = Attack::on("").await;
    let stranger = crate::house::Wire::on(("127.0.0.2", 0)).await;
    let flood = invite(&stranger, LINE, CUSTOMER, "fl");
    let began = Instant::now();
    for n in 0..5_000 {
        stranger.send(attack.udp(), &flood).await;
        if n % 500 == 0 {
            attack.all_is_taken().await;
        }
    }
    attack.all_is_taken().await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(attack.metric("ramal_strangers_dropped_total") > 4_900);
    attack.leaves_nothing().await;
}
