/* The helper's wire, its jobs and its sandbox. Links the helper's own files: none of this is a mode
 * of the program. */
#include "still_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/sandbox.h"
#include "helper/still.h"
#include "helper/wire.h"

/* ---- the sandbox ---- */

enum { SANDBOX_MEMORY = 256 * 1024 * 1024 };

/* How a child ends that enters the sandbox and then does `act`. 0 is what an act returns that was
 * let do what it does. */
static int end_of(int (*act)(void))
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(pair[0]);
        if (pair[1] != CM_SANDBOX_SOCKET && dup2(pair[1], CM_SANDBOX_SOCKET) < 0)
            _exit(100);
        /* Not _exit(), in which a sanitizer makes calls of its own. */
        syscall(SYS_exit_group, cm_sandbox_enter(SANDBOX_MEMORY) == CM_OK ? act() : 101);
    }
    (void)close(pair[1]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(pair[0]);
    return status;
}

/* Calls go to the kernel directly: what libc or a sanitizer would do before is not in question. */
static int do_what_is_needed(void)
{
    static const char WORD[] = "x";
    const size_t size = 1 << 20;
    uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return 1;
    bytes[size - 1] = 1;
    return munmap(bytes, size) == 0 && write(CM_SANDBOX_SOCKET, WORD, 1) == 1 ? 0 : 2;
}

static int open_a_file(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY) >= 0 ? 0 : 1;
}

static int make_a_socket(void)
{
    return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1;
}

static int connect_somewhere(void)
{
    return syscall(SYS_connect, CM_SANDBOX_SOCKET, NULL, 0) == 0 ? 0 : 1;
}

static int execute(void)
{
    char *const none[] = {NULL};
    return syscall(SYS_execve, "/bin/true", none, none) == 0 ? 0 : 1;
}

static int fork_itself(void)
{
    return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0L) >= 0 ? 0 : 1;
}

static int start_a_thread(void)
{
    return syscall(SYS_clone3, NULL, 0) >= 0 ? 0 : 1;
}

static int kill_its_parent(void)
{
    return syscall(SYS_kill, 1, 0) == 0 ? 0 : 1;
}

static int trace(void)
{
    return syscall(SYS_ptrace, 0, 0, 0, 0) == 0 ? 0 : 1;
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
               ? 0
               : 1;
}

static int make_memory_executable(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : 1;
}

static int read_what_was_open(void)
{
    char byte;
    for (int fd = 0; fd < 64; fd++)
        if (fd != 2 && fd != CM_SANDBOX_SOCKET && (read(fd, &byte, 1) >= 0 || errno != EBADF))
            return 1;
    return 0;
}

