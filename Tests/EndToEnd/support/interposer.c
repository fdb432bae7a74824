// Stands between a program and its files under one folder, by LD_PRELOAD; compiled and used by interposer.py.
//
//   INTERPOSER_FOLDER   the folder, as realpath(3) gives it
//   INTERPOSER_FAULT    a file outside it that says what fails, for as long as it exists:
//                       "KINDS N ERROR SHORT LASTS KILLS". From the Nth operation of these kinds on, counted from when
//                       the file appeared or was replaced, LASTS operations fail with that errno. SHORT: a write first
//                       writes half and says so, and those after it fail (an errno of 0: none does). KILLS: SIGKILL
//                       follows directly on the first; with an errno of 0 it comes right before the Nth operation. That
//                       operation and each failure are named in FILE.hits.
//   INTERPOSER_LOG      a file outside it that receives each operation, with its bytes and time, after it was done
//
// All operations on the folder pass one lock, so that the log is the order in which they happened. The call that the
// program makes is looked at, not what the kernel makes of it: what is stored through mmap is not seen.
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { OPEN = 1, WRITE = 2, RESIZE = 4, SYNC = 8, RENAME = 16, UNLINK = 32 };
enum { CREATED = 1, TRUNCATED = 2, DIRECTORY = 4 };  // flags of an OPEN in the log
enum { MAX_DESCRIPTORS = 1 << 20 };

struct entry {  // interposer.py reads the same
    uint32_t kind, flags;
    int32_t handle, error;
    int64_t offset;  // of a WRITE; the new size of a RESIZE
    uint64_t began, ended;
    uint32_t path_length, to_length, bytes_length, padding;
};
_Static_assert(sizeof(struct entry) == 56, "without holes");

struct handle {
    _Atomic int number;  // 0: not a file of the folder; read without the lock too
    char *path;
};

// Everything below is used under the lock, or set once before main, unless it says otherwise.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct handle handles[MAX_DESCRIPTORS];
static int last_handle;
static const char *folder, *fault_file;
static int log_descriptor = -1;

static struct {
    bool armed;
    ino_t inode;
    struct timespec changed;
    unsigned kinds;
    long count, nth, lasts;
    int error, is_short, kills;
} fault;

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(int, open64, const char *, int, ...);
REAL(int, openat64, int, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, ftruncate64, int, off64_t);
REAL(int, truncate64, const char *, off64_t);
REAL(int, fallocate64, int, int, off64_t, off64_t);
REAL(int, renameat2, int, const char *, int, const char *, unsigned);
REAL(int, unlinkat, int, const char *, int);

static void find_real(void)
{
#define FIND(name) real_##name = (__typeof__(real_##name))dlsym(RTLD_NEXT, #name)
    FIND(open64);
    FIND(openat64);
    FIND(close);
    FIND(write);
    FIND(writev);
    FIND(pwrite64);
    FIND(fsync);
    FIND(fdatasync);
    FIND(ftruncate64);
    FIND(truncate64);
    FIND(fallocate64);
    FIND(renameat2);
    FIND(unlinkat);
}

static void die(const char *what)
{
    fprintf(stderr, "interposer: %s: %s\n", what, strerror(errno));
    _exit(97);
}

__attribute__((constructor)) static void begin(void)
{
    if (!real_open64) find_real();
    const char *log = getenv("INTERPOSER_LOG");
    if (log) {
        log_descriptor = real_open64(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_descriptor < 0) die(log);
    }
    fault_file = getenv("INTERPOSER_FAULT");
    folder = getenv("INTERPOSER_FOLDER");
}

// Constructors of other libraries may open files before ours has run.
#define READY()                        \
    do {                               \
        if (!real_open64) find_real(); \
    } while (0)

// MARK: Paths

