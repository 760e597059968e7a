// The limit: what the kernel alone costs for a container like coracle's default one. It makes the same namespaces, id
// maps, mounts, masks, capability sets and a seccomp filter of the same size, forks a monitor that writes a log and a
// state file, and knows nothing else: no images, no options, no locks, no error recovery. Not a product; a yardstick.
//
//   limit run -s STATEDIR -l LOWER[:LOWER…] -m UID:SUBUID:COUNT -n none|host|slirp [-d] [-j PID] PROGRAM [ARG…]
//       (-j: in the user namespace of that process, without the set-id helpers)
//   limit exec PID PROGRAM [ARG…]
//   limit ps STATEDIR
//   limit peak PROGRAM [ARG…]     (prints the peak resident size of the program, KiB; its stdout is lost)
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>

extern char **environ;

#define CAPS ((1ull << CAP_CHOWN) | (1ull << CAP_DAC_OVERRIDE) | (1ull << CAP_FOWNER) | (1ull << CAP_FSETID) | \
    (1ull << CAP_KILL) | (1ull << CAP_SETGID) | (1ull << CAP_SETUID) | (1ull << CAP_SETPCAP) | \
    (1ull << CAP_NET_BIND_SERVICE) | (1ull << CAP_SYS_CHROOT) | (1ull << CAP_SETFCAP))

static const char *masked[] = { "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap", NULL };
static const char *readonly[] = { "/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL };
static const char *nodes[] = { "null", "zero", "full", "random", "urandom", "tty", NULL };

static void must(int ok, const char *what) { if (!ok) err(125, "%s", what); }

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, text, strlen(text)) >= 0, path);
    close(fd);
}

// A decision tree over the system call numbers, as large as coracle's default profile becomes (two architectures).
static void filter(void) {
    struct sock_filter code[512];
    int n = 0, arch[2] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 };
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    for (int a = 0; a < 2; a++) {
        int jump = n++;
        code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        // Groups of numbers: one test to skip a group, one within it.
        for (int i = 0; i < 40; i++) {
            code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 12 * (i + 1), 3, 0);
            code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x10000u + i, 0, 1);
            code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
            code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        }
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        code[jump] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)arch[a], 0, n - jump - 1);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    struct sock_fprog prog = { n, code };
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0, "seccomp");
}

static void capabilities(void) {
    for (int c = 0; c <= CAP_LAST_CAP; c++)
        if (!(CAPS >> c & 1)) prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = { { CAPS, CAPS, 0 }, { CAPS >> 32, CAPS >> 32, 0 } };
    must(syscall(SYS_capset, &head, data) == 0, "capset");
}

