/*
 * doctor: the checks of `casement doctor`. Each writes one line or more: ok, warn or bad, what was
 * looked at, how it is, and what to do. Nothing is changed or made.
 */
#pragma once

#include "server/config.h"

typedef struct cm_doctor {
    const char *config_path; /* NULL: the defaults */
    const char *data_directory;
    const char *helper_path;
    const cm_config *config; /* NULL while it is not read, or wrong */
    unsigned bad_count;
} cm_doctor;

typedef enum cm_finding {
    CM_FINDING_OK,
    CM_FINDING_WARN, /* works, but look at it */
    CM_FINDING_BAD,  /* serve would not start, or would fail later */
} cm_finding;

void cm_doctor_say(cm_doctor *doctor, cm_finding finding, const char *topic, const char *format,
                   ...) CM_PRINTF(4, 5);

/* doctor_data.c: what casement keeps. */
void cm_doctor_check_data(cm_doctor *doctor);
void cm_doctor_check_certificates(cm_doctor *doctor);

/* doctor_machine.c: what it stands on. */
void cm_doctor_check_helper(cm_doctor *doctor);
void cm_doctor_check_ports(cm_doctor *doctor);
void cm_doctor_check_clock(cm_doctor *doctor);
void cm_doctor_check_limits(cm_doctor *doctor);
