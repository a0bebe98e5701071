#include "identity/listed.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"

enum { HEADER_SIZE = 32, MAGIC_SIZE = 24, ENTRY_SIZE = 8, SHA1_SIZE = 20 };

static const char MAGIC[MAGIC_SIZE] = "casement passwords 1\n";

/* ---- words ---- */

enum { WORD_LEAST = 4, LOOKS = 5 };

/* What is left of a password when its tricks are taken away: "P@ssword2024!" is "password". */
typedef struct looks {
    char text[LOOKS][CM_PASSWORD_MAX];
    size_t size[LOOKS];
} looks;

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

/* 1 is an l to some and an i to others. */
static char plain(char c, char one)
{
    static const char *const PAIRS[] = {"0o", "3e", "4a", "5s", "7t", "@a", "$s", "!i"};
    for (size_t i = 0; i < CM_COUNT(PAIRS); i++)
        if (PAIRS[i][0] == c)
            return PAIRS[i][1];
    return c == '1' ? one : c;
}

/* Without digits and marks before its first and behind its last letter. */
static size_t strip(const char *from, size_t size, char *out)
{
    size_t begin = 0;
    size_t end = size;
    while (begin < end && !is_letter(from[begin]))
        begin++;
    while (end > begin && !is_letter(from[end - 1]))
        end--;
    for (size_t i = begin; i < end; i++)
        out[i - begin] = from[i];
    return end - begin;
}

/* "windowwindow" is "window". */
static size_t halve(const char *text, size_t size)
{
    const size_t half = size / 2;
    return size % 2 == 0 && memcmp(text, &text[half], half) == 0 ? half : size;
}

/* With letters for what stands for them. First the marks around it go, so that a year behind a word
 * does not become letters. */
static void unmask(const char *folded, size_t size, char one, char *out, size_t *size_out)
{
    char letters[CM_PASSWORD_MAX];
    const size_t stripped = strip(folded, size, letters);
    for (size_t i = 0; i < stripped; i++)
        letters[i] = plain(letters[i], one);
    *size_out = halve(out, strip(letters, stripped, out));
    cm_secret_wipe(letters, sizeof letters);
}

static void look(cm_slice password, looks *out)
{
    char folded[CM_PASSWORD_MAX];
    const size_t size = password.size;
    for (size_t i = 0; i < size; i++) {
        const char c = (char)password.bytes[i];
        folded[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        out->text[0][i] = folded[i];
    }
    out->size[0] = size;
    out->size[1] = halve(out->text[1], strip(folded, size, out->text[1]));
    for (size_t i = 0; i < out->size[1]; i++)
        out->text[2][i] = out->text[1][out->size[1] - 1 - i];
    out->size[2] = out->size[1];
    unmask(folded, size, 'l', &out->text[3][0], &out->size[3]);
    unmask(folded, size, 'i', &out->text[4][0], &out->size[4]);
    cm_secret_wipe(folded, sizeof folded);
}

static bool is_one_of(const looks *l, cm_slice word)
{
    if (word.size < WORD_LEAST)
        return false;
    for (size_t i = 0; i < LOOKS; i++)
        if (cm_slice_equal_nocase(cm_slice_over(l->text[i], l->size[i]), word))
            return true;
    return false;
}

static cm_status find_word(const char *path, const looks *l, bool *is_found)
{
    *is_found = false;
    CM_AUTO(cm_file_close_stream) FILE *file = fopen(path, "re");
    if (file == NULL && (errno == ENOENT || errno == ENOTDIR))
        return CM_OK;
    CM_ENSURE(file != NULL, CM_BROKEN);
    char line[CM_PASSWORD_MAX + 2];
    size_t read = 0;
    while (!*is_found && read < CM_LISTED_WORDS_MAX_BYTES &&
           fgets(line, sizeof line, file) != NULL) {
        const cm_slice word = cm_slice_of(line);
        read += word.size;
        *is_found = is_one_of(l, cm_slice_trim(word));
    }
    return ferror(file) == 0 ? CM_OK : CM_BROKEN;
}

/* ---- hashes ---- */

static cm_status hash_of(cm_slice password, uint64_t *out)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    CM_ENSURE(EVP_Digest(password.bytes, password.size, hash, NULL, EVP_sha1(), NULL) == 1,
              CM_BROKEN);
    cm_reader r = cm_reader_over(cm_slice_over(hash, ENTRY_SIZE));
    *out = cm_read_u64(&r);
    return CM_OK;
}

