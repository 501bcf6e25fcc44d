//! R's own serialisation (version 3, native binary), straight into and out of a byte buffer or a store.

use extendr_api::prelude::*;
use libR_sys::{
    R_ExternalPtrAddr, R_ExternalPtrProtected, R_GlobalEnv, R_NilValue, R_Serialize, R_Unserialize,
    R_inpstream_st, R_inpstream_t, R_outpstream_st, R_outpstream_t, R_pstream_format_t,
    Rf_getAttrib, Rf_install, Rf_isObject, Rf_xlength, SEXP, SEXPTYPE, TYPEOF, VECTOR_ELT,
};
use rrq_core::Error;
use rrq_core::store::{Reader, Writer};
use std::cell::Cell;
use std::ffi::CStr;
use std::os::raw::{c_int, c_void};

use crate::condition::{Failure, RResult};
use crate::memory;
use crate::plain;
use crate::protect::{is_bare_object, protect};

const VERSION: c_int = 3;
/// The attribute that marks environments which stand for the global one.
const HOME_MARK: &CStr = c"rrq_home";
/// Redis takes no string above 512 MB, and closes the connection that sends one.
const LONGEST: usize = 500 * 1024 * 1024;

/// Takes the bytes that R writes.
trait Output {
    fn write(&mut self, bytes: &[u8]);
}

/// A value in memory. After a failure, the rest is dropped.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    failed: Option<Failure>,
}

impl Output for Buffer {
    fn write(&mut self, bytes: &[u8]) {
        // Not through the reserve, which is smaller than a large buffer.
        if self.failed.is_none() && self.bytes.try_reserve(bytes.len()).is_err() {
            (self.bytes, self.failed) = (Vec::new(), Some(no_memory()));
        }
        if self.failed.is_none() {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

fn no_memory() -> Failure {
    Failure::Serialize("there is not enough memory to serialise it".into())
}

/// A value that is stored while R writes it. After a failure, the rest is dropped.
struct Storing<'a, 'b> {
    writer: &'a mut Writer<'b>,
    failed: Option<Failure>,
}

impl Output for Storing<'_, '_> {
    fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.writer.write(bytes).err().map(Failure::Store);
            if memory::is_short() {
                self.failed = Some(no_memory());
            }
        }
    }
}

unsafe extern "C" fn out_char<T: Output>(stream: R_outpstream_t, value: c_int) {
    // SAFETY: `data` is the output that `write_any` put there.
    unsafe { (*(*stream).data.cast::<T>()).write(&[value as u8]) }
}

unsafe extern "C" fn out_bytes<T: Output>(stream: R_outpstream_t, bytes: *mut c_void, n: c_int) {
    // SAFETY: as above; R gives `n` readable bytes.
    unsafe {
        let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), n as usize);
        (*(*stream).data.cast::<T>()).write(bytes);
    }
}

thread_local! {
    /// Whether the value being written holds an external pointer to something.
    static POINTER_SEEN: Cell<bool> = const { Cell::new(false) };
    /// A pointer that belongs to a harmless one.
    static HARMLESS: Cell<SEXP> = const { Cell::new(std::ptr::null_mut()) };
}

/// R calls this for each environment, external pointer and weak reference. `NULL` lets R write them
/// as usual: pointers without their address. A `data.table` refers to itself by a pointer to `NULL`,
/// with another pointer inside; it notices when they are gone.
///
/// An environment that stands for the global one of the session is marked by `R/worker-globals.R`,
/// with the text to write in its place. So results do not carry the values in it.
unsafe extern "C" fn name_reference(value: SEXP, _data: SEXP) -> SEXP {
    // SAFETY: reading fields of a live object.
    unsafe {
        if TYPEOF(value) == SEXPTYPE::ENVSXP {
            let mark = Rf_getAttrib(value, Rf_install(HOME_MARK.as_ptr()));
            if TYPEOF(mark) == SEXPTYPE::STRSXP && Rf_xlength(mark) > 0 {
                return mark;
            }
        } else if TYPEOF(value) == SEXPTYPE::EXTPTRSXP {
            let address = R_ExternalPtrAddr(value);
            if address == R_NilValue.cast() {
                HARMLESS.set(R_ExternalPtrProtected(value));
            } else if !address.is_null() && value != HARMLESS.get() {
                POINTER_SEEN.set(true);
            }
        }
        R_NilValue
    }
}

