//! The library that R loads: the whole package, with this crate registered.

// Its functions are called by R only, but must be linked.
use rrq as _;

/// R calls this when it loads the library.
#[allow(unsafe_code)] // it has a name in C
#[unsafe(no_mangle)]
pub extern "C" fn rrq_register_cloud() {
    rrq_core::store::register(|path, check| crate::open(path, check, rrq_bridge::convert::stop()));
}
