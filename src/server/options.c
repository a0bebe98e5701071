#include "server/options.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

typedef struct reading {
    const cm_usage *usage;
    uint64_t seen; /* a bit for each row of the table */
    int argc;
    char **argv;
    int next; /* the word to be read */
    FILE *err;
} reading;

static cm_options_result wrong(const reading *r, const char *format, ...) CM_PRINTF(2, 3);

static cm_options_result wrong(const reading *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(r->err, "casement %s: ", r->usage->command);
    vfprintf(r->err, format, args);
    fprintf(r->err, "\nSee: casement %s --help\n", r->usage->command);
    va_end(args);
    return CM_OPTIONS_WRONG;
}

static cm_options_result set_number(const reading *r, const cm_option *option, const char *value)
{
    cm_option_number *number = option->target;
    uint64_t read;
    if (cm_slice_to_u64(cm_slice_of(value), number->most, &read) != CM_OK || read < number->least)
        return wrong(r, "--%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, option->name,
                     value, number->least, number->most);
    number->value = read;
    number->is_given = true;
    return CM_OPTIONS_READ;
}

static cm_options_result set_value(const reading *r, const cm_option *option, const char *value)
{
    if (option->kind == CM_OPTION_NUMBER)
        return set_number(r, option, value);
    if (value[0] == '\0')
        return wrong(r, "%s%s is empty", option->kind == CM_OPTION_OPERAND ? "" : "--",
                     option->name);
    *(const char **)option->target = value;
    return CM_OPTIONS_READ;
}

/* `value` is what stands after "=", or NULL. */
static cm_options_result read_option(reading *r, size_t index, const char *value)
{
    const cm_option *option = &r->usage->options[index];
    if ((r->seen >> index & 1) == 1)
        return wrong(r, "--%s is given twice", option->name);
    r->seen |= UINT64_C(1) << index;
    if (option->kind == CM_OPTION_FLAG) {
        if (value != NULL)
            return wrong(r, "--%s takes no value", option->name);
        *(bool *)option->target = true;
        return CM_OPTIONS_READ;
    }
    if (value == NULL && r->next < r->argc)
        value = r->argv[r->next++];
    if (value == NULL)
        return wrong(r, "--%s wants a value: %s", option->name, option->value);
    return set_value(r, option, value);
}

static cm_options_result read_long(reading *r, const char *word)
{
    cm_slice rest = cm_slice_of(word);
    const cm_slice name = cm_slice_cut(&rest, '=');
    const char *value = word[name.size] == '=' ? word + name.size + 1 : NULL;
    for (size_t i = 0; i < r->usage->count; i++)
        if (r->usage->options[i].kind != CM_OPTION_OPERAND &&
            cm_slice_equal(name, cm_slice_of(r->usage->options[i].name)))
            return read_option(r, i, value);
    return wrong(r, "unknown option --%.*s", CM_SLICE_ARGS(name));
}

static cm_options_result read_letter(reading *r, const char *word)
{
    for (size_t i = 0; word[1] == '\0' && i < r->usage->count; i++)
        if (r->usage->options[i].letter == word[0])
            return read_option(r, i, NULL);
    return wrong(r, "unknown option -%s", word);
}

static cm_options_result read_operand(reading *r, const char *word)
{
    for (size_t i = 0; i < r->usage->count; i++) {
        if (r->usage->options[i].kind != CM_OPTION_OPERAND || (r->seen >> i & 1) == 1)
            continue;
        r->seen |= UINT64_C(1) << i;
        return set_value(r, &r->usage->options[i], word);
    }
    return wrong(r, "'%s' is one word too many", word);
}

static cm_options_result check_required(const reading *r)
{
    for (size_t i = 0; i < r->usage->count; i++) {
        const cm_option *option = &r->usage->options[i];
        if (!option->is_required || (r->seen >> i & 1) == 1)
            continue;
        if (option->kind == CM_OPTION_OPERAND)
            return wrong(r, "%s is missing", option->name);
        return wrong(r, "--%s %s is missing", option->name, option->value);
    }
    return CM_OPTIONS_READ;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

cm_options_result cm_options_read(const cm_usage *usage, int argc, char **argv, FILE *out,
                                  FILE *err)
{
    assert(usage->count <= CM_OPTIONS_MAX);
    reading r = {.usage = usage, .argc = argc, .argv = argv, .next = 1, .err = err};
    bool is_only_operands = false; /* after "--" */
    while (r.next < argc) {
        const char *word = argv[r.next++];
        cm_options_result result = CM_OPTIONS_READ;
        if (is_only_operands || word[0] != '-' || word[1] == '\0') {
            result = read_operand(&r, word);
        } else if (is_help(word)) {
            cm_options_write_help(usage, out);
            return CM_OPTIONS_HELP;
        } else if (strcmp(word, "--") == 0) {
            is_only_operands = true;
        } else if (word[1] == '-') {
            result = read_long(&r, word + 2);
        } else {
            result = read_letter(&r, word + 1);
        }
        if (result != CM_OPTIONS_READ)
            return result;
    }
    return check_required(&r);
}

/* ---- help ---- */

/* "-c, --config FILE": returns its width. */
static int write_names(const cm_option *option, FILE *out)
{
    if (option->kind == CM_OPTION_OPERAND)
        return fprintf(out, "%s", option->name);
    int width = 0;
    if (option->letter != '\0')
        width += fprintf(out, "-%c, ", option->letter);
    width += fprintf(out, "--%s", option->name);
    if (option->value != NULL)
        width += fprintf(out, " %s", option->value);
    return width;
}

void cm_options_write_help(const cm_usage *usage, FILE *out)
{
    enum { COLUMN = 26 };
    fprintf(out, "usage: casement %s", usage->command);
    for (size_t i = 0; i < usage->count; i++) {
        const cm_option *option = &usage->options[i];
        fprintf(out, option->is_required ? " " : " [");
        if (option->kind == CM_OPTION_OPERAND)
            fprintf(out, "%s", option->name);
        else
            fprintf(out, "--%s%s%s", option->name, option->value != NULL ? " " : "",
                    option->value != NULL ? option->value : "");
        fprintf(out, option->is_required ? "" : "]");
    }
    fprintf(out, "\n%s\n", usage->help);
    for (size_t i = 0; i < usage->count; i++) {
        fprintf(out, "  ");
        const int width = write_names(&usage->options[i], out);
        fprintf(out, "%*s%s\n", width < COLUMN ? COLUMN - width : 1, "", usage->options[i].help);
    }
}
