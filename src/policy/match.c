/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/match.h"
#include "policy/vocabulary.h"

#include <time.h>

/* Services that are a SOP class or a few of their own: whoever allows the service means them. */
#define ALWAYS_IMPLIED                                                                                       \
	(SERVICE_BIT(SERVICE_ECHO) | SERVICE_BIT(SERVICE_WORKLIST) | SERVICE_BIT(SERVICE_MPPS) |             \
		SERVICE_BIT(SERVICE_COMMIT))
/* Query and retrieve have a few models; a list that names none of them speaks of objects only. */
#define IMPLIED_UNLESS_LISTED                                                                                \
	(SERVICE_BIT(SERVICE_FIND) | SERVICE_BIT(SERVICE_MOVE) | SERVICE_BIT(SERVICE_GET))

unsigned flow_implied_services(const struct flow *f)
{
	unsigned listed = 0;
	for (unsigned i = 0; i < f->sop_classes.n; i++) {
		unsigned of = sop_class_services(f->sop_classes.at[i]);
		listed |= of & SERVICE_BIT(SERVICE_STORE) ? 0 : of;
	}
	return f->services & (ALWAYS_IMPLIED | (IMPLIED_UNLESS_LISTED & ~listed));
}

bool flow_allows_sop_class(const struct flow *f, const char *uid)
{
	unsigned of = sop_class_services(uid);
	bool storage = of & SERVICE_BIT(SERVICE_STORE);
	if (of && !(of & f->services)) {
		return false; /* the standard knows it, as something this flow does not do */
	}
	if (f->any_sop_class || !f->has_sop_classes) {
		return f->any_sop_class || of != 0;
	}
	return (!storage && (of & f->implied)) || names_have_sorted(&f->sop_classes, uid);
}

bool flow_allows_transfer_syntax(const struct flow *f, const char *uid)
{
	return !f->has_transfer_syntaxes || names_have_sorted(&f->transfer_syntaxes, uid);
}

static bool hours_have(const struct hours *h, unsigned day, unsigned minute)
{
	unsigned yesterday = (day + 6) % 7;
	if (h->from < h->to) {
		return (h->days & 1u << day) && minute >= h->from && minute < h->to;
	}
	/* Past midnight: the evening of its own day, and the morning of the next. */
	return ((h->days & 1u << day) && minute >= h->from) ||
	       ((h->days & 1u << yesterday) && minute < h->to);
}

bool flow_is_open(const struct flow *f, int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;
	if (f->n_hours == 0) {
		return true;
	}
	/* localtime_r() reads no file once the zone is loaded; the gate loads it before it forks. */
	if (!localtime_r(&t, &tm)) {
		return false;
	}
	unsigned day = ((unsigned)tm.tm_wday + 6) % 7, minute = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
	for (unsigned i = 0; i < f->n_hours; i++) {
		if (hours_have(&f->hours[i], day, minute)) {
			return true;
		}
	}
	return false;
}
