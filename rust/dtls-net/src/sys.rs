//! The calls that no crate has in a safe form: control messages, and many datagrams at once. All `unsafe` is here.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, SockRef, Socket, Type};

use crate::Transmit;

/// What the system says of a received datagram.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Of what is in the buffer, in bytes.
    pub(crate) length: usize,
    pub(crate) peer: SocketAddr,
    pub(crate) local: Option<IpAddr>,
    /// The datagram was larger than the buffer.
    pub(crate) truncated: bool,
}

impl Arrival {
    fn new(length: usize, name: &SockAddr, local: Option<IpAddr>, truncated: bool) -> Self {
        let peer = match name.as_socket() {
            Some(SocketAddr::V6(peer)) => match peer.ip().to_ipv4_mapped() {
                Some(ip) => SocketAddr::new(ip.into(), peer.port()),
                None => peer.into(),
            },
            Some(peer) => peer,
            // A socket of an IP family has no other peers. Nothing can be sent there.
            None => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        };
        Self { length, peer, local: local.map(|ip| ip.to_canonical()), truncated }
    }
}

/// A bound socket that does not block and reports local addresses.
#[derive(Debug)]
pub(crate) struct Io {
    pub(crate) socket: UdpSocket,
    /// Also if it is for both families.
    is_ipv6: bool,
    #[cfg(windows)]
    receive_message: windows::ReceiveMessage,
}

