//! The allocator: jemalloc with size classes every 8 bytes, and its statistics.
//!
//! Our own binding, because the common one assumes that every allocation is 16-byte aligned, which the 8-byte classes are not:
//! alignment above 8 is asked for explicitly here. Memory freed off the loop and pages given back to the kernel are the business of
//! jemalloc's background thread, so that no turn pays for them.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use nix::errno::Errno;
use tikv_jemalloc_sys as je;

/// The global allocator of the program and of its tests.
pub struct Jemalloc;

/// Alignment that every allocation has by itself.
const ALIGN_MIN: usize = 8;

/// Whether allocations are counted: only in the test that holds the hot path to its promise.
static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNTED: AtomicU64 = AtomicU64::new(0);

#[inline]
fn flags(layout: Layout) -> c_int {
    // Sizes below the alignment would get a smaller class than the alignment needs.
    if layout.align() <= ALIGN_MIN && layout.align() <= layout.size() { 0 } else { je::MALLOCX_ALIGN(layout.align()) }
}

#[inline]
fn count() {
    if COUNTING.load(Ordering::Relaxed) {
        COUNTED.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: mallocx and its kin are a malloc; sizes are not zero (the trait says so), alignments are powers of two and asked for, and
// a block is freed and resized with the flags and size it was allocated with.
unsafe impl GlobalAlloc for Jemalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { je::mallocx(layout.size(), flags(layout)).cast() }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { je::mallocx(layout.size(), flags(layout) | je::MALLOCX_ZERO).cast() }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { je::sdallocx(ptr.cast(), layout.size(), flags(layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        let flags = flags(Layout::from_size_align(size, layout.align()).unwrap_or(layout));
        // SAFETY: as above.
        unsafe { je::rallocx(ptr.cast(), size, flags).cast() }
    }
}

/// Counts the allocations (and reallocations) of all threads from here on.
pub fn start_counting() {
    COUNTED.store(0, Ordering::Relaxed);
    COUNTING.store(true, Ordering::Relaxed);
}

/// The number of allocations since [`start_counting`]; ends the counting.
pub fn stop_counting() -> u64 {
    COUNTING.store(false, Ordering::Relaxed);
    COUNTED.load(Ordering::Relaxed)
}

thread_local! {
    /// Where jemalloc counts the bytes that this thread has allocated and freed; null: not asked yet.
    static COUNTERS: Cell<(*const u64, *const u64)> = const { Cell::new((ptr::null(), ptr::null())) };
}

/// Bytes that this thread has allocated less those that it has freed, whoever allocated them: negative in a thread that only frees. The
/// sum over all threads is what the program uses. Two loads, once the thread has asked for the first time.
#[cfg(not(system_allocator))]
#[inline]
pub fn thread_bytes() -> i64 {
    let (mut allocated, mut freed) = COUNTERS.get();
    if allocated.is_null() {
        (allocated, freed) = find_counters();
    }
    // SAFETY: they are this thread's counters, which live as long as the thread and are written by nobody else.
    unsafe { (*allocated).wrapping_sub(*freed) as i64 }
}

/// Books what a thread beside the loop allocates and frees, so that memory which one thread allocates and another frees is counted once.
pub struct ThreadBook {
    account: Arc<AtomicI64>,
    booked: i64,
}

impl ThreadBook {
    /// On the thread whose bytes are to be booked to `account`.
    pub fn open(account: Arc<AtomicI64>) -> ThreadBook {
        ThreadBook { account, booked: thread_bytes() }
    }

    /// Books what has changed since the last time.
    pub fn enter(&mut self) {
        let now = thread_bytes();
        self.account.fetch_add(now - self.booked, Ordering::Relaxed);
        self.booked = now;
    }
}

impl Drop for ThreadBook {
    fn drop(&mut self) {
        self.enter();
    }
}

#[cold]
#[inline(never)]
#[cfg_attr(system_allocator, expect(dead_code, reason = "jemalloc's"))]
fn find_counters() -> (*const u64, *const u64) {
    /// Stands in for counters of an allocator without statistics.
    static NONE: u64 = 0;
    let found = |name: &CStr| {
        let mut at: *const u64 = ptr::null();
        let mut len = size_of::<*const u64>();
        // SAFETY: these controls answer a pointer, for which `at` has the room; both outlive the call.
        let failed =
            unsafe { je::mallctl(name.as_ptr(), (&raw mut at).cast::<c_void>(), &raw mut len, ptr::null_mut(), 0) };
        if failed != 0 || at.is_null() { &raw const NONE } else { at }
    };
    let counters = (found(c"thread.allocatedp"), found(c"thread.deallocatedp"));
    COUNTERS.set(counters);
    counters
}

/// The system's allocator, counted: under a sanitizer, which sees nothing of jemalloc's memory.
#[cfg(system_allocator)]
pub struct CountedSystem;

#[cfg(system_allocator)]
thread_local! {
    static SYSTEM_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// As the other one.
#[cfg(system_allocator)]
pub fn thread_bytes() -> i64 {
    SYSTEM_BYTES.get()
}

#[cfg(system_allocator)]
fn note_system(bytes: i64) {
    SYSTEM_BYTES.set(SYSTEM_BYTES.get() + bytes);
}

// SAFETY: every call goes to the system's allocator as it is.
#[cfg(system_allocator)]
unsafe impl GlobalAlloc for CountedSystem {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        note_system(layout.size() as i64);
        // SAFETY: as above.
        unsafe { std::alloc::System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        note_system(layout.size() as i64);
        // SAFETY: as above.
        unsafe { std::alloc::System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note_system(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { std::alloc::System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        note_system(size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { std::alloc::System.realloc(ptr, layout, size) }
    }
}

/// What INFO memory shows of the allocator, bytes.
#[derive(Clone, Copy, Default, Debug)]
pub struct AllocatorStats {
    /// In use by the program.
    pub allocated: usize,
    /// In pages that hold any of that.
    pub active: usize,
    /// Mapped and not given back to the kernel.
    pub resident: usize,
    pub mapped: usize,
    /// Given back, address space kept.
    pub retained: usize,
    /// Free, and given back to the kernel as far as it needs them.
    pub muzzy: usize,
    /// The allocator's own book-keeping.
    pub metadata: usize,
}

/// Reads the statistics, after refreshing them.
pub fn stats() -> AllocatorStats {
    write_u64(c"epoch", 1);
    AllocatorStats {
        allocated: read_usize(c"stats.allocated"),
        active: read_usize(c"stats.active"),
        resident: read_usize(c"stats.resident"),
        mapped: read_usize(c"stats.mapped"),
        retained: read_usize(c"stats.retained"),
        muzzy: read_usize(c"stats.arenas.4096.pmuzzy") * read_usize(c"arenas.page"),
        metadata: read_usize(c"stats.metadata"),
    }
}

/// Gives every page that is not in use back to the kernel. That takes as long as there are pages.
pub fn purge() {
    // SAFETY: a control without a value; the number stands for all arenas.
    unsafe {
        je::mallctl(c"arena.4096.purge".as_ptr(), std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut(), 0);
    }
}

/// The allocator's own report.
pub fn report() -> String {
    // SAFETY: it is called by `malloc_stats_print` alone, with what that was handed and a C string.
    unsafe extern "C" fn append(out: *mut c_void, text: *const c_char) {
        // SAFETY: `out` is the `String` below, which nobody else has while it is written; `text` is a C string (the allocator says so).
        let (out, text) = unsafe { (&mut *out.cast::<String>(), CStr::from_ptr(text)) };
        out.push_str(&text.to_string_lossy());
    }
    let mut text = String::new();
    // SAFETY: the callback is called with the pointer that is given here, before this returns; no options are the default ones.
    unsafe { je::malloc_stats_print(Some(append), (&raw mut text).cast::<c_void>(), std::ptr::null()) };
    text
}

/// Whether a thread of jemalloc's own gives unused pages back, so that the loop never does.
pub fn set_background_thread(on: bool) {
    // SAFETY: the name is a valid option whose new value is a bool of the given size; a failure changes nothing.
    unsafe {
        je::mallctl(
            c"background_thread".as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            (&raw const on).cast_mut().cast::<c_void>(),
            size_of::<bool>(),
        );
    }
}

/// Controls that may be set to a number. To others it would be a pointer, or less than they read.
fn takes_number(name: &[u8]) -> bool {
    matches!(name, b"background_thread" | b"max_background_threads" | b"epoch")
        || name.starts_with(b"arena") && (name.ends_with(b".dirty_decay_ms") || name.ends_with(b".muzzy_decay_ms"))
}

/// The value of a control as a number, whatever its size; then sets it to `new`.
///
/// # Errors
/// Those of mallctl(3), and EPERM where a number can't be set.
pub fn control_number(name: &CStr, new: Option<i64>) -> Result<i64, Errno> {
    // Reading an arena's name takes a buffer.
    if name.to_bytes().ends_with(b".name") {
        return Err(Errno::EINVAL);
    }
    if new.is_some() && !takes_number(name.to_bytes()) {
        // That there is no such control is worth more to know.
        return control_number(name, None).and(Err(Errno::EPERM));
    }
    let mut len = size_of::<i64>();
    loop {
        let mut old = 0_i64;
        let mut old_len = len;
        // One that has the size of a bool is one.
        let new = new.map(|new| if len == 1 { i64::from(new as u8 != 0) } else { new });
        let (new, new_len) = new.as_ref().map_or((ptr::null(), 0), |new| (ptr::from_ref(new), len));
        // SAFETY: a control copies at most `old_len` bytes to `old`, which has as many (the one that does otherwise is refused above), and
        // refuses a size that is not its own. One that reads a new value (see above) reads `new_len` bytes, no more than there are: all of
        // a small number's on a little-endian machine. All of this outlives the call.
        let failed = unsafe {
            je::mallctl(
                name.as_ptr(),
                (&raw mut old).cast::<c_void>(),
                &raw mut old_len,
                new.cast_mut().cast::<c_void>(),
                new_len,
            )
        };
        match Errno::from_raw(failed) {
            _ if failed == 0 => return Ok(old),
            // The size may be wrong.
            Errno::EINVAL if len > 1 => len /= 2,
            error => return Err(error),
        }
    }
}

/// The value of a control that is a text.
///
/// # Errors
/// Those of mallctl(3), and EINVAL where it is no text.
pub fn control_text(name: &CStr) -> Result<String, Errno> {
    const TEXTS: &[&[u8]] = &[
        b"version",
        b"config.malloc_conf",
        b"opt.dss",
        b"opt.junk",
        b"opt.metadata_thp",
        b"opt.percpu_arena",
        b"opt.stats_print_opts",
        b"opt.thp",
        b"opt.zero_realloc",
    ];
    let bytes = name.to_bytes();
    if !TEXTS.contains(&bytes) && !(bytes.starts_with(b"arena.") && bytes.ends_with(b".dss")) {
        return control_number(name, None).and(Err(Errno::EINVAL));
    }
    let mut text: *const c_char = ptr::null();
    let mut len = size_of::<*const c_char>();
    // SAFETY: these controls answer a pointer, for which `text` has the room; both outlive the call.
    let failed =
        unsafe { je::mallctl(name.as_ptr(), (&raw mut text).cast::<c_void>(), &raw mut len, ptr::null_mut(), 0) };
    if failed != 0 || text.is_null() {
        return Err(Errno::from_raw(failed));
    }
    // SAFETY: it is a C string that the allocator keeps: constants, and its options as they were read at its start.
    Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Has the allocator do what a control without a value stands for.
///
/// # Errors
/// Those of mallctl(3), and EPERM where it is not known to be harmless.
pub fn control_action(name: &CStr) -> Result<(), Errno> {
    let bytes = name.to_bytes();
    let of_arena = bytes.starts_with(b"arena.") && (bytes.ends_with(b".purge") || bytes.ends_with(b".decay"));
    if !of_arena && bytes != b"thread.tcache.flush" {
        return control_number(name, None).and(Err(Errno::EPERM));
    }
    // SAFETY: a control without a value, which only gives memory back that is not in use.
    let failed = unsafe { je::mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
    if failed == 0 { Ok(()) } else { Err(Errno::from_raw(failed)) }
}

/// 0 if there is no such statistic.
fn read_usize(name: &CStr) -> usize {
    let mut value = 0usize;
    let mut len = size_of::<usize>();
    // SAFETY: the statistics named here are size_t; `value` and `len` outlive the call.
    let failed =
        unsafe { je::mallctl(name.as_ptr(), (&raw mut value).cast::<c_void>(), &raw mut len, ptr::null_mut(), 0) };
    if failed == 0 { value } else { 0 }
}

fn write_u64(name: &CStr, value: u64) {
    // SAFETY: the control named here takes a u64, which outlives the call.
    unsafe {
        je::mallctl(
            name.as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            (&raw const value).cast_mut().cast::<c_void>(),
            size_of::<u64>(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::thread_bytes;

    #[test]
    fn a_thread_counts_what_it_allocates_and_frees() {
        let before = thread_bytes();
        let kept = vec![1_u8; 1 << 20];
        assert!((thread_bytes() - before) as usize >= kept.len());
        std::thread::spawn(move || {
            let before = thread_bytes();
            drop(kept);
            assert!(thread_bytes() - before <= -(1 << 20), "another one frees it");
        })
        .join()
        .expect("the thread ends");
        assert!(thread_bytes() - before >= 1 << 20, "to this one it is still allocated");
    }
}
