//! The datagram BIO, and the SSL object that sits on it.
//!
//! OpenSSL's own datagram BIO owns a socket and rust-openssl's is a byte stream; this one is neither.
//! A read gives the one datagram that is being handled, whole, or "try again". A write is one
//! outgoing datagram. Both buffers belong to the caller and are lent for the length of one call:
//! between two calls the BIO has nothing to read and nowhere to write.
//!
//! Invariant: no callback here panics, logs, or calls back into the SSL object. It never answers
//! "try again" to a write either: OpenSSL 3.6 could corrupt a flight that it had to resume (4.0.3
//! does not), and a datagram that cannot be sent is a datagram that is lost.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::time::Duration;

use foreign_types::ForeignTypeRef;
use once_cell::sync::OnceCell;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContextRef, SslRef};
use openssl_sys as sys;

use crate::ssl::jitter::Jitter;
use crate::ssl::{ffi, tickets};
use crate::wire::datagrams::Datagrams;
use crate::wire::record;

/// Payload, in bytes, of a datagram that every IPv4 path carries (576 less 28 of IP and UDP header).
/// OpenSSL goes on with datagrams of this size once a flight has timed out three times.
const FALLBACK_MTU: u16 = 548;

/// How often a flight is lost before it goes out in two copies. OpenSSL has no more than twelve tries;
/// the peer drops the copy as a replay.
const TIMEOUTS_BEFORE_COPIES: u32 = 2;

/// What the BIO can see. It belongs to the BIO, and the BIO's SSL object to the [`Link`].
struct BioState {
    /// The datagram that is being handled, until it has been read.
    incoming: Option<NonNull<[u8]>>,
    /// Where writes go, while a call runs.
    outgoing: Option<NonNull<Datagrams>>,
    /// How many datagrams were there when the call began.
    before: usize,
    /// Largest datagram, in bytes of UDP payload.
    mtu: u16,
    /// Whether a flight awaits its answer.
    timer_armed: bool,
    /// How often the flight that awaits its answer has timed out, whichever call noticed it: OpenSSL
    /// looks at its timer whenever it reads, too.
    timeouts: u32,
    /// The flights that went out again and have not been asked for by [`Link::take_retransmissions`].
    retransmissions: u64,
    /// While a flight goes out again: how many datagrams there were before it.
    repeating: Option<usize>,
    /// Whether a flight that is lost often may go out in two copies.
    copies: bool,
    /// Spreads the waits.
    jitter: Jitter,
    /// The message number of the newest ClientHello that was written.
    newest_hello: Option<u16>,
    /// What is added to the numbers of plaintext records.
    renumber: u64,
    /// The number of the last record that was written.
    last_written: Option<record::Number>,
}

impl BioState {
    /// A flight has timed out and is about to be written again.
    fn begin_repetition(&mut self) {
        self.end_repetition();
        self.timeouts += 1;
        self.retransmissions += 1;
        // SAFETY: lent for the call that is running, whose lender does not touch it before the end.
        self.repeating = self.outgoing.map(|outgoing| unsafe { outgoing.as_ref() }.len());
        // What was written before in this call has nothing to do with it.
        self.before = self.repeating.unwrap_or(self.before);
    }

    /// Whatever is written from here on is not of the flight that went out again.
    fn end_repetition(&mut self) {
        let (Some(first), Some(mut outgoing)) = (self.repeating.take(), self.outgoing) else {
            return;
        };
        // SAFETY: as above.
        let outgoing = unsafe { outgoing.as_mut() };
        if self.copies && self.timeouts > TIMEOUTS_BEFORE_COPIES {
            outgoing.repeat_from(first);
        }
        self.before = outgoing.len();
    }
}

/// What one call into OpenSSL came to.
pub(crate) enum Step<T> {
    /// It is done.
    Done(T),
    /// It needs another datagram.
    Waiting,
    /// The peer sent close_notify.
    Closed,
    /// It failed for good. What OpenSSL says about it may be empty.
    Broken(ErrorStack),
}