impl Io {
    /// Binds a socket to an address. `dual`: one for IPv6 is for IPv4, too.
    pub(crate) fn bind(address: SocketAddr, dual: bool) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!dual)?;
        }
        socket.set_nonblocking(true)?;
        let io = Self {
            is_ipv6: address.is_ipv6(),
            #[cfg(windows)]
            receive_message: windows::prepare(&socket)?,
            socket: UdpSocket::from_std(socket.into()),
        };
        // A datagram for an IPv4 address comes with this one on a socket for both. macOS has the other one then.
        if address.is_ipv4() || dual && !cfg!(target_vendor = "apple") {
            io.report_local(IPV4)?;
        }
        if address.is_ipv6() {
            io.report_local(IPV6)?;
        }
        SockRef::from(&io.socket).bind(&address.into())?;
        Ok(io)
    }

    /// The address of a peer as this socket takes it.
    fn name(&self, peer: SocketAddr) -> SockAddr {
        match peer {
            SocketAddr::V4(peer) if self.is_ipv6 => {
                SocketAddrV6::new(peer.ip().to_ipv6_mapped(), peer.port(), 0, 0).into()
            }
            peer => peer.into(),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Io {
    /// Receives one datagram; more may wait.
    pub(crate) fn receive_some(
        &self,
        room: &mut [u8],
        size: usize,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<bool> {
        arrivals.push(self.receive(&mut room[..size])?);
        Ok(true)
    }

    /// Sends the first.
    pub(crate) fn send_some(&self, transmits: &[Transmit<'_>]) -> io::Result<usize> {
        self.send(&transmits[0])?;
        Ok(1)
    }
}

#[cfg(unix)]
use unix::{IPV4, IPV6};
#[cfg(windows)]
use windows::{IPV4, IPV6};

#[cfg(unix)]
mod unix {
    use std::mem;
    use std::os::fd::AsRawFd;
    use std::ptr;

    use libc::c_int;

    use super::*;

    /// Level and name of the option after which datagrams come with the address that they were sent to.
    pub(super) const IPV4: (c_int, c_int) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
    pub(super) const IPV6: (c_int, c_int) = (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO);

    /// What a message header points to, but the datagram.
    struct Envelope {
        name: SockAddrStorage,
        buffer: libc::iovec,
        /// A socket for both families may report both kinds of local address: 72 bytes. Aligned for a `cmsghdr`.
        control: [u64; 12],
    }

    impl Envelope {
        fn to_receive(room: &mut [u8]) -> Self {
            Self::new(room.as_mut_ptr(), room.len())
        }

        fn to_send(bytes: &[u8]) -> Self {
            Self::new(bytes.as_ptr().cast_mut(), bytes.len())
        }

        fn new(bytes: *mut u8, length: usize) -> Self {
            let buffer = libc::iovec { iov_base: bytes.cast(), iov_len: length };
            Self { name: SockAddrStorage::zeroed(), buffer, control: [0; 12] }
        }

        /// Points into the envelope and to the datagram.
        fn header(&mut self) -> libc::msghdr {
            // SAFETY: integers and pointers, for which zero is a value. Some systems have padding that has no name.
            let mut header: libc::msghdr = unsafe { mem::zeroed() };
            header.msg_name = ptr::from_mut(&mut self.name).cast();
            header.msg_namelen = self.name.size_of();
            header.msg_iov = &mut self.buffer;
            header.msg_iovlen = 1;
            header.msg_control = self.control.as_mut_ptr().cast();
            header.msg_controllen = mem::size_of_val(&self.control) as _;
            header
        }

        /// For a datagram to be sent, and the header for it.
        fn prepare(&mut self, io: &Io, transmit: &Transmit<'_>) -> libc::msghdr {
            let name = io.name(transmit.peer);
            let length = name.len();
            self.name = name.as_storage();
            let mut header = self.header();
            header.msg_namelen = length;
            let used = match transmit.local {
                None => 0,
                Some(IpAddr::V4(ip)) => {
                    // SAFETY: integers.
                    let mut info: libc::in_pktinfo = unsafe { mem::zeroed() };
                    info.ipi_spec_dst.s_addr = u32::from_ne_bytes(ip.octets());
                    put(&mut header, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
                }
                Some(IpAddr::V6(ip)) => {
                    // SAFETY: integers.
                    let mut info: libc::in6_pktinfo = unsafe { mem::zeroed() };
                    info.ipi6_addr.s6_addr = ip.octets();
                    put(&mut header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
                }
            };
            header.msg_controllen = used as _;
            if used == 0 {
                header.msg_control = ptr::null_mut();
            }
            header
        }
    }

    /// Writes the only control message, and says how many bytes it has.
    fn put<T>(header: &mut libc::msghdr, level: c_int, kind: c_int, value: T) -> usize {
        let size = mem::size_of::<T>() as libc::c_uint;
        // SAFETY: the header has the 96 aligned bytes of an envelope's control, and a message of a `T`, which is one of
        // the two above, has at most 40.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(header);
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(size) as _;
            libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
            libc::CMSG_SPACE(size) as usize
        }
    }

    /// What was received with a header.
    ///
    /// # Safety
    ///
    /// The header is one of an envelope that is alive and still where it was, and the system has received into it.
    unsafe fn arrival(header: &libc::msghdr, length: usize) -> Arrival {
        // SAFETY: the name is the envelope's, and the system has written an address of that length.
        let name = unsafe {
            SockAddr::new(header.msg_name.cast::<SockAddrStorage>().read(), header.msg_namelen)
        };
        // SAFETY: as is this function.
        let local = unsafe { local(header) };
        Arrival::new(length, &name, local, header.msg_flags & libc::MSG_TRUNC != 0)
    }

    /// The local address among the control messages.
    ///
    /// # Safety
    ///
    /// As for [`arrival`].
    unsafe fn local(header: &libc::msghdr) -> Option<IpAddr> {
        let mut found = None;
        // SAFETY: the header points to the control messages that the system has written, and says how long they are,
        // so these functions stay within. Level and type say what a message is of; its data may be unaligned.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(header);
            while !message.is_null() {
                match ((*message).cmsg_level, (*message).cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info =
                            libc::CMSG_DATA(message).cast::<libc::in_pktinfo>().read_unaligned();
                        // Linux says here where to answer a broadcast from. macOS reads it, and leaves it empty.
                        let ip = match info.ipi_spec_dst.s_addr {
                            0 => info.ipi_addr.s_addr,
                            address => address,
                        };
                        return Some(IpAddr::from(ip.to_ne_bytes()));
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info =
                            libc::CMSG_DATA(message).cast::<libc::in6_pktinfo>().read_unaligned();
                        found = Some(IpAddr::from(info.ipi6_addr.s6_addr));
                    }
                    _ => {}
                }
                message = libc::CMSG_NXTHDR(header, message);
            }
        }
        found
    }

    fn result(returned: isize) -> io::Result<usize> {
        usize::try_from(returned).map_err(|_| io::Error::last_os_error())
    }

    impl Io {
        pub(super) fn report_local(&self, (level, option): (c_int, c_int)) -> io::Result<()> {
            let on: c_int = 1;
            let size = mem::size_of_val(&on) as libc::socklen_t;
            // SAFETY: an open socket, and an int of that size.
            let returned = unsafe {
                libc::setsockopt(
                    self.socket.as_raw_fd(),
                    level,
                    option,
                    (&raw const on).cast(),
                    size,
                )
            };
            result(returned as isize).map(drop)
        }

        pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
            let mut envelope = Envelope::to_receive(buffer);
            let mut header = envelope.header();
            // SAFETY: an open socket; what the header points to is alive and is ours to write.
            let received = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &mut header, 0) };
            let length = result(received)?;
            // SAFETY: the envelope is above, and the system has received into it.
            Ok(unsafe { arrival(&header, length) })
        }

        pub(crate) fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            let mut envelope = Envelope::to_send(transmit.bytes);
            let header = envelope.prepare(self, transmit);
            // SAFETY: an open socket; what the header points to is alive, and is only read.
            result(unsafe { libc::sendmsg(self.socket.as_raw_fd(), &header, 0) }).map(drop)
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    impl Io {
        /// Receives up to 64 datagrams into parts of the room that have that size, and says whether more may wait.
        pub(crate) fn receive_some(
            &self,
            room: &mut [u8],
            size: usize,
            arrivals: &mut Vec<Arrival>,
        ) -> io::Result<bool> {
            let slots = room.chunks_exact_mut(size).take(crate::Batch::MOST);
            let mut envelopes: Vec<_> = slots.map(Envelope::to_receive).collect();
            let mut headers = headers(envelopes.iter_mut().map(Envelope::header));
            let (first, count) = (headers.as_mut_ptr(), headers.len() as libc::c_uint);
            // SAFETY: an open socket, that many headers; what they point to is alive, apart from what the others point
            // to, and is ours to write. No time limit.
            let received = unsafe {
                libc::recvmmsg(self.socket.as_raw_fd(), first, count, 0, ptr::null_mut())
            };
            let received = result(received as isize)?;
            for header in &headers[..received] {
                // SAFETY: the envelopes are above, and the system has received into this one.
                arrivals.push(unsafe { arrival(&header.msg_hdr, header.msg_len as usize) });
            }
            Ok(received == headers.len())
        }

        /// Sends up to 64 of them, and says how many: at least the first, or it fails.
        pub(crate) fn send_some(&self, transmits: &[Transmit<'_>]) -> io::Result<usize> {
            let transmits = &transmits[..transmits.len().min(crate::Batch::MOST)];
            let mut envelopes: Vec<_> =
                transmits.iter().map(|transmit| Envelope::to_send(transmit.bytes)).collect();
            let pairs = envelopes.iter_mut().zip(transmits);
            let mut headers =
                headers(pairs.map(|(envelope, transmit)| envelope.prepare(self, transmit)));
            let (first, count) = (headers.as_mut_ptr(), headers.len() as libc::c_uint);
            // SAFETY: an open socket, that many headers; what they point to is alive, and is only read.
            let sent = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), first, count, 0) };
            result(sent as isize)
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn headers(headers: impl Iterator<Item = libc::msghdr>) -> Vec<libc::mmsghdr> {
        headers.map(|msg_hdr| libc::mmsghdr { msg_hdr, msg_len: 0 }).collect()
    }
}

#[cfg(windows)]
mod windows {
    use std::mem;
    use std::os::windows::io::AsRawSocket;
    use std::ptr;

    use windows_sys::Win32::Networking::WinSock as ws;

    use super::*;

    /// Level and name of the option after which datagrams come with the address that they were sent to.
    pub(super) const IPV4: (i32, i32) = (ws::IPPROTO_IP, ws::IP_PKTINFO);
    pub(super) const IPV6: (i32, i32) = (ws::IPPROTO_IPV6, ws::IPV6_PKTINFO);

    /// `WSARecvMsg`, which no library exports. Each provider of sockets has its own.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct ReceiveMessage(ws::LPFN_WSARECVMSG);

    /// A control message with a local address. Its data follows the header at once.
    #[repr(C)]
    struct Control<T> {
        header: ws::CMSGHDR,
        info: T,
    }

    impl<T> Control<T> {
        fn new((level, option): (i32, i32), info: T) -> Self {
            let length = mem::offset_of!(Self, info) + mem::size_of::<T>();
            Self {
                header: ws::CMSGHDR { cmsg_len: length, cmsg_level: level, cmsg_type: option },
                info,
            }
        }

        fn buffer(&mut self) -> ws::WSABUF {
            ws::WSABUF { len: mem::size_of_val(self) as u32, buf: ptr::from_mut(self).cast() }
        }
    }

    /// The options of a socket that is not bound yet.
    pub(super) fn prepare(socket: &Socket) -> io::Result<ReceiveMessage> {
        set_option(socket, ws::SOL_SOCKET, ws::SO_EXCLUSIVEADDRUSE)?;
        // One peer's ICMP message would be an error of receiving from the others. It is sorted as such if the system
        // cannot turn that off.
        for code in [ws::SIO_UDP_CONNRESET, ws::SIO_UDP_NETRESET] {
            let _ = control::<u32, u32>(socket, code, &0);
        }
        let code = ws::SIO_GET_EXTENSION_FUNCTION_POINTER;
        control(socket, code, &ws::WSAID_WSARECVMSG).map(ReceiveMessage)
    }

    fn set_option(socket: &impl AsRawSocket, level: i32, option: i32) -> io::Result<()> {
        let on: u32 = 1;
        let size = mem::size_of_val(&on) as i32;
        // SAFETY: an open socket, and an integer of that size.
        result(unsafe {
            ws::setsockopt(handle(socket), level, option, (&raw const on).cast(), size)
        })
    }

    /// One control code, with what goes in and what comes out, which are of the types that the code has.
    fn control<I, O: Default>(socket: &Socket, code: u32, input: &I) -> io::Result<O> {
        let (mut output, mut returned) = (O::default(), 0);
        // SAFETY: an open socket, values of those sizes, and no overlapped call.
        result(unsafe {
            ws::WSAIoctl(
                handle(socket),
                code,
                ptr::from_ref(input).cast(),
                mem::size_of::<I>() as u32,
                (&raw mut output).cast(),
                mem::size_of::<O>() as u32,
                &mut returned,
                ptr::null_mut(),
                None,
            )
        })?;
        Ok(output)
    }

    fn handle(socket: &impl AsRawSocket) -> ws::SOCKET {
        socket.as_raw_socket() as ws::SOCKET
    }

    fn result(returned: i32) -> io::Result<()> {
        if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    impl Io {
        pub(super) fn report_local(&self, (level, option): (i32, i32)) -> io::Result<()> {
            set_option(&self.socket, level, option)
        }

        pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
            let mut name = SockAddrStorage::zeroed();
            let mut control = [0_u64; 12];
            let mut data = ws::WSABUF { len: buffer.len() as u32, buf: buffer.as_mut_ptr() };
            let mut message = ws::WSAMSG {
                name: (&raw mut name).cast(),
                namelen: name.size_of(),
                lpBuffers: &mut data,
                dwBufferCount: 1,
                Control: ws::WSABUF {
                    len: mem::size_of_val(&control) as u32,
                    buf: control.as_mut_ptr().cast(),
                },
                dwFlags: 0,
            };
            let receive = self.receive_message.0.ok_or(io::ErrorKind::Unsupported)?;
            let mut length = 0;
            // SAFETY: an open socket, whose function it is; what the message points to is alive and ours to write; no
            // overlapped call.
            let received = result(unsafe {
                receive(handle(&self.socket), &mut message, &mut length, ptr::null_mut(), None)
            });
            let truncated = match received {
                Ok(()) => message.dwFlags & ws::MSG_TRUNC != 0,
                Err(error) if error.raw_os_error() == Some(ws::WSAEMSGSIZE) => true,
                Err(error) => return Err(error),
            };
            // SAFETY: the system has written an address of that length.
            let name = unsafe { SockAddr::new(name, message.namelen) };
            let written = message.Control.len as usize;
            let bytes: Vec<u8> =
                control.iter().flat_map(|word| word.to_ne_bytes()).take(written).collect();
            Ok(Arrival::new(length as usize, &name, local(&bytes), truncated))
        }

        pub(crate) fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            let name = self.name(transmit.peer);
            let bytes = transmit.bytes;
            let mut data = ws::WSABUF { len: bytes.len() as u32, buf: bytes.as_ptr().cast_mut() };
            let (mut ipv4, mut ipv6);
            let control = match transmit.local {
                None => ws::WSABUF { len: 0, buf: ptr::null_mut() },
                Some(IpAddr::V4(ip)) => {
                    let s_addr = u32::from_ne_bytes(ip.octets());
                    let ipi_addr = ws::IN_ADDR { S_un: ws::IN_ADDR_0 { S_addr: s_addr } };
                    ipv4 = Control::new(IPV4, ws::IN_PKTINFO { ipi_addr, ipi_ifindex: 0 });
                    ipv4.buffer()
                }
                Some(IpAddr::V6(ip)) => {
                    let ipi6_addr = ws::IN6_ADDR { u: ws::IN6_ADDR_0 { Byte: ip.octets() } };
                    ipv6 = Control::new(IPV6, ws::IN6_PKTINFO { ipi6_addr, ipi6_ifindex: 0 });
                    ipv6.buffer()
                }
            };
            let message = ws::WSAMSG {
                name: name.as_ptr().cast_mut().cast(),
                namelen: name.len(),
                lpBuffers: &mut data,
                dwBufferCount: 1,
                Control: control,
                dwFlags: 0,
            };
            let mut sent = 0;
            // SAFETY: an open socket; what the message points to is alive, and is only read; no overlapped call.
            result(unsafe {
                ws::WSASendMsg(handle(&self.socket), &message, 0, &mut sent, ptr::null_mut(), None)
            })
        }
    }

    /// The local address among control messages. Both kinds begin with it.
    fn local(mut messages: &[u8]) -> Option<IpAddr> {
        const WORD: usize = mem::size_of::<usize>();
        const HEADER: usize = mem::size_of::<ws::CMSGHDR>();
        while let Some((length, rest)) = messages.split_first_chunk::<WORD>() {
            let level = i32::from_ne_bytes(*rest.first_chunk()?);
            let option = i32::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
            let data = messages.get(HEADER..)?;
            if (level, option) == IPV4 {
                return data.first_chunk::<4>().map(|ip| IpAddr::from(*ip));
            }
            if (level, option) == IPV6 {
                return data.first_chunk::<16>().map(|ip| IpAddr::from(*ip));
            }
            let length = usize::from_ne_bytes(*length).max(HEADER).next_multiple_of(WORD);
            messages = messages.get(length..)?;
        }
        None
    }
}
