//! Signals that tell of a fault (SIGSEGV and its kin) or of a hang (SIGALRM), caught so that a thread can say where the process was.
//!
//! ```text
//!   fault --> handler: registers into NOTE, a byte to the eventfd --> "zedis-crash": walks the stack in /proc/self/mem, reports
//!               |   sleeps until it has, WAIT at most  <----------------------'
//!               '--> the signal's default action: the process ends, and leaves a core dump where the system wants one
//! ```
//!
//! So nothing that may allocate, lock or fault again is done by the thread that is in trouble: a heap that is in pieces costs the report
//! at most, never the end of the process. Frame pointers are followed as the profiler does (see [`super::sampler`]), but through a file,
//! where an address that is none is an error and not a fault.
//! What happens in a library, which keeps none, is traced from the first frame of the program that is found above it.
//!
//! Owns the handlers, the alarm and the thread; what a report looks like is its caller's affair. Costs nothing until a signal comes, save
//! the thread's stack.
//!
//! Invariant: one signal is explained at a time; another thread that faults meanwhile waits for its turn, and not for ever.

use std::ffi::c_void;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};

use libc::{SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV};
use nix::sys::eventfd::EventFd;

use super::sampler::program_registers;
use super::threads;

/// How often, a millisecond apart, a thread looks whether it has been explained: one that is lost anyway, and one that has work to do.
const WAIT: u32 = 10_000;
const WAIT_BRIEFLY: u32 = 100;
/// Frames of a stack.
const DEPTH_MAX: usize = 128;
const FATAL: [i32; 5] = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT];

