/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_REFUSAL_H
#define POLICY_REFUSAL_H

#include "base/attr.h"
#include "base/err.h"
#include "base/log.h"
#include "policy/decide.h"

#include <stdint.h>

/*
 * The record of one refusal (or of what observe mode let pass, or of an alarm): enough for `gantry explain` to say, a
 * month later, what was asked, which rule refused it and which lines of YAML would allow it. Fixed size: it crosses
 * from the association to the gate in one message.
 */
struct refusal {
	uint64_t number; /* the gate's; 0 before it is given */
	uint64_t count;
	int64_t first_ms, last_ms; /* wall */
	uint8_t rule;              /* enum rule */
	bool observed, alarm;
	bool minor; /* a context refused in an association that has others: it may never be missed */
	bool tls;
	char address[46]; /* of the caller, as text */
	uint16_t port;
	char calling[17], called[17];
	char node[65], target[65], flow[65], listener[65];
	uint32_t line; /* of gantry.yaml */
	char subject[256];
	char san[4][256];
	char spki[65]; /* hex */
	char certificate
		[65]; /* the certificate's fingerprint, hex; unlike its key it is another one after each renewal */
	char serial[64], issuer[256]; /* its number, hex, of that authority */
	char service[16];
	char sop_class[65], transfer_syntax[65];
	char destination[17];
	char answered
		[64]; /* "A-ASSOCIATE-RJ 1/1/3", "status 0124H", "context result 3", "passed (observe)" */
	char sentence[VERDICT_SENTENCE];
};

/*
 * The same who, what and rule, and for what is no policy (malformed, upstream), for users and what is in objects the same sentence:
 * counted, not logged again.
 */
bool refusal_same(const struct refusal *a, const struct refusal *b);

/* One line of refusals.jsonl, newline included. *ret_text is malloc'ed; the caller frees. */
MUST_USE int refusal_to_json(const struct refusal *r, char **ret_text);

/* The line that says an earlier number was met again. */
MUST_USE int refusal_count_to_json(uint64_t number, uint64_t count, int64_t last_ms, char **ret_text);

/* One line read back. is_count: it was a count line (only number, count, last_ms are set). */
MUST_USE int refusal_from_json(struct span line, struct refusal *ret_refusal, bool *ret_is_count);

/* The fields of a decision's log line (event "decision"), for base/log.h. Borrowed from r. Returns how many. */

#define REFUSAL_LOG_FIELDS 31
unsigned refusal_log_fields(const struct refusal *r, struct log_field ret_fields[REFUSAL_LOG_FIELDS]);

#endif
