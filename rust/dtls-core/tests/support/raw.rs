//! A peer that is plain OpenSSL with the settings of the test: what we may meet, not what we are.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::c_void;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use dtls_core::Certificates;
use foreign_types::ForeignTypeRef;
use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionRef,
    SslStream, SslVerifyMode,
};
use openssl::x509::X509;
use test_pki::Issued;

use super::link::End;

unsafe extern "C" {
    fn BIO_ADDR_new() -> *mut c_void;
    fn BIO_ADDR_free(address: *mut c_void);
    fn DTLSv1_listen(ssl: *mut openssl_sys::SSL, client: *mut c_void) -> std::ffi::c_int;
    fn SSL_renegotiate(ssl: *mut openssl_sys::SSL) -> std::ffi::c_int;
}

/// Two queues of datagrams in place of a socket.
#[derive(Default)]
pub(crate) struct Pipe {
    incoming: VecDeque<Vec<u8>>,
    outgoing: Vec<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Handshaking,
    Connected,
    Closed,
    /// What OpenSSL's error queue says.
    Failed(Vec<i32>),
}

/// The peer.
pub(crate) struct Raw {
    stream: SslStream<Pipe>,
    pub(crate) progress: Progress,
    pub(crate) received: Vec<Vec<u8>>,
}

/// A context that lets everything in, to be narrowed down.
pub(crate) fn context() -> SslContextBuilder {
    // Starts OpenSSL the way the crate does, without the machine's configuration.
    let _nothing = Certificates::parse(b"");
    let mut context = SslContext::builder(SslMethod::dtls()).expect("OpenSSL works");
    context.set_security_level(0);
    context.set_min_proto_version(None).expect("no lower limit");
    context.set_cipher_list("ALL:COMPLEMENTOFALL").expect("every suite");
    context.set_options(SslOptions::NO_QUERY_MTU);
    context.set_verify(SslVerifyMode::NONE);
    context
}

/// The same with key and certificates.
pub(crate) fn context_of(issued: &Issued) -> SslContextBuilder {
    let mut context = context();
    let certificate = X509::from_pem(issued.cert_pem.as_bytes()).expect("a certificate");
    let key = PKey::private_key_from_pem(issued.key_pem.as_bytes()).expect("a key");
    context.set_certificate(&certificate).expect("level 0 takes any");
    context.set_private_key(&key).expect("level 0 takes any");
    context
}

impl Raw {
    pub(crate) fn client(context: SslContextBuilder) -> Self {
        Self::new(&context.build(), SslRef::set_connect_state)
    }

    /// A client that asks to go on with the session of another.
    pub(crate) fn client_with(context: SslContextBuilder, session: &SslSessionRef) -> Self {
        Self::new(&context.build(), |ssl| {
            ssl.set_connect_state();
            // SAFETY: OpenSSL counts the reference; a session may be used with any context of the same
            // method.
            unsafe { ssl.set_session(session) }.expect("a session of DTLS");
        })
    }

    /// A client that asks for a host name, and to go on with the session of another if it has one.
    pub(crate) fn client_for(
        context: SslContextBuilder,
        name: &str,
        session: Option<&SslSessionRef>,
    ) -> Self {
        Self::new(&context.build(), |ssl| {
            ssl.set_connect_state();
            ssl.set_hostname(name).expect("a host name");
            if let Some(session) = session {
                // SAFETY: as above.
                unsafe { ssl.set_session(session) }.expect("a session of DTLS");
            }
        })
    }

    pub(crate) fn server(context: SslContextBuilder) -> Self {
        Self::server_of(&context.build())
    }

    /// One of several servers with the same context, and so with the same ticket keys.
    pub(crate) fn server_of(context: &SslContext) -> Self {
        Self::new(context, SslRef::set_accept_state)
    }

    fn new(context: &SslContext, role: impl FnOnce(&mut SslRef)) -> Self {
        let mut ssl = Ssl::new(context).expect("OpenSSL works");
        ssl.set_mtu(1200).expect("a possible MTU");
        role(&mut ssl);
        let stream = SslStream::new(ssl, Pipe::default()).expect("OpenSSL works");
        let mut raw = Self { stream, progress: Progress::Handshaking, received: Vec::new() };
        raw.step();
        raw
    }

    pub(crate) fn ssl(&self) -> &SslRef {
        self.stream.ssl()
    }

    /// The suite that was agreed upon.
    pub(crate) fn suite(&self) -> &str {
        self.ssl().current_cipher().map_or("none", |suite| suite.name())
    }

