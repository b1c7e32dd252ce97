//! The program `netsim`, run as a test in the engine runs it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A relay between a client and a server, both of which are this test.
struct Relay {
    process: Child,
    output: BufReader<ChildStdout>,
    client: UdpSocket,
    server: UdpSocket,
}

fn netsim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netsim"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    socket
}

impl Relay {
    fn start(conditions: &[&str]) -> Self {
        let (client, server) = (socket(), socket());
        let to = server.local_addr().expect("it is bound").to_string();
        let mut command = netsim(&["relay", "--to", &to]);
        let mut process = command.args(conditions).spawn().expect("it can be run");
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it prints where it listens");
        let address = line.trim().strip_prefix("listening on ").expect("it prints its address");
        client.connect(address).expect("an address");
        Self { process, output, client, server }
    }

    fn counts(&mut self) -> Value {
        let input = self.process.stdin.as_mut().expect("a pipe");
        writeln!(input, "counts").expect("it reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).expect("JSON")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut buffer = [0; 2000];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => return (buffer[..length].to_vec(), from),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("nothing arrives: {error}"),
        }
    }
}

#[test]
fn a_relay_carries_datagrams_both_ways_and_counts_them() {
    let mut relay = Relay::start(&["--duplication", "1", "--largest", "1000"]);
    relay.client.send(b"question").expect("sent");
    let (question, from) = receive(&relay.server);
    assert_eq!(question, b"question");
    assert_eq!(receive(&relay.server).0, b"question", "a second time");
    relay.server.send_to(&[7; 1001], from).expect("sent, and lost");
    relay.server.send_to(&[7; 1000], from).expect("sent");
    assert_eq!(receive(&relay.client).0, [7; 1000]);
    let counts = relay.counts();
    assert_eq!(counts["clients"], 1);
    assert_eq!(counts["to_server"]["sent"], 1);
    assert_eq!(counts["to_server"]["twice"], 1);
    assert_eq!(counts["to_client"]["lost"], 1);
    assert_eq!(counts["to_client"]["largest"], 1000);
}

#[test]
fn a_relay_loses_what_its_seed_says() {
    let lost = |seed: &str| {
        let mut relay = Relay::start(&["--loss", "0.5", "--seed", seed]);
        let mut arrived = Vec::new();
        for number in 0..100 {
            relay.client.send(&[number]).expect("sent");
        }
        let lost = loop {
            let counts = relay.counts()["to_server"].clone();
            if counts["sent"] == 100 {
                break counts["lost"].as_u64().expect("a number");
            }
        };
        for _ in lost..100 {
            arrived.push(receive(&relay.server).0[0]);
        }
        arrived
    };
    let arrived = lost("3");
    assert!((30..70).contains(&arrived.len()), "{arrived:?}");
    assert_eq!(arrived, lost("3"));
    assert_ne!(arrived, lost("4"));
}

#[test]
fn a_relay_ends_with_its_input() {
    let mut relay = Relay::start(&[]);
    drop(relay.process.stdin.take());
    let mut last = String::new();
    relay.output.read_to_string(&mut last).expect("it prints its counts");
    assert!(last.contains(r#""clients":0"#), "{last}");
    assert!(relay.process.wait().expect("it ends").success());
}

#[test]
fn a_relay_ends_when_its_time_is_over() {
    let mut relay = Relay::start(&["--seconds", "0"]);
    assert!(relay.process.wait().expect("it ends").success());
}

#[test]
fn nothing_is_sent_to_another_machine() {
    let relay = ["relay", "--to", "192.0.2.1:4242"];
    let flood = ["flood", "--datagram", "none", "--to", "192.0.2.1:4242"];
    for arguments in [relay.as_slice(), &flood] {
        let output = netsim(arguments).output().expect("it can be run");
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("is not a loopback address"), "{said}");
    }
}

#[test]
fn a_flood_comes_from_as_many_addresses_and_counts_the_answers() {
    // All of them fit the socket's buffer, however late this thread reads.
    let server = socket();
    let to = server.local_addr().expect("it is bound").to_string();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&file, b"hello?").expect("it can be written");
    let path = file.path().to_string_lossy();
    let options = ["flood", "--to", &to, "--datagram", &path, "--addresses", "200"];
    let flood = netsim(&options).args(["--rate", "2000"]).spawn().expect("it can be run");
    let mut senders = std::collections::HashSet::new();
    for number in 0..200 {
        let (bytes, from) = receive(&server);
        assert_eq!(bytes, b"hello?");
        senders.insert(from.ip());
        server.send_to(&b"no"[..1 + number % 2], from).expect("sent");
    }
    assert_eq!(senders.len(), 200);
    let output = flood.wait_with_output().expect("it ends");
    let figures: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(figures["sent"], 200);
    assert_eq!(figures["answers"], 200);
    assert_eq!(figures["answer_bytes"], 300);
    assert_eq!(figures["largest_answer"], 2);
}