static int take_much_memory(void)
{
    return mmap(NULL, 2 * (size_t)SANDBOX_MEMORY, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? 0
               : 1;
}

static void the_sandbox_lets_do_what_is_needed(void **state)
{
    (void)state;
    assert_int_equal(end_of(do_what_is_needed), 0);
}

static void in_the_sandbox_anything_else_is_death(void **state)
{
    int (*const acts[])(void) = {
        open_a_file, make_a_socket,          connect_somewhere, execute,
        fork_itself, start_a_thread,         kill_its_parent,   trace,
        map_code,    make_memory_executable,
    };
    (void)state;
    for (size_t i = 0; i < CM_COUNT(acts); i++) {
        const int status = end_of(acts[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

static void the_sandbox_leaves_no_descriptor_and_bounds_memory(void **state)
{
    (void)state;
    const int kept = dup(0); /* one more that the child inherits */
    assert_int_equal(end_of(read_what_was_open), 0);
    assert_int_equal(end_of(take_much_memory), 0);
    (void)close(kept);
}

/* ---- jobs ---- */

typedef struct fixture {
    cm_epoch_page *page;
    testing_media door, attic;
    testing_picture picture;
    still_bench bench;
    uint8_t *message; /* with its length */
    size_t size;
} fixture;

static int make_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_int_equal(cm_epoch_page_create(16, &f->page), CM_OK);
    testing_media_init(&f->door, f->page, "verdi", "door");
    testing_media_init(&f->attic, f->page, "rossi", "attic");
    testing_picture_make(&f->picture, TESTING_QUARTERS("64x32"), "-pix_fmt yuv420p");
    assert_int_equal(cm_picture_create(&f->bench.picture), CM_OK);
    *state = f;
    return 0;
}

static int free_fixture(void **state)
{
    fixture *f = *state;
    free(f->message);
    cm_picture_destroy(f->bench.picture);
    testing_picture_free(&f->picture);
    cm_epoch_page_destroy(f->page);
    free(f);
    return 0;
}

/* A job about the picture as a keyframe of `media`. */
static void make_job(fixture *f, testing_media *media, uint64_t id)
{
    cm_sealer *frames = testing_sealer(media, CM_STREAM_MAIN, CM_OBJECT_FRAME, 1);
    cm_sealer *stills = testing_sealer(media, CM_STREAM_MAIN, CM_OBJECT_STILL, 1);
    cm_lease *lease = testing_lease(media, 1);
    const cm_cursor cursor = cm_cursor_begin(CM_STREAM_MAIN, CM_OBJECT_FRAME);
    const cm_plain_frame plain = {.granules = f->picture.granules,
                                  .count = f->picture.count,
                                  .flags = testing_picture_flags(&f->picture)};
    cm_frame *frame;
    uint8_t record[CM_DELEGATION_SIZE];
    uint64_t number;
    cm_refusal refusal;
    assert_int_equal(cm_seal_frame(frames, &plain, 0, &frame), CM_OK);
    assert_int_equal(
        cm_delegate(lease, &cursor, frame, stills, (cm_instant){1}, record, &number, &refusal),
        CM_OK);
    f->size = cm_helper_job_size(frame);
    free(f->message);
    f->message = malloc(f->size);
    cm_writer w = cm_writer_over(f->message, f->size);
    const cm_helper_job job = {
        .id = id, .width = 64, .delegation = cm_slice_over(record, sizeof record)};
    assert_int_equal(cm_helper_job_write(&w, &job, frame), CM_OK);
    assert_int_equal(w.used, f->size);
    cm_frame_release(frame, 0);
    cm_lease_destroy(lease);
    cm_sealer_destroy(frames);
    cm_sealer_destroy(stills);
}

/* Does the job; the answer's status, and whether the process would end. */
static cm_status do_job(fixture *f, uint64_t id, bool *is_foreign)
{
    cm_slice bytes;
    cm_helper_answer answer;
    *is_foreign = false;
    assert_int_equal(still_do_job(&f->bench, f->message + CM_HELPER_LENGTH_SIZE,
                                  f->size - CM_HELPER_LENGTH_SIZE, &bytes, is_foreign),
                     CM_OK);
    size_t length;
    assert_int_equal(cm_helper_length_parse(cm_slice_part(bytes, 0, CM_HELPER_LENGTH_SIZE), 0,
                                            CM_HELPER_ANSWER_MAX, &length),
                     CM_OK);
    assert_int_equal(length, bytes.size - CM_HELPER_LENGTH_SIZE);
    assert_int_equal(cm_helper_answer_parse(cm_slice_from(bytes, CM_HELPER_LENGTH_SIZE), &answer),
                     CM_OK);
    assert_int_equal(answer.id, id);
    free((void *)(uintptr_t)bytes.bytes);
    return answer.status;
}

static void a_job_is_done_and_its_record_wiped(void **state)
{
    fixture *f = *state;
    bool is_foreign;
    make_job(f, &f->door, 7);
    assert_int_equal(do_job(f, 7, &is_foreign), CM_OK);
    for (size_t i = 0; i < CM_HELPER_JOB_HEAD; i++)
        assert_int_equal(f->message[CM_HELPER_LENGTH_SIZE + i], 0);
}

static void the_first_job_binds_the_process_to_its_home(void **state)
{
    fixture *f = *state;
    bool is_foreign;
    make_job(f, &f->door, 1);
    assert_int_equal(do_job(f, 1, &is_foreign), CM_OK);
    assert_false(is_foreign);
    make_job(f, &f->attic, 2);
    assert_int_equal(do_job(f, 2, &is_foreign), CM_FOREIGN);
    assert_true(is_foreign);
}

static void a_record_and_a_frame_of_two_jobs_make_no_picture(void **state)
{
    fixture *f = *state;
    bool is_foreign;
    uint8_t record[CM_DELEGATION_SIZE];
    const size_t at = CM_HELPER_LENGTH_SIZE + 8 + 2;
    make_job(f, &f->door, 1);
    memcpy(record, f->message + at, sizeof record);
    make_job(f, &f->attic, 2);
    memcpy(f->message + at, record, sizeof record);
    assert_int_equal(do_job(f, 2, &is_foreign), CM_FOREIGN);
}

static void broken_pictures_are_answered_so_and_the_next_is_made(void **state)
{
    fixture *f = *state;
    bool is_foreign;
    uint8_t *first = f->picture.bytes;
    for (size_t i = 40; i < f->picture.size; i++) /* behind the start of the SPS */
        first[i] = (uint8_t)(i * 151 + 7);
    make_job(f, &f->door, 1);
    assert_int_equal(do_job(f, 1, &is_foreign), CM_BROKEN);
    testing_picture_free(&f->picture);
    testing_picture_make(&f->picture, TESTING_QUARTERS("64x32"), "-pix_fmt yuv420p");
    make_job(f, &f->door, 2);
    assert_int_equal(do_job(f, 2, &is_foreign), CM_OK);
}

static int start_helper(pid_t *pid)
{
    int pair[2];
    const char *path = getenv("CASEMENT_HELPER");
    assert_non_null(path);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *pid = fork();
    assert_true(*pid >= 0);
    if (*pid == 0) {
        const int theirs = fcntl(pair[1], F_DUPFD, 10);
        if (theirs >= 0 && dup2(theirs, CM_SANDBOX_SOCKET) == CM_SANDBOX_SOCKET)
            (void)execl(path, path, "still", (char *)NULL);
        _exit(127);
    }
    (void)close(pair[1]);
    return pair[0];
}

static cm_status answer_from(int fd)
{
    static uint8_t bytes[1 << 20];
    size_t size = 0;
    assert_int_equal(recv(fd, bytes, CM_HELPER_LENGTH_SIZE, MSG_WAITALL), CM_HELPER_LENGTH_SIZE);
    assert_int_equal(cm_helper_length_parse(cm_slice_over(bytes, CM_HELPER_LENGTH_SIZE),
                                            CM_HELPER_ANSWER_HEAD, sizeof bytes, &size),
                     CM_OK);
    assert_int_equal(recv(fd, bytes, size, MSG_WAITALL), size);
    cm_helper_answer answer;
    assert_int_equal(cm_helper_answer_parse(cm_slice_over(bytes, size), &answer), CM_OK);
    return answer.status;
}

static void the_process_ends_over_a_job_of_another_home(void **state)
{
    fixture *f = *state;
    pid_t pid;
    int status = 0;
    char byte;
    const int fd = start_helper(&pid);
    make_job(f, &f->door, 1);
    assert_int_equal(send(fd, f->message, f->size, MSG_NOSIGNAL), f->size);
    assert_int_equal(answer_from(fd), CM_OK);
    make_job(f, &f->attic, 2);
    assert_int_equal(send(fd, f->message, f->size, MSG_NOSIGNAL), f->size);
    assert_int_equal(answer_from(fd), CM_FOREIGN);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CM_HELPER_EXIT_FOREIGN);
    (void)close(fd);
}

static void the_process_ends_in_peace_when_the_server_hangs_up(void **state)
{
    pid_t pid;
    int status = 1;
    (void)state;
    const int fd = start_helper(&pid);
    (void)close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- the wire ---- */

static void lengths_outside_the_bounds_are_refused(void **state)
{
    (void)state;
    size_t size = 0;
    assert_int_equal(cm_helper_length_parse(BYTES(0, 0, 1, 2), 9, 1000, &size), CM_OK);
    assert_int_equal(size, 258);
    assert_int_equal(cm_helper_length_parse(BYTES(0, 0, 0, 8), 9, 1000, &size), CM_CLOSE);
    assert_int_equal(cm_helper_length_parse(BYTES(0, 0, 3, 233), 9, 1000, &size), CM_CLOSE);
    assert_int_equal(cm_helper_length_parse(BYTES(0xff, 0xff, 0xff, 0xff), 9, 1000, &size),
                     CM_CLOSE);
    assert_int_equal(cm_helper_length_parse(BYTES(0, 0, 1), 9, 1000, &size), CM_CLOSE);
}

static void messages_that_are_none_are_refused(void **state)
{
    fixture *f = *state;
    cm_helper_job job;
    cm_helper_answer answer;
    const cm_slice head = cm_slice_over((const uint8_t[CM_HELPER_JOB_HEAD]){0}, CM_HELPER_JOB_HEAD);
    assert_int_equal(cm_helper_job_parse(head, &job), CM_CLOSE); /* no frame */
    assert_int_equal(cm_helper_job_parse(cm_slice_part(head, 0, 9), &job), CM_CLOSE);
    assert_int_equal(cm_helper_answer_parse(BYTES(0, 0, 0, 0, 0, 0, 0, 1), &answer), CM_CLOSE);
    /* CM_OK without a still; a still with a failure; a status that no helper says. */
    assert_int_equal(cm_helper_answer_parse(BYTES(0, 0, 0, 0, 0, 0, 0, 1, CM_OK), &answer),
                     CM_CLOSE);
    assert_int_equal(cm_helper_answer_parse(BYTES(0, 0, 0, 0, 0, 0, 0, 1, CM_BROKEN, 1), &answer),
                     CM_CLOSE);
    assert_int_equal(cm_helper_answer_parse(BYTES(0, 0, 0, 0, 0, 0, 0, 1, CM_RETRY), &answer),
                     CM_CLOSE);
    assert_int_equal(cm_helper_answer_parse(BYTES(0, 0, 0, 0, 0, 0, 0, 1, 200), &answer), CM_CLOSE);
    assert_int_equal(cm_helper_answer_parse(BYTES(0, 0, 0, 0, 0, 0, 0, 1, CM_BROKEN), &answer),
                     CM_OK);
    make_job(f, &f->door, 1);
    cm_slice bytes;
    bool is_foreign;
    for (size_t cut = 1; cut < 400; cut += 13)
        assert_int_equal(still_do_job(&f->bench, f->message + CM_HELPER_LENGTH_SIZE,
                                      f->size - CM_HELPER_LENGTH_SIZE - cut, &bytes, &is_foreign),
                         CM_CLOSE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sandbox_lets_do_what_is_needed),
        cmocka_unit_test(in_the_sandbox_anything_else_is_death),
        cmocka_unit_test(the_sandbox_leaves_no_descriptor_and_bounds_memory),
        CASE(a_job_is_done_and_its_record_wiped),
        CASE(the_first_job_binds_the_process_to_its_home),
        CASE(a_record_and_a_frame_of_two_jobs_make_no_picture),
        CASE(broken_pictures_are_answered_so_and_the_next_is_made),
        CASE(the_process_ends_over_a_job_of_another_home),
        cmocka_unit_test(the_process_ends_in_peace_when_the_server_hangs_up),
        cmocka_unit_test(lengths_outside_the_bounds_are_refused),
        CASE(messages_that_are_none_are_refused),
    };
    return cmocka_run_group_tests_name("helper", tests, NULL, NULL);
}
