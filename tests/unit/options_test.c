/* The command line's words: what is read, and what each wrong one is told. */
#include <stdio.h>
#include <stdlib.h>

#include "server/command.h"
#include "server/options.h"
#include "unit.h"

typedef struct fixture {
    const char *config, *name, *operand, *second;
    bool is_demo;
    cm_option_number port;
    char out[4096], err[1024];
} fixture;

static cm_options_result read_words(fixture *f, int argc, const char *const *words)
{
    *f = (fixture){.port = {.value = 7, .least = 5, .most = 70}};
    const cm_option options[] = {
        {"config", CM_OPTION_TEXT, &f->config, "the file", "FILE", false, 'c'},
        {"name", CM_OPTION_TEXT, &f->name, "its name", "NAME", true, '\0'},
        {"port", CM_OPTION_NUMBER, &f->port, "a port", "N", false, '\0'},
        {"demo", CM_OPTION_FLAG, &f->is_demo, "a demo", NULL, false, 'd'},
        {"THING", CM_OPTION_OPERAND, &f->operand, "what", NULL, true, '\0'},
        {"OTHER", CM_OPTION_OPERAND, &f->second, "what else", NULL, false, '\0'},
    };
    const cm_usage usage = {"try it", "Tries it.", options, CM_COUNT(options)};
    char *argv[16] = {NULL};
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    FILE *out = fmemopen(f->out, sizeof f->out, "w");
    FILE *err = fmemopen(f->err, sizeof f->err, "w");
    const cm_options_result result = cm_options_read(&usage, argc, argv, out, err);
    fclose(out);
    fclose(err);
    return result;
}

#define READ(f, ...)                                                                               \
    read_words(f, sizeof((const char *[]){"it", __VA_ARGS__}) / sizeof(char *),                    \
               (const char *[]){"it", __VA_ARGS__})

/* Refused, nothing on standard output, and the message holds `part` and names the command. */
#define assert_wrong(part, ...)                                                                    \
    do {                                                                                           \
        fixture wrong_;                                                                            \
        assert_int_equal(READ(&wrong_, __VA_ARGS__), CM_OPTIONS_WRONG);                            \
        assert_string_equal(wrong_.out, "");                                                       \
        if (strstr(wrong_.err, part) == NULL ||                                                    \
            strncmp(wrong_.err, "casement try it: ", 17) != 0 ||                                   \
            strstr(wrong_.err, "casement try it --help") == NULL)                                  \
            fail_msg("wanted \"%s\", got: %s", part, wrong_.err);                                  \
    } while (0)

static void test_reads_each_form(void **state)
{
    (void)state;
    fixture f;
    assert_int_equal(READ(&f, "--name", "Anna", "x"), CM_OPTIONS_READ);
    assert_string_equal(f.name, "Anna");
    assert_string_equal(f.operand, "x");
    assert_null(f.second);
    assert_null(f.config);
    assert_false(f.is_demo);
    assert_false(f.port.is_given);
    assert_int_equal(f.port.value, 7);
    assert_int_equal(READ(&f, "x", "-c", "a.yaml", "--name=An=na", "y", "-d", "--port=70"),
                     CM_OPTIONS_READ);
    assert_string_equal(f.config, "a.yaml");
    assert_string_equal(f.name, "An=na");
    assert_string_equal(f.operand, "x");
    assert_string_equal(f.second, "y");
    assert_true(f.is_demo);
    assert_true(f.port.is_given);
    assert_int_equal(f.port.value, 70);
    /* A lone dash is a word (standard input); a value may begin with a dash. */
    assert_int_equal(READ(&f, "--name", "-", "-"), CM_OPTIONS_READ);
    assert_string_equal(f.name, "-");
    assert_string_equal(f.operand, "-");
    assert_int_equal(READ(&f, "--name", "n", "--", "--demo"), CM_OPTIONS_READ);
    assert_string_equal(f.operand, "--demo");
    assert_false(f.is_demo);
}

