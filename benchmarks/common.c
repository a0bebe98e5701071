#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LIFE_S = 300 };

void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static const bench_option *find(const bench_option *options, const char *argument)
{
    if (strncmp(argument, "--", 2) == 0)
        for (; options->name != NULL; options++)
            if (strcmp(options->name, argument + 2) == 0)
                return options;
    bench_die("%s: no such option", argument);
}

void bench_read_options(int count, char **arguments, const bench_option *options)
{
    (void)alarm(LIFE_S);
    for (int i = 1; i < count; i++) {
        const bench_option *option = find(options, arguments[i]);
        if (option->is_flag) {
            *option->number = 1;
            continue;
        }
        if (++i == count)
            bench_die("--%s needs a value", option->name);
        if (option->text != NULL)
            *option->text = arguments[i];
        else if (cm_slice_to_u64(cm_slice_of(arguments[i]), UINT32_MAX, option->number) != CM_OK)
            bench_die("--%s: '%s' is no number", option->name, arguments[i]);
    }
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        bench_die("clock_gettime: %s", strerror(errno));
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t bench_now_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t bench_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t bench_cpu_us(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_sleep_until_us(int64_t at_us)
{
    const struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static struct sockaddr_in loopback(uint64_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void send_at_once(int fd)
{
    const int one = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        bench_die("TCP_NODELAY: %s", strerror(errno));
}

int bench_connect(uint64_t port)
{
    const struct sockaddr_in to = loopback(port);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        bench_die("can't connect to port %u: %s", (unsigned)port, strerror(errno));
    send_at_once(fd);
    return fd;
}

int bench_listen(uint64_t *port_out)
{
    struct sockaddr_in own = loopback(0);
    socklen_t size = sizeof own;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&own, size) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        bench_die("can't listen: %s", strerror(errno));
    *port_out = ntohs(own.sin_port);
    return fd;
}

int bench_accept(int listener)
{
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        bench_die("accept: %s", strerror(errno));
    send_at_once(fd);
    return fd;
}

void bench_send_all(int fd, cm_slice bytes)
{
    while (bytes.size > 0) {
        const ssize_t sent = send(fd, bytes.bytes, bytes.size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            bench_die("send: %s", strerror(errno));
        bytes = cm_slice_from(bytes, sent > 0 ? (size_t)sent : 0);
    }
}

void bench_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void bench_read_cookies(bench_cookies *cookies, const char *path)
{
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    if (file == NULL)
        return;
    while (cookies->count < BENCH_COOKIES_MAX &&
           fgets(cookies->lines[cookies->count], BENCH_COOKIE_SIZE, file) != NULL) {
        char *line = cookies->lines[cookies->count++];
        line[strcspn(line, "\n")] = '\0';
    }
    fclose(file);
}
