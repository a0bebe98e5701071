/*
 * common: what the programs of ./bench share: options, time, sockets. They run on this machine
 * only, between loopback addresses, for a bounded time; whatever goes wrong ends them with a
 * sentence.
 */
#pragma once

#include "base/slice.h"

/* Writes to standard error and exits with status 1. */
_Noreturn void bench_die(const char *format, ...) CM_PRINTF(1, 2);

/* Options are `--name VALUE`, or `--name` alone for those of `flags` (each ends with NULL). */
typedef struct bench_option {
    const char *name;
    uint64_t *number;  // set from the value, or to 1 for a flag
    const char **text; // instead
    bool is_flag;
} bench_option;
/* Also sets a limit of five minutes on the life of the process, should its peer never come. */
void bench_read_options(int count, char **arguments, const bench_option *options);

int64_t bench_now_us(void);  /* CLOCK_MONOTONIC */
int64_t bench_wall_us(void); /* CLOCK_REALTIME */
int64_t bench_cpu_us(void);  /* of this process, user and system */
void bench_sleep_until_us(int64_t at_us);

int bench_connect(uint64_t port); /* 127.0.0.1, blocking */
int bench_listen(uint64_t *port_out);
int bench_accept(int listener);
void bench_send_all(int fd, cm_slice bytes);
void bench_raise_descriptors(void);

/* Cookies of people who are signed in, a line each of a file: an account may have so many pictures
 * open. Without a file there is none. */
enum { BENCH_COOKIES_MAX = 64, BENCH_COOKIE_SIZE = 512 };
typedef struct bench_cookies {
    char lines[BENCH_COOKIES_MAX][BENCH_COOKIE_SIZE];
    size_t count;
} bench_cookies;
void bench_read_cookies(bench_cookies *cookies, const char *path);
