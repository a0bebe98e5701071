/*
 * command: the subcommands of `casement`. Each is a function of its words; the first of them is the
 * command's own name. It returns the process's exit status.
 */
#pragma once

#include "server/options.h"

typedef enum cm_exit {
    CM_EXIT_OK = 0,
    CM_EXIT_FAULT = 1, /* a fault of this machine, or what was asked was refused */
    CM_EXIT_WRONG = 2, /* wrong use or wrong configuration: nothing was started or changed */
} cm_exit;

typedef struct cm_command {
    const char *name;
    const char *help; /* one line */
    int (*run)(int argc, char **argv);
} cm_command;

typedef struct cm_command_table {
    const char *parent; /* "" or "camera": what stands between "casement" and the word */
    const cm_command *commands;
    size_t count;
} cm_command_table;

/* Runs the command that argv[1] names, with argv[0] being that name. Without a word, or with one
 * that is unknown, writes what there is to standard error. */
int cm_command_choose(const cm_command_table *table, int argc, char **argv);
void cm_command_write_help(const cm_command_table *table, FILE *out);

int cm_command_serve(int argc, char **argv);
int cm_command_camera(int argc, char **argv);
int cm_command_user(int argc, char **argv);
int cm_command_home(int argc, char **argv);
int cm_command_home_import(int argc, char **argv);
int cm_command_token(int argc, char **argv);
int cm_command_audit(int argc, char **argv);
int cm_command_store(int argc, char **argv);
int cm_command_backup(int argc, char **argv);
int cm_command_restore(int argc, char **argv);
int cm_command_passwords(int argc, char **argv);
int cm_command_doctor(int argc, char **argv);
int cm_command_setup_link(int argc, char **argv);
int cm_command_simcam(int argc, char **argv);
