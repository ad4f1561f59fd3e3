/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/body.h"

#include <stdlib.h>
#include <string.h>

/* What is found in a record when it was opened. Only the gateway can have sealed it; an auditor's tools trust it no further. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t xml[BODY_XML_MOST], again[BODY_XML_MOST], packed[BODY_MOST];
	static struct body_packer *packer;
	static struct audit_event ev;
	struct span event, second;
	size_t len, again_len, packed_len;
	packer = packer ? packer : body_packer_new();
	must(packer != NULL);
	if (body_read(span_of(data, size), &event, xml, sizeof(xml), &len) != 0) {
		return 0;
	}
	must(len <= sizeof(xml) && event.len <= size);
	(void)!audit_event_read(event, &ev);
	/* Our own of the same is read the same. */
	if (event.len <= BODY_WIRE_MOST) {
		must(body_write(packer, event, span_of(xml, len), packed, sizeof(packed), &packed_len) == 0);
		must(body_read(span_of(packed, packed_len), &second, again, sizeof(again), &again_len) == 0);
		must(second.len == event.len && again_len == len);
		must(len == 0 || memcmp(again, xml, len) == 0);
		must(event.len == 0 || memcmp(second.ptr, event.ptr, event.len) == 0);
	}
	return 0;
}