static void test_names_what_is_wrong(void **state)
{
    (void)state;
    assert_wrong("unknown option --frob", "--frob", "x");
    assert_wrong("unknown option --frob", "--frob=1", "x");
    assert_wrong("unknown option --nam", "--nam", "x", "y");
    assert_wrong("unknown option -x", "-x");
    assert_wrong("unknown option -cd", "-cd");
    assert_wrong("--name wants a value: NAME", "x", "--name");
    assert_wrong("--config wants a value: FILE", "x", "--name", "n", "-c");
    assert_wrong("--name is empty", "x", "--name=");
    assert_wrong("--name is empty", "x", "--name", "");
    assert_wrong("THING is empty", "--name", "n", "");
    assert_wrong("--name is given twice", "x", "--name", "a", "--name", "b");
    assert_wrong("--config is given twice", "x", "--name", "a", "-c", "b", "--config=c");
    assert_wrong("--demo takes no value", "x", "--name", "a", "--demo=yes");
    assert_wrong("'z' is one word too many", "x", "y", "z", "--name", "n");
    assert_wrong("--name NAME is missing", "x");
    assert_wrong("THING is missing", "--name", "n");
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "4", "71", "-5", "+5", "5x", " 5", "0x10", "5.0", "99999999999999999999999"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "--port: '%s' is not a number from 5 to 70", BAD[i]);
        assert_wrong(quoted, "x", "--name", "n", "--port", BAD[i]);
    }
    fixture f;
    assert_int_equal(READ(&f, "x", "--name", "n", "--port", "5"), CM_OPTIONS_READ);
    assert_int_equal(f.port.value, 5);
}

static void test_help(void **state)
{
    (void)state;
    fixture f;
    assert_int_equal(READ(&f, "--help"), CM_OPTIONS_HELP);
    assert_string_equal(f.err, "");
    static const char *const PARTS[] = {
        "usage: casement try it [--config FILE] --name NAME [--port N] [--demo] THING [OTHER]\n",
        "Tries it.\n",
        "-c, --config FILE",
        "the file\n",
        "--port N",
        "-d, --demo",
        "what else\n"};
    for (size_t i = 0; i < CM_COUNT(PARTS); i++)
        if (strstr(f.out, PARTS[i]) == NULL)
            fail_msg("\"%s\" is not in: %s", PARTS[i], f.out);
    assert_int_equal(READ(&f, "x", "-h", "--frob"), CM_OPTIONS_HELP); /* whatever follows */
    assert_wrong("unknown option", "--frob", "--help");
    /* As a value it is no question. */
    assert_int_equal(READ(&f, "--name", "--help", "x"), CM_OPTIONS_READ);
    assert_string_equal(f.name, "--help");
}

/* ---- choosing a command ---- */

static int ran_with;

static int run_one(int argc, char **argv)
{
    assert_string_equal(argv[0], "one");
    ran_with = argc;
    return 7;
}

static void test_choose(void **state)
{
    (void)state;
    static const cm_command COMMANDS[] = {{"one", "the first", run_one}};
    const cm_command_table table = {"try", COMMANDS, CM_COUNT(COMMANDS)};
    char program[] = "casement", one[] = "one", more[] = "--x", other[] = "on";
    ran_with = 0;
    assert_int_equal(cm_command_choose(&table, 3, (char *[]){program, one, more, NULL}), 7);
    assert_int_equal(ran_with, 2);
    ran_with = 0;
    FILE *kept = stderr;
    char said[512] = "";
    stderr = fmemopen(said, sizeof said, "w");
    const int unknown = cm_command_choose(&table, 2, (char *[]){program, other, NULL});
    const int none = cm_command_choose(&table, 1, (char *[]){program, NULL});
    fclose(stderr);
    stderr = kept;
    assert_int_equal(unknown, CM_EXIT_WRONG);
    assert_int_equal(none, CM_EXIT_WRONG);
    assert_int_equal(ran_with, 0);
    assert_non_null(strstr(said, "casement try: there is no command 'on'\n"));
    assert_non_null(strstr(said, "  one         the first\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_each_form), cmocka_unit_test(test_names_what_is_wrong),
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_help),
        cmocka_unit_test(test_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
