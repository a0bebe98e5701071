#include "helper/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/reader.h"

/* Calls that are harmless with any argument. */
static const int ALLOWED[] = {
    SCMP_SYS(read),          SCMP_SYS(write),           SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),
    SCMP_SYS(poll),          SCMP_SYS(ppoll),           SCMP_SYS(munmap),  SCMP_SYS(mremap),
    SCMP_SYS(brk),           SCMP_SYS(madvise),         SCMP_SYS(futex),   SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime), SCMP_SYS(rt_sigreturn),    SCMP_SYS(exit),    SCMP_SYS(exit_group),
    SCMP_SYS(sched_yield),   SCMP_SYS(restart_syscall),
};

/* Memory that is never executable: the third argument of both is the protection. */
static const int MAPPING[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};

static cm_status close_descriptors(void)
{
    (void)close(0);
    (void)close(1);
    return close_range(CM_SANDBOX_SOCKET + 1, ~0u, 0) == 0 ? CM_OK : CM_BROKEN;
}

/* Pages of address space in use: the first number of /proc/self/statm. */
static cm_status measure_memory(size_t *bytes_out)
{
    char text[64];
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    const ssize_t size = read(fd, text, sizeof text);
    (void)close(fd);
    CM_ENSURE(size > 0, CM_BROKEN);
    cm_slice rest = cm_slice_over(text, (size_t)size);
    uint64_t pages = 0;
    CM_TRY(cm_slice_to_u64(cm_slice_cut(&rest, ' '), UINT64_MAX >> 16, &pages));
    *bytes_out = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
    return CM_OK;
}

static cm_status limit(__rlimit_resource_t resource, size_t value)
{
    const struct rlimit bound = {.rlim_cur = value, .rlim_max = value};
    return setrlimit(resource, &bound) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status limit_all(size_t memory_bytes_max)
{
    size_t in_use = 0;
    CM_TRY(measure_memory(&in_use));
    CM_TRY(limit(RLIMIT_AS, in_use + memory_bytes_max));
    CM_TRY(limit(RLIMIT_NOFILE, 8));
    CM_TRY(limit(RLIMIT_NPROC, 0));
    CM_TRY(limit(RLIMIT_CORE, 0));
    return limit(RLIMIT_FSIZE, 0);
}

static cm_status add_rules(scmp_filter_ctx filter)
{
    CM_ENSURE(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0,
              CM_BROKEN);
    for (size_t i = 0; i < CM_COUNT(ALLOWED); i++)
        CM_ENSURE(seccomp_rule_add(filter, SCMP_ACT_ALLOW, ALLOWED[i], 0) == 0, CM_BROKEN);
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    for (size_t i = 0; i < CM_COUNT(MAPPING); i++)
        CM_ENSURE(seccomp_rule_add(filter, SCMP_ACT_ALLOW, MAPPING[i], 1, not_executable) == 0,
                  CM_BROKEN);
    return seccomp_load(filter) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status forbid_calls(void)
{
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    CM_ENSURE(filter != NULL, CM_BROKEN);
    const cm_status status = add_rules(filter);
    seccomp_release(filter);
    return status;
}

cm_status cm_sandbox_enter(size_t memory_bytes_max)
{
    CM_ENSURE(chdir("/") == 0, CM_BROKEN);
    CM_ENSURE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, CM_BROKEN);
    CM_ENSURE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, CM_BROKEN);
    CM_TRY(limit_all(memory_bytes_max));
    CM_TRY(close_descriptors());
    return forbid_calls();
}
