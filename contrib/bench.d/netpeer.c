/* The two ends of `contrib/bench net`, one static program for the host and for containers.
 *
 *   netpeer serve PORT                  one process per connection; the first byte says what is wanted:
 *                                       's' take all, then answer one byte; 'e' give every byte back; 'c' nothing more
 *   netpeer send HOST PORT MEGABYTES    one stream
 *   netpeer turn HOST PORT COUNT        one byte there and back, COUNT times
 *   netpeer open HOST PORT COUNT        COUNT connections, one after the other
 *
 * The clients print the seconds it took. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 17];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n <= 0) die("write");
        bytes += n, length -= n;
    }
}

static void attend(int fd) {
    char what;
    if (read(fd, &what, 1) != 1) return;
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
        if (what == 'e') all(fd, buffer, n);
    if (what == 's') all(fd, "k", 1);
}

static int serve(int port) {
    int one = 1, listener = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    signal(SIGCHLD, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) || listen(listener, 1024)) die("listen");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fork() == 0) {
            close(listener);
            attend(fd);
            _exit(0);
        }
        close(fd);
    }
}

static int dial(const char *host, int port, char what) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    all(fd, &what, 1);
    return fd;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "serve")) return serve(atoi(argv[2]));
    if (argc != 5) return 2;
    const char *host = argv[2];
    int port = atoi(argv[3]), count = atoi(argv[4]);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (!strcmp(argv[1], "open")) {
        for (int i = 0; i < count; i++) {
            int fd = dial(host, port, 'c');
            shutdown(fd, SHUT_WR);
            if (read(fd, buffer, 1) != 0) die("read");
            close(fd);
        }
    } else {
        int stream = !strcmp(argv[1], "send"), fd = dial(host, port, stream ? 's' : 'e');
        for (int i = 0; i < count; i++) {
            if (stream) {
                for (int k = 0; k < 8; k++) all(fd, buffer, sizeof buffer);
            } else {
                all(fd, "x", 1);
                if (read(fd, buffer, 1) != 1) die("read");
            }
        }
        shutdown(fd, SHUT_WR);
        if (stream && read(fd, buffer, 1) != 1) die("read");
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.6f\n", end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9);
    return 0;
}
