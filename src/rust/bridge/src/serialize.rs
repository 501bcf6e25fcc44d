//! R's own serialisation (version 3, native binary), straight into and out of a byte buffer.

use extendr_api::prelude::*;
use libR_sys::{
    R_ExternalPtrAddr, R_ExternalPtrProtected, R_GlobalEnv, R_NilValue, R_Serialize, R_Unserialize,
    R_inpstream_st, R_inpstream_t, R_outpstream_st, R_outpstream_t, R_pstream_format_t,
    Rf_getAttrib, Rf_install, Rf_xlength, SEXP, SEXPTYPE, TYPEOF,
};
use std::cell::Cell;
use std::ffi::CStr;
use std::os::raw::{c_int, c_void};

use crate::condition::{Failure, RResult};
use crate::plain;
use crate::protect::protect;

const VERSION: c_int = 3;
/// The attribute that marks environments which stand for the global one.
const HOME_MARK: &CStr = c"rrq_home";
/// Redis takes no string above 512 MB, and closes the connection that sends one.
const LONGEST: usize = 500 * 1024 * 1024;

unsafe extern "C" fn out_char(stream: R_outpstream_t, value: c_int) {
    // SAFETY: `data` is the buffer `serialize` put there.
    unsafe { (*(*stream).data.cast::<Vec<u8>>()).push(value as u8) }
}

unsafe extern "C" fn out_bytes(stream: R_outpstream_t, bytes: *mut c_void, n: c_int) {
    // SAFETY: as above; R gives `n` readable bytes.
    unsafe {
        let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), n as usize);
        (*(*stream).data.cast::<Vec<u8>>()).extend_from_slice(bytes);
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
    plain::set_prefix(&serialize_any(&().into())?);
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
    POINTER_SEEN.set(false);
    HARMLESS.set(std::ptr::null_mut());
    let bytes = serialize_any(value)?;
    Ok((bytes, POINTER_SEEN.get()))
}

/// Serialise any value with R's own code.
fn serialize_any(value: &Robj) -> RResult<Vec<u8>> {
    let mut buffer: Vec<u8> = Vec::new();
    let mut stream = R_outpstream_st {
        data: (&raw mut buffer).cast(),
        type_: R_pstream_format_t::R_pstream_binary_format,
        version: VERSION,
        OutChar: Some(out_char),
        OutBytes: Some(out_bytes),
        OutPersistHookFunc: Some(name_reference),
        // SAFETY: reading a constant of R.
        OutPersistHookData: unsafe { R_NilValue },
    };
    // SAFETY: stream and buffer outlive the call.
    let done = protect(|| unsafe {
        R_Serialize(value.get(), &raw mut stream);
        R_NilValue
    });
    match done {
        Some(_) => Ok(buffer),
        None => Err(Failure::Serialize("this value cannot be serialised".into())),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    /// Copy the next bytes out; zeros past the end, which R then rejects as bad data.
    fn read(&mut self, into: &mut [u8]) {
        let n = into.len().min(self.bytes.len());
        let (head, rest) = self.bytes.split_at(n);
        into[..n].copy_from_slice(head);
        into[n..].fill(0);
        self.bytes = rest;
    }
}

/// R calls this for what `name_reference` has named.
unsafe extern "C" fn restore_reference(_name: SEXP, _data: SEXP) -> SEXP {
    // SAFETY: reading a constant of R.
    unsafe { R_GlobalEnv }
}

unsafe extern "C" fn in_char(stream: R_inpstream_t) -> c_int {
    let mut byte = [0u8];
    // SAFETY: `data` is the reader `unserialize` put there.
    unsafe { (*(*stream).data.cast::<Reader<'_>>()).read(&mut byte) };
    c_int::from(byte[0])
}

unsafe extern "C" fn in_bytes(stream: R_inpstream_t, into: *mut c_void, n: c_int) {
    // SAFETY: as above; R gives room for `n` bytes.
    unsafe {
        let into = std::slice::from_raw_parts_mut(into.cast::<u8>(), n as usize);
        (*(*stream).data.cast::<Reader<'_>>()).read(into);
    }
}

/// Read a serialised value. Only for data of trusted queues: unserialising can run code.
pub fn unserialize(bytes: &[u8]) -> RResult<Robj> {
    if let Some(value) = plain::read(bytes) {
        return Ok(value);
    }
    let mut reader = Reader { bytes };
    let mut stream = R_inpstream_st {
        data: (&raw mut reader).cast(),
        type_: R_pstream_format_t::R_pstream_any_format,
        InChar: Some(in_char),
        InBytes: Some(in_bytes),
        InPersistHookFunc: Some(restore_reference),
        // SAFETY: reading a constant of R.
        InPersistHookData: unsafe { R_NilValue },
        native_encoding: [0; 64],
        nat2nat_obj: std::ptr::null_mut(),
        nat2utf8_obj: std::ptr::null_mut(),
    };
    // SAFETY: stream and reader outlive the call.
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
