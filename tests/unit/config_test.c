/* The YAML: what the shape of docs/operations.md means, and what each wrong value is told, with its
 * line, column and field. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media/kinds.h"
#include "server/config.h"
#include "unit.h"

/* A directory with password files; the YAML's path is in it. */
typedef struct place {
    char directory[64];
    char yaml[96];
} place;

static void put(const place *p, const char *name, const char *content, size_t size)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", p->directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    fclose(file);
}

static int set_up(void **state)
{
    static place p;
    p = (place){.directory = "/tmp/casement-config-XXXXXX"};
    assert_non_null(mkdtemp(p.directory));
    snprintf(p.yaml, sizeof p.yaml, "%s/casement.yaml", p.directory);
    put(&p, "anna.pw", "correct horse\n", 14);
    put(&p, "other.pw", "battery staple", 14);
    put(&p, "crlf.pw", " \tcorrect horse\r\n\n", 18);
    put(&p, "short.pw", "short", 5);
    put(&p, "door.pw", "d", 1);
    put(&p, "empty.pw", "", 0);
    put(&p, "blank.pw", " \n\n", 3);
    put(&p, "two.pw", "first line here\nsecond", 22);
    put(&p, "nul.pw", "correct\0horse", 13);
    static char large[5000];
    memset(large, 'a', sizeof large);
    put(&p, "large.pw", large, sizeof large);
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    const place *p = *state;
    static const char *const FILES[] = {"anna.pw", "other.pw", "crlf.pw",      "short.pw",
                                        "door.pw", "empty.pw", "blank.pw",     "two.pw",
                                        "nul.pw",  "large.pw", "casement.yaml"};
    char path[160];
    for (size_t i = 0; i < CM_COUNT(FILES); i++) {
        snprintf(path, sizeof path, "%s/%s", p->directory, FILES[i]);
        unlink(path);
    }
    return rmdir(p->directory);
}

static cm_config *read_good(const place *p, const char *yaml)
{
    char message[CM_CONFIG_MESSAGE_SIZE];
    cm_config *config = NULL;
    if (cm_config_read_text(p->yaml, cm_slice_of(yaml), message, &config) != CM_OK)
        fail_msg("%s", message);
    assert_string_equal(message, "");
    return config;
}

/* Refused with a message that begins with the file and `where` and holds `part`. */
static void check_bad(const place *p, const char *yaml, const char *where, const char *part)
{
    char message[CM_CONFIG_MESSAGE_SIZE];
    cm_config *config = NULL;
    const cm_status status = cm_config_read_text(p->yaml, cm_slice_of(yaml), message, &config);
    if (status != CM_REFUSE)
        fail_msg("%s: status %d", yaml, (int)status);
    assert_null(config);
    char start[256];
    snprintf(start, sizeof start, "%s:%s: ", p->yaml, where);
    if (strncmp(message, start, strlen(start)) != 0 || strstr(message, part) == NULL)
        fail_msg("%s\nwanted %s … %s\ngot    %s", yaml, start, part, message);
}

static void assert_address(const cm_address *address, const char *expected)
{
    char text[CM_ADDRESS_TEXT_SIZE];
    assert_string_equal(cm_address_format(address, text), expected);
}

/* ---- what is right ---- */

static void test_defaults(void **state)
{
    static const char *const EMPTY[] = {"", "\n", "# nothing\n", "---\n...\n", "{}"};
    for (size_t i = 0; i < CM_COUNT(EMPTY); i++) {
        cm_config *config = read_good(*state, EMPTY[i]);
        assert_address(&config->http, "127.0.0.1:8080");
        assert_address(&config->https, "0.0.0.0:8443");
        assert_int_equal(config->media.port, 8189);
        assert_int_equal(cm_address_kind_of(&config->media), CM_ADDRESS_UNSPECIFIED);
        assert_int_equal(config->announce_count, 0);
        assert_false(config->rtsp.is_set || config->rtsps.is_set || config->is_plain_rtsp_allowed);
        assert_int_equal(config->loops, 1);
        assert_int_equal(config->pictures_at_once, 64);
        assert_int_equal(config->home_count + config->operator_count + config->name_count, 0);
        assert_null(config->certificate_file);
        cm_config_destroy(config);
    }
}

