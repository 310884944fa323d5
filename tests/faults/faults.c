/* Faults for a process that is started with this library before all others (LD_PRELOAD).
 *
 * The file named by TIEOUT_FAULTS is memory shared with the test: it writes what shall happen, and reads how often
 * it did; the order of the fields is that of `Faults` in fault_library.py. Writes and fsyncs below TIEOUT_FAULTS_UNDER
 * are touched, no others.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct plan {
    atomic_llong sync_delay_us; /* each fsync takes so much longer */
    atomic_llong writes_left;   /* so many writes go well, then one fails; negative: all go well */
    atomic_llong fail_with;     /* errno of the one that fails */
    atomic_llong clock_shift_s; /* how far the wall clock is off */
    atomic_llong syncs, failed, clock_reads;
} none = {.writes_left = -1}, *plan = &none;
static const char *under;

static int ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    return under && size > 0 && !strncmp(path, under, strlen(under));
}

static int fails(int fd) {
    if (plan->writes_left < 0 || !ours(fd) || atomic_fetch_sub(&plan->writes_left, 1) != 0) return 0;
    plan->failed++;
    errno = (int)plan->fail_with;
    return 1;
}

static void slow(int fd) {
    if (!ours(fd)) return;
    plan->syncs++;
    if (plan->sync_delay_us) usleep((useconds_t)plan->sync_delay_us);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ONCE(name) static __typeof__(&name) real; if (!real) real = REAL(name)

ssize_t write(int fd, const void *data, size_t size) { ONCE(write); return fails(fd) ? -1 : real(fd, data, size); }
ssize_t writev(int fd, const struct iovec *data, int n) { ONCE(writev); return fails(fd) ? -1 : real(fd, data, n); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { ONCE(pwrite); return fails(fd) ? -1 : real(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { ONCE(pwrite64); return fails(fd) ? -1 : real(fd, data, n, at); }
int fsync(int fd) { ONCE(fsync); slow(fd); return real(fd); }
int fdatasync(int fd) { ONCE(fdatasync); slow(fd); return real(fd); }

/* The engine asks to be bound to the C library itself before anything that stands in front of it. */
void *dlopen(const char *path, int flags) { ONCE(dlopen); return real(path, flags & ~RTLD_DEEPBIND); }

/* The engine reads the clock from the kernel's page in every process, past the C library: so that page is changed. */
static int shifted_clock_gettime(clockid_t clock, struct timespec *at) {
    int done = (int)syscall(SYS_clock_gettime, clock, at);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += plan->clock_shift_s;
    plan->clock_reads++;
    return done;
}

static int shifted_gettimeofday(struct timeval *at, void *zone) {
    int done = (int)syscall(SYS_gettimeofday, at, zone);
    if (!done && at) at->tv_sec += plan->clock_shift_s;
    return done;
}

static time_t shifted_time(time_t *at) {
    struct timespec now;
    shifted_clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* Who waits until a time of the wall clock has it from the clock above, and the kernel holds it against its own: with
 * neither told, a clock that is behind would make every wait end at once, for ever. Other clocks count from the start
 * of the machine, so their times are small. */
static struct timespec as_the_kernel_has_it(const struct timespec *until) {
    struct timespec real = *until;
    if (real.tv_sec > 1000000000) real.tv_sec -= plan->clock_shift_s;
    return real;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static __typeof__(&pthread_cond_timedwait) real;
    /* Without a version this finds the one of before 2003, whose conditions are laid out otherwise. */
    if (!real) real = (__typeof__(real))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real) real = REAL(pthread_cond_timedwait);
    struct timespec kernel = as_the_kernel_has_it(until);
    return real(condition, mutex, &kernel);
}

static void jump_to(char *from, const void *to) {
#if defined(__x86_64__)
    memcpy(from, "\x48\xb8", 2); /* mov rax, to */
    memcpy(from + 2, &to, 8);
    memcpy(from + 10, "\xff\xe0", 2); /* jmp rax */
#elif defined(__aarch64__)
    memcpy(from, "\x50\x00\x00\x58\x00\x02\x1f\xd6", 8); /* ldr x16, to; br x16 */
    memcpy(from + 8, &to, 8);
    __builtin___clear_cache(from, from + 16);
#else
#error "only for x86-64 and ARM64"
#endif
}

static void shift_clock(void) {
    char *page = (char *)getauxval(AT_SYSINFO_EHDR);
    if (!page) return;
    Elf64_Ehdr *head = (Elf64_Ehdr *)page;
    Elf64_Shdr *sections = (Elf64_Shdr *)(page + head->e_shoff);
    size_t size = head->e_shoff + (size_t)head->e_shnum * head->e_shentsize;
    if (mprotect(page, (size + 4095) & ~4095UL, PROT_READ | PROT_WRITE | PROT_EXEC)) return;
    for (int n = 0; n < head->e_shnum; n++) {
        if (sections[n].sh_type != SHT_DYNSYM) continue;
        const char *names = page + sections[sections[n].sh_link].sh_offset;
        Elf64_Sym *symbols = (Elf64_Sym *)(page + sections[n].sh_offset);
        for (size_t one = 0; one < sections[n].sh_size / sizeof *symbols; one++) {
            const char *name = names + symbols[one].st_name;
            char *at = page + symbols[one].st_value;
            if (!symbols[one].st_value) continue;
            if (strstr(name, "_clock_gettime")) jump_to(at, shifted_clock_gettime);
            if (strstr(name, "_gettimeofday")) jump_to(at, shifted_gettimeofday);
            if (!strcmp(name, "__vdso_time")) jump_to(at, shifted_time);
        }
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TIEOUT_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) return;
    plan = shared;
    under = getenv("TIEOUT_FAULTS_UNDER");
    /* Asking the kernel itself costs, so only where it is wanted. */
    if (getenv("TIEOUT_FAULTS_CLOCK")) shift_clock();
}