/// An SSL object on its datagram BIO.
pub(crate) struct Link {
    ssl: Ssl,
    /// Owned by the BIO, which `ssl` owns: valid as long as `ssl` is.
    state: NonNull<BioState>,
}

// SAFETY: `Ssl` is `Send` and `Sync`. `state` belongs to the BIO of that very `ssl` and is reached
// through `&mut self`, or by OpenSSL inside a call that has `&mut self`; nothing in it is bound to a
// thread.
unsafe impl Send for Link {}
// SAFETY: as above; `&Link` gives no way to `state`.
unsafe impl Sync for Link {}

impl Link {
    /// A new SSL object of `context` whose datagrams carry at most `mtu` bytes.
    pub(crate) fn new(context: &SslContextRef, mtu: u16) -> Result<Self, ErrorStack> {
        let mut ssl = Ssl::new(context)?;
        ssl.set_mtu(mtu.into())?;
        ffi::set_timer_callback(&mut ssl, next_wait);
        let state = Box::new(BioState {
            incoming: None,
            outgoing: None,
            before: 0,
            mtu,
            timer_armed: false,
            timeouts: 0,
            retransmissions: 0,
            repeating: None,
            copies: false,
            jitter: Jitter::new(),
            newest_hello: None,
            renumber: 0,
            last_written: None,
        });
        let method = method()?;
        // SAFETY: the method is complete and lives for ever.
        let bio = unsafe { sys::BIO_new(method) };
        if bio.is_null() {
            return Err(ErrorStack::get());
        }
        let state = NonNull::from(Box::leak(state));
        // SAFETY: `bio` is new and ours; `destroy` takes the state back. SSL_set_bio takes over the
        // one reference, for both directions.
        unsafe {
            sys::BIO_set_data(bio, state.as_ptr().cast::<c_void>());
            sys::BIO_set_init(bio, 1);
            sys::SSL_set_bio(ssl.as_ptr(), bio, bio);
        }
        Ok(Self { ssl, state })
    }

    /// The SSL object, to ask it for what was negotiated.
    pub(crate) fn ssl(&self) -> &SslRef {
        &self.ssl
    }

    /// The SSL object, to set it up before its handshake.
    pub(crate) fn ssl_mut(&mut self) -> &mut SslRef {
        &mut self.ssl
    }

    /// Runs `call` while the BIO can read `incoming` and write to `outgoing`. A datagram that was read
    /// is gone from `incoming` afterwards.
    fn lend<R>(
        &mut self,
        incoming: &mut Option<&[u8]>,
        outgoing: &mut Datagrams,
        call: impl FnOnce(&mut SslRef) -> R,
    ) -> R {
        /// Takes the buffers back, also when `call` unwinds.
        struct Lent(NonNull<BioState>);
        impl Drop for Lent {
            fn drop(&mut self) {
                // SAFETY: made from a live link, and dropped before `lend` returns.
                let state = unsafe { self.0.as_mut() };
                state.incoming = None;
                state.outgoing = None;
            }
        }
        // SAFETY: the state lives as long as `self.ssl`, and no call into OpenSSL is running.
        let state = unsafe { self.state.as_mut() };
        state.incoming = incoming.map(NonNull::from);
        state.before = outgoing.len();
        state.outgoing = Some(NonNull::from(outgoing));
        let lent = Lent(self.state);
        let result = call(&mut self.ssl);
        // SAFETY: as above; the call is over.
        let state = unsafe { self.state.as_mut() };
        state.end_repetition();
        if state.incoming.is_none() {
            *incoming = None;
        }
        drop(lent);
        result
    }

