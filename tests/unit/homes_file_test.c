/* A file of homes, judged as a whole, and taken in as a whole; and the comma-separated values in
 * it. */
#include "identity/homes_file.h"
#include "proto/csv/csv.h"
#include "store_world.h"

/* ---- comma-separated values ---- */

/* RFC 4180, 2: quoted fields, doubled quotes, line breaks in them; and what is let through beside.
 */
static void records_are_read_as_they_are_written(void **state)
{
    (void)state;
    cm_csv csv = cm_csv_over(CM_TEXT("\xef\xbb\xbf"
                                     "a,b c,\r\n"
                                     "\"x,\"\"y\"\"\r\nz\",\"\"\n"
                                     "\n"
                                     "last"));
    cm_csv_record r;
    cm_csv_fault fault;
    assert_int_equal(cm_csv_next(&csv, &r, &fault), CM_OK);
    assert_int_equal(r.count, 3);
    assert_true(cm_slice_equal(r.fields[0], CM_TEXT("a")));
    assert_true(cm_slice_equal(r.fields[1], CM_TEXT("b c")));
    assert_int_equal(r.fields[2].size, 0);
    assert_int_equal(cm_csv_next(&csv, &r, &fault), CM_OK);
    assert_int_equal(r.line, 2);
    assert_int_equal(r.count, 2);
    assert_true(cm_slice_equal(r.fields[0], CM_TEXT("x,\"y\"\nz")));
    assert_int_equal(cm_csv_next(&csv, &r, &fault), CM_OK);
    assert_int_equal(r.line, 5);
    assert_true(cm_slice_equal(r.fields[0], CM_TEXT("last")));
    assert_int_equal(cm_csv_next(&csv, &r, &fault), CM_ABSENT);
}

static void a_fault_names_its_line_and_field(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line, field;
    } CASES[] = {
        {"a,b\"c", 1, 2}, {"a\n\"b", 2, 1},   {"a,b\nc,\"d\"e\n", 2, 2},    {"a,\x01", 1, 2},
        {"a\rb", 1, 1},   {"\"\x7f\"", 1, 1}, {"a,,,,,,,,,,,,,,,,", 1, 17},
    };
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_csv csv = cm_csv_over(cm_slice_of(CASES[i].text));
        cm_csv_record r;
        cm_csv_fault fault = {0};
        cm_status status;
        while ((status = cm_csv_next(&csv, &r, &fault)) == CM_OK)
            ;
        assert_int_equal(status, CM_REFUSE);
        assert_int_equal(fault.line, CASES[i].line);
        assert_int_equal(fault.field, CASES[i].field);
    }
    static char large[CM_CSV_RECORD_SIZE + 2];
    memset(large, 'x', sizeof large - 1);
    cm_csv csv = cm_csv_over(cm_slice_of(large));
    cm_csv_record r;
    cm_csv_fault fault;
    assert_int_equal(cm_csv_next(&csv, &r, &fault), CM_REFUSE);
}

static void a_field_is_quoted_if_it_must_be(void **state)
{
    (void)state;
    char out[16];
    assert_true(cm_csv_write_field(CM_TEXT("Flat 1"), out, sizeof out));
    assert_string_equal(out, "Flat 1");
    assert_true(cm_csv_write_field(CM_TEXT("a \"b\", c"), out, sizeof out));
    assert_string_equal(out, "\"a \"\"b\"\", c\"");
    assert_false(cm_csv_write_field(CM_TEXT("more than fits here"), out, sizeof out));
    assert_string_equal(out, "");
}

/* ---- homes ---- */

static const cm_stored_homes NONE = {.count = 0};

