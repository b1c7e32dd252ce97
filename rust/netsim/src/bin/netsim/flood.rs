//! `netsim flood`: one datagram each from many addresses.
//!
//! Every datagram comes from an address of 127.0.0.0/8 that no other has. Its socket is kept for a
//! while, so that an answer can be counted, and then closed. The figures are printed at the end, as one
//! line of JSON.

use std::collections::VecDeque;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use crate::loopback;

/// The first address that is used: 127.1.0.0, which no ordinary program has.
const FIRST: u32 = 0x7f01_0000;
/// How many there are from there on.
const MOST: u32 = 0x00fe_ffff;
/// How many sockets wait for an answer at a time.
const OPEN: usize = 512;
/// How long the last of them wait.
const AFTERMATH: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct Options {
    /// Whom to send to, on IPv4
    #[arg(long, value_parser = loopback)]
    to: SocketAddr,
    /// A file with the bytes of the datagram
    #[arg(long)]
    datagram: PathBuf,
    /// How many addresses to send from
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=MOST as i64))]
    addresses: u32,
    /// Datagrams per second
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
}

struct Answers {
    count: u64,
    bytes: usize,
    largest: usize,
    /// Where they are read to.
    buffer: Vec<u8>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let path = options.datagram.display();
    let datagram = fs::read(&options.datagram).with_context(|| format!("cannot read {path}"))?;
    ensure!(options.to.is_ipv4(), "{} is not on IPv4", options.to);

    let mut open = VecDeque::with_capacity(OPEN);
    let mut answers = Answers { count: 0, bytes: 0, largest: 0, buffer: vec![0; 65_507] };
    let started = Instant::now();
    for number in 0..options.addresses {
        let due = started + Duration::from_secs(1) / options.rate * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if open.len() == OPEN
            && let Some(oldest) = open.pop_front()
        {
            answers.read(&oldest);
        }
        open.push_back(send(number, &datagram, options.to)?);
    }
    let took = started.elapsed();
    thread::sleep(AFTERMATH);
    open.iter().for_each(|socket| answers.read(socket));
    let figures = json!({
        "sent": options.addresses,
        "size": datagram.len(),
        "milliseconds": took.as_millis() as u64,
        "answers": answers.count,
        "answer_bytes": answers.bytes,
        "largest_answer": answers.largest,
    });
    println!("{figures}");
    Ok(())
}

/// Sends the datagram from the address of this number.
fn send(number: u32, datagram: &[u8], to: SocketAddr) -> Result<UdpSocket> {
    let address = IpAddr::from(Ipv4Addr::from(FIRST + number));
    let socket = UdpSocket::bind((address, 0))
        .with_context(|| format!("cannot send from {address}; are all of 127.0.0.0/8 local?"))?;
    socket.set_nonblocking(true)?;
    socket.send_to(datagram, to).with_context(|| format!("cannot send from {address}"))?;
    Ok(socket)
}

impl Answers {
    /// Counts what has come to `socket`.
    fn read(&mut self, socket: &UdpSocket) {
        while let Ok(length) = socket.recv(&mut self.buffer) {
            self.count += 1;
            self.bytes += length;
            self.largest = self.largest.max(length);
        }
    }
}