    /// Reads the ClientHello `datagram`, whose cookie has been verified, and begins the connection of its
    /// client.
    ///
    /// The ServerHello gets the record number of the ClientHello, as RFC 6347 section 4.2.1 demands. OpenSSL
    /// gives it the number 1, which a HelloVerifyRequest may have had (openssl#32063): the client would drop
    /// it as a replay.
    pub(crate) fn listen(&mut self, datagram: &[u8]) -> Result<(), ErrorStack> {
        self.lend(&mut Some(datagram), &mut Datagrams::new(), ffi::listen)?;
        let number = record::first_sequence(datagram).unwrap_or(1);
        self.state().renumber = number.saturating_sub(1);
        Ok(())
    }

    /// Goes on with the handshake, with the datagram that arrived or to start it.
    pub(crate) fn handshake(
        &mut self,
        mut datagram: Option<&[u8]>,
        outgoing: &mut Datagrams,
    ) -> Step<()> {
        step(self.lend(&mut datagram, outgoing, ffi::do_handshake))
    }

    /// Decrypts the next record: of what an earlier datagram left behind, or else of `datagram`.
    pub(crate) fn read(
        &mut self,
        datagram: &mut Option<&[u8]>,
        outgoing: &mut Datagrams,
        buffer: &mut [u8],
    ) -> Step<usize> {
        let before = outgoing.len();
        let result = step(self.lend(datagram, outgoing, |ssl| ffi::read(ssl, buffer)));
        // The last flight once more: the peer has lost it, and has few tries left to ask for it.
        if outgoing.iter().nth(before).is_some_and(record::starts_flight) {
            outgoing.repeat_from(before);
        }
        result
    }

    /// What the BIO can see, between two calls. It takes `&mut self`, so that nothing that a shared
    /// `Link` has leads there.
    fn state(&mut self) -> &mut BioState {
        // SAFETY: the state lives as long as `self.ssl`, and no call into OpenSSL is running.
        unsafe { self.state.as_mut() }
    }

    /// Whether OpenSSL will not repeat this flight any more.
    pub(crate) fn is_exhausted(&mut self) -> bool {
        self.state().timeouts >= ffi::MOST_TIMEOUTS
    }

    /// How many flights went out again since this was asked last, in whatever call.
    pub(crate) fn take_retransmissions(&mut self) -> u64 {
        std::mem::take(&mut self.state().retransmissions)
    }

    /// Says whether a flight that is lost often may go out in two copies.
    pub(crate) fn allow_copies(&mut self, allowed: bool) {
        self.state().copies = allowed;
    }

    /// A wait of at most `longest`, shorter by a random part as those of the flights are.
    pub(crate) fn spread(&mut self, longest: Duration) -> Duration {
        self.state().jitter.shorten(longest)
    }

    /// The message number of the newest ClientHello that was written. One that is repeated keeps its
    /// number, one that answers a HelloVerifyRequest has the next.
    pub(crate) fn newest_hello(&mut self) -> Option<u16> {
        self.state().newest_hello
    }

    /// The number of the last record that was written.
    pub(crate) fn last_written(&mut self) -> Option<record::Number> {
        self.state().last_written
    }

    /// Forgets that anything was written behind the record `last`, since it has not been sent.
    pub(crate) fn take_back(&mut self, last: Option<record::Number>) {
        self.state().last_written = last;
    }

    /// Whether a ServerHello was written or taken in.
    pub(crate) fn has_server_random(&self) -> bool {
        let mut random = [0; 32];
        self.ssl.server_random(&mut random);
        random != [0; 32]
    }

    /// Whether the peer's ChangeCipherSpec has been taken in, so that what it encrypts can be read.
    pub(crate) fn has_keys(&self) -> bool {
        // OpenSSL's name for "reads the ChangeCipherSpec, and then Finished".
        self.ssl.state_string() == "TRCCS"
    }

    /// Shortest body of an encrypted record, in bytes; that of AES-GCM until a suite is agreed upon.
    pub(crate) fn least_encrypted(&self) -> usize {
        match self.ssl.current_cipher().map(|suite| suite.name()) {
            Some(suite) if suite.contains("CHACHA20") => record::LEAST_ENCRYPTED_CHACHA,
            _ => record::LEAST_ENCRYPTED,
        }
    }

