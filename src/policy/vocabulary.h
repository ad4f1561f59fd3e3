/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_VOCABULARY_H
#define POLICY_VOCABULARY_H

#include "base/attr.h"
#include "dicom/service.h"
#include "policy/nearest.h"

#include <stdbool.h>
#include <stdint.h>

/* DICOM's own words as gantry.yaml and its sentences use them: by keyword or by UID. */

bool word_is_uid(const char *s);

/* The UID of a keyword, or the word itself if it is a UID. NULL: neither. Static, or borrowed from s. */
const char *word_sop_class(const char *s);
const char *word_transfer_syntax(const char *s);

/* The keyword of a UID, or the UID itself when the standard has none. */
const char *word_of_uid(const char *uid);

void word_nearest_sop_class(struct nearest *n);
void word_nearest_transfer_syntax(struct nearest *n);
void word_nearest_tag(struct nearest *n);

/* "PatientID", "(0010,0020)" or "00100020": a query key. ERR_VALUE. */
MUST_USE int word_tag(const char *s, uint32_t *ret_tag);

/* The keyword of a query key, or "(gggg,eeee)" written to buf. */
const char *word_of_tag(uint32_t tag, char buf[16]);

/* "store": SERVICE_COUNT if there is none. */
enum service word_service(const char *s);
const char *word_of_service(enum service s);

#endif
