/* What a process asks of the disk, in order: preloaded, it logs each write, fsync and change of a name under $WRITE_LOG_OF.
 *
 * A record: one octet of kind, then path length, offset and length as 8 octets each (host order), path, octets.
 *   w  octets were written at an offset      t  the file was cut or grown to offset
 *   s  the file, or directory, was synced    u  the name was removed
 *   n  the file was made
 * Nothing is left out of the log that the process has waited for. Not for memory maps.
 * FAIL_CALLS=FIRST-LAST:ERRNO: of writes and syncs of the database, counted from 1, these fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);

static const char *folder(void)
{
    static const char *of;
    if (of == NULL)
        of = getenv("WRITE_LOG_OF");
    return of == NULL ? "?" : of;
}

static int is_ours(const char *path)
{
    size_t len = strlen(folder());
    return strncmp(path, folder(), len) == 0 && (path[len] == '/' || path[len] == 0) && strstr(path, "-shm") == NULL;
}

static void note(char kind, const char *path, uint64_t offset, const void *octets, uint64_t len)
{
    static int log_fd = -1;
    uint64_t head[3] = {strlen(path), offset, len};
    if (!is_ours(path))
        return;
    if (real_write == NULL)
        *(void **)&real_write = dlsym(RTLD_NEXT, "write");
    pthread_mutex_lock(&lock);
    if (log_fd < 0)
        log_fd = open(getenv("WRITE_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (real_write(log_fd, &kind, 1) < 0 || real_write(log_fd, head, sizeof head) < 0 ||
        real_write(log_fd, path, head[0]) < 0 || (len > 0 && real_write(log_fd, octets, len) < 0))
        abort();
    pthread_mutex_unlock(&lock);
}

static void note_fd(char kind, int fd, uint64_t offset, const void *octets, uint64_t len)
{
    char link[64], path[PATH_MAX + 1];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX);
    if (n <= 0)
        return;
    path[n] = 0;
    note(kind, path, offset, octets, len);
}

static int fails(int fd)
{
    static long calls, first, last, number;
    char link[64], path[PATH_MAX + 1];
    const char *wanted = getenv("FAIL_CALLS");
    if (wanted == NULL)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX);
    path[n > 0 ? n : 0] = 0;
    if (!is_ours(path) || strstr(path, ".db") == NULL)
        return 0;
    if (last == 0 && sscanf(wanted, "%ld-%ld:%ld", &first, &last, &number) != 3)
        abort();
    calls++;
    if (calls < first || calls > last)
        return 0;
    errno = (int)number;
    return 1;
}

ssize_t pwrite64(int fd, const void *octets, size_t len, off_t offset)
{
    if (real_pwrite == NULL)
        *(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    if (fails(fd))
        return -1;
    ssize_t n = real_pwrite(fd, octets, len, offset);
    if (n > 0)
        note_fd('w', fd, (uint64_t)offset, octets, (uint64_t)n);
    return n;
}

ssize_t pwrite(int fd, const void *octets, size_t len, off_t offset)
{
    return pwrite64(fd, octets, len, offset);
}

ssize_t write(int fd, const void *octets, size_t len)
{
    if (real_write == NULL)
        *(void **)&real_write = dlsym(RTLD_NEXT, "write");
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t n = real_write(fd, octets, len);
    if (n > 0 && offset >= 0)
        note_fd('w', fd, (uint64_t)offset, octets, (uint64_t)n);
    return n;
}

int ftruncate64(int fd, off_t len)
{
    static int (*real)(int, off_t);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "ftruncate64");
    int result = real(fd, len);
    if (result == 0)
        note_fd('t', fd, (uint64_t)len, "", 0);
    return result;
}

int ftruncate(int fd, off_t len)
{
    return ftruncate64(fd, len);
}

static int synced(const char *name, int fd)
{
    int (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, name);
    if (fails(fd))
        return -1;
    int result = real(fd);
    if (result == 0)
        note_fd('s', fd, 0, "", 0);
    return result;
}

int fsync(int fd)
{
    return synced("fsync", fd);
}

int fdatasync(int fd)
{
    return synced("fdatasync", fd);
}

int open64(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    struct stat there;
    mode_t mode = 0;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "open64");
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    int is_new = (flags & O_CREAT) && stat(path, &there) != 0;
    int fd = real(path, flags, mode);
    if (fd >= 0 && is_new)
        note('n', path, 0, "", 0);
    return fd;
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open64(path, flags, mode);
}

int unlink(const char *path)
{
    static int (*real)(const char *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "unlink");
    int result = real(path);
    if (result == 0)
        note('u', path, 0, "", 0);
    return result;
}