static void test_the_whole_shape(void **state)
{
    const place *p = *state;
    cm_config *config = read_good(
        p,
        "listen: {http: \"127.0.0.1:8081\", https: \"[::]:8444\", media: 9000,\n"
        "  announce: [203.0.113.7, \"[2001:db8::1]:40000\"], stun: \"[2001:db8::5]:99\",\n"
        "  turn: {address: turn.example, user: casement, password_file: other.pw}}\n"
        "rtsp: {listen: \"0.0.0.0:8554\", listen_tls: \"[::]:0\", unencrypted: allowed}\n"
        "tls: {certificate: a.pem, key: /b/k.pem, names: [cam.example, nas]}\n"
        "loops: 2\n"
        "pictures_at_once: 100\n"
        "log_level: debug\n"
        "trusted_proxies: [10.0.0.1, fd00::/8]\n"
        "operators: [{name: root, password_file: other.pw}]\n"
        "homes: [{id: verdi, name: Casa Verdi, allow: [\"192.168.0.0/16\"],\n"
        "  accounts: [{name: anna, role: owner, password_file: anna.pw},\n"
        "             {name: bruno, role: guest, cameras: [door,\n"
        "               {id: yard, rights: [view, listen], days: [mon, sun], from: \"22:00\",\n"
        "                to: \"06:00\", not_before: 2026-12-01, not_after: 2027-01-01T12:00}]}],\n"
        "  time_zone: Asia/Kolkata,\n"
        "  cameras: [{id: door, name: Front door, main: \"rtsp://10.0.0.1/a?b=c\",\n"
        "    sub: \"RTSP://10.0.0.1/s\", user: admin, password_file: door.pw, keep: on-demand,\n"
        "    talk: yes}, {id: yard, main: \"rtsp://cam\", talk: false}, {id: phone, whip: "
        "true}]}]\n");
    assert_address(&config->http, "127.0.0.1:8081");
    assert_address(&config->https, "[::]:8444");
    assert_int_equal(config->media.port, 9000);
    assert_true(config->rtsp.is_set && config->rtsps.is_set && config->is_plain_rtsp_allowed);
    assert_address(&config->rtsp.address, "0.0.0.0:8554");
    assert_address(&config->rtsps.address, "[::]:0");
    assert_int_equal(cm_address_kind_of(&config->media), CM_ADDRESS_UNSPECIFIED);
    assert_int_equal(config->announce_count, 2);
    assert_address(&config->announce[0], "203.0.113.7:0");
    assert_address(&config->announce[1], "[2001:db8::1]:40000");
    assert_text(config->stun.host, "2001:db8::5");
    assert_int_equal(config->stun.port, 99);
    assert_text(config->turn.host, "turn.example");
    assert_int_equal(config->turn.port, 3478);
    assert_text(config->turn_user, "casement");
    assert_text(config->turn_password, "battery staple");
    char beside[128];
    snprintf(beside, sizeof beside, "%s/a.pem", p->directory);
    assert_string_equal(config->certificate_file, beside);
    assert_string_equal(config->key_file, "/b/k.pem");
    assert_int_equal(config->name_count, 2);
    assert_string_equal(config->names[1], "nas");
    assert_int_equal(config->loops, 2);
    assert_int_equal(config->pictures_at_once, 100);
    assert_string_equal(config->log_level, "debug");
    assert_int_equal(config->trusted_proxy_count, 2);
    assert_int_equal(config->trusted_proxies[1].prefix, 8);
    assert_int_equal(config->operator_count, 1);
    assert_text(config->operators[0].password, "battery staple");
    assert_int_equal(config->home_count, 1);
    const cm_declared_home *home = &config->homes[0];
    assert_string_equal(home->id.text, "verdi");
    assert_text(home->name, "Casa Verdi");
    assert_int_equal(home->allow_count, 1);
    assert_int_equal(home->account_count, 2);
    assert_text(home->accounts[0].password, "correct horse");
    assert_int_equal(home->accounts[0].role, CM_ROLE_OWNER);
    assert_int_equal(home->accounts[1].role, CM_ROLE_GUEST);
    assert_int_equal(home->accounts[1].camera_count, 2);
    assert_string_equal(home->accounts[1].cameras[0].camera.text, "door");
    assert_int_equal(home->accounts[1].cameras[0].terms.rights, CM_RIGHT_VIEW);
    assert_string_equal(home->accounts[1].cameras[1].camera.text, "yard");
    assert_int_equal(home->accounts[1].cameras[1].terms.rights, CM_RIGHT_VIEW | CM_RIGHT_LISTEN);
    const cm_declared_right *yard = &home->accounts[1].cameras[1];
    assert_int_equal(yard->terms.hours.days, 0x41);
    assert_int_equal(yard->terms.hours.from, 22 * 60);
    assert_int_equal(yard->terms.hours.to, 6 * 60);
    assert_text(yard->not_before, "2026-12-01");
    assert_text(yard->not_after, "2027-01-01T12:00");
    assert_text(home->time_zone, "Asia/Kolkata");
    assert_int_equal(home->camera_count, 3);
    assert_text(home->cameras[2].main, CM_CAMERA_PUSHED);
    assert_text(home->cameras[0].main, "rtsp://10.0.0.1/a?b=c");
    assert_text(home->cameras[0].user, "admin");
    assert_text(home->cameras[0].password, "d"); /* a camera's own: no rules of ours */
    assert_int_equal(home->cameras[0].keep, CM_KEEP_ON_DEMAND);
    assert_true(home->cameras[0].takes_talk);
    assert_false(home->cameras[1].takes_talk);
    assert_text(home->cameras[1].name, "yard"); /* without a name: its id */
    assert_int_equal(home->cameras[1].keep, CM_KEEP_ALWAYS);
    assert_int_equal(home->cameras[1].sub.size, 0);
    cm_config_destroy(config);
}