    /// Whether a record is left to read.
    pub(crate) fn has_pending(&self) -> bool {
        ffi::has_pending(&self.ssl)
    }

    /// Encrypts one packet.
    pub(crate) fn write(&mut self, payload: &[u8], outgoing: &mut Datagrams) -> Step<()> {
        step(self.lend(&mut None, outgoing, |ssl| ffi::write(ssl, payload)))
    }

    /// Writes close_notify.
    pub(crate) fn shutdown(&mut self, outgoing: &mut Datagrams) {
        self.lend(&mut None, outgoing, ffi::shutdown);
    }

    /// Gives a handshake up and tells the peer. OpenSSL has no call for that before the end of a
    /// handshake, so the alert is written here; once this side has begun to encrypt it cannot be, and
    /// the peer finds out by itself.
    pub(crate) fn cancel(&mut self, outgoing: &mut Datagrams) {
        if let Some(alert) = self.last_written().and_then(record::plaintext_cancel) {
            outgoing.push(&alert);
        }
    }

    /// Time until [`Link::retransmit`] has something to do; `None` when no answer is awaited, and
    /// when OpenSSL will not send that flight again.
    pub(crate) fn time_to_retransmission(&mut self) -> Option<Duration> {
        let state = self.state();
        if !state.timer_armed || state.timeouts >= ffi::MOST_TIMEOUTS {
            return None;
        }
        ffi::time_to_retransmission(&mut self.ssl)
    }

