//! The bad links of this crate between programs, in real time: `netsim help` lists what it does.
//!
//! Made for tests: it speaks to loopback addresses only, and everything it does ends by itself.

mod flood;
mod relay;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "netsim", about = "Bad networks and bad neighbours, for tests on loopback")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Carries datagrams between clients and a server, as badly as it is told
    Relay(relay::Options),
    /// Sends one datagram each from many addresses, and counts what comes back
    Flood(flood::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Relay(options) => relay::run(&options),
        Command::Flood(options) => flood::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("netsim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// An argument that has to be a loopback address: nothing here may reach another machine.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "is not an address:port".to_owned())?;
    address.ip().is_loopback().then_some(address).ok_or("is not a loopback address".to_owned())
}