/* ---- what is wrong, value by value ---- */

typedef struct wrong {
    const char *yaml, *where, *part;
} wrong;

static void check_all(const place *p, const wrong *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_bad(p, rows[i].yaml, rows[i].where, rows[i].part);
}

static void test_wrong_server_values(void **state)
{
    static const wrong ROWS[] = {
        {"listen: {http: \"0.0.0.0:80\"}", "1:16",
         "listen.http: \"0.0.0.0:80\" is not allowed here; allowed: an address on loopback"},
        {"listen: {http: [1]}", "1:16", "listen.http: allowed: an address on loopback"},
        {"listen: {http: localhost}", "1:16", "listen.http: \"localhost\""},
        {"listen: {https: \"1.2.3.4:99999\"}", "1:17", "listen.https: \"1.2.3.4:99999\""},
        {"rtsp: {listen: 8554}", "1:16", "rtsp.listen: \"8554\""},
        {"rtsp: {listen: \"192.168.1.2:8554\"}", "1:7",
         "rtsp: 'listen' beyond this machine sends tokens and pictures in the clear: use "
         "listen_tls, or add 'unencrypted: allowed'"},
        {"rtsp: {unencrypted: yes}", "1:21",
         "rtsp.unencrypted: \"yes\" is not allowed here; allowed: allowed: then tokens"},
        {"rtsp: {port: 8554}", "1:8",
         "unknown key \"port\"; known here: listen, listen_tls, unencrypted"},
        {"listen: {media: 65536}", "1:17",
         "listen.media: \"65536\" is not allowed here; allowed: "
         "a port, 0 to 65535"},
        {"listen: {media: -1}", "1:17", "listen.media"},
        {"listen: {media: {}}", "1:17", "listen.media: allowed: a port"},
        {"listen: {media: \"0.0.0.0:8189\"}", "1:17", "listen.media"},
        {"listen: {announce: 203.0.113.7}", "1:20", "listen.announce"},
        {"listen: {announce: [verdi.example]}", "1:21", "listen.announce[0]"},
        {"listen: {stun: \"a b\"}", "1:16", "listen.stun: \"a b\" is not allowed here"},
        {"listen: {stun: \"stun.example:0\"}", "1:16", "listen.stun"},
        {"listen: {stun: \"stun.example:65536\"}", "1:16", "listen.stun"},
        {"listen: {stun: \"stun:stun.example\"}", "1:16", "listen.stun"},
        {"listen: {stun: [a]}", "1:16", "listen.stun: allowed: the STUN server's name or address"},
        {"listen: {turn: turn.example}", "1:16", "listen.turn: a mapping"},
        {"listen: {turn: {address: a, user: b}}", "1:16", "'password_file' is missing"},
        {"listen: {turn: {address: a, password_file: other.pw}}", "1:16", "'user' is missing"},
        {"listen: {turn: {user: b, password_file: other.pw}}", "1:16", "'address' is missing"},
        {"listen: {turn: {address: a, user: b, password_file: none.pw}}", "1:53", "none.pw"},
        {"listen: 8080", "1:9", "listen: a mapping (key: value) is wanted here"},
        {"listen:\n  media: 1\n  media: 2\n", "3:3", "listen: 'media' stands here twice"},
        {"loops: 0", "1:8", "loops: \"0\" is not allowed here; allowed: a number of event loops"},
        {"loops: 17", "1:8", "loops"},
        {"loops: two", "1:8", "loops"},
        {"pictures_at_once: 0", "1:19", "pictures_at_once: \"0\" is not allowed here"},
        {"pictures_at_once: 10001", "1:19", "pictures_at_once"},
        {"log_level: loud", "1:12",
         "log_level: \"loud\" is not allowed here; allowed: debug, "
         "info, warn, error"},
        {"trusted_proxies: 10.0.0.1", "1:18", "trusted_proxies: a list is wanted here"},
        {"trusted_proxies: [10.0.0.1, 10.0.0.1/8]", "1:29", "trusted_proxies[1]: \"10.0.0.1/8\""},
        {"tls: {certificate: a.pem}", "1:6", "tls: certificate and key come together"},
        {"tls: {key: a.pem}", "1:6", "tls: certificate and key come together"},
        {"tls: {certificate: \"\", key: k}", "1:20", "tls.certificate"},
        {"tls: {names: [[]]}", "1:15", "tls.names[0]: allowed: a list of host names"},
        {"operators: [{password_file: anna.pw}]", "1:13", "operators[0]: 'name' is missing"},
        {"operators: [{name: \"\"}]", "1:20", "operators[0].name"},
        {"operators: [{name: r, role: owner}]", "1:23",
         "operators[0]: unknown key \"role\"; known here: name, password_file"},
        {"operators: [{name: r}, {name: R}]", "1:1", "the operator 'r' is declared twice"},
    };
    check_all(*state, ROWS, CM_COUNT(ROWS));
}

