#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/aead.h"
#include "net/address.h"
#include "server/doctor.h"

extern char **environ;

enum { VERSION_SIZE = 128, HELPER_LIMIT_MS = 5000 };

/* ---- the helper ---- */

/* What `path --version` says on its standard output, within a time. */
static bool read_version(int fd, char out[VERSION_SIZE])
{
    size_t size = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (size < VERSION_SIZE - 1 && poll(&wait, 1, HELPER_LIMIT_MS) == 1) {
        const ssize_t got = read(fd, out + size, VERSION_SIZE - 1 - size);
        if (got <= 0) {
            const cm_slice line = cm_slice_trim(cm_slice_over(out, size));
            char copy[VERSION_SIZE];
            const bool is_text = cm_slice_to_cstr(line, copy, sizeof copy) == CM_OK;
            (void)snprintf(out, VERSION_SIZE, "%s", is_text ? copy : "");
            return got == 0 && is_text;
        }
        size += (size_t)got;
    }
    return false;
}

static bool ask_version(const char *path, char out[VERSION_SIZE])
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char program[] = "casement-helper";
    char option[] = "--version";
    char *const arguments[] = {program, option, NULL};
    pid_t pid;
    const bool is_started = posix_spawn(&pid, path, &actions, NULL, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    const bool is_told = is_started && read_version(ends[0], out);
    close(ends[0]);
    if (!is_started)
        return false;
    if (!is_told)
        (void)kill(pid, SIGKILL);
    int status;
    return waitpid(pid, &status, 0) == pid && is_told && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

void cm_doctor_check_helper(cm_doctor *doctor)
{
    const char *path = doctor->helper_path;
    char version[VERSION_SIZE] = "";
    if (access(path, X_OK) != 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "helper",
                      "%s: %s; there are no stills and no demo without it: put it beside casement",
                      path, strerror(errno));
    else if (!ask_version(path, version))
        cm_doctor_say(doctor, CM_FINDING_BAD, "helper",
                      "%s does not run: install casement and its libraries again", path);
    else if (strcmp(version, "casement-helper " CM_VERSION) != 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "helper",
                      "%s says '%s', this is casement " CM_VERSION ": install both together", path,
                      version);
    else
        cm_doctor_say(doctor, CM_FINDING_OK, "helper", "%s is of this version", path);
}

/* ---- ports ---- */

/* Takes the port for a moment. 0, or errno. By getaddrinfo, which knows how the kernel wants an
 * address. */
static int try_port(const cm_address *address, int kind)
{
    char host[CM_ADDRESS_TEXT_SIZE];
    char port[8];
    cm_address_format_host(address, host);
    (void)snprintf(port, sizeof port, "%u", address->port);
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = kind};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return EADDRNOTAVAIL;
    int error = 0;
    const int fd = socket(found->ai_family, kind | SOCK_CLOEXEC, 0);
    const int yes = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0)
        error = errno;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return error;
}

static void check_port(cm_doctor *doctor, const char *what, const cm_address *address)
{
    char text[CM_ADDRESS_TEXT_SIZE];
    cm_address_format(address, text);
    const int error = try_port(address, SOCK_STREAM);
    if (error == 0)
        cm_doctor_say(doctor, CM_FINDING_OK, "ports", "%s %s is free", what, text);
    else if (error == EADDRINUSE)
        cm_doctor_say(doctor, CM_FINDING_WARN, "ports",
                      "%s %s is in use: by this server if it runs, else set listen.%s", what, text,
                      what);
    else if (error == EACCES)
        cm_doctor_say(doctor, CM_FINDING_BAD, "ports",
                      "%s %s: this user may not listen there: choose a port from 1024 on", what,
                      text);
    else
        cm_doctor_say(doctor, CM_FINDING_BAD, "ports", "%s %s: %s: set listen.%s", what, text,
                      strerror(error), what);
}

void cm_doctor_check_ports(cm_doctor *doctor)
{
    if (doctor->config == NULL)
        return; /* told as the configuration's fault */
    check_port(doctor, "http", &doctor->config->http);
    check_port(doctor, "https", &doctor->config->https);
}

/* ---- the clock ---- */

/* Before this, no casement had been made: 2026-01-01. */
static const time_t EARLIEST = 1767225600;

void cm_doctor_check_clock(cm_doctor *doctor)
{
    const time_t now = time(NULL);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&now, &utc) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    struct timex state = {.modes = 0};
    if (now < EARLIEST)
        cm_doctor_say(doctor, CM_FINDING_BAD, "clock",
                      "%s cannot be: certificates and sessions go by it; set it", text);
    else if (adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
        cm_doctor_say(doctor, CM_FINDING_WARN, "clock",
                      "%s, but nothing keeps it right: run a time service (systemd-timesyncd)",
                      text);
    else
        cm_doctor_say(doctor, CM_FINDING_OK, "clock", "%s, kept right by a time service", text);
}

/* ---- limits, ciphers ---- */

void cm_doctor_check_limits(cm_doctor *doctor)
{
    enum { FILES_LEAST = 256, FILES_FINE = 4096 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "open files", "%s", strerror(errno));
    else if (limit.rlim_max < FILES_LEAST)
        cm_doctor_say(doctor, CM_FINDING_BAD, "open files",
                      "at most %llu: too few for cameras and viewers; raise LimitNOFILE",
                      (unsigned long long)limit.rlim_max);
    else
        cm_doctor_say(doctor, limit.rlim_max < FILES_FINE ? CM_FINDING_WARN : CM_FINDING_OK,
                      "open files", "at most %llu%s", (unsigned long long)limit.rlim_max,
                      limit.rlim_max < FILES_FINE ? ": raise LimitNOFILE for many viewers" : "");
    const char *backend = cm_aead_backend();
    if (strcmp(backend, "ipsec-mb") == 0)
        cm_doctor_say(doctor, CM_FINDING_OK, "ciphers", "intel-ipsec-mb");
    else
        cm_doctor_say(doctor, CM_FINDING_WARN, "ciphers",
                      "OpenSSL's; on amd64 the package libipsec-mb1 makes sealing three times as "
                      "fast");
}
