//! Handshakes and packets over bad links, in virtual time.
//!
//! Every case runs with many seeds (10,000 with `DTLS_SOAK=1`). The seed of a failure is printed;
//! `DTLS_SEED=n` runs that one alone and prints every datagram. With `--nocapture`, each case prints
//! how long its handshakes took, in milliseconds of virtual time.

mod support;

use std::sync::{LazyLock, Once};
use std::time::Duration;

use dtls_core::{ClientVerification, Limits};
use netsim::{Burst, Conditions, Direction, Link};
use support::pki::Rebuild as _;
use support::simulation::{Outcome, Setup, run};
use support::{clock, pki};
use test_pki::{Authority, Issued, Profile, Usage};

/// How long a handshake may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long the first answer is waited for.
const TIMEOUT: Duration = Duration::from_millis(400);

/// What a path with a smaller MTU lets through, in bytes of UDP payload: 576 and 1,280 bytes less the
/// headers of IPv4 and IPv6, and of UDP.
const IPV4_576: usize = 576 - 20 - 8;
const IPV6_1280: usize = 1280 - 40 - 8;

/// A leaf and two intermediates, which do not fit one datagram.
static CHAIN: LazyLock<Issued> = LazyLock::new(|| {
    pki::ROOT.intermediate("Between").intermediate("Below").issue(Profile::localhost())
});

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A quarter of a second from Europe to Australia and back.
const FAR: Conditions = Conditions { delay: ms(125), ..Conditions::PERFECT };

/// So much lost each way, in a network that is otherwise well: 60 ms there and back.
const fn losing(loss: f64) -> Conditions {
    Conditions { loss, delay: ms(30), ..Conditions::PERFECT }
}

/// A fifth of all datagrams is lost: four of five, three in a row.
///
/// The length of a burst is counted in datagrams, and a side that gets no answer sends one in two
/// seconds: a burst of 17 is half a minute without a link, which no handshake survives.
const BURSTS: Conditions =
    Conditions { burst: Some(Burst { share: 0.25, length: 3.0, loss: 0.8 }), ..losing(0.0) };
const DUPLICATES: Conditions = Conditions { duplication: 0.5, jitter: ms(40), ..losing(0.0) };
/// A third is held back for longer than an answer is waited for.
const REORDERING: Conditions = Conditions { reordering: 0.33, held_back: ms(500), ..losing(0.0) };
/// More than the time between two flights.
const JITTER: Conditions = Conditions { jitter: ms(400), ..losing(0.0) };
const EVERYTHING: Conditions = Conditions {
    burst: Some(Burst { share: 0.125, length: 3.0, loss: 0.8 }),
    duplication: 0.2,
    reordering: 0.2,
    held_back: ms(300),
    jitter: ms(100),
    ..losing(0.1)
};

/// Which certificates the server has.
#[derive(Clone, Copy)]
enum Certificates {
    One,
    Three,
}
use Certificates::{One, Three};

impl Setup {
    /// Sides with these limits, which send packets that fit any path unless told otherwise.
    fn new(certificates: Certificates, limits: Limits) -> Self {
        let server = match certificates {
            One => pki::localhost(),
            Three => pki::server(&CHAIN),
        };
        let client = pki::verifying().rebuild(|it| it.with_limits(limits)).expect("usable");
        let server = server.rebuild(|it| it.with_limits(limits)).expect("usable");
        Self { server, client, packets: 10, size: 400, pause: ms(50), resumes: false }
    }
}

/// Sides whose MTU is that of the path, and whose packets fill it.
fn fitted(certificates: Certificates, largest: usize) -> Setup {
    let mtu = u32::try_from(largest).expect("small");
    let limits = Limits::default().with_mtu(mtu).expect("a possible MTU");
    Setup { size: limits.max_packet_size(), ..Setup::new(certificates, limits) }
}

/// Sides that know nothing of the path.
fn usual(certificates: Certificates) -> Setup {
    Setup::new(certificates, Limits::default())
}