static void test_wrong_homes(void **state)
{
    static const wrong ROWS[] = {
        {"homes: {id: verdi}", "1:8", "homes: a list is wanted here"},
        {"homes: [{name: Verdi}]", "1:9", "homes[0]: 'id' is missing; allowed: 1 to 31"},
        {"homes: [{id: Verdi}]", "1:14", "homes[0].id: \"Verdi\" is not allowed here; allowed: 1"},
        {"homes: [{id: a}, {id: a}]", "1:1", "the home id 'a' is used twice"},
        {"homes: [{id: a, name: \"a\\tb\"}]", "1:23", "homes[0].name"},
        {"homes: [{id: a, allow: [\"300.0.0.0/8\"]}]", "1:25",
         "homes[0].allow[0]: \"300.0.0.0/8\""},
        {"homes: [{id: a, allow: [10.0.0.0/33]}]", "1:25", "allowed: an address or range"},
        {"homes: [{id: a, colour: red}]", "1:17",
         "homes[0]: unknown key \"colour\"; known here: id, name, time_zone, allow, accounts, "
         "cameras"},
        {"homes: [{id: a, time_zone: ../etc/passwd}]", "1:28", "time_zone: \"../etc/passwd\""},
        {"homes: [{id: a, accounts: [{name: b, role: owner, cameras: [{id: c, days: [Mon]}]}]}]",
         "1:76", "days[0]: \"Mon\" is not allowed here; allowed: a list of: mon"},
        {"homes: [{id: a, accounts: [{name: b, role: owner, cameras: [{id: c, from: \"6\"}]}]}]",
         "1:75", "from: \"6\" is not allowed here; allowed: a time of the day"},
        {"homes: [{id: a, accounts: [{name: b, role: owner, cameras: [{id: c, from: \"06:00\", to: "
         "\"06:00\"}]}]}]",
         "1:61", "not the same as 'to'"},
        {"homes: [{id: a, accounts: [{name: b, role: owner, cameras: [{id: c, not_after: "
         "2026-02-30}]}]}]",
         "1:80", "not_after: \"2026-02-30\""},
        {"homes: [{id: a, [x]: red}]", "1:17", "homes[0]: unknown key \"(not a name)\""},
        {"homes: [{id: a, accounts: [{name: b, role: guest}]}]", "1:9",
         "accounts are declared but none of them is an owner"},
        {"homes: [{id: a, accounts: [{name: b}]}]", "1:28",
         "homes[0].accounts[0]: 'role' is missing; allowed: owner, adult, child, guest"},
        {"homes: [{id: a, accounts: [{name: b, role: boss}]}]", "1:44",
         "homes[0].accounts[0].role: \"boss\""},
        {"homes: [{id: a, accounts: [{name: b, role: none}]}]", "1:44", "role: \"none\""},
        {"homes: [{id: a, accounts: [{name: b, role: owner}, {name: B, role: guest}]}]", "1:9",
         "'b' is declared twice in this home"},
        {"homes: [{id: a, accounts: [{name: b, role: owner, cameras: [door]}]}]", "1:9",
         "'b' is given camera 'door', which this home does not have"},
        {"operators: [{name: B}]\nhomes: [{id: a, accounts: [{name: b, role: owner}]}]", "1:1",
         "'b' is an operator and cannot be a member of 'a' as well"},
        {"homes: [{id: a, accounts: [{name: b, role: owner, password_file: anna.pw}]},\n"
         " {id: c, accounts: [{name: B, role: owner, password_file: other.pw}]}]",
         "1:1", "'b' is given two different passwords, in 'a' and in 'c'"},
    };
    check_all(*state, ROWS, CM_COUNT(ROWS));
}

