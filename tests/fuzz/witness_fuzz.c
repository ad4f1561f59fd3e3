/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/witness.h"

#include <stdlib.h>

/* What a witness answers, and what comes out of the spool for it. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

#define NOTE                                                                                                 \
	"log.example/1\n20\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\xe2\x80\x94 log.example/1 AAAAAAAA\n"

static void cosigned(struct span lines)
{
	static const uint8_t public[32] = {7};
	static char whole[128 * 1024];
	struct note_key key;
	size_t len = 0;
	uint64_t time_s;
	must(note_key_make("w.example", NOTE_COSIGNATURE, public, &key) == 0);
	/* Nobody has the key. */
	must(witness_cosigned(span_str(NOTE), lines, &key, whole, sizeof(whole), &len, &time_s) < 0);
}

static void submission(struct span bytes)
{
	static char request[128 * 1024];
	const struct witness_url url = {.host = "w", .path = "/add-checkpoint", .port = 80};
	struct witness_submission s;
	size_t len = 0;
	if (witness_submission_read(bytes, &s) != 0) {
		return;
	}
	must(s.proof.len <= bytes.len && s.note.len <= bytes.len && s.text.len <= s.note.len);
	if (witness_request(&url, &s, s.old, request, sizeof(request), &len) == 0) {
		/* It can be read back from the request's body, if its proof was whole lines. */
		struct witness_submission again;
		const char *body = memmem(request, len, "\r\n\r\n", 4);
		must(body != NULL);
		struct span rest = span_of(body + 4, len - (size_t)(body + 4 - request));
		must(witness_submission_read(rest, &again) == 0 && again.size == s.size &&
			again.old == s.old);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct witness_answer a;
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	if (witness_answer_read(span_of(copy, size), &a) == 0) {
		must(a.status >= 100 && a.status <= 999 && a.lines.len <= size);
		if (a.said == WITNESS_COSIGNED) {
			cosigned(a.lines);
		}
	}
	submission(span_of(copy, size));
	free(copy);
	return 0;
}