/// Sides that have longer than usual for the first answer. By default a client gives up when nothing at
/// all was heard for 10 s, which is what a burst of 13 datagrams at its very beginning comes to: 8 of
/// 10,000 with [`BURSTS`], 4 with [`EVERYTHING`], and 1
/// where 30 % are lost and the ClientHello takes two datagrams.
fn patient(certificates: Certificates) -> Setup {
    let limits = Limits::default().with_handshake_timeout(LIMIT + ms(1));
    Setup::new(certificates, limits.expect("a possible time"))
}

/// The same, with a client that has three certificates to show too.
fn mutual(setup: Setup) -> Setup {
    let players = Authority::root("Players");
    let verification = ClientVerification::Required(pki::trust(&players.cert_pem()));
    let player = Profile::new("player-17").usage(Usage::Client);
    let issued = players.intermediate("Between").intermediate("Below").issue(player);
    let server = setup
        .server
        .rebuild(|it| it.with_verification(verification))
        .expect("a usable configuration");
    let client = setup
        .client
        .rebuild(|it| it.with_identity(pki::identity(&issued)))
        .expect("a usable identity");
    Setup { server, client, ..setup }
}

/// The same, when the two have met before.
fn resumed(setup: Setup) -> Setup {
    Setup { resumes: true, ..setup }
}

/// The seeds to run with, and whether it is a single one that was asked for.
fn seeds() -> (std::ops::Range<u64>, bool) {
    if let Ok(seed) = std::env::var("DTLS_SEED") {
        let seed: u64 = seed.parse().expect("DTLS_SEED is a number");
        return (seed..seed + 1, true);
    }
    let soak = std::env::var("DTLS_SOAK").is_ok_and(|it| it == "1");
    (0..if soak { 10_000 } else { 200 }, false)
}

/// Names the seed when a test panics in the middle of it.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with DTLS_SEED={}", self.0);
        }
    }
}

/// Handshakes under the same conditions.
struct Handshakes {
    name: &'static str,
    /// How long those took that came to an end, the shortest first.
    took: Vec<Duration>,
    /// The seeds of those that timed out.
    timed_out: Vec<u64>,
    alone: bool,
}