// The writable file system of the container, and everything that is mounted in it.
static void mounts(const char *dir, char *lowers, int net) {
    char path[4096], options[16384];
    must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0, "slave");
    snprintf(path, sizeof path, "%s/merged", dir);
    snprintf(options, sizeof options, "userxattr,volatile,lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lowers, dir, dir);
    must(mount("overlay", path, "overlay", 0, options) == 0, "overlay");
    must(chdir(path) == 0, "chdir");
    mkdir("proc", 0755), mkdir("sys", 0755), mkdir("dev", 0755), mkdir("etc", 0755);
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) == 0, "proc");
    if (net) must(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL) == 0, "sysfs");
    else must(mount("/sys", "sys", NULL, MS_BIND | MS_REC, NULL) == 0, "sys");
    mount("cgroup", "sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
    must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k") == 0, "dev");
    mkdir("dev/pts", 0755), mkdir("dev/shm", 01777), mkdir("dev/mqueue", 0755);
    must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5") == 0, "devpts");
    must(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k") == 0, "shm");
    must(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) == 0, "mqueue");
    for (const char **node = nodes; *node; node++) {
        char from[64], to[64];
        snprintf(from, sizeof from, "/dev/%s", *node), snprintf(to, sizeof to, "dev/%s", *node);
        close(open(to, O_CREAT | O_CLOEXEC, 0666));
        must(mount(from, to, NULL, MS_BIND, NULL) == 0, to);
    }
    must(symlink("/proc/self/fd", "dev/fd") == 0 && symlink("/proc/self/fd/0", "dev/stdin") == 0 &&
        symlink("/proc/self/fd/1", "dev/stdout") == 0 && symlink("/proc/self/fd/2", "dev/stderr") == 0 &&
        symlink("pts/ptmx", "dev/ptmx") == 0, "links");
    for (int i = 0; i < 3; i++) {
        const char *names[] = { "hosts", "hostname", "resolv.conf" };
        char from[4096], to[64];
        snprintf(from, sizeof from, "%s/%s", dir, names[i]), snprintf(to, sizeof to, "etc/%s", names[i]);
        close(open(to, O_CREAT | O_CLOEXEC, 0644));
        must(mount(from, to, NULL, MS_BIND, NULL) == 0, to);
    }
    must(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0, "pivot_root");
    for (const char **path = readonly; *path; path++)
        if (mount(*path, *path, NULL, MS_BIND | MS_REC, NULL) == 0)
            mount(NULL, *path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
    for (const char **path = masked; *path; path++)
        if (mount("/dev/null", *path, NULL, MS_BIND, NULL) != 0 && errno == ENOTDIR)
            mount("tmpfs", *path, "tmpfs", MS_RDONLY, "size=0k");
    must(sethostname("limit", 5) == 0, "sethostname");
}

static void loopback(void) {
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(ioctl(fd, SIOCSIFFLAGS, &request) == 0, "lo");
    close(fd);
    put("/proc/sys/net/ipv4/ping_group_range", "0 65535");
}

static pid_t helper(char **argv) {
    pid_t pid;
    must((errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ)) == 0, argv[0]);
    return pid;
}

static void init(int sync, const char *dir, char *lowers, int net, char **argv) {
    char byte;
    must(unshare(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | (net ? CLONE_NEWNET : 0)) == 0, "unshare");
    must(write(sync, "n", 1) == 1 && read(sync, &byte, 1) == 1, "sync");
    must(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0, "ids");
    if (net) loopback();
    mounts(dir, lowers, net);
    must(write(sync, "c", 1) == 1 && read(sync, &byte, 1) == 1, "sync");
    filter();
    capabilities();
    execvp(argv[0], argv);
    err(127, "%s", argv[0]);
}

static void stamp(char *out, size_t size) {
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, size - n, ".%09ldZ stdout F ", now.tv_nsec);
}

// Every line of `data` with a stamp before it; one write.
static void append(int log, const char *data, size_t size) {
    static char out[1 << 20];
    char head[64];
    size_t n = 0;
    stamp(head, sizeof head);
    size_t length = strlen(head);
    while (size && n + length + size < sizeof out) {
        const char *end = memchr(data, '\n', size);
        size_t line = end ? (size_t)(end - data) + 1 : size;
        memcpy(out + n, head, length), memcpy(out + n + length, data, line);
        n += length + line, data += line, size -= line;
    }
    must(write(log, out, n) == (ssize_t)n, "log");
}