static cm_status read_at(int fd, uint64_t offset, uint8_t *out, size_t size)
{
    CM_ENSURE(pread(fd, out, size, (off_t)offset) == (ssize_t)size, CM_BROKEN);
    return CM_OK;
}

/* The file's size must be what its head says: half a file is none. */
static cm_status read_count(int fd, uint64_t *out)
{
    uint8_t head[HEADER_SIZE];
    struct stat file;
    CM_TRY(read_at(fd, 0, head, sizeof head));
    CM_ENSURE(memcmp(head, MAGIC, sizeof MAGIC) == 0 && fstat(fd, &file) == 0, CM_BROKEN);
    cm_reader r = cm_reader_over(cm_slice_over(&head[MAGIC_SIZE], sizeof(uint64_t)));
    const uint64_t count = cm_read_u64(&r);
    CM_ENSURE(count <= (INT64_MAX - HEADER_SIZE) / ENTRY_SIZE &&
                  (uint64_t)file.st_size == HEADER_SIZE + count * ENTRY_SIZE,
              CM_BROKEN);
    *out = count;
    return CM_OK;
}

static cm_status find_hash(int fd, uint64_t hash, bool *is_found)
{
    uint64_t low = 0;
    uint64_t high;
    CM_TRY(read_count(fd, &high));
    *is_found = false;
    while (!*is_found && low < high) {
        const uint64_t middle = low + (high - low) / 2;
        uint8_t bytes[ENTRY_SIZE];
        CM_TRY(read_at(fd, HEADER_SIZE + middle * ENTRY_SIZE, bytes, sizeof bytes));
        cm_reader r = cm_reader_over(cm_slice_over(bytes, sizeof bytes));
        const uint64_t entry = cm_read_u64(&r);
        *is_found = entry == hash;
        if (entry < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return CM_OK;
}

static cm_status is_leaked(const char *directory, cm_slice password, bool *out)
{
    uint64_t hash;
    *out = false;
    CM_AUTO(cm_file_close) int place = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CM_ENSURE(place >= 0, CM_BROKEN);
    CM_AUTO(cm_file_close)
    int fd = openat(place, CM_LISTED_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return CM_OK;
    CM_ENSURE(fd >= 0, CM_BROKEN);
    CM_TRY(hash_of(password, &hash));
    return find_hash(fd, hash, out);
}

static cm_status judge(const cm_listed *lists, cm_slice password, cm_password_fault *out)
{
    bool is_found = false;
    looks l;
    look(password, &l);
    const cm_status status =
        find_word(lists->words != NULL ? lists->words : CM_LISTED_WORDS, &l, &is_found);
    cm_secret_wipe(&l, sizeof l);
    CM_TRY(status);
    if (is_found) {
        *out = CM_PASSWORD_A_WORD;
        return CM_OK;
    }
    if (lists->directory != NULL)
        CM_TRY(is_leaked(lists->directory, password, &is_found));
    *out = is_found ? CM_PASSWORD_LEAKED : CM_PASSWORD_FINE;
    return CM_OK;
}

cm_status cm_listed_judge(const cm_listed *lists, cm_slice password, cm_password_fault *out)
{
    CM_ENSURE(password.size <= CM_PASSWORD_MAX, CM_REFUSE);
    const cm_status status = judge(lists, password, out);
    if (status != CM_OK)
        cm_log(CM_LOG_ERROR, "identity", "event=password-list-unreadable status=%s",
               cm_status_name(status));
    return status;
}

/* ---- building ---- */

typedef struct building {
    FILE *in;
    FILE *out;
    uint64_t least;
    uint64_t last; /* the entry before */
    cm_listed_built counts;
    char *message;
} building;

static cm_status say(const building *b, cm_status status, const char *what)
{
    snprintf(b->message, CM_LISTED_MESSAGE_SIZE, "line %llu %s",
             (unsigned long long)b->counts.lines, what);
    return status;
}

/* "HASH" or "HASH:COUNT". */
static cm_status read_line(const building *b, cm_slice line, uint64_t *entry, uint64_t *seen)
{
    uint8_t hash[SHA1_SIZE];
    const cm_slice hex = cm_slice_cut(&line, ':');
    *seen = UINT64_MAX;
    if (cm_text_from_hex(hex, hash, sizeof hash) != CM_OK)
        return say(b, CM_REFUSE, "is no SHA-1 in hex (40 digits), nor one with \":\" and a count");
    if (line.size > 0 && cm_slice_to_u64(line, UINT64_MAX, seen) != CM_OK)
        return say(b, CM_REFUSE, "has something other than a count behind its hash");
    cm_reader r = cm_reader_over(cm_slice_over(hash, ENTRY_SIZE));
    *entry = cm_read_u64(&r);
    return CM_OK;
}

static cm_status write_u64(FILE *out, uint64_t value)
{
    uint8_t bytes[sizeof value];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_u64(&w, value);
    return fwrite(bytes, 1, sizeof bytes, out) == sizeof bytes ? CM_OK : CM_BROKEN;
}

static cm_status take_line(building *b, cm_slice line)
{
    uint64_t entry;
    uint64_t seen;
    CM_TRY(read_line(b, line, &entry, &seen));
    if (b->counts.entries > 0 && entry < b->last)
        return say(b, CM_REFUSE, "is out of order: sort the file before (LC_ALL=C sort FILE)");
    if (seen < b->least || (b->counts.entries > 0 && entry == b->last))
        return CM_OK;
    CM_TRY(write_u64(b->out, entry));
    b->last = entry;
    b->counts.entries++;
    return CM_OK;
}

static cm_status write_head(building *b)
{
    CM_ENSURE(fseeko(b->out, 0, SEEK_SET) == 0, CM_BROKEN);
    CM_ENSURE(fwrite(MAGIC, 1, sizeof MAGIC, b->out) == sizeof MAGIC, CM_BROKEN);
    return write_u64(b->out, b->counts.entries);
}

static cm_status copy_lines(building *b)
{
    char line[128];
    CM_TRY(write_head(b));
    while (fgets(line, sizeof line, b->in) != NULL) {
        b->counts.lines++;
        const cm_slice text = cm_slice_of(line);
        if (text.size == sizeof line - 1)
            return say(b, CM_REFUSE, "is longer than a hash and a count");
        if (cm_slice_trim(text).size > 0)
            CM_TRY(take_line(b, cm_slice_trim(text)));
    }
    CM_ENSURE(ferror(b->in) == 0, CM_BROKEN);
    /* The count last: until it stands there the size does not fit. */
    CM_TRY(write_head(b));
    CM_ENSURE(fflush(b->out) == 0 && fsync(fileno(b->out)) == 0, CM_BROKEN);
    return CM_OK;
}

/* Whoever runs the command: the file is for the server, whose the directory is. */
static void give_to_owner(int fd, int directory)
{
    struct stat of;
    if (fstat(directory, &of) == 0 && fchown(fd, of.st_uid, of.st_gid) != 0)
        cm_log(CM_LOG_WARN, "identity", "event=password-list-not-given-away cause=%s",
               strerror(errno));
}

#define DRAFT CM_LISTED_FILE ".new"

/* Not the list itself by now: another process may have finished it between our open and our lock.
 */
static bool is_draft(int directory, int fd)
{
    struct stat by_name;
    struct stat open_one;
    return fstatat(directory, DRAFT, &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(fd, &open_one) == 0 && by_name.st_ino == open_one.st_ino;
}

static cm_status build_in(int directory, building *b)
{
    const int fd = openat(directory, DRAFT, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    /* Of a process that ended in the middle, or of one that is at it now. */
    const struct flock mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &mine) != 0) {
        close(fd);
        snprintf(b->message, CM_LISTED_MESSAGE_SIZE, "another process is building the list now");
        return CM_BROKEN;
    }
    CM_AUTO(cm_file_close_stream)
    FILE *out = is_draft(directory, fd) && ftruncate(fd, 0) == 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        close(fd);
        return CM_BROKEN;
    }
    b->out = out;
    give_to_owner(fd, directory);
    cm_status status = copy_lines(b);
    if (status == CM_OK && renameat(directory, DRAFT, directory, CM_LISTED_FILE) != 0)
        status = CM_BROKEN;
    if (status != CM_OK)
        CM_IGNORE(unlinkat(directory, DRAFT, 0) == 0 ? CM_OK : CM_BROKEN,
                  "the next one begins it anew");
    else if (fsync(directory) != 0)
        status = CM_BROKEN;
    return status;
}

cm_status cm_listed_build(FILE *in, const char *directory, uint64_t least,
                          char message[CM_LISTED_MESSAGE_SIZE], cm_listed_built *out)
{
    message[0] = '\0';
    building b = {.in = in, .least = least, .message = message};
    CM_AUTO(cm_file_close) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const cm_status status = fd >= 0 ? build_in(fd, &b) : CM_BROKEN;
    if (status != CM_OK && message[0] == '\0')
        snprintf(message, CM_LISTED_MESSAGE_SIZE, "%s: %s", directory, strerror(errno));
    CM_TRY(status);
    *out = b.counts;
    return CM_OK;
}