/// Runs a case with every seed. Each handshake has to be completed, or to time out at both ends, and
/// each packet that arrives has to be received once.
fn all_seeds(name: &'static str, setup: &Setup, conditions: Conditions) -> Handshakes {
    let (seeds, alone) = seeds();
    let (mut took, mut timed_out, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    if alone {
        println!("{name}:");
    }
    for seed in seeds {
        let _named = Seed(seed);
        clock::seed(seed);
        match run(setup, Link::new(seed, conditions), alone) {
            Ok(Outcome::Connected { took: one, .. }) => took.push(one),
            Ok(Outcome::TimedOut) => timed_out.push(seed),
            Err(why) => wrong.push(format!("DTLS_SEED={seed}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{name}: {} seeds: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    took.sort_unstable();
    let handshakes = Handshakes { name, took, timed_out, alone };
    handshakes.print();
    handshakes
}

impl Handshakes {
    fn of_a_thousand(&self, share: usize) -> Duration {
        let last = self.took.len().saturating_sub(1);
        self.took.get(last * share / 1000).copied().unwrap_or_default()
    }

    fn print(&self) {
        static HEADING: Once = Once::new();
        HEADING.call_once(|| {
            println!(
                "\n{:<44} {:>11} {:>7} {:>7} {:>7}",
                "", "completed", "median", "99 %", "worst"
            );
        });
        let all = self.took.len() + self.timed_out.len();
        let completed = format!("{}/{all}", self.took.len());
        let [median, most, worst] = [500, 990, 1000].map(|it| self.of_a_thousand(it).as_millis());
        println!("{:<44} {completed:>11} {median:>7} {most:>7} {worst:>7}", self.name);
    }

    fn assert_all_completed(&self) {
        let Self { name, timed_out, .. } = self;
        assert!(timed_out.is_empty(), "{name}: not within {LIMIT:?} with DTLS_SEED={timed_out:?}");
        assert!(self.of_a_thousand(1000) <= LIMIT);
    }

    fn assert_completed_within(&self, limit: Duration) {
        self.assert_all_completed();
        let worst = self.of_a_thousand(1000);
        assert!(worst <= limit, "{}: {worst:?} at worst", self.name);
    }

    fn assert_90_percent_completed(&self) {
        let Self { name, took, timed_out, .. } = self;
        let enough = took.len() >= timed_out.len() * 9;
        assert!(self.alone || enough, "{name}: not with DTLS_SEED={timed_out:?}");
    }
}

#[test]
fn losing_10_percent() {
    all_seeds("10 % lost", &usual(One), losing(0.1)).assert_all_completed();
    all_seeds("10 % lost, chain of three", &usual(Three), losing(0.1)).assert_all_completed();
}

#[test]
fn losing_20_percent() {
    all_seeds("20 % lost", &usual(One), losing(0.2)).assert_all_completed();
    all_seeds("20 % lost, chain of three", &usual(Three), losing(0.2)).assert_all_completed();
}

#[test]
fn losing_30_percent() {
    all_seeds("30 % lost", &usual(One), losing(0.3)).assert_all_completed();
}

#[test]
fn losing_30_percent_with_a_chain_of_three() {
    all_seeds("30 % lost, chain of three", &usual(Three), losing(0.3)).assert_all_completed();
}

#[test]
fn losing_50_percent() {
    all_seeds("50 % lost", &usual(One), losing(0.5)).assert_90_percent_completed();
}

#[test]
fn losing_50_percent_with_a_chain_of_three() {
    let handshakes = all_seeds("50 % lost, chain of three", &usual(Three), losing(0.5));
    handshakes.assert_90_percent_completed();
}

#[test]
fn client_certificates() {
    let setup = mutual(usual(Three));
    all_seeds("30 % lost, two chains of three", &setup, losing(0.3)).assert_all_completed();
    let setup = mutual(patient(Three));
    all_seeds("20 % lost in bursts, two chains", &setup, BURSTS).assert_all_completed();
}

#[test]
fn client_certificates_and_half_of_it_lost() {
    let handshakes = all_seeds("50 % lost, two chains", &mutual(usual(Three)), losing(0.5));
    handshakes.assert_90_percent_completed();
}

#[test]
fn client_certificates_on_a_path_of_576_bytes() {
    let path = Conditions { largest: Some(IPV4_576), ..losing(0.3) };
    all_seeds("576 bytes, 30 % lost, two chains", &mutual(usual(Three)), path)
        .assert_all_completed();
}

#[test]
fn resumption() {
    all_seeds("30 % lost, resumed", &resumed(usual(Three)), losing(0.3)).assert_all_completed();
    all_seeds("everything at once, resumed", &resumed(patient(Three)), EVERYTHING)
        .assert_all_completed();
    // A ticket with certificates takes two datagrams.
    let setup = resumed(mutual(patient(Three)));
    all_seeds("30 % lost, resumed, certificates", &setup, losing(0.3)).assert_all_completed();
}

#[test]
fn resumption_and_half_of_it_lost() {
    let handshakes = all_seeds("50 % lost, resumed", &resumed(usual(Three)), losing(0.5));
    handshakes.assert_90_percent_completed();
}

#[test]
fn bursts() {
    all_seeds("20 % lost in bursts of 3", &patient(One), BURSTS).assert_all_completed();
    let three = all_seeds("20 % lost in bursts of 3, chain of three", &patient(Three), BURSTS);
    three.assert_all_completed();
}

#[test]
fn duplicates_cost_nothing() {
    let three_round_trips = 6 * (DUPLICATES.delay + DUPLICATES.jitter);
    let duplicates = all_seeds("50 % twice", &usual(Three), DUPLICATES);
    duplicates.assert_completed_within(three_round_trips);
}

#[test]
fn reordering() {
    all_seeds("33 % late by 500 ms", &usual(Three), REORDERING).assert_all_completed();
}

#[test]
fn jitter() {
    all_seeds("jitter of 400 ms", &usual(Three), JITTER).assert_all_completed();
}

#[test]
fn everything_at_once() {
    all_seeds("everything at once", &patient(Three), EVERYTHING).assert_all_completed();
}

/// The handshake finds out that its large datagrams do not arrive.
#[test]
fn a_path_of_576_bytes() {
    let path = |loss| Conditions { largest: Some(IPV4_576), ..losing(loss) };
    // The server's flight is lost three times before it goes out in smaller pieces.
    let found_out = ms(400 + 600 + 900) + TIMEOUT;
    all_seeds("576 bytes", &usual(Three), path(0.0)).assert_completed_within(found_out);
    all_seeds("576 bytes, 10 % lost", &usual(Three), path(0.1)).assert_all_completed();
    all_seeds("576 bytes, 30 % lost", &usual(Three), path(0.3)).assert_all_completed();
}

#[test]
fn a_path_of_576_bytes_that_is_known() {
    let path = |loss| Conditions { largest: Some(IPV4_576), ..losing(loss) };
    let setup = fitted(Three, IPV4_576);
    all_seeds("576 bytes, known", &setup, path(0.0)).assert_completed_within(TIMEOUT);
    all_seeds("576 bytes, known, 10 % lost", &setup, path(0.1)).assert_all_completed();
    all_seeds("576 bytes, known, 30 % lost", &setup, path(0.3)).assert_all_completed();
}

#[test]
fn a_path_of_1280_bytes() {
    let path = |loss| Conditions { largest: Some(IPV6_1280), ..losing(loss) };
    for (setup, names) in [
        (usual(Three), ["1,280 bytes", "1,280 bytes, 30 % lost"]),
        (fitted(Three, IPV6_1280), ["1,280 bytes, known", "1,280 bytes, known, 30 % lost"]),
    ] {
        all_seeds(names[0], &setup, path(0.0)).assert_completed_within(TIMEOUT);
        all_seeds(names[1], &setup, path(0.3)).assert_all_completed();
    }
}

#[test]
fn any_one_datagram_of_any_flight_costs_one_timeout_at_most() {
    assert_one_datagram_costs_one_timeout(&usual(Three), 4);
}

#[test]
fn any_one_datagram_of_any_small_flight_costs_one_timeout_at_most() {
    assert_one_datagram_costs_one_timeout(&fitted(Three, IPV4_576), 6);
}

#[test]
fn any_one_datagram_with_a_client_certificate_costs_one_timeout_at_most() {
    assert_one_datagram_costs_one_timeout(&mutual(usual(Three)), 4);
}

#[test]
fn any_one_datagram_of_a_resumption_costs_one_timeout_at_most() {
    assert_one_datagram_costs_one_timeout(&resumed(usual(Three)), 2);
}

/// A server may send much before its client has heard that they are connected.
#[test]
fn any_one_datagram_costs_one_timeout_at_most_while_packets_come() {
    let setup = Setup { packets: 100, pause: ms(10), ..usual(Three) };
    assert_one_datagram_costs_one_timeout(&setup, 4);
}

/// Drops each datagram of each flight, the HelloVerifyRequest included, once.
fn assert_one_datagram_costs_one_timeout(setup: &Setup, least_to_client: u64) {
    for conditions in [Conditions::PERFECT, losing(0.0), FAR] {
        let attempt = |link| run(setup, link, false).expect("it ends well");
        let lossless = attempt(Link::new(0, conditions));
        let Outcome::Connected { took: undisturbed, to_server, to_client } = lossless else {
            panic!("nothing was lost");
        };
        assert!(to_server >= 3, "two ClientHellos and a flight");
        assert!(to_client >= least_to_client, "HelloVerifyRequest and the server's flights");
        for (direction, count) in
            [(Direction::ToServer, to_server), (Direction::ToClient, to_client)]
        {
            for number in 0..count {
                let outcome = attempt(Link::new(0, conditions).dropping(direction, number));
                let Outcome::Connected { took, .. } = outcome else {
                    panic!("{direction:?} {number}: timed out, {conditions:?}");
                };
                let cost = took - undisturbed;
                let most = TIMEOUT + clock::RESOLUTION;
                assert!(cost <= most, "{direction:?} {number}: {cost:?}, {conditions:?}");
            }
        }
    }
}