static int monitor(const char *dir, char *lowers, char *map, const char *network, char **argv, int detached, int caller,
        const char *joined) {
    char path[4096], buffer[65536], state[2048];
    int out[2], errors[2], sync[2], net = strcmp(network, "host") != 0;
    setsid();
    if (detached) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0), dup2(null, 1), dup2(null, 2);
    }
    snprintf(path, sizeof path, "%s/log", dir);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    must(log >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(errors, O_CLOEXEC) == 0, "pipe");
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) == 0, "socketpair");
    int pidfd;
    if (joined) {
        snprintf(path, sizeof path, "/proc/%s/ns/user", joined);
        must(setns(open(path, O_RDONLY | O_CLOEXEC), CLONE_NEWUSER) == 0, "join the user namespace");
    }
    struct clone_args args = { .flags = (joined ? 0 : CLONE_NEWUSER) | CLONE_NEWNS | CLONE_NEWPID | CLONE_PIDFD,
        .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD };
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    must(pid >= 0, "clone3");
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0), dup2(out[1], 1), dup2(errors[1], 2);
        close(sync[0]);
        init(sync[1], dir, lowers, net, argv);
    }
    close(sync[1]), close(out[1]), close(errors[1]);
    char number[16], own[16], *sub = strchr(map, ':') + 1;
    snprintf(number, sizeof number, "%d", pid);
    snprintf(own, sizeof own, "%.*s", (int)(sub - map - 1), map);
    char first[16], *count = strchr(sub, ':') + 1;
    snprintf(first, sizeof first, "%.*s", (int)(count - sub - 1), sub);
    char *uids[] = { "newuidmap", number, "0", own, "1", "1", first, count, NULL };
    char *gids[] = { "newgidmap", number, "0", own, "1", "1", first, count, NULL };
    int status = 0, bad = 0;
    if (!joined) {
        pid_t a = helper(uids), b = helper(gids);
        waitpid(a, &status, 0), bad = status, waitpid(b, &status, 0);
    }
    must(!bad && !status, "id maps");
    must(read(sync[0], buffer, 1) == 1, "sync");
    must(write(sync[0], "m", 1) == 1, "sync");
    int ready[2] = { -1, -1 };
    pid_t slirp = 0;
    if (!strcmp(network, "slirp")) {
        char fd[16];
        must(pipe(ready) == 0, "pipe");
        fcntl(ready[0], F_SETFD, FD_CLOEXEC);
        snprintf(fd, sizeof fd, "%d", ready[1]);
        char *command[] = { "slirp4netns", "-c", "-r", fd, "-m", "65520", "-6", "--disable-host-loopback",
            "--enable-sandbox", "--enable-seccomp", number, "tap0", NULL };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), old[2] = { fcntl(1, F_DUPFD_CLOEXEC, 3), fcntl(2, F_DUPFD_CLOEXEC, 3) };
        dup2(null, 1), dup2(null, 2);
        slirp = helper(command);
        dup2(old[0], 1), dup2(old[1], 2);
        close(ready[1]);
    }
    if (read(sync[0], buffer, 1) != 1) {
        ssize_t n = read(errors[0], buffer, sizeof buffer);
        errx(125, "%.*s", (int)n, buffer);
    }
    if (slirp) must(read(ready[0], buffer, 1) == 1, "slirp4netns");
    must(write(sync[0], "g", 1) == 1, "sync");
    must(read(sync[0], buffer, 1) == 0, "exec");
    snprintf(path, sizeof path, "%s/state.json", dir);
    snprintf(state, sizeof state, "{\"status\":\"running\",\"pid\":%d,\"pad\":\"%01000d\"}", pid, 0);
    put(path, state);
    if (detached) must(write(caller, "s", 1) == 1, "caller");
    struct pollfd fds[2] = { { out[0], POLLIN, 0 }, { errors[0], POLLIN, 0 } };
    for (int open = 2; open;) {
        must(poll(fds, 2, -1) >= 0, "poll");
        for (int i = 0; i < 2; i++) {
            if (!fds[i].revents) continue;
            ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
            if (n <= 0) { fds[i].fd = -1, fds[i].revents = 0, open--; continue; }
            append(log, buffer, n);
            if (!detached) must(write(1 + i, buffer, n) == n, "output");
        }
    }
    waitpid(pid, &status, 0);
    snprintf(state, sizeof state, "{\"status\":\"exited\",\"code\":%d,\"pad\":\"%01000d\"}", status, 0);
    put(path, state);
    char code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!detached) must(write(caller, &code, 1) == 1, "caller");
    if (slirp) kill(slirp, SIGKILL), waitpid(slirp, &status, 0);
    // As `run --rm`: nothing stays. The kernel makes the work directory without any permission.
    const char *files[] = { "state.json", "log", "hosts", "hostname", "resolv.conf", "config.json", "upper/etc/hosts",
        "upper/etc/hostname", "upper/etc/resolv.conf", "upper/etc", "upper/proc", "upper/sys", "upper/dev", "upper",
        "work/work/incompat/volatile/dirty", "work/work/incompat/volatile", "work/work/incompat", "work/work", "work",
        "merged", "", NULL };
    const char *closed[] = { "work/work", "work/work/incompat", "work/work/incompat/volatile", NULL };
    for (const char **d = closed; *d; d++) snprintf(path, sizeof path, "%s/%s", dir, *d), chmod(path, 0700);
    for (const char **f = files; *f; f++) snprintf(path, sizeof path, "%s/%s", dir, *f), remove(path);
    return 0;
}

