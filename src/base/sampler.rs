//! A sampling profiler of one thread: a timer of its CPU time interrupts it, and a signal handler writes the return addresses of its stack
//! into memory that was set aside.
//!
//! ```text
//!   timer_create(CLOCK_THREAD_CPUTIME_ID) --SIGPROF--> handler: walk frame pointers --> Ring
//!   stop: the timer is deleted; Ring --> addresses, folded and named by `Samples::folded`, on any thread
//! ```
//!
//! The handler allocates nothing, takes no lock, makes no system call, and reads nothing but the interrupted thread's own stack, between
//! its stack pointer and its end; nothing at all while the thread is on another one, as a handler of faults is. The binary keeps frame
//! pointers (`.cargo/config.toml`), and so does the standard library; a chain that is broken by a library without them ends the walk.
//! What the thread sleeps is not seen, and of system calls only their caller.
//!
//! Invariants: at most one sampler in the process (the handler has one ring to write to); the ring lives as long as the process once it
//! has been made, so a late signal finds it.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fmt::Write;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Frames of a sample.
const DEPTH_MAX: usize = 64;
/// Samples kept: 160 seconds at 99 a second. Further ones are only counted.
pub const SAMPLES_MAX: usize = 16_384;
/// Words of a sample: its depth and its frames.
const SLOT: usize = DEPTH_MAX + 1;

/// Where the handler writes. Made once, at the first start: 8 MiB.
struct Ring {
    words: Box<[AtomicUsize]>,
    /// Samples in it, and those that found no place.
    len: AtomicUsize,
    dropped: AtomicUsize,
    /// The sampled thread's stack: its lowest address, and the one behind its last byte; an end of 0: nothing is sampled.
    stack_begin: AtomicUsize,
    stack_end: AtomicUsize,
}

impl Ring {
    /// Its memory is zero pages until a sample is written to them: touching 8 MiB here would take longer than a turn may.
    fn new() -> Ring {
        let words = Box::into_raw(vec![0usize; SAMPLES_MAX * SLOT].into_boxed_slice());
        Ring {
            // SAFETY: the pointer comes from a box that was just taken apart; an AtomicUsize has the size, the alignment and the bit
            // validity of a usize.
            words: unsafe { Box::from_raw(words as *mut [AtomicUsize]) },
            len: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            stack_begin: AtomicUsize::new(0),
            stack_end: AtomicUsize::new(0),
        }
    }
}

static RING: OnceLock<Ring> = OnceLock::new();
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// A thread being sampled, until it is stopped or dropped.
#[derive(Debug)]
pub struct Sampler {
    timer: libc::timer_t,
}

// SAFETY: a timer's id names it in the whole process; it is used by one thread at a time, because every use needs the Sampler.
unsafe impl Send for Sampler {}

/// What was sampled: stacks of return addresses, the innermost first.
#[derive(Debug, Default)]
pub struct Samples {
    stacks: Vec<Vec<usize>>,
    /// Samples for which there was no room.
    pub dropped: usize,
}

