#include "server/command.h"

#include <string.h>

void cm_command_write_help(const cm_command_table *table, FILE *out)
{
    const char *gap = table->parent[0] != '\0' ? " " : "";
    fprintf(out, "usage: casement %s%sCOMMAND [OPTION...]\n", table->parent, gap);
    for (size_t i = 0; i < table->count; i++)
        fprintf(out, "  %-12s%s\n", table->commands[i].name, table->commands[i].help);
    fprintf(out, "More about one: casement %s%sCOMMAND --help\n", table->parent, gap);
}

int cm_command_choose(const cm_command_table *table, int argc, char **argv)
{
    const char *gap = table->parent[0] != '\0' ? " " : "";
    if (argc < 2) {
        cm_command_write_help(table, stderr);
        return CM_EXIT_WRONG;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cm_command_write_help(table, stdout);
        return CM_EXIT_OK;
    }
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(argv[1], table->commands[i].name) == 0)
            return table->commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "casement%s%s: there is no command '%s'\n", gap, table->parent, argv[1]);
    fprintf(stderr, "See: casement %s%s--help\n", table->parent, gap);
    return CM_EXIT_WRONG;
}