/* What is told about `text`, a line each; *out is NULL then. */
static const char *told_of(const char *text, const cm_stored_homes *taken, cm_homes_file **out)
{
    static char told[8192];
    size_t used = 0;
    told[0] = '\0';
    *out = NULL;
    cm_homes_faults faults;
    const cm_status status = cm_homes_file_read(cm_slice_of(text), taken, &faults, out);
    for (size_t i = 0; i < cm_homes_faults_told(&faults); i++) {
        const cm_homes_fault *fault = &faults.items[i];
        assert_true(strlen(fault->code) > 3 && strchr(fault->code, ' ') == NULL);
        used += (size_t)snprintf(&told[used], sizeof told - used, "line %zu, column %zu (%s): %s\n",
                                 fault->line, fault->column,
                                 fault->name != NULL ? fault->name : "-", fault->cause);
    }
    if (faults.count > cm_homes_faults_told(&faults))
        snprintf(&told[used], sizeof told - used, "and %zu more\n",
                 faults.count - cm_homes_faults_told(&faults));
    assert_int_equal(status, *out != NULL ? CM_OK : CM_REFUSE);
    assert_true((faults.count > 0) == (status == CM_REFUSE));
    return told;
}

static const char HOUSE[] =
    "Owner,HOME,camera,address,sub,user,password\n"
    "Elena,Flat 1,Hall,rtsp://192.168.1.4/main,rtsp://192.168.1.4/sub,admin,s\n"
    "Franco,\"Flat 2, left\",,,,,\n"
    ",Flat 1,Kitchen,rtsp://192.168.1.5/main,,,\n";

static void lines_become_homes_with_their_cameras(void **state)
{
    (void)state;
    cm_homes_file *file;
    assert_string_equal(told_of(HOUSE, &NONE, &file), "");
    size_t count;
    const cm_import_home *homes = cm_homes_file_homes(file, &count);
    assert_int_equal(count, 2);
    assert_int_equal(cm_homes_file_camera_count(file), 2);
    assert_true(cm_slice_equal(homes[0].name, CM_TEXT("Flat 1")));
    assert_true(cm_slice_equal(homes[0].label, CM_TEXT("Elena")));
    assert_int_equal(homes[0].camera_count, 2);
    assert_true(cm_slice_equal(homes[0].cameras[0].user, CM_TEXT("admin")));
    assert_int_equal(homes[0].cameras[0].keep, CM_KEEP_ALWAYS); /* as those added one by one */
    assert_true(cm_slice_equal(homes[0].cameras[1].name, CM_TEXT("Kitchen")));
    assert_true(cm_slice_equal(homes[1].name, CM_TEXT("Flat 2, left")));
    assert_int_equal(homes[1].camera_count, 0);
    cm_homes_file_destroy(file);
}

static void what_is_wrong_is_told_with_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } CASES[] = {
        {"", "line 1, column 1 (-): the file names no home"},
        {"home\n", "the file names no home"},
        {"name\nx\n", "line 1, column 1 (-): no such column"},
        {"owner\nx\n", "line 1, column 1 (home): the column is missing"},
        {"home,home\nx,y\n", "line 1, column 2 (home): the column stands there twice"},
        {"home\nFlat 1,x\n", "line 2, column 2 (-): more fields than the first line names"},
        {"home,owner\n,Elena\n", "line 2, column 1 (home): a home needs a name"},
        {"home\nFlat 1\nflat 1\n", "line 3, column 1 (home): the home stands in an earlier line"},
        {"home\nCasa Verdi\n", "line 2, column 1 (home): there is a home of this name"},
        {"home,camera\nFlat 1,Hall\n", "line 2, column 1 (address): an address begins with rtsp"},
        {"home,camera,address\nFlat 1,Hall,rtsp://a:b@c/\n", "line 2, column 3 (address): "},
        {"home,camera,address\nFlat 1,Hall,http://a/\n", "line 2, column 3 (address): "},
        {"home,camera,address\nFlat 1,,rtsp://a/\n", "line 2, column 2 (camera): a camera needs"},
        {"home,camera,address,sub\nFlat 1,Hall,rtsp://a/,x\n", "line 2, column 4 (sub): "},
        {"home,owner,camera,address\nF,Elena,A,rtsp://a/\nF,Franco,B,rtsp://b/\n",
         "line 3, column 2 (owner): an earlier line names another owner"},
        {"home\n\"Flat 1\n", "line 3, column 1 (-): a quote is opened and never closed"},
    };
    cm_stored_home verdi = {.name = "casa verdi"};
    const cm_stored_homes taken = {.items = &verdi, .count = 1};
    for (size_t i = 0; i < CM_COUNT(CASES); i++) {
        cm_homes_file *file;
        const char *told = told_of(CASES[i].text, &taken, &file);
        if (file != NULL || strstr(told, CASES[i].told) == NULL || strncmp(told, "line ", 5) != 0)
            fail_msg("case %zu: %s", i, told);
    }
}