    /// The alert that it received, if that is why it failed.
    pub(crate) fn alert(&self) -> Option<i32> {
        match &self.progress {
            Progress::Failed(reasons) => {
                reasons.iter().find(|reason| **reason >= 1000).map(|reason| reason - 1000)
            }
            _ => None,
        }
    }

    pub(crate) fn send(&mut self, packet: &[u8]) {
        self.stream.ssl_write(packet).expect("connected");
    }

    pub(crate) fn shutdown(&mut self) {
        self.stream.shutdown().expect("connected");
    }

    /// Asks for a new handshake on the same connection.
    pub(crate) fn renegotiate(&mut self) {
        // SAFETY: the SSL object is live; nothing else uses it during the call.
        let asked = unsafe { SSL_renegotiate(self.stream.ssl().as_ptr()) };
        assert_eq!(asked, 1, "OpenSSL asks for it");
        self.progress = Progress::Handshaking;
        self.step();
    }

    fn step(&mut self) {
        if self.progress == Progress::Handshaking {
            match self.stream.do_handshake() {
                Ok(()) => self.progress = Progress::Connected,
                Err(error) => self.note(&error),
            }
        }
        while self.progress == Progress::Connected {
            let mut packet = vec![0; 16 * 1024];
            match self.stream.ssl_read(&mut packet) {
                Ok(length) => self.received.push(packet[..length].to_vec()),
                Err(error) if error.code() == ErrorCode::WANT_READ => break,
                Err(error) => self.note(&error),
            }
        }
    }

    fn note(&mut self, error: &openssl::ssl::Error) {
        self.progress = match error.code() {
            ErrorCode::WANT_READ => return,
            ErrorCode::ZERO_RETURN => Progress::Closed,
            _ => {
                let errors = error.ssl_error().map_or(&[][..], |stack| stack.errors());
                Progress::Failed(errors.iter().map(|error| error.reason_code()).collect())
            }
        };
    }
}

impl End for Raw {
    fn handle(&mut self, datagram: &[u8]) {
        self.stream.get_mut().incoming.push_back(datagram.to_vec());
        self.step();
    }

    fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.stream.get_mut().outgoing)
    }
}

/// OpenSSL's own cookie exchange.
pub(crate) struct RawListener {
    context: SslContext,
    listening: Option<SslStream<Pipe>>,
    /// The one that is right, and is given out, for the next datagram.
    cookie: Arc<Mutex<Option<[u8; 32]>>>,
}

/// What came of a datagram.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Listened {
    Dropped,
    Answered(Vec<u8>),
    Verified,
}

impl RawListener {
    pub(crate) fn new() -> Self {
        let cookie = Arc::<Mutex<Option<[u8; 32]>>>::default();
        let mut context = context();
        let given = Arc::clone(&cookie);
        context.set_cookie_generate_cb(move |_, buffer| {
            let cookie = given.lock().expect("no panic").unwrap_or_default();
            buffer[..cookie.len()].copy_from_slice(&cookie);
            Ok(cookie.len())
        });
        let right = Arc::clone(&cookie);
        context.set_cookie_verify_cb(move |_, cookie| {
            right.lock().expect("no panic").is_some_and(|right| right == cookie)
        });
        Self { context: context.build(), listening: None, cookie }
    }

    /// Handles `datagram`, whose cookie should be `cookie`. With `None` no cookie is right, and zeros are
    /// given out.
    pub(crate) fn listen(&mut self, datagram: &[u8], cookie: Option<[u8; 32]>) -> Listened {
        *self.cookie.lock().expect("no panic") = cookie;
        let mut stream = self.listening.take().unwrap_or_else(|| {
            let ssl = Ssl::new(&self.context).expect("OpenSSL works");
            SslStream::new(ssl, Pipe::default()).expect("OpenSSL works")
        });
        stream.get_mut().incoming.push_back(datagram.to_vec());
        // SAFETY: the SSL object is live and nothing else uses it during the call; the address is a new
        // one, and is freed once.
        let result = unsafe {
            let address = BIO_ADDR_new();
            assert!(!address.is_null(), "OpenSSL works");
            let result = DTLSv1_listen(stream.ssl().as_ptr(), address);
            BIO_ADDR_free(address);
            result
        };
        if result == 1 {
            return Listened::Verified;
        }
        assert_eq!(result, 0, "a datagram is no failure: {:?}", openssl::error::ErrorStack::get());
        let _why = openssl::error::ErrorStack::get();
        let mut answers = std::mem::take(&mut stream.get_mut().outgoing);
        self.listening = Some(stream);
        assert!(answers.len() <= 1, "one answer at most");
        answers.pop().map_or(Listened::Dropped, Listened::Answered)
    }
}
