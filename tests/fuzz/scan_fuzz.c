/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/scanner.h"

#include <stdlib.h>

/* What a job of the lookup reads: clamd's reply (the bytes up to the first NUL), and pieces of an object from an association. */
static struct scanner scanner;

static void read_pieces(struct span s)
{
	static const struct clamd nobody = {.socket = "/nonexistent/clamd.ctl"};
	size_t used = 0;
	scanner_begin(&scanner, &nobody, 1u << 20);
	int e = scanner_read(&scanner, s, &used);
	if (e != ERR_PEER && used > s.len) {
		abort();
	}
	if (e == 0 && used < s.len &&
		scanner_read(&scanner, span_of(s.ptr + used, s.len - used), &used) == ERR_CLOSED) {
		abort(); /* a piece that was not whole is now */
	}
	scanner_end(&scanner);
	if (scanner.sum.verdict == SCAN_PENDING) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	struct scan_answer a;
	struct span reply = {0}, pieces = {0};
	uint8_t *copy = malloc(n ? n : 1), *rest = malloc(size - n ? size - n : 1);
	if (!copy || !rest) {
		abort();
	}
	if (n > 0) {
		memcpy(copy, data, n);
	}
	if (size - n > 1) {
		memcpy(rest, data + n + 1, size - n - 1);
		pieces = span_of(rest, size - n - 1);
	}
	reply = span_of(copy, n);
	answer_read(reply, &a);
	if (a.verdict == SCAN_PENDING || !memchr(a.text, 0, sizeof(a.text)) ||
		(a.verdict == SCAN_CLEAN && !span_eq(reply, span_str("stream: OK")))) {
		abort();
	}
	read_pieces(pieces);
	free(copy);
	free(rest);
	return 0;
}
