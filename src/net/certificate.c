#include "net/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/writer.h"
#include "net/certificate_priv.h"

enum {
    CHECK_S = 10,
    FILE_MAX = 256 * 1024,
    PATH_SIZE = 4096,
};

/* What tells one state of a file from another. */
typedef struct stamp {
    int64_t seconds, nanoseconds, size;
    uint64_t inode;
} stamp;

struct cm_certificate {
    cm_net *net;
    cm_certificate_config config;
    cm_certificate_pair ca; /* empty with the operator's files */
    cm_buffer ca_pem;
    cm_certificate_pair server; /* ours, as it is in use */
    stamp chain_stamp, key_stamp;
    cm_timer timer;
};

static bool is_operators(const cm_certificate *certificate)
{
    return certificate->config.chain_file != NULL;
}

static cm_wall now(const cm_certificate *certificate)
{
    return cm_loop_wall(cm_net_loop(certificate->net));
}

/* ---- files ---- */

static void log_file(const char *event, const char *path, const char *cause)
{
    char quoted_path[CM_LOG_QUOTE_SIZE], quoted_cause[CM_LOG_QUOTE_SIZE];
    cm_log(CM_LOG_ERROR, "certificate", "event=%s file=%s cause=%s", event,
           cm_log_quote(cm_slice_of(path), quoted_path),
           cm_log_quote(cm_slice_of(cause), quoted_cause));
}

/* A key was in it: wiped before the memory goes. */
static void wipe(cm_buffer *buffer)
{
    cm_secret_wipe(buffer->bytes, buffer->capacity);
    cm_buffer_deinit(buffer);
}

/* In one piece, so that no copy of a key is left behind by a growing buffer. */
static cm_status read_open_file(int fd, cm_buffer *out)
{
    uint8_t *room;
    CM_TRY(cm_buffer_room(out, FILE_MAX, &room));
    size_t used = 0;
    while (used < FILE_MAX) {
        const ssize_t size = read(fd, room + used, FILE_MAX - used);
        if (size < 0 && errno == EINTR)
            continue;
        CM_ENSURE(size >= 0, CM_BROKEN);
        if (size == 0)
            break;
        used += (size_t)size;
    }
    CM_ENSURE(used < FILE_MAX, CM_REFUSE);
    cm_buffer_commit(out, used);
    return CM_OK;
}

/* CM_ABSENT: no such file. */
static cm_status read_file(const char *path, cm_buffer *out)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? CM_ABSENT : CM_BROKEN;
    const cm_status status = read_open_file(fd, out);
    (void)close(fd);
    return status;
}

