/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDIT_PRINT_H
#define CLI_AUDIT_PRINT_H

#include "audit/search.h"

#include <jansson.h>
#include <stdio.h>

/* Hits of a search, for people and for programs. */

/* Text that others wrote: nothing in it commands a terminal, or turns the direction of what stands behind it. Returns its characters. */
size_t audit_put_text(FILE *to, const char *text);
/* The same to standard output. */
void audit_print_text(const char *text);

/* What was done to whom: "stored", "retrieved", "refused", "queried", "shown", "alert", "login", …; static. */
const char *hit_how(const struct search_hit *h);

/* "stored 12", "stored 3 of 5", "stored at least 7, interrupted", "alert". */
#define HIT_WHAT_MOST 100
void hit_what(const struct search_hit *h, char buf[HIT_WHAT_MOST]);

const char *outcome_name(enum audit_outcome o);

void print_text_head(FILE *to);
void print_text(FILE *to, const struct search_hit *h);

void print_csv_head(FILE *to);
void print_csv(FILE *to, const struct search_hit *h);

/* A JSON object of the hit; NULL: no memory. */
json_t *hit_json(const struct search_hit *h);

/*
 * A cell of RFC 4180, with the comma before it unless first. What a spreadsheet would take for a formula (it begins with =, +, -, @, one
 * of these of full width, a tabulator or a carriage return) gets an apostrophe in front.
 */
void csv_text(FILE *to, const char *text, bool first);
void csv_number(FILE *to, uint64_t n, bool first);
void csv_end(FILE *to);

#endif
