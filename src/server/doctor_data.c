#include <errno.h>
#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "server/doctor.h"
#include "store/store.h"

/* ---- the data directory ---- */

enum { SPACE_LEAST_MIB = 64, SPACE_FINE_MIB = 1024, CERTIFICATE_SOON_DAYS = 21 };

/* False: there is nothing in it to look at. */
static bool check_directory(cm_doctor *doctor)
{
    const char *path = doctor->data_directory;
    struct stat info;
    if (stat(path, &info) != 0 && errno == ENOENT) {
        cm_doctor_say(doctor, CM_FINDING_OK, "data",
                      "%s is not there yet: the first start makes it", path);
        return false;
    }
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        cm_doctor_say(doctor, CM_FINDING_BAD, "data", "%s is not a directory that can be read",
                      path);
        return false;
    }
    if (access(path, R_OK | W_OK | X_OK) != 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "data",
                      "%s can't be written by this user: run as its owner, or chown it", path);
    else if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "data",
                      "%s may be written by others: chmod 0700 on it", path);
    else if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        cm_doctor_say(doctor, CM_FINDING_WARN, "data",
                      "%s may be looked into by others: chmod 0700 on it", path);
    else
        cm_doctor_say(doctor, CM_FINDING_OK, "data", "%s is this user's alone", path);
    return true;
}

static void check_space(cm_doctor *doctor)
{
    struct statvfs info;
    if (statvfs(doctor->data_directory, &info) != 0)
        return; /* not there: told above */
    const uint64_t mib = (uint64_t)info.f_bavail * info.f_frsize >> 20;
    if (mib < SPACE_LEAST_MIB)
        cm_doctor_say(doctor, CM_FINDING_BAD, "space",
                      "%llu MiB are free: nothing can be stored soon; make room",
                      (unsigned long long)mib);
    else
        cm_doctor_say(doctor, mib < SPACE_FINE_MIB ? CM_FINDING_WARN : CM_FINDING_OK, "space",
                      "%llu MiB are free", (unsigned long long)mib);
}

/* That it opens says that the key is there, is this database's, and that nothing is older than it
 * was; the message names what is not so. */
static void check_store(cm_doctor *doctor)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    cm_store *store = NULL;
    const cm_store_config config = {.directory = doctor->data_directory, .must_exist = true};
    if (cm_store_open(&config, message, &store) != CM_OK) {
        cm_doctor_say(doctor, CM_FINDING_BAD, "database", "%s", message);
        return;
    }
    cm_doctor_say(doctor, CM_FINDING_OK, "master key", "is this database's");
    const cm_status status = cm_store_check(store);
    if (status == CM_OK)
        cm_doctor_say(doctor, CM_FINDING_OK, "database", "every row is sound");
    else
        cm_doctor_say(doctor, CM_FINDING_BAD, "database",
                      "damaged, or changed by something other than casement (%s): put a sound "
                      "copy back",
                      cm_status_name(status));
    cm_store_close(store);
}

/* "DIR/name"; false: too long. */
static bool join(const cm_doctor *doctor, const char *name, char out[PATH_MAX])
{
    const int size = snprintf(out, PATH_MAX, "%s/%s", doctor->data_directory, name);
    return size > 0 && size < PATH_MAX;
}

void cm_doctor_check_data(cm_doctor *doctor)
{
    if (!check_directory(doctor))
        return;
    check_space(doctor);
    char path[PATH_MAX];
    struct stat info;
    if (join(doctor, "casement.db", path) && stat(path, &info) != 0 && errno == ENOENT &&
        join(doctor, "master.key", path) && stat(path, &info) != 0 && errno == ENOENT)
        cm_doctor_say(doctor, CM_FINDING_OK, "database",
                      "is not there yet: the first start makes it");
    else
        check_store(doctor);
}

/* ---- certificates ---- */

static void free_x509(X509 **certificate)
{
    X509_free(*certificate);
}

/* Days until its end (negative: past) and since its beginning. */
static bool days_of(const X509 *certificate, int *left, int *since)
{
    int seconds;
    return ASN1_TIME_diff(left, &seconds, NULL, X509_get0_notAfter(certificate)) == 1 &&
           ASN1_TIME_diff(since, &seconds, X509_get0_notBefore(certificate), NULL) == 1;
}

static void check_certificate(cm_doctor *doctor, const char *path, bool is_own)
{
    CM_AUTO(cm_file_close_stream) FILE *file = fopen(path, "re");
    if (file == NULL) {
        cm_doctor_say(doctor, CM_FINDING_BAD, "certificate", "%s: %s", path, strerror(errno));
        return;
    }
    CM_AUTO(free_x509) X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    int left = 0;
    int since = 0;
    const char *mend = is_own ? "remove it and start the server, which makes it anew"
                              : "renew it; the server reads it again by itself";
    if (certificate == NULL || !days_of(certificate, &left, &since))
        cm_doctor_say(doctor, CM_FINDING_BAD, "certificate", "%s holds no certificate in PEM: %s",
                      path, mend);
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "certificate",
                      "%s is not valid yet: is the clock right?", path);
    else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "certificate", "%s ended %d day(s) ago: %s", path,
                      -left, mend);
    else
        cm_doctor_say(doctor, left < CERTIFICATE_SOON_DAYS ? CM_FINDING_WARN : CM_FINDING_OK,
                      "certificate", "%s holds for %d more day(s)%s%s", path, left,
                      left < CERTIFICATE_SOON_DAYS && !is_own ? ": " : "",
                      left < CERTIFICATE_SOON_DAYS && !is_own ? mend : "");
}

static void check_key_file(cm_doctor *doctor, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        cm_doctor_say(doctor, CM_FINDING_BAD, "certificate", "the key %s can't be read: %s", path,
                      strerror(errno));
    else if ((info.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        cm_doctor_say(doctor, CM_FINDING_WARN, "certificate",
                      "the key %s may be read by everybody: chmod 0600 on it", path);
}

void cm_doctor_check_certificates(cm_doctor *doctor)
{
    if (doctor->config != NULL && doctor->config->certificate_file != NULL) {
        check_certificate(doctor, doctor->config->certificate_file, false);
        check_key_file(doctor, doctor->config->key_file);
        return;
    }
    static const char *const OWN[] = {"ca.crt", "server.crt"};
    for (size_t i = 0; i < CM_COUNT(OWN); i++) {
        char path[PATH_MAX];
        if (join(doctor, OWN[i], path) && access(path, F_OK) == 0)
            check_certificate(doctor, path, true);
    }
}