/// Record the header that this R writes, so that plain values can be serialised without R.
pub fn learn_format() -> RResult<()> {
    let mut buffer = Buffer::default();
    write_any(&().into(), &mut buffer)?;
    plain::set_prefix(&buffer.bytes);
    Ok(())
}

/// Serialise a value that is stored or sent as one string.
pub fn serialize(value: &Robj) -> RResult<Vec<u8>> {
    match serialize_noting(value)?.0 {
        bytes if bytes.len() > LONGEST => Err(Failure::Serialize(format!(
            "its serialised form has {} bytes, but the limit is {LONGEST} bytes",
            bytes.len()
        ))),
        bytes => Ok(bytes),
    }
}

/// Serialise a value of any size; also whether it holds external pointers, which do not survive that.
pub fn serialize_noting(value: &Robj) -> RResult<(Vec<u8>, bool)> {
    if let Some(bytes) = plain::write(value) {
        return Ok((bytes, false));
    }
    let mut buffer = Buffer::default();
    let pointers = write_any(value, &mut buffer)?;
    buffer.failed.map_or(Ok((buffer.bytes, pointers)), Err)
}

/// Serialise a value of any size into a store; also whether it holds external pointers.
pub fn serialize_to(value: &Robj, writer: &mut Writer<'_>) -> RResult<bool> {
    if let Some(bytes) = plain::write(value) {
        writer.write(&bytes).map_err(Failure::Store)?;
        return Ok(false);
    }
    let mut output = Storing { writer, failed: None };
    let pointers = write_any(value, &mut output)?;
    output.failed.map_or(Ok(pointers), Err)
}

/// Whether a value is data alone: vectors and lists of such, none of them of a class. Attributes are
/// not looked at. Handles of extendr would cost more than all else here.
pub fn is_data(value: &Robj) -> bool {
    // SAFETY: only reads what `value`, which is protected, holds; lists up to their length.
    unsafe {
        let mut left: Vec<SEXP> = vec![value.get()];
        while let Some(value) = left.pop() {
            if bool::from(Rf_isObject(value)) {
                return false;
            }
            match TYPEOF(value) {
                SEXPTYPE::VECSXP => {
                    left.extend((0..Rf_xlength(value)).map(|at| VECTOR_ELT(value, at)));
                }
                SEXPTYPE::NILSXP
                | SEXPTYPE::LGLSXP
                | SEXPTYPE::INTSXP
                | SEXPTYPE::REALSXP
                | SEXPTYPE::CPLXSXP
                | SEXPTYPE::STRSXP
                | SEXPTYPE::RAWSXP
                | SEXPTYPE::SYMSXP => (),
                _ => return false,
            }
        }
    }
    true
}

/// Whether a list could be one vector instead: all its elements are single values of one type, without
/// attributes.
pub fn are_scalars(values: &Robj) -> bool {
    // SAFETY: only reads what `values`, which is protected, holds; the list up to its length.
    unsafe {
        let list = values.get();
        if TYPEOF(list) != SEXPTYPE::VECSXP || Rf_xlength(list) == 0 {
            return false;
        }
        let kind = TYPEOF(VECTOR_ELT(list, 0));
        let is_vector = matches!(
            kind,
            SEXPTYPE::LGLSXP
                | SEXPTYPE::INTSXP
                | SEXPTYPE::REALSXP
                | SEXPTYPE::CPLXSXP
                | SEXPTYPE::STRSXP
                | SEXPTYPE::RAWSXP
        );
        is_vector
            && (0..Rf_xlength(list)).map(|at| VECTOR_ELT(list, at)).all(|value| {
                TYPEOF(value) == kind && Rf_xlength(value) == 1 && is_bare_object(value)
            })
    }
}

/// Serialise any value with R's own code; also whether it holds external pointers.
fn write_any<T: Output>(value: &Robj, output: &mut T) -> RResult<bool> {
    memory::begin();
    POINTER_SEEN.set(false);
    HARMLESS.set(std::ptr::null_mut());
    let mut stream = R_outpstream_st {
        data: std::ptr::from_mut(output).cast(),
        type_: R_pstream_format_t::R_pstream_binary_format,
        version: VERSION,
        OutChar: Some(out_char::<T>),
        OutBytes: Some(out_bytes::<T>),
        OutPersistHookFunc: Some(name_reference),
        // SAFETY: reading a constant of R.
        OutPersistHookData: unsafe { R_NilValue },
    };
    // SAFETY: stream and output outlive the call.
    let done = protect(|| unsafe {
        R_Serialize(value.get(), &raw mut stream);
        R_NilValue
    });
    match done {
        Some(_) => Ok(POINTER_SEEN.get()),
        None => Err(Failure::Serialize("this value cannot be serialised".into())),
    }
}

