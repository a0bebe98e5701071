/*
 * options: the words after `casement camera add`, read by a table: `--name value`, `--name=value`,
 * `-c value`, flags, and operands. Nothing is guessed: an unknown option, a missing value or a word
 * too many is told by its name, and the command does nothing.
 *
 * Secrets are never among them: every user of a machine can read a process's arguments.
 *
 * Texts are borrowed from argv. Any thread; no state.
 */
#pragma once

#include <stdio.h>

#include "base/slice.h"

typedef enum cm_option_kind {
    CM_OPTION_FLAG,    /* target: bool, made true */
    CM_OPTION_TEXT,    /* target: const char *, never empty */
    CM_OPTION_NUMBER,  /* target: cm_option_number */
    CM_OPTION_OPERAND, /* target: const char *; a word without dashes, in the table's order */
} cm_option_kind;

typedef struct cm_option_number {
    uint64_t value; /* the default stands here before */
    uint64_t least, most;
    bool is_given;
} cm_option_number;

typedef struct cm_option {
    const char *name; /* without dashes */
    cm_option_kind kind;
    void *target;
    const char *help;
    const char *value; /* how the value is called in the help: "FILE"; NULL for flags, operands */
    bool is_required;
    char letter; /* '\0': only the long name */
} cm_option;

enum { CM_OPTIONS_MAX = 32 };

/* A command and all that it takes. */
typedef struct cm_usage {
    const char *command; /* "camera add" */
    const char *help;    /* what it does: one line */
    const cm_option *options;
    size_t count; /* at most CM_OPTIONS_MAX */
} cm_usage;

typedef enum cm_options_result {
    CM_OPTIONS_READ,  /* go on */
    CM_OPTIONS_HELP,  /* --help was asked for and written to `out`: exit status 0 */
    CM_OPTIONS_WRONG, /* what is wrong was written to `err`: exit status 2 */
} cm_options_result;

/* argv[0] is the command's own word and is skipped. On CM_OPTIONS_WRONG the targets may be set in
 * part. A later option of the same name is a fault, not a correction. */
cm_options_result cm_options_read(const cm_usage *usage, int argc, char **argv, FILE *out,
                                  FILE *err);

void cm_options_write_help(const cm_usage *usage, FILE *out);
