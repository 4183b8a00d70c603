/* Faults of a disk, for tests: preloaded into a server, it makes chosen calls on files below one directory fail, or hang.
 *
 * The test and this share a file of words (struct control), named by ZEDIS_FAULTS; tests/support/faults.rs is the other side. Calls are
 * counted over all threads of the process. Which file a descriptor is, the kernel is asked for each time (/proc/thread-self/fd), since
 * threads of one process may have tables of descriptors of their own. The log, the socket and whatever is elsewhere is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN, WRITE, SYNC, RENAME, TRUNCATE, UNLINK, MKDIR, READ };
static const char *const NAMES[] = {"open", "write", "sync", "rename", "truncate", "unlink", "mkdir", "read"};

struct control {
    uint64_t attached; /* set here: the server has this in it */
    uint64_t armed;
    uint64_t kinds;    /* bits of `enum kind`: calls that count */
    uint64_t first;    /* the first call that fails, from 1; 0: none does */
    uint64_t count;    /* so many fail from there on */
    uint64_t error;    /* errno; 0: a write takes only half */
    uint64_t seen;     /* calls that counted since it was armed */
    uint64_t injected; /* calls that failed */
    uint64_t is_small; /* the disk has only so much room: */
    int64_t room;      /* bytes */
    uint64_t hangs;    /* no call returns before this is disarmed */
    char dir[256];
    char what[256];    /* the first call that failed */
};

static struct control *control;

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("ZEDIS_FAULTS");
    if (path == NULL)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd == -1)
        return;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map == MAP_FAILED)
        return;
    control = map;
    __atomic_store_n(&control->attached, 1, __ATOMIC_SEQ_CST);
}

/* Whether a path is of the directory, or below it. */
static int is_ours(const char *path) {
    size_t len = strlen(control->dir);
    if (len == 0 || strncmp(path, control->dir, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return 0;
    const char *name = path + len;
    return strcmp(name, "/log") != 0 && strcmp(name, "/socket") != 0;
}

/* Whether this call is to fail. */
static int strikes(enum kind kind, const char *path) {
    if (control == NULL || !__atomic_load_n(&control->armed, __ATOMIC_SEQ_CST) || !is_ours(path))
        return 0;
    if (!(control->kinds >> kind & 1))
        return 0;
    uint64_t number = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
    if (control->first == 0 || number < control->first || number - control->first >= control->count)
        return 0;
    if (__atomic_fetch_add(&control->injected, 1, __ATOMIC_SEQ_CST) == 0)
        snprintf(control->what, sizeof control->what, "%s %s", NAMES[kind], path + strlen(control->dir));
    if (!control->hangs)
        return 1;
    while (__atomic_load_n(&control->armed, __ATOMIC_SEQ_CST))
        usleep(1000);
    return 0;
}

static int fails(enum kind kind, const char *path) {
    if (!strikes(kind, path))
        return 0;
    errno = (int)control->error;
    return 1;
}

static void path_of(int fd, char *path, size_t size) {
    char link[64];
    int before = errno;
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", fd);
    ssize_t len = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
    path[len < 0 ? 0 : len] = '\0';
    errno = before;
}

static int fd_fails(enum kind kind, int fd) {
    char path[4096];
    if (control == NULL || !control->armed)
        return 0;
    path_of(fd, path, sizeof path);
    return fails(kind, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int open_mode(int flags, va_list args) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    int mode = open_mode(flags, args);
    va_end(args);
    if (fails(OPEN, path))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    int mode = open_mode(flags, args);
    va_end(args);
    if (fails(OPEN, path))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* How many of `len` bytes a write may take; -1: none, and errno says why. */
static ssize_t allowance(int fd, size_t len) {
    char path[4096];
    if (control == NULL || !control->armed)
        return (ssize_t)len;
    path_of(fd, path, sizeof path);
    if (!is_ours(path))
        return (ssize_t)len;
    if (control->is_small) {
        int64_t before = __atomic_fetch_sub(&control->room, (int64_t)len, __ATOMIC_SEQ_CST);
        if (before < (int64_t)len) {
            __atomic_store_n(&control->room, 0, __ATOMIC_SEQ_CST);
            __atomic_add_fetch(&control->injected, 1, __ATOMIC_SEQ_CST);
            if (before > 0)
                return before;
            errno = ENOSPC;
            return -1;
        }
    }
    if (!strikes(WRITE, path))
        return (ssize_t)len;
    if (control->error == 0)
        return len > 1 ? (ssize_t)(len / 2) : (ssize_t)len;
    errno = (int)control->error;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t len) {
    ssize_t allowed = allowance(fd, len);
    return allowed < 0 ? -1 : REAL(write)(fd, bytes, (size_t)allowed);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    size_t len = 0;
    for (int at = 0; at < count; at++)
        len += parts[at].iov_len;
    ssize_t allowed = allowance(fd, len);
    if (allowed < 0)
        return -1;
    if ((size_t)allowed == len)
        return REAL(writev)(fd, parts, count);
    /* The first part that has bytes, as far as they may go. */
    int at = 0;
    while (parts[at].iov_len == 0)
        at++;
    size_t first = parts[at].iov_len;
    return REAL(write)(fd, parts[at].iov_base, first < (size_t)allowed ? first : (size_t)allowed);
}

ssize_t read(int fd, void *bytes, size_t len) {
    if (fd_fails(READ, fd))
        return -1;
    return REAL(read)(fd, bytes, len);
}

int fsync(int fd) {
    return fd_fails(SYNC, fd) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd) {
    return fd_fails(SYNC, fd) ? -1 : REAL(fdatasync)(fd);
}

int ftruncate64(int fd, off64_t len) {
    return fd_fails(TRUNCATE, fd) ? -1 : REAL(ftruncate64)(fd, len);
}

int rename(const char *from, const char *to) {
    return fails(RENAME, to) ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path) {
    return fails(UNLINK, path) ? -1 : REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    return fails(MKDIR, path) ? -1 : REAL(mkdir)(path, mode);
}
