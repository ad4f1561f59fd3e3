/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include <stdarg.h>
#include <stdio.h>

/* Printable ASCII stays; of the rest the number is written. */
static void excerpt_of(struct span s, char to[INSPECT_EXCERPT])
{
	size_t n = 0;
	for (size_t k = 0; k < s.len; k++) {
		bool plain = s.ptr[k] >= ' ' && s.ptr[k] < 0x7F;
		if (n + (plain ? 1 : 4) >= INSPECT_EXCERPT - 3) {
			memcpy(to + n, "...", 3);
			n += 3;
			break;
		}
		if (plain) {
			to[n++] = (char)s.ptr[k];
		} else {
			n += (size_t)snprintf(to + n, 5, "\\x%02x", s.ptr[k]);
		}
	}
	to[n] = '\0';
}

/* One more; false: it is counted, and that is all. */
static bool count(struct inspect *i, enum inspect_check check)
{
	if (i->counts[check] < UINT32_MAX) {
		i->counts[check]++;
	}
	return i->counts[check] <= INSPECT_OF_EACH && i->n_findings < INSPECT_FINDINGS;
}

static void add(struct inspect *i, enum inspect_check check, uint64_t offset, bool here, struct span excerpt)
{
	const struct dataset *d = &i->f.d;
	struct inspect_finding *f = &i->findings[i->n_findings++];
	*f = (struct inspect_finding){
		.check = (uint8_t)check, .offset = offset > i->shift ? offset - i->shift : 0};
	if (here) {
		f->tag = i->e.tag;
		f->depth = (uint8_t)d->depth;
		for (unsigned k = 0; k < d->depth && k < INSPECT_LEVELS; k++) {
			f->path[k] = d->path[k];
			f->item[k] = dataset_item_number(d, k);
		}
	}
	excerpt_of(excerpt, f->excerpt);
}

void found(struct inspect *i, enum inspect_check check, struct span excerpt)
{
	if (count(i, check)) {
		add(i, check, i->e.offset, true, excerpt);
	}
}

void found_at(struct inspect *i, enum inspect_check check, uint64_t offset, struct span excerpt)
{
	if (count(i, check)) {
		add(i, check, offset + i->shift, false, excerpt);
	}
}

void found_say(struct inspect *i, enum inspect_check check, const char *format, ...)
{
	char text[160];
	va_list args;
	if (!count(i, check)) {
		return; /* an object may be made of them */
	}
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	add(i, check, i->e.offset, true, span_of(text, len));
}

void inspect_failed(struct inspect *i, const char *why)
{
	found_at(i, CHECK_INSPECTION_FAILED, 0, span_str(why));
}

void inspect_told(struct inspect *i, enum inspect_check check, const char *words)
{
	found_at(i, check, 0, span_str(words));
}

void inspect_path(const struct inspect_finding *f, char to[INSPECT_PATH])
{
	size_t n = 0;
	to[0] = '\0';
	for (unsigned k = 0; k < f->depth && k < INSPECT_LEVELS; k++) {
		int m = snprintf(to + n, INSPECT_PATH - n, "(%04X,%04X)[%u].", f->path[k] >> 16,
			f->path[k] & 0xFFFF, f->item[k] < 99999 ? f->item[k] : 99999);
		n += m > 0 ? (size_t)m : 0;
	}
	if (f->tag) {
		snprintf(to + n, INSPECT_PATH - n, "%s(%04X,%04X)", f->depth > INSPECT_LEVELS ? "..." : "",
			f->tag >> 16, f->tag & 0xFFFF);
	}
}
