//! What the generated bindings call: memory that passes between the farm and a filter. Nothing else belongs here.
//!
//! The canonical ABI of the component model asks for one allocation function, exported as `cabi_realloc`.
#![allow(missing_docs, unsafe_code)]

use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// Called by the generated code so that the linker keeps what is exported here.
pub fn maybe_link_cabi_realloc() {
    #[cfg(target_arch = "wasm32")]
    {
        #[used]
        static KEEP: unsafe extern "C" fn(*mut u8, usize, usize, usize) -> *mut u8 = cabi_realloc;
    }
}

/// Gives the farm memory for what it passes in.
///
/// # Safety
/// As the canonical ABI says: `old_ptr` came from here with `old_len` and `align`, or `old_len` is 0.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cabi_realloc(
    old_ptr: *mut u8,
    old_len: usize,
    align: usize,
    new_len: usize,
) -> *mut u8 {
    if new_len == 0 && old_len == 0 {
        return std::ptr::without_provenance_mut(align);
    }
    // SAFETY: the caller keeps the canonical ABI's promise; lengths are those of allocations that fit 32 bits.
    let ptr = unsafe {
        if old_len == 0 {
            alloc::alloc(Layout::from_size_align_unchecked(new_len, align))
        } else {
            alloc::realloc(old_ptr, Layout::from_size_align_unchecked(old_len, align), new_len)
        }
    };
    if ptr.is_null() { std::arch::wasm32::unreachable() } else { ptr }
}

/// Runs static constructors, of which Rust has none but C code linked in may.
#[cfg(target_arch = "wasm32")]
pub fn run_ctors_once() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static RUN: AtomicBool = AtomicBool::new(false);
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    if !RUN.swap(true, Ordering::Relaxed) {
        // SAFETY: made by the linker, takes nothing, and called once.
        unsafe { __wasm_call_ctors() }
    }
}

/// A block that is given back when the call that lent it ends.
pub struct Cleanup {
    ptr: NonNull<u8>,
    layout: Layout,
}

impl Cleanup {
    /// A block of that layout; none and null where it is empty.
    pub fn new(layout: Layout) -> (*mut u8, Option<Cleanup>) {
        if layout.size() == 0 {
            return (std::ptr::null_mut(), None);
        }
        // SAFETY: the size is not 0.
        let ptr = unsafe { alloc::alloc(layout) };
        match NonNull::new(ptr) {
            Some(ptr) => (ptr.as_ptr(), Some(Cleanup { ptr, layout })),
            None => alloc::handle_alloc_error(layout),
        }
    }

    /// Leaves the block to whoever has its address.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and given away by `forget` only.
        unsafe { alloc::dealloc(self.ptr.as_ptr(), self.layout) }
    }
}