/// What there is to say of a signal.
#[derive(Debug)]
pub struct Caught {
    pub signal: i32,
    /// `si_code` of sigaction(2): above 0 the kernel's reason, else a process has sent it.
    pub code: i32,
    /// What could not be accessed or executed; of a signal that was sent it has no meaning.
    pub address: usize,
    /// PID and UID of the process that has sent it.
    pub sender: Option<(i32, u32)>,
    /// Kernel's id of the thread.
    pub thread: i32,
    pub registers: Vec<(&'static str, usize)>,
    /// Instruction and return addresses, the innermost first.
    pub stack: Vec<usize>,
}

impl Caught {
    /// Whether the process ends of it.
    pub fn is_fatal(&self) -> bool {
        self.signal != SIGALRM
    }
}

/// Where an explanation has got to.
const IDLE: u32 = 0;
const WRITING: u32 = 1;
const CAUGHT: u32 = 2;
/// The stack is known, and its thread may go on.
const TAKEN: u32 = 3;
const EXPLAINED: u32 = 4;

/// What the handler leaves for the thread.
struct Note {
    state: AtomicU32,
    signal: AtomicI32,
    code: AtomicI32,
    address: AtomicUsize,
    sender: AtomicI32,
    sender_uid: AtomicU32,
    thread: AtomicI32,
    /// Instruction, frame and stack pointer.
    program: [AtomicUsize; 3],
    registers: [AtomicUsize; REGISTERS.len()],
}

static NOTE: Note = Note {
    state: AtomicU32::new(IDLE),
    signal: AtomicI32::new(0),
    code: AtomicI32::new(0),
    address: AtomicUsize::new(0),
    sender: AtomicI32::new(0),
    sender_uid: AtomicU32::new(0),
    thread: AtomicI32::new(0),
    program: [const { AtomicUsize::new(0) }; 3],
    registers: [const { AtomicUsize::new(0) }; REGISTERS.len()],
};
/// Wakes the thread; there is one from [`prepare`] on.
static BELL: OnceLock<EventFd> = OnceLock::new();
/// The thread that explains. Nobody explains its own faults.
static EXPLAINER: AtomicI32 = AtomicI32::new(0);
/// Where the program's own instructions are.
static TEXT: OnceLock<Range<usize>> = OnceLock::new();
/// Whether SIGALRM has a handler: without one it would end the process.
static CATCHES_ALARMS: AtomicBool = AtomicBool::new(false);

/// Registers of a report, as the kernel numbers them.
#[cfg(target_arch = "x86_64")]
const REGISTERS: [(&str, libc::c_int); 18] = [
    ("RAX", libc::REG_RAX),
    ("RBX", libc::REG_RBX),
    ("RCX", libc::REG_RCX),
    ("RDX", libc::REG_RDX),
    ("RDI", libc::REG_RDI),
    ("RSI", libc::REG_RSI),
    ("RBP", libc::REG_RBP),
    ("RSP", libc::REG_RSP),
    ("R8", libc::REG_R8),
    ("R9", libc::REG_R9),
    ("R10", libc::REG_R10),
    ("R11", libc::REG_R11),
    ("R12", libc::REG_R12),
    ("R13", libc::REG_R13),
    ("R14", libc::REG_R14),
    ("R15", libc::REG_R15),
    ("RIP", libc::REG_RIP),
    ("EFL", libc::REG_EFL),
];

#[cfg(target_arch = "x86_64")]
fn register(context: &libc::ucontext_t, number: libc::c_int) -> usize {
    context.uc_mcontext.gregs[number as usize] as usize
}

/// X0 to X7 hold arguments, X29 is the frame pointer, X30 the return address.
#[cfg(target_arch = "aarch64")]
const REGISTERS: [(&str, libc::c_int); 10] =
    [("X0", 0), ("X1", 1), ("X2", 2), ("X3", 3), ("X4", 4), ("X5", 5), ("X6", 6), ("X7", 7), ("X29", 29), ("X30", 30)];

#[cfg(target_arch = "aarch64")]
fn register(context: &libc::ucontext_t, number: libc::c_int) -> usize {
    context.uc_mcontext.regs[number as usize] as usize
}

/// Makes what [`catch`] needs, and the thread that calls `report`: before [`threads::own_descriptors`], since both sides use the
/// descriptors.
///
/// # Errors
/// As eventfd(2), open(2) of `/proc/self/mem`, and when there can be no further thread.
pub fn prepare(report: fn(&Caught)) -> io::Result<()> {
    let memory = File::open("/proc/self/mem")?;
    drop(BELL.set(EventFd::new()?));
    if let Some(text) = text_of_program() {
        drop(TEXT.set(text));
    }
    threads::spawn("zedis-crash", move || explain(&memory, report)).map(drop)
}

/// From now on alarms, and with `fatal` faults and aborts too, of any thread are reported before they have their effect. Without a thread
/// to report them nothing changes.
///
/// # Errors
/// As sigaction(2).
pub fn catch(fatal: bool) -> io::Result<()> {
    if BELL.get().is_none() {
        return Ok(());
    }
    if !fatal {
        FATAL.into_iter().for_each(give_back);
    }
    // SAFETY: all zero is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_signal as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut c_void) as usize;
    // On the other stack, which the loop and every thread of the standard library has: the fault may be that there is none left of its own.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    for signal in FATAL.into_iter().filter(|_| fatal).chain([SIGALRM]) {
        // SAFETY: the handler is async-signal-safe (atomics, write, nanosleep, signal, raise; errno is put back) and has the signature that
        // SA_SIGINFO asks for.
        if unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    CATCHES_ALARMS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Somebody has reported already why the process is about to abort.
pub fn expect_abort() {
    give_back(SIGABRT);
}

fn give_back(signal: i32) {
    // SAFETY: SIG_DFL installs no handler, so nothing of ours runs in signal context.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// SIGALRM in so many milliseconds, unless this is called again before; 0: never.
pub fn set_alarm(ms: u32) {
    if ms > 0 && !CATCHES_ALARMS.load(Ordering::Relaxed) {
        return;
    }
    let value = libc::timeval { tv_sec: i64::from(ms / 1000), tv_usec: i64::from(ms % 1000) * 1000 };
    let timer = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: value };
    // SAFETY: the new value is only read, and the old one is not asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
}

/// Accesses memory that may not be accessed: for DEBUG SEGFAULT.
pub fn provoke() {
    let (any, private) = (ptr::null_mut(), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping of its own, wherever the kernel puts it.
    let page = unsafe { libc::mmap(any, 1, libc::PROT_NONE, private, -1, 0) };
    if page != libc::MAP_FAILED {
        // SAFETY: it is mapped, aligned for a byte and nobody else's; that it may not be written makes the kernel end the process here,
        // which is what this is for.
        unsafe { ptr::write_volatile(page.cast::<u8>(), 1) };
    }
}

extern "C" fn on_signal(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: errno is the thread's own.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: gettid has no preconditions.
    let thread = unsafe { libc::gettid() };
    let is_fatal = signal != SIGALRM;
    if thread != EXPLAINER.load(Ordering::Relaxed) && !info.is_null() && !context.is_null() {
        // SAFETY: the kernel hands a handler installed with SA_SIGINFO both, valid for as long as the handler runs.
        let (info, context) = unsafe { (&*info, &*context.cast::<libc::ucontext_t>()) };
        if leave_note(signal, thread, info, context) {
            let state = || NOTE.state.load(Ordering::Acquire);
            // The stack of one that goes on must not change before it is known.
            let _ =
                if is_fatal { wait(WAIT, || state() == EXPLAINED) } else { wait(WAIT_BRIEFLY, || state() != CAUGHT) };
        }
    }
    if is_fatal {
        give_back(signal);
        // SAFETY: raise has no preconditions. The signal is blocked while its handler runs, and has its default effect on the way out.
        unsafe { libc::raise(signal) };
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Writes down what the thread is to explain; false: it is busy with another signal.
fn leave_note(signal: i32, thread: i32, info: &libc::siginfo_t, context: &libc::ucontext_t) -> bool {
    let begin = || NOTE.state.compare_exchange(IDLE, WRITING, Ordering::Acquire, Ordering::Relaxed).is_ok();
    if !begin() && (signal == SIGALRM || !wait(WAIT, begin)) {
        return false;
    }
    let is_sent = info.si_code <= 0;
    // SAFETY: a signal that was sent has a sender, a fault has an address; an abort or an alarm of the kernel has either, of no meaning.
    let (address, sender, uid) = unsafe { (info.si_addr() as usize, info.si_pid(), info.si_uid()) };
    NOTE.signal.store(signal, Ordering::Relaxed);
    NOTE.code.store(info.si_code, Ordering::Relaxed);
    NOTE.address.store(if is_sent { 0 } else { address }, Ordering::Relaxed);
    NOTE.sender.store(if is_sent { sender } else { 0 }, Ordering::Relaxed);
    NOTE.sender_uid.store(uid, Ordering::Relaxed);
    NOTE.thread.store(thread, Ordering::Relaxed);
    let (instruction, frame, stack) = program_registers(context);
    for (slot, value) in NOTE.program.iter().zip([instruction, frame, stack]) {
        slot.store(value, Ordering::Relaxed);
    }
    for (slot, (_, number)) in NOTE.registers.iter().zip(REGISTERS) {
        slot.store(register(context, number), Ordering::Relaxed);
    }
    NOTE.state.store(CAUGHT, Ordering::Release);
    let is_heard = BELL.get().is_some_and(|bell| bell.write(1).is_ok());
    if !is_heard {
        NOTE.state.store(IDLE, Ordering::Release);
    }
    is_heard
}

/// Sleeps until `is_so`, at most so many milliseconds; whether it was, in the end. It may be called by a handler.
fn wait(rounds: u32, is_so: impl Fn() -> bool) -> bool {
    let millisecond = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    for _ in 0..rounds {
        if is_so() {
            return true;
        }
        // SAFETY: the time is only read, and what is left of it is not asked for.
        unsafe { libc::nanosleep(&raw const millisecond, ptr::null_mut()) };
    }
    is_so()
}

/// The thread: explains what is caught, for ever.
fn explain(memory: &File, report: fn(&Caught)) {
    // SAFETY: gettid has no preconditions.
    EXPLAINER.store(unsafe { libc::gettid() }, Ordering::Relaxed);
    let Some(bell) = BELL.get() else { return };
    // It is a blocking eventfd; an interrupted wait is another look at the state.
    while bell.read().is_ok() || io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
        if NOTE.state.load(Ordering::Acquire) != CAUGHT {
            continue;
        }
        // Nothing is allocated before the thread may go on: it may hold what the allocator would wait for.
        let [instruction, frame, stack] = [0, 1, 2].map(|at: usize| NOTE.program[at].load(Ordering::Relaxed));
        let mut trace = Trace::default();
        trace.walk(memory, instruction, frame, stack);
        NOTE.state.store(TAKEN, Ordering::Release);
        let caught = caught(&trace);
        report(&caught);
        NOTE.state.store(if caught.is_fatal() { EXPLAINED } else { IDLE }, Ordering::Release);
    }
}

/// What there is to say, from the note and the trace.
fn caught(trace: &Trace) -> Caught {
    let sender = NOTE.sender.load(Ordering::Relaxed);
    let registers = NOTE.registers.iter().zip(REGISTERS);
    Caught {
        signal: NOTE.signal.load(Ordering::Relaxed),
        code: NOTE.code.load(Ordering::Relaxed),
        address: NOTE.address.load(Ordering::Relaxed),
        sender: (sender != 0).then(|| (sender, NOTE.sender_uid.load(Ordering::Relaxed))),
        thread: NOTE.thread.load(Ordering::Relaxed),
        registers: registers.map(|(slot, (name, _))| (name, slot.load(Ordering::Relaxed))).collect(),
        stack: trace.addresses[..trace.len].to_vec(),
    }
}

const WORD: usize = size_of::<usize>();
/// Words above the stack pointer among which a frame is looked for, and how far apart two frames are at most.
const SCANNED_WORDS: usize = 4096;
const FRAME_MAX: usize = 1 << 20;

/// The word at an address of this process, if there is one.
fn word(memory: &File, at: usize) -> Option<usize> {
    let mut bytes = [0; WORD];
    memory.read_exact_at(&mut bytes, at as u64).ok().map(|()| usize::from_ne_bytes(bytes))
}

/// The addresses of a stack whose thread waits, the innermost first.
struct Trace {
    addresses: [usize; DEPTH_MAX],
    len: usize,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { addresses: [0; DEPTH_MAX], len: 0 }
    }
}

impl Trace {
    fn push(&mut self, address: usize) {
        if self.len < DEPTH_MAX {
            self.addresses[self.len] = address;
            self.len += 1;
        }
    }

    /// By its frame pointers; a chain that leads nowhere ends the walk.
    fn walk(&mut self, memory: &File, instruction: usize, frame: usize, stack: usize) {
        self.push(instruction);
        self.follow(memory, frame, stack);
        if self.len == 1
            && let Some((caller, frame)) = nearest_frame(memory, stack)
        {
            // It happened in a library, which has a use of its own for the register.
            caller.into_iter().for_each(|caller| self.push(caller));
            self.follow(memory, frame, stack);
        }
    }

    fn follow(&mut self, memory: &File, mut frame: usize, stack: usize) {
        // Towards the end of the stack with each step, so it comes to an end.
        let mut low = stack;
        while self.len < DEPTH_MAX && frame >= low && frame.is_multiple_of(WORD) {
            let (Some(next), Some(address @ 1..)) = (word(memory, frame), word(memory, frame.saturating_add(WORD)))
            else {
                break;
            };
            self.push(address);
            low = frame.saturating_add(2 * WORD);
            frame = next;
        }
    }
}

/// The first thing on the stack that looks like a frame of the program: where another frame is, further up, and behind that a return
/// address in the program. And the last such address before it, where the function with that frame has called.
fn nearest_frame(memory: &File, stack: usize) -> Option<(Option<usize>, usize)> {
    let text = TEXT.get()?;
    let mut caller = None;
    for at in (stack..).step_by(WORD).take(SCANNED_WORDS) {
        let (value, behind) = (word(memory, at)?, word(memory, at + WORD)?);
        let is_further = value > at && value - at < FRAME_MAX && value.is_multiple_of(WORD);
        if is_further && text.contains(&behind) {
            return Some((caller, at));
        }
        if text.contains(&value) {
            caller = Some(value);
        }
    }
    None
}

/// From proc_pid_maps(5).
fn text_of_program() -> Option<Range<usize>> {
    let program = fs::read_link("/proc/self/exe").ok()?;
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        if !rest.starts_with("r-x") || !rest.ends_with(program.to_str()?) {
            return None;
        }
        let (from, to) = range.split_once('-')?;
        Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
    })
}