#define GRANT(text)                                                                                \
    "homes: [{id: a, accounts: [{name: b, role: owner}, {name: c, role: guest, cameras: [" text    \
    "]}]}]"

static void test_wrong_rights(void **state)
{
    static const char FIELD[] = "homes[0].accounts[1].cameras[0].rights";
    static const wrong ROWS[] = {
        {GRANT("{id: door, rights: [see]}"), "1:105",
         "rights[0]: \"see\" is not allowed here; allowed: a list of: view, listen, talk, publish"},
        {GRANT("{id: door, rights: [listen]}"), "1:104", "'view' is missing"},
        {GRANT("{id: door, rights: []}"), "1:104", "'view' is missing"},
        {GRANT("{id: door, rights: view}"), "1:104", FIELD},
        {GRANT("{rights: [view]}"), "1:85", "'id' is missing"},
        {GRANT("{id: door, hours: 1}"), "1:96", "unknown key \"hours\"; known here: id, rights"},
        {GRANT("[door]"), "1:85", "homes[0].accounts[1].cameras[0]: allowed:"},
    };
    check_all(*state, ROWS, CM_COUNT(ROWS));
}

#define CAMERA(text) "homes: [{id: a, cameras: [{id: c, " text "}]}]"

static void test_wrong_cameras(void **state)
{
    static const wrong ROWS[] = {
        {"homes: [{id: a, cameras: [{main: \"rtsp://h\"}]}]", "1:27", "homes[0].cameras[0]: 'id'"},
        {CAMERA("name: x"), "1:27", "homes[0].cameras[0]: 'main' is missing; allowed: rtsp://"},
        {CAMERA("whip: false"), "1:41", "homes[0].cameras[0].whip"},
        {CAMERA("whip: true, user: x"), "1:27", "'whip: true' has no main, sub, user"},
        {CAMERA("main: \"rtsp://h\", whip: true"), "1:27", "'whip: true' has no main"},
        {CAMERA("main: \"whip:\""), "1:41", "homes[0].cameras[0].main: this is not allowed"},
        {CAMERA("main: \"http://h/x\""), "1:41", "homes[0].cameras[0].main: this is not allowed"},
        {CAMERA("main: \"rtsp:///x\""), "1:41", "cameras[0].main"},
        {CAMERA("main: \"rtsp://\""), "1:41", "cameras[0].main"},
        {CAMERA("main: \"rtsp://h/a b\""), "1:41", "cameras[0].main"},
        {CAMERA("main: [a]"), "1:41", "cameras[0].main"},
        {CAMERA("main: \"rtsp://h\", sub: x"), "1:58", "homes[0].cameras[0].sub"},
        {CAMERA("main: \"rtsp://h\", keep: never"), "1:59",
         "homes[0].cameras[0].keep: \"never\" is not allowed here; allowed: always, on-demand"},
        {CAMERA("main: \"rtsp://h\", password: hunter2"), "1:53",
         "unknown key \"password\"; known here: id, name, main, whip, sub, user, password_file, "
         "keep, talk"},
        {CAMERA("main: \"rtsp://h\", talk: maybe"), "1:59",
         "homes[0].cameras[0].talk: \"maybe\" is not allowed here; allowed: yes, no"},
        {CAMERA("whip: true, talk: yes"), "1:27", "'whip: true' has no main"},
        {"homes: [{id: a, cameras: [{id: c, main: \"rtsp://h\"}, {id: c, main: \"rtsp://i\"}]}]",
         "1:9", "the camera id 'c' is used twice in this home"},
    };
    check_all(*state, ROWS, CM_COUNT(ROWS));
}