static int run(int argc, char **argv) {
    char *states = NULL, *lowers = NULL, *map = NULL, *network = "none", *joined = NULL, dir[1024], path[4096];
    int detached = 0, option;
    while ((option = getopt(argc, argv, "+s:l:m:n:j:d")) != -1) {
        if (option == 's') states = optarg;
        if (option == 'l') lowers = optarg;
        if (option == 'm') map = optarg;
        if (option == 'n') network = optarg;
        if (option == 'j') joined = optarg;
        if (option == 'd') detached = 1;
    }
    if (!states || !lowers || !map || optind == argc) errx(125, "bad usage");
    snprintf(dir, sizeof dir, "%s/%d", states, getpid());
    const char *dirs[] = { "", "/upper", "/work", "/merged", NULL };
    for (const char **d = dirs; *d; d++) snprintf(path, sizeof path, "%s%s", dir, *d), must(mkdir(path, 0755) == 0, path);
    const char *files[] = { "config.json", "hosts", "hostname", "resolv.conf", NULL };
    char text[2048];
    snprintf(text, sizeof text, "{\"pad\":\"%01900d\"}\n", 0);
    for (const char **f = files; *f; f++) snprintf(path, sizeof path, "%s/%s", dir, *f), put(path, text);
    int channel[2];
    must(pipe2(channel, O_CLOEXEC) == 0, "pipe");
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        close(channel[0]);
        _exit(monitor(dir, lowers, map, network, argv + optind, detached, channel[1], joined));
    }
    close(channel[1]);
    char answer;
    must(read(channel[0], &answer, 1) == 1, "monitor");
    return detached ? 0 : answer;
}

static int exec(int argc, char **argv) {
    if (argc < 3) errx(125, "bad usage");
    int pidfd = syscall(SYS_pidfd_open, atoi(argv[1]), 0), status;
    must(pidfd >= 0, "pidfd_open");
    must(setns(pidfd, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
        CLONE_NEWCGROUP) == 0, "setns");
    pid_t pid = fork();
    if (pid == 0) {
        must(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0, "ids");
        filter();
        capabilities();
        execvp(argv[2], argv + 2);
        err(127, "%s", argv[2]);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int ps(const char *states) {
    DIR *dir = opendir(states);
    must(dir != NULL, states);
    char path[4096], text[4096];
    for (struct dirent *entry; (entry = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s/state.json", states, entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        text[n < 0 ? 0 : n] = 0;
        printf("%s %.20s\n", entry->d_name, text);
    }
    return 0;
}

// A child's peak begins with what its parent had, so this must be asked by somebody smaller than any command.
static int peak(char **argv) {
    pid_t pid = vfork();
    if (pid < 0) err(125, "vfork");
    if (!pid) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execv(argv[0], argv);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (wait4(pid, &status, 0, &usage) != pid) err(125, "wait4");
    printf("%ld\n", usage.ru_maxrss);
    return status ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "run")) return run(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "exec")) return exec(argc - 1, argv + 1);
    if (argc == 3 && !strcmp(argv[1], "ps")) return ps(argv[2]);
    if (argc > 2 && !strcmp(argv[1], "peak")) return peak(argv + 2);
    errx(125, "usage: limit run|exec|ps|peak …");
}
