/* SPDX-License-Identifier: Apache-2.0 */
#include "net/proxy.h"

#include <stdlib.h>
#include <string.h>

/* A PROXY v2 header: read, and read again as it would come in, by what proxy_wants() asks for. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void round_trip(const struct proxy_header *h)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	struct proxy_header again;
	size_t used;
	proxy_write(&w, &h->source, h->source_port, &h->destination, h->destination_port);
	must(writer_end(&w) == 0);
	must(proxy_read(writer_span_of(&w), &again, &used) == 0 && used == w.len);
	must(memcmp(&again.source, &h->source, sizeof(again.source)) == 0);
	must(memcmp(&again.destination, &h->destination, sizeof(again.destination)) == 0);
	must(again.source_port == h->source_port && again.destination_port == h->destination_port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy) {
		return 0;
	}
	memcpy(copy, data, size);
	struct proxy_header h;
	size_t used = 0, n = 0;
	int err = proxy_read(span_of(copy, size), &h, &used);
	if (err == 0) {
		must(used >= PROXY_FIXED && used <= PROXY_MOST && used <= size);
		if (!h.is_local) {
			round_trip(&h);
		}
	}
	/* Never asked for more than the header has. */
	for (size_t want = PROXY_FIXED; want > 0 && n + want <= size; want = proxy_wants(span_of(copy, n))) {
		n += want;
		must(n <= PROXY_MOST);
	}
	must(err != 0 || n == used);
	free(copy);
	return 0;
}
