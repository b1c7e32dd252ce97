//! The system's buffers of a socket, which hold what comes while nobody reads.

use std::io;

/// How many bytes the system lets wait in a socket.
///
/// Linux counts its own overhead too and keeps twice as much room for it: the sizes here are without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferSizes {
    /// For what was received and not yet read.
    pub receive: usize,
    /// For what was sent and has not left.
    pub send: usize,
}

/// Linux reports twice what it was asked for.
const REPORTED: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 2 } else { 1 };

impl BufferSizes {
    /// What a [`Socket`](crate::Socket) asks for: 4 MiB each way. That held 1,000 players' datagrams of a tenth of a
    /// second.
    pub const WANTED: usize = 4 << 20;

    pub(crate) fn enlarge(socket: &socket2::Socket) -> io::Result<Self> {
        use socket2::Socket;
        Ok(Self {
            receive: grow(socket, Socket::recv_buffer_size, Socket::set_recv_buffer_size)?,
            send: grow(socket, Socket::send_buffer_size, Socket::set_send_buffer_size)?,
        })
    }

    /// What to tell who runs the server if the system gave less than was wanted, and which setting raises it.
    pub fn warning(&self) -> Option<String> {
        let settings: &[(usize, &str, &str)] =
            if cfg!(any(target_os = "linux", target_os = "android")) {
                &[
                    (self.receive, "receive", "net.core.rmem_max=4194304"),
                    (self.send, "send", "net.core.wmem_max=4194304"),
                ]
            } else if cfg!(target_vendor = "apple") {
                // The system keeps a part of it for its own overhead.
                &[(self.receive.min(self.send), "smallest", "kern.ipc.maxsockbuf=8388608")]
            } else {
                &[]
            };
        let clamped: Vec<_> = settings.iter().filter(|(size, ..)| *size < Self::WANTED).collect();
        if clamped.is_empty() {
            return None;
        }
        let sizes: Vec<_> = clamped
            .iter()
            .map(|(size, which, _)| format!("{which} buffer has {} KiB", size >> 10))
            .collect();
        let commands: Vec<_> =
            clamped.iter().map(|(.., setting)| format!("sysctl -w {setting}")).collect();
        Some(format!(
            "packets can be lost when many come at once: the UDP socket's {}, where 4096 are wanted. Allow them with \
             `{}`, before the server starts.",
            sizes.join(" and its "),
            commands.join("` and `")
        ))
    }
}

/// Asks for [`BufferSizes::WANTED`] and says what there is then. A system that gives more by itself is left alone.
fn grow(
    socket: &socket2::Socket,
    get: fn(&socket2::Socket) -> io::Result<usize>,
    set: fn(&socket2::Socket, usize) -> io::Result<()>,
) -> io::Result<usize> {
    let mut wanted = BufferSizes::WANTED;
    // Linux gives as much as it may; macOS refuses what is too much.
    while get(socket)? / REPORTED < wanted && set(socket, wanted).is_err() {
        wanted /= 2;
    }
    Ok(get(socket)? / REPORTED)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_socket_gets_what_the_system_allows() {
        let allowed = |setting| -> usize {
            let text =
                std::fs::read_to_string(format!("/proc/sys/net/core/{setting}")).expect("Linux");
            text.trim().parse().expect("a number")
        };
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
        let sizes = BufferSizes::enlarge(&socket).expect("sizes");
        assert_eq!(sizes.receive, BufferSizes::WANTED.min(allowed("rmem_max")));
        assert_eq!(sizes.send, BufferSizes::WANTED.min(allowed("wmem_max")));
    }

    #[test]
    fn a_warning_names_the_setting_of_what_is_too_small() {
        let enough = BufferSizes { receive: BufferSizes::WANTED, send: BufferSizes::WANTED };
        assert_eq!(enough.warning(), None);

        let receive = BufferSizes { receive: 212_992, ..enough }.warning().expect("too small");
        assert!(receive.contains("receive buffer has 208 KiB"), "{receive}");
        assert!(receive.contains("`sysctl -w net.core.rmem_max=4194304`"), "{receive}");
        assert!(!receive.contains("wmem_max"), "{receive}");

        let both = BufferSizes { receive: 212_992, send: 212_992 }.warning().expect("too small");
        assert!(both.contains("rmem_max") && both.contains("wmem_max"), "{both}");
    }
}
