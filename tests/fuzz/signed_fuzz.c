/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/sign_write.h"
#include "keys/object.h"
#include "keys/object_watch.h"

#include <stdlib.h>
#include <string.h>

/*
 * A DICOM file with signatures, which are verified; and where the key holder would put one of its own, and over what. Nobody is
 * trusted: a signature that is made here can be right and is never good.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

struct look {
	struct mac_scope top;
	struct mac_list list;
	struct mac mac;
	struct sign_places places;
	size_t hashed;
	uint32_t tags[MAC_TAGS_MOST];
};

static void count(void *arg, struct span bytes)
{
	((struct look *)arg)->hashed += bytes.len;
}

static int first(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	struct look *l = arg;
	sign_places_event(&l->places, d, event, encoding);
	return mac_list_event(&l->list, d, event, encoding);
}

static int second(void *arg, struct dataset *d, int event, enum encoding encoding)
{
	return mac_event(&((struct look *)arg)->mac, d, event, encoding);
}

static void sign(struct span file)
{
	static struct look l;
	l = (struct look){.hashed = 0};
	l.list = (struct mac_list){.scope = &l.top, .tags = l.tags};
	struct object_pass p = {.file = file, .each = first, .arg = &l};
	if (object_pass(&p) < 0 || p.noted & MAC_BAD_NOTES || p.encoding == ENCODING_DEFLATED_LE) {
		return;
	}
	sign_places_end(&l.places, file.len);
	must(l.places.mac.at <= l.places.signature.at && l.places.signature.at <= file.len);
	must(!l.places.mac.has_length || l.places.mac.length_at + 4 <= l.places.mac.at);
	must(!l.places.signature.has_length || l.places.signature.length_at + 4 <= l.places.signature.at);
	for (size_t i = 1; i < l.list.n; i++) {
		must(l.tags[i] > l.tags[i - 1] && mac_is_signable(l.tags[i]));
	}
	l.mac = (struct mac){.scope = &l.top, .tags = l.tags, .n_tags = l.list.n, .sink = count, .arg = &l};
	p.each = second;
	/* What was listed can be signed, all of it, and nothing else is. */
	must(object_pass(&p) == 0 && l.mac.n_signed == l.list.n);
	must(l.hashed >= 8 * l.list.n && l.hashed <= 2 * file.len);
}

/* What is found in passing is what is found in the file, or that it cannot be told. */
static void watch(struct span file, const struct object_trust *trust, const struct object_report *report)
{
	static struct object_report passing;
	struct object_watch *w;
	static struct look l;
	l = (struct look){.hashed = 0};
	l.list = (struct mac_list){.scope = &l.top, .tags = l.tags};
	struct object_pass p = {.file = file, .each = first, .arg = &l};
	if (object_pass(&p) < 0 || p.data_at == 0 || object_watch_new(span_str(p.syntax), &w) != 0) {
		return;
	}
	struct span rest = span_of(file.ptr + p.data_at, file.len - (size_t)p.data_at);
	size_t half = rest.len / 2;
	object_watch_feed(w, span_of(rest.ptr, half));
	object_watch_feed(w, span_of(rest.ptr + half, rest.len - half));
	if (object_watch_end(w, trust, 1795000000, &passing) == 0) {
		must(passing.n == report->n);
		for (uint32_t i = 0; i < passing.n; i++) {
			uint32_t state = passing.verdicts[i].state;
			/* A file may be broken before its data set, which is all that passes. */
			state = p.noted & MAC_BAD_NOTES ? OBJECT_UNKNOWN : state;
			must(state == OBJECT_UNKNOWN || state == report->verdicts[i].state);
			must(state == OBJECT_UNKNOWN ||
				passing.verdicts[i].stamp.state == report->verdicts[i].stamp.state);
		}
	}
	object_watch_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct object_report report;
	static struct object_trust *trust;
	if (!trust) {
		must(object_trust_new(NULL, 0, NULL, &trust) == 0);
	}
	uint8_t *copy = malloc(size ? size : 1);
	must(copy != NULL);
	memcpy(copy, data, size);
	if (object_verify(span_of(copy, size), trust, 1795000000, &report) == 0) {
		must(report.n <= SIGNED_MOST);
		for (uint32_t i = 0; i < report.n; i++) {
			const struct object_verdict *v = &report.verdicts[i];
			must(v->state != OBJECT_GOOD && v->why[0]);
			must(!v->stamp.present || (v->stamp.state != OBJECT_GOOD && v->stamp.why[0]));
		}
		watch(span_of(copy, size), trust, &report);
	} else {
		must(report.why[0] != 0);
	}
	sign(span_of(copy, size));
	free(copy);
	return 0;
}
