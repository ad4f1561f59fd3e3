/* SPDX-License-Identifier: Apache-2.0 */
#include "net/associate.h"

#include <stdlib.h>
#include <string.h>

/*
 * The first byte: bit 0 -AC or -RQ, bit 1 what is tolerated; the rest is the PDU's body. What can be read must be
 * writable, and what we write must be read back strictly and be written the same again.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t first[2 * LIMIT_ASSOCIATE_PDU], second[2 * LIMIT_ASSOCIATE_PDU];

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static size_t write_it(enum pdu_type type, const struct associate *a, uint8_t *buf)
{
	struct writer w = writer_of(buf, sizeof(first));
	must(associate_write(type, a, &w) == 0);
	struct reader r = reader_of(writer_span_of(&w));
	struct pdu_head h;
	must(pdu_read_head(&r, &h) == 0 && h.type == type && h.len == reader_left(&r));
	return w.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct associate a, b;
	struct parse_fail fail = {0};
	if (size == 0) {
		return 0;
	}
	enum pdu_type type = data[0] & 1 ? PDU_ASSOCIATE_AC : PDU_ASSOCIATE_RQ;
	unsigned tolerate = data[0] & 2 ? AE_TOLERATE_NUL : 0;
	uint8_t *body = malloc(size > 1 ? size - 1 : 1);
	if (!body) {
		return 0;
	}
	memcpy(body, data + 1, size - 1);
	memset(&a, 0, sizeof(a));
	int err = associate_read(span_of(body, size - 1), type, tolerate, &a, &fail);
	if (err != 0) {
		must(fail.code == err && fail.spec && fail.offset <= size - 1);
		must(a.n_contexts == 0 && a.called[0] == 0);
	} else {
		must(a.tolerated == 0 || tolerate);
		size_t n = write_it(type, &a, first);
		if (n - PDU_HEAD <= LIMIT_ASSOCIATE_PDU) {
			memset(&b, 0, sizeof(b));
			must(associate_read(span_of(first + PDU_HEAD, n - PDU_HEAD), type, 0, &b, &fail) ==
				0);
			must(b.tolerated == 0 && b.n_contexts == a.n_contexts && b.n_roles == a.n_roles);
			must(write_it(type, &b, second) == n && memcmp(first, second, n) == 0);
		}
	}
	free(body);
	return 0;
}
