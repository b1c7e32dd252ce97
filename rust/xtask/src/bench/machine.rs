//! What it was measured on.

use std::fs;
use std::thread::available_parallelism;

use serde_json::Value;

use crate::cargo;

/// Names and values, in the order of the document.
pub(super) type Description = Vec<(&'static str, String)>;

/// The machine and the programs. `versions` is what the harness says about the engine.
pub(super) fn describe(versions: &Value) -> Description {
    let unknown = || "unknown".to_owned();
    let version = |name: &str| versions[name].as_str().map(str::to_owned);
    vec![
        (
            "processor",
            read("/proc/cpuinfo").and_then(|text| processor(&text)).unwrap_or_else(unknown),
        ),
        ("cores", available_parallelism().map_or_else(|_| unknown(), |count| count.to_string())),
        ("load when it began", load().unwrap_or_else(unknown)),
        ("kernel", read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown)),
        ("engine", version("engine").unwrap_or_else(unknown)),
        (
            "the engine's Mbed TLS",
            version("mbedtls")
                .unwrap_or_else(|| "built into the engine, which does not say".into()),
        ),
        ("our OpenSSL", openssl_src::openssl_version().to_owned()),
        ("rustc", rustc().unwrap_or_else(unknown)),
    ]
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// How many programs wanted a core in the last minute.
fn load() -> Option<String> {
    Some(read("/proc/loadavg")?.split(' ').next()?.to_owned())
}

fn rustc() -> Option<String> {
    Some(cargo::rustc(&["--version"]).ok()?.strip_prefix("rustc ")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name() {
        let text = "processor\t: 0\nmodel name\t: Fast One 9\nflags\t: x\nmodel name\t: Other\n";
        assert_eq!(processor(text).as_deref(), Some("Fast One 9"));
        assert_eq!(processor("Hardware : x"), None);
    }
}
