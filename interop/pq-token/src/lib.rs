//! A PKCS#11 3.2 token with ML-DSA to test against: [kryoptic](https://github.com/latchset/kryoptic) as a module
//! that can be loaded.
//!
//! The library brings every function of the standard; a module needs only the three by which a caller finds them.
//! Keys are in a SQLite file that `KRYOPTIC_CONF` names. It protects nothing: for tests, never for a server's keys.

use kryoptic_lib::fns::general;
use kryoptic_lib::pkcs11::{
    CK_FLAGS, CK_FUNCTION_LIST_PTR_PTR, CK_INTERFACE_PTR, CK_INTERFACE_PTR_PTR, CK_RV, CK_ULONG_PTR,
    CK_UTF8CHAR_PTR, CK_VERSION_PTR,
};

/// PKCS#11 3.2, section 5.4.4.
// SAFETY: the name is PKCS#11's own, and nothing else in this module is called so.
#[unsafe(no_mangle)]
pub extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    general::fn_get_function_list(list)
}

/// PKCS#11 3.2, section 5.4.5.
// SAFETY: the name is PKCS#11's own, and nothing else in this module is called so.
#[unsafe(no_mangle)]
pub extern "C" fn C_GetInterfaceList(list: CK_INTERFACE_PTR, count: CK_ULONG_PTR) -> CK_RV {
    general::fn_get_interface_list(list, count)
}

/// PKCS#11 3.2, section 5.4.6.
// SAFETY: the name is PKCS#11's own, and nothing else in this module is called so.
#[unsafe(no_mangle)]
pub extern "C" fn C_GetInterface(
    name: CK_UTF8CHAR_PTR,
    version: CK_VERSION_PTR,
    interface: CK_INTERFACE_PTR_PTR,
    flags: CK_FLAGS,
) -> CK_RV {
    general::fn_get_interface(name, version, interface, flags)
}