/// Gives R the bytes it reads.
trait Input {
    /// Copy the next bytes out; zeros past the end, which R then rejects as bad data.
    fn read(&mut self, into: &mut [u8]);
}

impl Input for &[u8] {
    fn read(&mut self, into: &mut [u8]) {
        let n = into.len().min(self.len());
        let (head, rest) = self.split_at(n);
        into[..n].copy_from_slice(head);
        into[n..].fill(0);
        *self = rest;
    }
}

/// A stored value, a piece at a time.
struct Fetching<'a> {
    reader: Reader<'a>,
    piece: Vec<u8>,
    at: usize,
    failed: Option<Error>,
}

impl Input for Fetching<'_> {
    fn read(&mut self, mut into: &mut [u8]) {
        while !into.is_empty() {
            if self.at == self.piece.len() && self.failed.is_none() {
                self.at = 0;
                match self.reader.piece() {
                    Ok(piece) => self.piece = piece,
                    Err(error) => (self.piece, self.failed) = (Vec::new(), Some(error)),
                }
            }
            let n = into.len().min(self.piece.len() - self.at);
            if n == 0 {
                return into.fill(0);
            }
            into[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
            self.at += n;
            into = &mut into[n..];
        }
    }
}

/// R calls this for what `name_reference` has named.
unsafe extern "C" fn restore_reference(_name: SEXP, _data: SEXP) -> SEXP {
    // SAFETY: reading a constant of R.
    unsafe { R_GlobalEnv }
}

unsafe extern "C" fn in_char<T: Input>(stream: R_inpstream_t) -> c_int {
    let mut byte = [0u8];
    // SAFETY: `data` is the input that `read_any` put there.
    unsafe { (*(*stream).data.cast::<T>()).read(&mut byte) };
    c_int::from(byte[0])
}

unsafe extern "C" fn in_bytes<T: Input>(stream: R_inpstream_t, into: *mut c_void, n: c_int) {
    // SAFETY: as above; R gives room for `n` bytes.
    unsafe {
        let into = std::slice::from_raw_parts_mut(into.cast::<u8>(), n as usize);
        (*(*stream).data.cast::<T>()).read(into);
    }
}

/// Read a serialised value. Only for data of trusted queues: unserialising can run code.
pub fn unserialize(mut bytes: &[u8]) -> RResult<Robj> {
    if let Some(value) = plain::read(bytes) {
        return Ok(value);
    }
    read_any(&mut bytes)
}

/// Read a stored value, without having all of its bytes at once.
pub fn unserialize_from(mut reader: Reader<'_>) -> RResult<Robj> {
    let piece = reader.piece()?;
    if piece.len() as u64 == reader.size {
        return unserialize(&piece);
    }
    let mut input = Fetching { reader, piece, at: 0, failed: None };
    let value = read_any(&mut input);
    input.failed.map_or(value, |error| Err(error.into()))
}

fn read_any<T: Input>(input: &mut T) -> RResult<Robj> {
    memory::begin();
    let mut stream = R_inpstream_st {
        data: std::ptr::from_mut(input).cast(),
        type_: R_pstream_format_t::R_pstream_any_format,
        InChar: Some(in_char::<T>),
        InBytes: Some(in_bytes::<T>),
        InPersistHookFunc: Some(restore_reference),
        // SAFETY: reading a constant of R.
        InPersistHookData: unsafe { R_NilValue },
        native_encoding: [0; 64],
        nat2nat_obj: std::ptr::null_mut(),
        nat2utf8_obj: std::ptr::null_mut(),
    };
    // SAFETY: stream and input outlive the call.
    protect(|| unsafe { R_Unserialize(&raw mut stream) }).ok_or_else(|| {
        Failure::Serialize(
            "this value cannot be unserialised; was it written by an incompatible version of R?"
                .into(),
        )
    })
}

/// Read a serialised value; `NULL` where there is none.
pub fn unserialize_any(bytes: Option<&[u8]>) -> RResult<Robj> {
    bytes.map_or_else(|| Ok(().into()), unserialize)
}

/// Read serialised values into a list, `NULL` where there is none.
pub fn unserialize_each<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> RResult<List> {
    Ok(List::from_values(values.map(unserialize_any).collect::<RResult<Vec<Robj>>>()?))
}
