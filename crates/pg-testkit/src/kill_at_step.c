// Loaded before all others into a process (LD_PRELOAD): sends it SIGKILL just before the KILL_BEFORE_STEP-th of the calls
// that make what it wrote into what others find: renames, removals, new folders, synced files, and what is appended.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void step(void) {
    static atomic_long made;
    const char *fatal = getenv("KILL_BEFORE_STEP");
    if (fatal && atomic_fetch_add(&made, 1) + 1 == atol(fatal)) kill(getpid(), SIGKILL);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int rename(const char *from, const char *to) {
    step();
    return NEXT(rename)(from, to);
}

int unlink(const char *path) {
    step();
    return NEXT(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags) {
    step();
    return NEXT(unlinkat)(folder, path, flags);
}

int rmdir(const char *path) {
    step();
    return NEXT(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
    step();
    return NEXT(mkdir)(path, mode);
}

int fsync(int file) {
    step();
    return NEXT(fsync)(file);
}

ssize_t write(int file, const void *bytes, size_t count) {
    int flags = fcntl(file, F_GETFL);
    if (flags >= 0 && flags & O_APPEND && file > 2) step();
    return NEXT(write)(file, bytes, count);
}