// The absolute path without links, of a file that need not exist; false when it is not in the folder.
static bool in_folder(int at, const char *path, char *absolute)
{
    if (!folder) return false;
    char joined[2 * PATH_MAX], base[PATH_MAX] = "";
    if (path[0] != '/') {
        char link[64];
        if (at == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return false;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return false;
            base[length] = 0;
        }
    }
    int length = snprintf(joined, sizeof joined, "%s%s%s", base, *base ? "/" : "", path);
    while (length > 1 && joined[length - 1] == '/') joined[--length] = 0;
    char *slash = strrchr(joined, '/'), parent[PATH_MAX];
    *slash = 0;
    if (!realpath(*joined ? joined : "/", parent)) return false;
    length = snprintf(absolute, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "", slash + 1);
    size_t prefix = strlen(folder);
    return length < PATH_MAX && !strncmp(absolute, folder, prefix) && (!absolute[prefix] || absolute[prefix] == '/');
}

// The entry of a descriptor, or NULL when it is none of ours.
static struct handle *ours(int descriptor)
{
    if (descriptor < 0 || descriptor >= MAX_DESCRIPTORS || !handles[descriptor].number) return NULL;
    return &handles[descriptor];
}

// MARK: Faults

static void read_fault(const struct stat *now)
{
    char text[256] = "";
    int descriptor = real_open64(fault_file, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;  // removed just now
    ssize_t length = read(descriptor, text, sizeof text - 1);
    real_close(descriptor);
    memset(&fault, 0, sizeof fault);
    if (length < 0
        || sscanf(
               text, "%u %ld %d %d %ld %d", &fault.kinds, &fault.nth, &fault.error, &fault.is_short, &fault.lasts,
               &fault.kills)
            != 6)
        die(fault_file);
    fault.armed = true;
    fault.inode = now->st_ino;
    fault.changed = now->st_mtim;
}

static void report_hit(enum kind kind, const char *path)
{
    char name[PATH_MAX], line[PATH_MAX + 64];
    snprintf(name, sizeof name, "%s.hits", fault_file);
    int descriptor = real_open64(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int length = snprintf(line, sizeof line, "%d %ld %s\n", kind, fault.count, path);
    if (descriptor < 0 || real_write(descriptor, line, (size_t)length) != length) die(name);
    real_close(descriptor);
}

enum verdict { PASS, FAIL, HALF };

// Whether this operation is one that fails; counts it.
static enum verdict judge(enum kind kind, const char *path, size_t length)
{
    struct stat now;
    if (!fault_file || stat(fault_file, &now)) {
        fault.armed = false;
        return PASS;
    }
    if (!fault.armed || fault.inode != now.st_ino || memcmp(&fault.changed, &now.st_mtim, sizeof now.st_mtim))
        read_fault(&now);
    if (!fault.armed || !(fault.kinds & kind)) return PASS;
    fault.count++;
    long since = fault.count - fault.nth;
    enum verdict verdict = PASS;
    if (fault.is_short && !since && kind == WRITE && length > 1) verdict = HALF;
    else if (fault.error && since >= 0 && since < fault.lasts + fault.is_short) verdict = FAIL;
    if (!since || verdict != PASS) report_hit(kind, path);
    if (!since && fault.kills && !fault.error) kill(getpid(), SIGKILL);
    return verdict;
}

static void kill_if_wanted(enum verdict verdict)
{
    if (verdict != PASS && fault.kills) kill(getpid(), SIGKILL);
}

static int failing(void)
{
    kill_if_wanted(FAIL);
    errno = fault.error;
    return -1;
}

// MARK: Log

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void log_entry(struct entry entry, const char *path, const char *to, const void *bytes)
{
    if (log_descriptor < 0) return;
    int error = errno;
    entry.ended = now();
    entry.path_length = path ? (uint32_t)strlen(path) : 0;
    entry.to_length = to ? (uint32_t)strlen(to) : 0;
    struct iovec parts[] = {
        {&entry, sizeof entry},
        {(char *)path, entry.path_length},
        {(char *)to, entry.to_length},
        {(void *)bytes, entry.bytes_length}};
    ssize_t whole = (ssize_t)(sizeof entry + entry.path_length + entry.to_length + entry.bytes_length);
    if (real_writev(log_descriptor, parts, 4) != whole) die("log");
    errno = error;
}

// MARK: Operations

static int opened(int at, const char *path, int flags, mode_t mode)
{
    READY();
    char absolute[PATH_MAX];
    if ((flags & O_PATH) || !in_folder(at, path, absolute)) return real_openat64(at, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat status;
    bool existed = !stat(absolute, &status);
    struct entry entry = {.kind = OPEN, .began = now()};
    int result = judge(OPEN, absolute, 0) == FAIL ? failing() : real_openat64(at, path, flags, mode);
    if (result >= MAX_DESCRIPTORS) die("descriptor");
    if (result >= 0) {
        if (fstat(result, &status)) die(absolute);
        handles[result].number = entry.handle = ++last_handle;
        free(handles[result].path);
        handles[result].path = strdup(absolute);
        entry.flags = (existed ? 0 : CREATED) | ((flags & O_TRUNC) && existed ? TRUNCATED : 0)
            | (S_ISDIR(status.st_mode) ? DIRECTORY : 0);
        log_entry(entry, absolute, NULL, NULL);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPEN_FUNCTION(name)                         \
    int name(const char *path, int flags, ...)      \
    {                                               \
        va_list arguments;                          \
        va_start(arguments, flags);                 \
        mode_t mode = mode_of(flags, arguments);    \
        va_end(arguments);                          \
        return opened(AT_FDCWD, path, flags, mode); \
    }
#define OPENAT_FUNCTION(name)                          \
    int name(int at, const char *path, int flags, ...) \
    {                                                  \
        va_list arguments;                             \
        va_start(arguments, flags);                    \
        mode_t mode = mode_of(flags, arguments);       \
        va_end(arguments);                             \
        return opened(at, path, flags, mode);          \
    }
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

// What a fortified program calls when it passes no mode.
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __openat_2(int at, const char *path, int flags) { return opened(at, path, flags, 0); }
int __openat64_2(int at, const char *path, int flags) { return opened(at, path, flags, 0); }

int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int descriptor)
{
    READY();
    struct handle *handle = ours(descriptor);
    if (handle) handle->number = 0;
    return real_close(descriptor);
}

enum { AT_POSITION = -1 };

static ssize_t written(int descriptor, const void *bytes, size_t length, off64_t offset)
{
    READY();
    // Sockets and pipes, which may block, pass without the lock.
    if (!ours(descriptor))
        return offset == AT_POSITION ? real_write(descriptor, bytes, length)
                                     : real_pwrite64(descriptor, bytes, length, offset);
    pthread_mutex_lock(&lock);
    struct handle *handle = &handles[descriptor];
    struct stat status;
    if (fstat(descriptor, &status)) die(handle->path);
    struct entry entry = {.kind = WRITE, .began = now(), .handle = handle->number, .offset = offset};
    if (offset == AT_POSITION)
        entry.offset = fcntl(descriptor, F_GETFL) & O_APPEND ? status.st_size : lseek(descriptor, 0, SEEK_CUR);
    enum verdict verdict = judge(WRITE, handle->path, length);
    if (verdict == HALF) length /= 2;
    ssize_t result = verdict == FAIL ? failing() : real_pwrite64(descriptor, bytes, length, entry.offset);
    if (result > 0) {
        if (offset == AT_POSITION) lseek(descriptor, entry.offset + result, SEEK_SET);
        entry.bytes_length = (uint32_t)result;
        log_entry(entry, NULL, NULL, bytes);
    }
    kill_if_wanted(verdict);
    pthread_mutex_unlock(&lock);
    return result;
}

static ssize_t written_parts(int descriptor, const struct iovec *parts, int count, off64_t offset)
{
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    char *joined = malloc(length + 1), *end = joined;
    if (!joined) die("writev");
    for (int i = 0; i < count; i++) end = mempcpy(end, parts[i].iov_base, parts[i].iov_len);
    ssize_t result = written(descriptor, joined, length, offset);
    int error = errno;
    free(joined);
    errno = error;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, AT_POSITION); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return written(fd, bytes, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return written_parts(fd, parts, count, AT_POSITION); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return written_parts(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return written_parts(fd, parts, count, offset);
}

static int synced(int descriptor, int (*real)(int))
{
    struct handle *handle = ours(descriptor);
    if (!handle) return real(descriptor);
    pthread_mutex_lock(&lock);
    struct entry entry = {.kind = SYNC, .began = now(), .handle = handle->number};
    enum verdict verdict = judge(SYNC, handle->path, 0);
    int result = -1;
    if (verdict == FAIL) errno = fault.error;
    else result = real(descriptor);
    entry.error = result ? errno : 0;
    log_entry(entry, NULL, NULL, NULL);
    kill_if_wanted(verdict);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int descriptor)
{
    READY();
    return synced(descriptor, real_fsync);
}
int fdatasync(int descriptor)
{
    READY();
    return synced(descriptor, real_fdatasync);
}

// A change of size: by ftruncate (`mode` < 0) or by fallocate.
static int resized(int descriptor, int mode, off64_t offset, off64_t length)
{
    READY();
    struct handle *handle = ours(descriptor);
    if (!handle)
        return mode < 0 ? real_ftruncate64(descriptor, length) : real_fallocate64(descriptor, mode, offset, length);
    pthread_mutex_lock(&lock);
    struct entry entry = {.kind = RESIZE, .began = now(), .handle = handle->number};
    int result = judge(RESIZE, handle->path, 0) == FAIL ? failing()
        : mode < 0                                      ? real_ftruncate64(descriptor, length)
                                                        : real_fallocate64(descriptor, mode, offset, length);
    if (!result) {
        struct stat status;
        if (fstat(descriptor, &status)) die(handle->path);
        entry.offset = status.st_size;
        log_entry(entry, NULL, NULL, NULL);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int descriptor, off_t length) { return resized(descriptor, -1, 0, length); }
int ftruncate64(int descriptor, off64_t length) { return resized(descriptor, -1, 0, length); }
int fallocate(int fd, int mode, off_t offset, off_t length) { return resized(fd, mode, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return resized(fd, mode, offset, length); }
// Unlike the others it returns its error.
int posix_fallocate(int fd, off_t offset, off_t length) { return resized(fd, 0, offset, length) ? errno : 0; }
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return resized(fd, 0, offset, length) ? errno : 0; }

int truncate64(const char *path, off64_t length)
{
    READY();
    char absolute[PATH_MAX];
    if (!in_folder(AT_FDCWD, path, absolute)) return real_truncate64(path, length);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return -1;
    int result = resized(descriptor, -1, 0, length), error = errno;
    close(descriptor);
    errno = error;
    return result;
}
int truncate(const char *path, off_t length) { return truncate64(path, length); }

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    READY();
    char absolute_from[PATH_MAX], absolute_to[PATH_MAX];
    bool is_from = in_folder(from_at, from, absolute_from), is_to = in_folder(to_at, to, absolute_to);
    if (!is_from && !is_to) return real_renameat2(from_at, from, to_at, to, flags);
    pthread_mutex_lock(&lock);
    struct entry entry = {.kind = RENAME, .began = now()};
    int result = judge(RENAME, absolute_to, 0) == FAIL ? failing() : real_renameat2(from_at, from, to_at, to, flags);
    if (!result) log_entry(entry, absolute_from, absolute_to, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return renameat2(from_at, from, to_at, to, 0);
}

int unlinkat(int at, const char *path, int flags)
{
    READY();
    char absolute[PATH_MAX];
    if (!in_folder(at, path, absolute)) return real_unlinkat(at, path, flags);
    pthread_mutex_lock(&lock);
    struct entry entry = {.kind = UNLINK, .began = now()};
    int result = judge(UNLINK, absolute, 0) == FAIL ? failing() : real_unlinkat(at, path, flags);
    if (!result) log_entry(entry, absolute, NULL, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