/* A password that was put where it does not belong is not repeated in a message. */
static void test_no_secret_in_messages(void **state)
{
    const place *p = *state;
    static const char *const YAML[] = {
        CAMERA("main: \"rtsp://admin:hunter2@h/x\""),
        CAMERA("main: \"rtsp://h\", sub: \"rtsp://admin:hunter2@h/x\""),
        CAMERA("main: \"rtsp://h\", password: hunter2"),
    };
    for (size_t i = 0; i < CM_COUNT(YAML); i++) {
        char message[CM_CONFIG_MESSAGE_SIZE];
        cm_config *config;
        assert_int_equal(cm_config_read_text(p->yaml, cm_slice_of(YAML[i]), message, &config),
                         CM_REFUSE);
        assert_null(strstr(message, "hunter2"));
    }
}

/* ---- password files ---- */

static void account_with(char *yaml, size_t capacity, const char *file)
{
    snprintf(yaml, capacity,
             "homes: [{id: a, accounts: [{name: anna, role: owner, password_file: %s}]}]", file);
}

static void test_password_files(void **state)
{
    const place *p = *state;
    char yaml[256];
    account_with(yaml, sizeof yaml, "crlf.pw");
    cm_config *config = read_good(p, yaml);
    assert_text(config->homes[0].accounts[0].password, "correct horse");
    cm_config_destroy(config);
    char absolute[128];
    snprintf(absolute, sizeof absolute, "%s/other.pw", p->directory);
    account_with(yaml, sizeof yaml, absolute);
    config = read_good(p, yaml);
    assert_text(config->homes[0].accounts[0].password, "battery staple");
    cm_config_destroy(config);
    static const wrong ROWS[] = {
        {"none.pw", "1:69", "none.pw: No such file or directory"},
        {"empty.pw", "1:69", "empty.pw must hold one line: the password"},
        {"blank.pw", "1:69", "blank.pw must hold one line: the password"},
        {"two.pw", "1:69", "two.pw must hold one line: the password"},
        {"nul.pw", "1:69", "nul.pw must hold one line: the password"},
        {"large.pw", "1:69", "large.pw must hold one line: the password"},
        {".", "1:69", "Is a directory"},
        {"\"\"", "1:69", "allowed: the name of a file that holds the password"},
        {"[anna.pw]", "1:69", "homes[0].accounts[0].password_file: allowed: the name of a file"},
        {"short.pw", "1:28", "password_file: The password is too short"},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        account_with(yaml, sizeof yaml, ROWS[i].yaml);
        check_bad(p, yaml, ROWS[i].where, ROWS[i].part);
    }
}