static cm_status write_all(int fd, cm_slice bytes)
{
    while (bytes.size > 0) {
        const ssize_t size = write(fd, bytes.bytes, bytes.size);
        if (size < 0 && errno == EINTR)
            continue;
        CM_ENSURE(size > 0, CM_BROKEN);
        bytes = cm_slice_from(bytes, (size_t)size);
    }
    return fsync(fd) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status sync_directory(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    const int result = fsync(fd);
    (void)close(fd);
    return result == 0 ? CM_OK : CM_BROKEN;
}

static cm_status path_of(const cm_certificate *certificate, const char *name, char out[PATH_SIZE])
{
    const int size = snprintf(out, PATH_SIZE, "%s/%s", certificate->config.data_directory, name);
    return size > 0 && size < PATH_SIZE ? CM_OK : CM_REFUSE;
}

/* The file is the old one or the new one, whole, at whatever moment the power goes. */
static cm_status write_file(const cm_certificate *certificate, const char *name, cm_slice bytes,
                            mode_t mode)
{
    char path[PATH_SIZE], temporary[PATH_SIZE], hidden[64];
    (void)snprintf(hidden, sizeof hidden, ".%s.new", name);
    CM_TRY(path_of(certificate, name, path));
    CM_TRY(path_of(certificate, hidden, temporary));
    (void)unlink(temporary); /* of a start that was interrupted */
    const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    cm_status status = fd >= 0 ? write_all(fd, bytes) : CM_BROKEN;
    if (fd >= 0)
        (void)close(fd);
    if (status == CM_OK && rename(temporary, path) != 0)
        status = CM_BROKEN;
    if (status == CM_OK)
        status = sync_directory(certificate->config.data_directory);
    if (status != CM_OK)
        log_file("write-failed", path, strerror(errno));
    return status;
}

/* ---- names ---- */

/* A host name (RFC 1123 2.1) or an address: fit to stand in a certificate. */
static bool is_plain_name(cm_slice text)
{
    cm_address address;
    if (cm_address_parse(text, 0, &address) == CM_OK)
        return true;
    const cm_slice allowed =
        CM_TEXT("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    for (size_t i = 0; i < text.size; i++)
        if (cm_slice_find(allowed, text.bytes[i]) == allowed.size)
            return false;
    return text.size > 0 && text.size < 254 && text.bytes[0] != '.' && text.bytes[0] != '-';
}

static void add_name(cm_certificate_names *names, cm_slice name)
{
    if (!is_plain_name(name) || names->count == CM_CERTIFICATE_ALL_NAMES_MAX)
        return;
    for (size_t i = 0; i < names->count; i++)
        if (cm_slice_equal_nocase(cm_slice_of(names->text[i]), name))
            return;
    char *text = names->text[names->count];
    if (cm_slice_to_cstr(name, text, sizeof names->text[0]) == CM_OK)
        names->count++;
}

static void add_own_addresses(const cm_certificate *certificate, cm_certificate_names *names)
{
    cm_address own[24];
    size_t count = 0;
    if (cm_net_own_addresses(certificate->net, own, CM_COUNT(own), &count) != CM_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        char text[CM_ADDRESS_TEXT_SIZE];
        own[i].port = 0;
        if (cm_address_kind_of(&own[i]) != CM_ADDRESS_LINK_LOCAL) /* they need a scope */
            add_name(names, cm_slice_of(cm_address_format_host(&own[i], text)));
    }
}

static void collect_names(const cm_certificate *certificate, cm_certificate_names *names)
{
    char host[256] = "";
    names->count = 0;
    for (size_t i = 0; i < certificate->config.name_count; i++)
        add_name(names, certificate->config.names[i]);
    add_name(names, CM_TEXT("localhost"));
    add_name(names, CM_TEXT("127.0.0.1"));
    add_name(names, CM_TEXT("::1"));
    if (gethostname(host, sizeof host - 1) == 0)
        add_name(names, cm_slice_of(host));
    add_own_addresses(certificate, names);
}

/* ---- the local CA ---- */

static cm_status load_pair(const cm_certificate *certificate, const char *chain_name,
                           const char *key_name, cm_certificate_pair *out)
{
    char path[PATH_SIZE];
    cm_buffer chain, key;
    cm_buffer_init(&chain, FILE_MAX);
    cm_buffer_init(&key, FILE_MAX);
    cm_status status = path_of(certificate, chain_name, path);
    if (status == CM_OK)
        status = read_file(path, &chain);
    if (status == CM_OK)
        status = path_of(certificate, key_name, path);
    if (status == CM_OK && read_file(path, &key) != CM_OK)
        status = CM_REFUSE; /* a certificate without its key is damage, not absence */
    if (status == CM_OK)
        status = cm_certificate_read_pair(cm_buffer_data(&chain), cm_buffer_data(&key), out);
    cm_buffer_deinit(&chain);
    wipe(&key);
    return status;
}

/* The key first: a certificate without its key is made anew, never the other way round. */
static cm_status save_pair(const cm_certificate *certificate, const char *chain_name,
                           const char *key_name, const cm_certificate_pair *pair)
{
    cm_buffer chain, key;
    cm_buffer_init(&chain, FILE_MAX);
    cm_buffer_init(&key, FILE_MAX);
    cm_status status = cm_certificate_write_pem(pair->certificate, &chain);
    if (status == CM_OK)
        status = cm_certificate_write_key_pem(pair->key, &key);
    if (status == CM_OK)
        status = write_file(certificate, key_name, cm_buffer_data(&key), 0600);
    if (status == CM_OK)
        status = write_file(certificate, chain_name, cm_buffer_data(&chain), 0644);
    cm_buffer_deinit(&chain);
    wipe(&key);
    return status;
}

/*
 * A CA that is there but unreadable is not replaced: its certificate is installed on people's
 * phones, and a new one would look like an attack. Only one that is absent or has run out is made.
 */
static cm_status settle_ca(cm_certificate *certificate)
{
    char path[PATH_SIZE];
    cm_status status = load_pair(certificate, "ca.crt", "ca.key", &certificate->ca);
    if (status == CM_OK && cm_certificate_is_ca_valid(&certificate->ca, now(certificate)))
        return cm_certificate_write_pem(certificate->ca.certificate, &certificate->ca_pem);
    if (status != CM_OK && status != CM_ABSENT) {
        CM_TRY(path_of(certificate, "ca.crt", path));
        log_file("unusable", path, "the local CA cannot be read or does not match ca.key");
        return CM_BROKEN;
    }
    cm_certificate_pair_deinit(&certificate->ca);
    CM_TRY(cm_certificate_make_ca(now(certificate), &certificate->ca));
    CM_TRY(save_pair(certificate, "ca.crt", "ca.key", &certificate->ca));
    cm_log(CM_LOG_INFO, "certificate", "event=ca-made");
    return cm_certificate_write_pem(certificate->ca.certificate, &certificate->ca_pem);
}

static cm_status show_pair(const cm_certificate *certificate, const cm_certificate_pair *pair)
{
    cm_buffer chain, key;
    cm_buffer_init(&chain, FILE_MAX);
    cm_buffer_init(&key, FILE_MAX);
    cm_status status = cm_certificate_write_pem(pair->certificate, &chain);
    if (status == CM_OK)
        status = cm_certificate_write_key_pem(pair->key, &key);
    if (status == CM_OK)
        status = certificate->config.on_pair(certificate->config.owner, cm_buffer_data(&chain),
                                             cm_buffer_data(&key));
    cm_buffer_deinit(&chain);
    wipe(&key);
    return status;
}

static cm_status use_server_pair(cm_certificate *certificate, cm_certificate_pair *pair)
{
    const cm_status status = show_pair(certificate, pair);
    if (status != CM_OK) {
        cm_certificate_pair_deinit(pair);
        return status;
    }
    cm_certificate_pair_deinit(&certificate->server);
    certificate->server = *pair;
    return CM_OK;
}

static cm_status settle_server(cm_certificate *certificate)
{
    cm_certificate_names names;
    cm_certificate_pair pair = {0};
    collect_names(certificate, &names);
    if (certificate->server.certificate != NULL &&
        cm_certificate_is_fresh(&certificate->server, &certificate->ca, &names, now(certificate)))
        return CM_OK;
    if (certificate->server.certificate == NULL &&
        load_pair(certificate, "server.crt", "server.key", &pair) == CM_OK) {
        if (cm_certificate_is_fresh(&pair, &certificate->ca, &names, now(certificate)))
            return use_server_pair(certificate, &pair);
        cm_certificate_pair_deinit(&pair);
    }
    CM_TRY(cm_certificate_make_server(&certificate->ca, &names, now(certificate), &pair));
    /* A full disk must not keep the server from having a certificate: it is made anew next time. */
    CM_IGNORE(save_pair(certificate, "server.crt", "server.key", &pair), "logged by write_file");
    cm_log(CM_LOG_INFO, "certificate", "event=server-certificate-made names=%zu", names.count);
    return use_server_pair(certificate, &pair);
}

/* ---- the operator's files ---- */

static stamp stamp_of(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return (stamp){0};
    return (stamp){
        .seconds = about.st_mtim.tv_sec,
        .nanoseconds = about.st_mtim.tv_nsec,
        .size = about.st_size,
        .inode = about.st_ino,
    };
}

static bool is_same_stamp(stamp a, stamp b)
{
    return a.seconds == b.seconds && a.nanoseconds == b.nanoseconds && a.size == b.size &&
           a.inode == b.inode;
}

static cm_status read_operators(const cm_certificate *certificate, cm_buffer *chain, cm_buffer *key)
{
    const cm_certificate_config *config = &certificate->config;
    if (read_file(config->chain_file, chain) != CM_OK) {
        log_file("unreadable", config->chain_file, strerror(errno));
        return CM_REFUSE;
    }
    if (read_file(config->key_file, key) != CM_OK) {
        log_file("unreadable", config->key_file, strerror(errno));
        return CM_REFUSE;
    }
    const cm_status status =
        config->on_pair(config->owner, cm_buffer_data(chain), cm_buffer_data(key));
    if (status != CM_OK)
        log_file("unusable", config->chain_file,
                 "no PEM certificate and unencrypted key that belong together; the former pair "
                 "stays in use");
    return status;
}

static cm_status use_operators(cm_certificate *certificate)
{
    cm_buffer chain, key;
    cm_buffer_init(&chain, FILE_MAX);
    cm_buffer_init(&key, FILE_MAX);
    certificate->chain_stamp = stamp_of(certificate->config.chain_file);
    certificate->key_stamp = stamp_of(certificate->config.key_file);
    const cm_status status = read_operators(certificate, &chain, &key);
    cm_buffer_deinit(&chain);
    wipe(&key);
    return status;
}

static void check_operators(cm_certificate *certificate)
{
    if (is_same_stamp(certificate->chain_stamp, stamp_of(certificate->config.chain_file)) &&
        is_same_stamp(certificate->key_stamp, stamp_of(certificate->config.key_file)))
        return;
    if (use_operators(certificate) == CM_OK)
        cm_log(CM_LOG_INFO, "certificate", "event=reloaded");
}

/* ---- life ---- */

void cm_certificate_check(cm_certificate *certificate)
{
    if (is_operators(certificate))
        check_operators(certificate);
    else if (settle_server(certificate) != CM_OK)
        cm_log(CM_LOG_ERROR, "certificate", "event=renewal-failed");
}

static void on_timer(cm_timer *timer)
{
    cm_certificate *certificate = CM_HOLDER(timer, cm_certificate, timer);
    cm_certificate_check(certificate);
    cm_timer_start(timer, CM_SECONDS(CHECK_S));
}

static cm_status start(cm_certificate *certificate)
{
    if (is_operators(certificate))
        return use_operators(certificate);
    CM_TRY(settle_ca(certificate));
    return settle_server(certificate);
}

cm_status cm_certificate_create(cm_net *net, const cm_certificate_config *config,
                                cm_certificate **out)
{
    cm_certificate *certificate = calloc(1, sizeof *certificate);
    CM_ENSURE(certificate != NULL, CM_BROKEN);
    certificate->net = net;
    certificate->config = *config;
    cm_buffer_init(&certificate->ca_pem, FILE_MAX);
    cm_timer_init(&certificate->timer, cm_net_loop(net), on_timer);
    const cm_status status = start(certificate);
    if (status != CM_OK) {
        cm_certificate_destroy(certificate);
        return status;
    }
    cm_timer_start(&certificate->timer, CM_SECONDS(CHECK_S));
    *out = certificate;
    return CM_OK;
}

void cm_certificate_destroy(cm_certificate *certificate)
{
    if (certificate == NULL)
        return;
    cm_timer_stop(&certificate->timer);
    cm_certificate_pair_deinit(&certificate->ca);
    cm_certificate_pair_deinit(&certificate->server);
    cm_buffer_deinit(&certificate->ca_pem);
    free(certificate);
}

cm_status cm_certificate_ca(const cm_certificate *certificate, cm_slice *pem)
{
    CM_ENSURE(!is_operators(certificate), CM_ABSENT);
    *pem = cm_buffer_data(&certificate->ca_pem);
    return CM_OK;
}

cm_status cm_certificate_ca_fingerprint(const cm_certificate *certificate,
                                        char out[CM_CERTIFICATE_FINGERPRINT_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CM_ENSURE(!is_operators(certificate), CM_ABSENT);
    CM_ENSURE(X509_digest(certificate->ca.certificate, EVP_sha256(), digest, &size) == 1,
              CM_BROKEN);
    cm_writer w = cm_writer_over(out, CM_CERTIFICATE_FINGERPRINT_SIZE);
    for (unsigned i = 0; i < size; i++)
        cm_write_format(&w, "%s%02X", i > 0 ? ":" : "", digest[i]);
    cm_write_u8(&w, '\0');
    return w.failed ? CM_BROKEN : CM_OK;
}