    /// Writes the last flight again if its answer is overdue.
    ///
    /// OpenSSL fails a handshake at its 13th timeout of one flight; it is not asked to: how long a
    /// handshake may take is for the caller to decide.
    pub(crate) fn retransmit(&mut self, outgoing: &mut Datagrams) -> Step<()> {
        if self.time_to_retransmission() != Some(Duration::ZERO) {
            return Step::Done(());
        }
        match self.lend(&mut None, outgoing, ffi::handle_timeout) {
            ffi::Timer::Waiting | ffi::Timer::Retransmitted => Step::Done(()),
            ffi::Timer::Exhausted => Step::Broken(ErrorStack::get()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        tickets::keep_session(&mut self.ssl);
    }
}

/// Translates what `SSL_get_error` said, and empties the error queue.
fn step<T>(result: Result<T, c_int>) -> Step<T> {
    match result {
        Ok(value) => Step::Done(value),
        Err(sys::SSL_ERROR_WANT_READ | sys::SSL_ERROR_WANT_WRITE) => {
            ErrorStack::get();
            Step::Waiting
        }
        Err(sys::SSL_ERROR_ZERO_RETURN) => Step::Closed,
        Err(_) => Step::Broken(ErrorStack::get()),
    }
}

/// The one `BIO_METHOD`, made at its first use and kept for ever.
fn method() -> Result<*const sys::BIO_METHOD, ErrorStack> {
    struct Method(*mut sys::BIO_METHOD);
    // SAFETY: complete before it is shared, and only read from then on.
    unsafe impl Send for Method {}
    // SAFETY: as above.
    unsafe impl Sync for Method {}
    static METHOD: OnceCell<Method> = OnceCell::new();

    let made = METHOD.get_or_try_init(|| {
        const BIO_TYPE_SOURCE_SINK: c_int = 0x0400;
        // SAFETY: the name is a C string with static lifetime, and the callbacks have the signatures
        // that OpenSSL documents.
        unsafe {
            let method = sys::BIO_meth_new(BIO_TYPE_SOURCE_SINK, c"datagram".as_ptr());
            if method.is_null() {
                return Err(ErrorStack::get());
            }
            sys::BIO_meth_set_write__fixed_rust(method, Some(write));
            sys::BIO_meth_set_read__fixed_rust(method, Some(read));
            sys::BIO_meth_set_ctrl__fixed_rust(method, Some(ctrl));
            sys::BIO_meth_set_destroy__fixed_rust(method, Some(destroy));
            Ok(Method(method))
        }
    })?;
    Ok(made.0)
}

/// The state of `bio`, if it has one.
///
/// # Safety
/// `bio` is one of this module's, and no other reference to its state is alive.
unsafe fn state<'a>(bio: *mut sys::BIO) -> Option<&'a mut BioState> {
    // SAFETY: the data of such a BIO is null or the state that `Link::new` gave it.
    unsafe { sys::BIO_get_data(bio).cast::<BioState>().as_mut() }
}

/// Keeps a panic on this side of the C boundary.
fn contained<R>(otherwise: R, callback: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(callback)).unwrap_or(otherwise)
}

/// How long the flight that is sent now waits for its answer, in microseconds. `previous` is 0 for a
/// new flight, and the last wait for one that has timed out.
unsafe extern "C" fn next_wait(ssl: *mut sys::SSL, previous: c_uint) -> c_uint {
    contained(ffi::LONGEST_RETRANSMISSION, || {
        // SAFETY: OpenSSL calls this with an SSL object of `Link::new`, whose read BIO is of this
        // module, from within `Link::lend`.
        let Some(state) = (unsafe { state(sys::SSL_get_rbio(ssl)) }) else {
            return ffi::LONGEST_RETRANSMISSION;
        };
        if previous == 0 {
            state.end_repetition();
            state.timeouts = 0;
        } else {
            state.begin_repetition();
        }
        ffi::wait_after(state.timeouts, &mut state.jitter)
    })
}

unsafe extern "C" fn write(bio: *mut sys::BIO, data: *const c_char, length: c_int) -> c_int {
    contained(-1, || {
        // SAFETY: OpenSSL calls this with a BIO of this module, from within `Link::lend`.
        let state = unsafe { state(bio) };
        let (Some(state), Ok(size)) = (state, usize::try_from(length)) else {
            return -1;
        };
        if data.is_null() {
            return -1;
        }
        // SAFETY: `bio` is live.
        unsafe { sys::BIO_clear_retry_flags(bio) };
        if let Some(mut outgoing) = state.outgoing {
            // SAFETY: `data` is readable for `length` bytes; `outgoing` was lent for this call, and
            // the lender does not touch it before the call is over.
            unsafe {
                let datagram = &*ptr::slice_from_raw_parts(data.cast::<u8>(), size);
                let mut datagram = std::borrow::Cow::Borrowed(datagram);
                if state.renumber != 0 {
                    record::renumber(datagram.to_mut(), state.renumber);
                }
                state.last_written = record::last_number(&datagram);
                state.newest_hello = state.newest_hello.max(record::newest_hello(&datagram));
                let outgoing = outgoing.as_mut();
                // OpenSSL repeats a flight with one datagram for each message. Fewer datagrams are
                // lost less often.
                let room = usize::from(state.mtu);
                let fits = outgoing.last_len().saturating_add(size) <= room;
                if fits && outgoing.len() > state.before {
                    outgoing.extend_last(&datagram);
                } else {
                    outgoing.push(&datagram);
                }
            }
        }
        // Without a buffer the datagram is lost, as datagrams may be.
        length
    })
}

unsafe extern "C" fn read(bio: *mut sys::BIO, buffer: *mut c_char, length: c_int) -> c_int {
    contained(-1, || {
        // SAFETY: OpenSSL calls this with a BIO of this module, from within `Link::lend`.
        let state = unsafe { state(bio) };
        let (Some(state), Ok(room)) = (state, usize::try_from(length)) else {
            return -1;
        };
        // SAFETY: `bio` is live.
        unsafe { sys::BIO_clear_retry_flags(bio) };
        let Some(datagram) = state.incoming.take() else {
            // SAFETY: `bio` is live.
            unsafe { sys::BIO_set_retry_read(bio) };
            return -1;
        };
        // What does not fit is cut off, as `recv` does it; the record layer then drops the record.
        let size = datagram.len().min(room);
        if !buffer.is_null() {
            // SAFETY: `datagram` was lent for this call, `buffer` is writable for `room` bytes, and
            // `size` is no more than either; they are different allocations.
            unsafe {
                ptr::copy_nonoverlapping(datagram.as_ptr().cast::<u8>(), buffer.cast(), size);
            }
        }
        c_int::try_from(size).unwrap_or(-1)
    })
}

unsafe extern "C" fn ctrl(
    bio: *mut sys::BIO,
    command: c_int,
    number: c_long,
    pointer: *mut c_void,
) -> c_long {
    // From OpenSSL's include/openssl/bio.h, where rust-openssl does not have them.
    const BIO_CTRL_EOF: c_int = 2;
    const BIO_CTRL_PENDING: c_int = 10;
    const BIO_CTRL_FLUSH: c_int = 11;
    const BIO_CTRL_WPENDING: c_int = 13;
    const BIO_CTRL_DGRAM_QUERY_MTU: c_int = 40;
    const BIO_CTRL_DGRAM_GET_MTU: c_int = 41;
    const BIO_CTRL_DGRAM_SET_MTU: c_int = 42;
    const BIO_CTRL_DGRAM_MTU_EXCEEDED: c_int = 43;
    const BIO_CTRL_DGRAM_SET_PEER: c_int = 44;
    const BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT: c_int = 45;
    const BIO_CTRL_DGRAM_GET_PEER: c_int = 46;
    const BIO_CTRL_DGRAM_GET_FALLBACK_MTU: c_int = 47;
    const BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: c_int = 49;

    contained(0, || {
        // SAFETY: OpenSSL calls this with a BIO of this module.
        let Some(state) = (unsafe { state(bio) }) else {
            return 0;
        };
        match command {
            BIO_CTRL_FLUSH => 1,
            BIO_CTRL_EOF | BIO_CTRL_WPENDING => 0,
            BIO_CTRL_PENDING => {
                state.incoming.map_or(0, |datagram| c_long::try_from(datagram.len()).unwrap_or(0))
            }
            BIO_CTRL_DGRAM_QUERY_MTU | BIO_CTRL_DGRAM_GET_MTU => c_long::from(state.mtu),
            BIO_CTRL_DGRAM_SET_MTU => {
                state.mtu = u16::try_from(number).unwrap_or(state.mtu);
                c_long::from(state.mtu)
            }
            // The MTU is one of UDP payload already.
            BIO_CTRL_DGRAM_GET_MTU_OVERHEAD | BIO_CTRL_DGRAM_MTU_EXCEEDED => 0,
            // OpenSSL asks for it when it makes the datagrams of a flight smaller.
            BIO_CTRL_DGRAM_GET_FALLBACK_MTU => {
                state.mtu = FALLBACK_MTU.min(state.mtu);
                c_long::from(state.mtu)
            }
            // The owner of the socket knows the peer, and the peer cannot change.
            BIO_CTRL_DGRAM_GET_PEER => 0,
            BIO_CTRL_DGRAM_SET_PEER => 1,
            BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT => {
                // SAFETY: this control brings a pointer to a `timeval`.
                let at = unsafe { pointer.cast::<libc::timeval>().as_ref() };
                state.timer_armed = at.is_some_and(|at| at.tv_sec != 0 || at.tv_usec != 0);
                if !state.timer_armed {
                    state.end_repetition();
                    state.timeouts = 0;
                }
                1
            }
            _ => 0,
        }
    })
}

unsafe extern "C" fn destroy(bio: *mut sys::BIO) -> c_int {
    contained(0, || {
        // SAFETY: OpenSSL destroys each BIO once; its data is the state that `Link::new` leaked.
        unsafe {
            let state = sys::BIO_get_data(bio).cast::<BioState>();
            sys::BIO_set_data(bio, ptr::null_mut());
            if !state.is_null() {
                drop(Box::from_raw(state));
            }
        }
        1
    })
}