/* ---- what is no YAML, or too much of it ---- */

static void test_not_yaml(void **state)
{
    static const wrong ROWS[] = {
        {"listen: {http: ", "2:1", "not YAML: "},
        {"a: b: c", "1:5", "not YAML: mapping values are not allowed"},
        {"\tloops: 1", "1:1", "not YAML: "},
        {"loops: *nobody", "1:8", "not YAML: found undefined alias"},
        {"loops: \"\\q\"", "1:8", "not YAML: "},
        {"loops: \xff\xfe", "1:1", "not YAML: "},
        {"just text", "1:1", "a mapping (key: value) is wanted here"},
        {"[1, 2]", "1:1", "a mapping (key: value) is wanted here"},
        {"colour: red", "1:1",
         "unknown key \"colour\"; known here: listen, rtsp, tls, loops, pictures_at_once, "
         "trusted_proxies, "
         "log_level, "
         "homes, operators"},
        {"loops: 1\nloops: 1\n", "2:1", "'loops' stands here twice"},
        {"<<: {loops: 2}", "1:1", "unknown key \"<<\""},
    };
    for (size_t i = 0; i < CM_COUNT(ROWS); i++) {
        const place *p = *state;
        char message[CM_CONFIG_MESSAGE_SIZE];
        cm_config *config = NULL;
        assert_int_equal(cm_config_read_text(p->yaml, cm_slice_of(ROWS[i].yaml), message, &config),
                         CM_REFUSE);
        /* Where libyaml sees a fault in its own grammar is its affair; ours is told exactly. */
        if (strncmp(ROWS[i].part, "not YAML", 8) != 0)
            check_bad(p, ROWS[i].yaml, ROWS[i].where, ROWS[i].part);
        else if (strstr(message, ROWS[i].part) == NULL)
            fail_msg("%s: %s", ROWS[i].yaml, message);
    }
}

static void test_aliases(void **state)
{
    const place *p = *state;
    cm_config *config = read_good(p, "homes:\n"
                                     "- {id: a, allow: &lan [10.0.0.0/8]}\n"
                                     "- {id: b, allow: *lan}\n");
    assert_int_equal(config->homes[1].allow_count, 1);
    assert_int_equal(config->homes[1].allow[0].prefix, 8);
    cm_config_destroy(config);
    /* A mapping that holds itself. */
    check_bad(p, "homes: &h [*h]", "1:8", "homes[0]: a mapping (key: value) is wanted here");
    check_bad(p, "&r {listen: *r}", "1:5", "listen: unknown key \"listen\"");
}