impl Sampler {
    /// Samples the calling thread `hz` times in a second of its CPU time.
    ///
    /// # Errors
    /// When another sampler is on, or as sigaction(2), timer_create(2).
    pub fn start(hz: u32) -> io::Result<Sampler> {
        if IS_TAKEN.swap(true, Ordering::AcqRel) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a thread of this process is sampled already"));
        }
        let started = Sampler::arm(hz);
        if started.is_err() {
            IS_TAKEN.store(false, Ordering::Release);
        }
        started
    }

    fn arm(hz: u32) -> io::Result<Sampler> {
        let ring = RING.get_or_init(Ring::new);
        ring.len.store(0, Ordering::Relaxed);
        ring.dropped.store(0, Ordering::Relaxed);
        let stack = stack()?;
        ring.stack_begin.store(stack.start, Ordering::Relaxed);
        ring.stack_end.store(stack.end, Ordering::Release);
        install_handler()?;
        // SAFETY: all zero is a valid sigevent; the fields that matter are set below.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        // SAFETY: gettid has no preconditions.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = MaybeUninit::uninit();
        // SAFETY: both pointers are to live values of the right types, and the kernel only reads the first.
        if unsafe { libc::timer_create(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut event, timer.as_mut_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: timer_create succeeded, so it has filled it.
        let sampler = Sampler { timer: unsafe { timer.assume_init() } };
        let interval = libc::timespec { tv_sec: 0, tv_nsec: (1_000_000_000 / i64::from(hz.clamp(2, 10_000))) };
        let spec = libc::itimerspec { it_interval: interval, it_value: interval };
        // SAFETY: the timer is there, the new value is only read, and the old one is not asked for.
        if unsafe { libc::timer_settime(sampler.timer, 0, &raw const spec, ptr::null_mut()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(sampler)
    }

    /// Samples so far.
    pub fn len(&self) -> usize {
        RING.get().map_or(0, |ring| ring.len.load(Ordering::Acquire))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Samples no more; what there is stays.
    pub fn pause(&self) {
        // SAFETY: all zero is a valid itimerspec, and disarms a timer.
        let spec: libc::itimerspec = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the timer is there until drop, the new value is only read, and the old one is not asked for.
        unsafe { libc::timer_settime(self.timer, 0, &raw const spec, ptr::null_mut()) };
    }

    /// Ends it; what was sampled.
    pub fn stop(self) -> Samples {
        let Some(ring) = RING.get() else { return Samples::default() };
        // The handler does nothing from here on; if it runs now, on the sampled thread, its sample is among those counted or is not.
        ring.stack_end.store(0, Ordering::Release);
        let len = ring.len.load(Ordering::Acquire);
        let stacks = ring.words[..len * SLOT]
            .chunks_exact(SLOT)
            .map(|slot| {
                let depth = slot[0].load(Ordering::Relaxed).min(DEPTH_MAX);
                slot[1..=depth].iter().map(|word| word.load(Ordering::Relaxed)).collect()
            })
            .collect();
        Samples { stacks, dropped: ring.dropped.load(Ordering::Relaxed) }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        if let Some(ring) = RING.get() {
            ring.stack_end.store(0, Ordering::Release);
        }
        // SAFETY: the timer was created by `arm` and is deleted here only.
        unsafe { libc::timer_delete(self.timer) };
        IS_TAKEN.store(false, Ordering::Release);
    }
}

/// The calling thread's stack. That of the first thread is as large as it may become.
fn stack() -> io::Result<Range<usize>> {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the thread is the calling one, and `attributes` is writable and of the type that is filled.
    let failed = unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    let (mut begin, mut len) = (ptr::null_mut(), 0);
    // SAFETY: pthread_getattr_np succeeded, so `attributes` is filled; it is destroyed right after and not used again.
    let failed = unsafe {
        let failed = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut begin, &raw mut len);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        failed
    };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    Ok(begin as usize..begin as usize + len)
}

fn install_handler() -> io::Result<()> {
    // SAFETY: all zero is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_sample as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut c_void) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: the handler is async-signal-safe (it only touches atomics and the interrupted stack) and has the signature that
    // SA_SIGINFO asks for. It stays installed, so that a signal that is still on its way does not end the process.
    if unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Instruction, frame and stack pointer of what was interrupted.
#[cfg(target_arch = "x86_64")]
pub(super) fn program_registers(context: &libc::ucontext_t) -> (usize, usize, usize) {
    let registers = &context.uc_mcontext.gregs;
    let get = |register: libc::c_int| registers[register as usize] as usize;
    (get(libc::REG_RIP), get(libc::REG_RBP), get(libc::REG_RSP))
}

/// Instruction, frame and stack pointer of what was interrupted.
#[cfg(target_arch = "aarch64")]
pub(super) fn program_registers(context: &libc::ucontext_t) -> (usize, usize, usize) {
    let machine = &context.uc_mcontext;
    (machine.pc as usize, machine.regs[29] as usize, machine.sp as usize)
}

extern "C" fn on_sample(_signal: libc::c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(ring) = RING.get() else { return };
    let stack_end = ring.stack_end.load(Ordering::Acquire);
    if stack_end == 0 || context.is_null() {
        return;
    }
    // SAFETY: the kernel hands a handler installed with SA_SIGINFO a valid ucontext, which lives as long as the handler runs.
    let (instruction, mut frame, stack) = program_registers(unsafe { &*context.cast::<libc::ucontext_t>() });
    // A handler on an alternate stack was interrupted: what is between the two stacks may not be mapped.
    if !(ring.stack_begin.load(Ordering::Relaxed)..stack_end).contains(&stack) {
        return;
    }
    let at = ring.len.load(Ordering::Relaxed);
    if at >= SAMPLES_MAX {
        ring.dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let slot = &ring.words[at * SLOT..(at + 1) * SLOT];
    slot[1].store(instruction, Ordering::Relaxed);
    let mut depth = 1;
    let word = size_of::<usize>();
    let mut low = stack;
    while depth < DEPTH_MAX && frame >= low && frame.is_multiple_of(word) && frame <= stack_end.saturating_sub(2 * word)
    {
        // SAFETY: two aligned words between the interrupted stack pointer, which is in that thread's stack, and that stack's end: it is
        // mapped there, and nobody else runs on it now. A frame pointer that was none reads some other word of the stack, which is
        // harmless.
        let (next, address) = unsafe { (*(frame as *const usize), *((frame + word) as *const usize)) };
        if address == 0 {
            break;
        }
        slot[1 + depth].store(address, Ordering::Relaxed);
        depth += 1;
        // Towards the end of the stack with each step, so it comes to an end.
        low = frame + 2 * word;
        frame = next;
    }
    slot[0].store(depth, Ordering::Relaxed);
    ring.len.store(at + 1, Ordering::Release);
}

impl Samples {
    pub fn len(&self) -> usize {
        self.stacks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty()
    }

    /// A line for each stack, the outermost function first, with the number of its samples: `main;run;get 17`. Finding the names reads
    /// the debugging information of the program, which takes a second or so: not a thing for a thread that serves.
    pub fn folded(&self) -> Vec<String> {
        let mut names = BTreeMap::new();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for stack in &self.stacks {
            let mut frames: Vec<&str> = Vec::new();
            for (depth, &address) in stack.iter().enumerate() {
                // A return address is behind the call.
                let looked_up = if depth == 0 { address } else { address - 1 };
                names.entry(looked_up).or_insert_with(|| functions_at(looked_up));
            }
            for (depth, &address) in stack.iter().enumerate().rev() {
                let looked_up = if depth == 0 { address } else { address - 1 };
                frames.extend(names[&looked_up].iter().rev().map(String::as_str));
            }
            *counts.entry(frames.join(";")).or_default() += 1;
        }
        counts.into_iter().map(|(stack, count)| format!("{stack} {count}")).collect()
    }
}

/// The functions at an address, what was inlined there first.
fn functions_at(address: usize) -> Vec<String> {
    let mut found = Vec::new();
    backtrace::resolve(address as *mut c_void, |symbol| {
        if let Some(name) = symbol.name() {
            // Without the hash at the end; `;` and ` ` have a meaning in folded stacks.
            found.push(format!("{name:#}").replace(';', ":"));
        }
    });
    if found.is_empty() {
        let mut unknown = String::new();
        // Writing to a string cannot fail.
        let _ = write!(unknown, "[{address:#x}]");
        found.push(unknown);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::{Duration, Instant};

    use super::{MaybeUninit, Sampler, on_sample, ptr};

    #[inline(never)]
    fn something_to_be_seen_in_a_profile(until: Instant) -> u64 {
        let mut sum = 0u64;
        while Instant::now() < until {
            for n in 0..10_000u64 {
                sum = black_box(sum.wrapping_mul(31).wrapping_add(n));
            }
        }
        sum
    }

    #[test]
    fn a_busy_function_is_seen() {
        let sampler = Sampler::start(1000).expect("a timer");
        assert!(Sampler::start(10).is_err(), "there is one already");
        // It is sampled by its own CPU time, of which a busy machine may give it little.
        let deadline = Instant::now() + Duration::from_secs(20);
        while sampler.len() < 20 && Instant::now() < deadline {
            black_box(something_to_be_seen_in_a_profile(Instant::now() + Duration::from_millis(20)));
        }
        let samples = sampler.stop();
        assert!(samples.len() >= 20, "{} samples", samples.len());
        let folded = samples.folded();
        let seen: u64 = folded
            .iter()
            .filter(|line| line.contains("something_to_be_seen_in_a_profile"))
            .map(|line| line.rsplit_once(' ').expect("a count").1.parse::<u64>().expect("a number"))
            .sum();
        assert!(seen * 10 >= samples.len() as u64 * 7, "{seen} of {}: {folded:#?}", samples.len());
        assert!(folded.iter().any(|line| line.contains("a_busy_function_is_seen;")), "the caller is seen: {folded:#?}");
        // Another may be started after it.
        let sampler = Sampler::start(2).expect("there is none any more");
        sampler.pause();
        #[cfg(target_arch = "x86_64")]
        only_its_own_stack_is_walked(&sampler);
    }

    /// Not that of a handler with a stack of its own, which the signal may interrupt as well.
    #[cfg(target_arch = "x86_64")]
    fn only_its_own_stack_is_walked(sampler: &Sampler) {
        let elsewhere = Box::new([0usize; 64]);
        let here = [0usize; 64];
        // SAFETY: all zero is a valid ucontext: numbers, pointers that nobody follows, and empty sets.
        let mut context: libc::ucontext_t = unsafe { MaybeUninit::zeroed().assume_init() };
        for (stack, is_sampled) in [(elsewhere.as_ptr(), false), (here.as_ptr(), true)] {
            let before = sampler.len();
            context.uc_mcontext.gregs[libc::REG_RSP as usize] = stack as i64;
            on_sample(libc::SIGPROF, ptr::null_mut(), (&raw mut context).cast());
            assert_eq!(sampler.len() - before, usize::from(is_sampled));
        }
    }
}