static void each_fault_is_told_up_to_a_number(void **state)
{
    (void)state;
    static char text[4096] = "home,camera\n";
    for (int i = 0; i < 30; i++)
        snprintf(&text[strlen(text)], 32, "Flat %d,Hall\n", i);
    cm_homes_file *file;
    const char *told = told_of(text, &NONE, &file);
    assert_non_null(strstr(told, "line 2, "));
    assert_non_null(strstr(told, "line 21, "));
    assert_null(strstr(told, "line 22, "));
    assert_non_null(strstr(told, "and 10 more"));
    static char many[8192] = "home\n";
    for (int i = 0; i <= CM_IMPORT_HOMES_MAX; i++)
        snprintf(&many[strlen(many)], 32, "Flat %d\n", i);
    assert_non_null(
        strstr(told_of(many, &NONE, &file), "line 202, column 1 (home): more than 200"));
}

/* ---- taken in ---- */

static void they_are_made_all_or_none(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_homes_file *file;
    assert_string_equal(told_of(HOUSE, &NONE, &file), "");
    cm_import all = {.expires = {.us = NOW.us + DAY_US}};
    cm_import_home *homes = cm_homes_file_homes(file, &all.count);
    all.homes = homes;
    cm_secret_hash(CM_TEXT("one"), homes[0].token_hash);
    cm_secret_hash(CM_TEXT("one"), homes[1].token_hash); /* the second's is taken: none is made */
    cm_stored_invitation made[2];
    assert_int_equal(cm_store_homes_import(w.store, &all, NOW, made), CM_REFUSE);
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes there = {.count = 0};
    assert_int_equal(cm_store_homes(w.store, &there), CM_OK);
    assert_int_equal(there.count, 2);
    cm_stored_homes_clear(&there);
    cm_secret_hash(CM_TEXT("two"), homes[1].token_hash);
    assert_int_equal(cm_store_homes_import(w.store, &all, NOW, made), CM_OK);
    assert_int_equal(cm_store_homes(w.store, &there), CM_OK);
    assert_int_equal(there.count, 4);
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    assert_int_equal(cm_store_cameras(w.store, &made[0].home, &cameras), CM_OK);
    assert_int_equal(cameras.count, 2);
    cm_stored_invitation found;
    assert_int_equal(cm_store_invitation_find(w.store, homes[1].token_hash, NOW, &found), CM_OK);
    assert_string_equal(found.home_name, "Flat 2, left");
    assert_string_equal(found.label, "Franco");
    assert_int_equal(found.role, CM_ROLE_OWNER);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    cm_homes_file_destroy(file);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read_as_they_are_written),
        cmocka_unit_test(a_fault_names_its_line_and_field),
        cmocka_unit_test(a_field_is_quoted_if_it_must_be),
        cmocka_unit_test(lines_become_homes_with_their_cameras),
        cmocka_unit_test(what_is_wrong_is_told_with_line_and_column),
        cmocka_unit_test(each_fault_is_told_up_to_a_number),
        cmocka_unit_test(they_are_made_all_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