/* Lists of aliases of lists of aliases: 400 x 400 x 400 values from a file of 10 kB. */
static void test_aliases_that_multiply(void **state)
{
    const place *p = *state;
    static char yaml[32768];
    size_t used = 0;
    used += (size_t)snprintf(yaml, sizeof yaml,
                             "homes:\n- &h\n  id: a\n  accounts:\n  - &p\n    name: b\n    role: "
                             "owner\n    cameras: [");
    for (int i = 0; i < 400; i++)
        used += (size_t)snprintf(yaml + used, sizeof yaml - used, "d,");
    used += (size_t)snprintf(yaml + used, sizeof yaml - used, "]\n");
    for (int i = 0; i < 400; i++)
        used += (size_t)snprintf(yaml + used, sizeof yaml - used, "  - *p\n");
    for (int i = 0; i < 400; i++)
        used += (size_t)snprintf(yaml + used, sizeof yaml - used, "- *h\n");
    assert_true(used < sizeof yaml - 1);
    char message[CM_CONFIG_MESSAGE_SIZE];
    cm_config *config = NULL;
    assert_int_equal(cm_config_read_text(p->yaml, cm_slice_over(yaml, used), message, &config),
                     CM_REFUSE);
    assert_non_null(strstr(message, "the file stands for more than 100000 values"));
}

/* The classic: each list nine times the one before. Ours reads no list of lists at all. */
static void test_billion_laughs(void **state)
{
    const place *p = *state;
    check_bad(p,
              "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
              "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nhomes: [*c,*c,*c,*c]\n",
              "1:1", "unknown key \"a\"");
    check_bad(p, "homes: [&a [x,x], &b [*a,*a,*a], [*b,*b,*b]]", "1:9",
              "homes[0]: a mapping (key: value) is wanted here");
}

static void test_deep_nesting_and_long_lists(void **state)
{
    const place *p = *state;
    /* Deep enough to overflow a stack that recursed; libyaml's time is quadratic in the depth. */
    enum { DEPTH = 10000 };
    static char yaml[2 * DEPTH + 1];
    memset(yaml, '[', DEPTH);
    memset(yaml + DEPTH, ']', DEPTH);
    char message[CM_CONFIG_MESSAGE_SIZE];
    cm_config *config = NULL;
    assert_int_equal(cm_config_read_text(p->yaml, cm_slice_of(yaml), message, &config), CM_REFUSE);
    size_t used = (size_t)snprintf(yaml, sizeof yaml, "trusted_proxies: [");
    for (int i = 0; i < CM_CONFIG_LIST_MAX + 1; i++)
        used += (size_t)snprintf(yaml + used, sizeof yaml - used, "10.0.0.1,");
    snprintf(yaml + used, sizeof yaml - used, "]");
    check_bad(p, yaml, "1:18", "trusted_proxies: at most 1000 items are allowed");
}

/* ---- the file itself ---- */

static void test_reads_files(void **state)
{
    const place *p = *state;
    char message[CM_CONFIG_MESSAGE_SIZE];
    cm_config *config = NULL;
    assert_int_equal(cm_config_read("/nowhere/c.yaml", message, &config), CM_REFUSE);
    assert_string_equal(message, "/nowhere/c.yaml: No such file or directory");
    assert_int_equal(cm_config_read(p->directory, message, &config), CM_REFUSE);
    assert_non_null(strstr(message, "Is a directory"));
    put(p, "casement.yaml", "loops: 3\n", 9);
    assert_int_equal(cm_config_read(p->yaml, message, &config), CM_OK);
    assert_int_equal(config->loops, 3);
    cm_config_destroy(config);
    static char large[(1 << 20) + 1];
    memset(large, '#', sizeof large);
    put(p, "casement.yaml", large, sizeof large);
    assert_int_equal(cm_config_read(p->yaml, message, &config), CM_REFUSE);
    assert_non_null(strstr(message, "longer than 1 MiB"));
    cm_config_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_the_whole_shape),
        cmocka_unit_test(test_wrong_server_values),
        cmocka_unit_test(test_wrong_homes),
        cmocka_unit_test(test_wrong_rights),
        cmocka_unit_test(test_wrong_cameras),
        cmocka_unit_test(test_no_secret_in_messages),
        cmocka_unit_test(test_password_files),
        cmocka_unit_test(test_not_yaml),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_aliases_that_multiply),
        cmocka_unit_test(test_billion_laughs),
        cmocka_unit_test(test_deep_nesting_and_long_lists),
        cmocka_unit_test(test_reads_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
