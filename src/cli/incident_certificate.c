/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/incident.h"

#include <inttypes.h>
#include <string.h>

/* A subject or a serial number may be of several certificates, and older records have nothing but a subject: the report says which it is of. */

static bool is_same(const char *wanted, const char *text)
{
	return !wanted || strcmp(wanted, text) == 0;
}

static bool is_of(const struct search_criteria *c, const struct audit_party *p)
{
	return is_same(c->certificate, p->subject) && is_same(c->serial, p->serial) &&
	       is_same(c->certificate_issuer, p->issuer);
}

const char *incident_certificate_of(
	const struct incident *in, const struct touch *t, const struct audit_event *ev)
{
	const struct search_criteria *c = &in->l.criteria;
	if (c->fingerprint) {
		bool from = ev->from_certificate.known &&
		            memcmp(ev->from_certificate.at, c->fingerprint, AUDIT_FINGERPRINT) == 0;
		return t->by_subject ? "" : from ? t->from_certificate : t->to_certificate;
	}
	if (!c->certificate && !c->serial && !c->certificate_issuer) {
		return NULL;
	}
	return is_of(c, &ev->from) ? t->from_certificate : t->to_certificate;
}

void incident_issued(const struct incident *in, const struct audit_event *ev, char *buf, size_t cap)
{
	const struct search_criteria *c = &in->l.criteria;
	const struct audit_party *p = is_of(c, &ev->from) ? &ev->from : &ev->to;
	bool asked = c->certificate || c->serial || c->certificate_issuer;
	buf[0] = '\0';
	if (asked && p->serial[0]) {
		snprintf(buf, cap, "serial number %s of %s", p->serial, p->issuer);
	}
}

bool incident_say_certificates(struct incident *in)
{
	const struct search_totals *t = &in->totals;
	size_t n = 0;
	bool ok = true;
	for (size_t i = 0; i < in->n_touches; i++) {
		n += in->touches[i].by_subject;
	}
	if (t->unnamed > 0) {
		ok = incident_note(&in->lacks,
			"%" PRIu64 " records among %" PRIu64 " to %" PRIu64
			" carry no %s, and may be of that certificate: ask by %s",
			t->unnamed, t->unnamed_first, t->unnamed_last, lookup_unnamed(&in->l),
			lookup_instead(&in->l));
	}
	if (ok && n > 0) {
		ok = incident_note(&in->uncovered,
			"Which certificate it was is not known of %zu of the entries, whose records carry no fingerprint. They are in the "
			"list by its subject, and may be of another certificate of that subject.",
			n);
	}
	return ok;
}

/* ---- Those of what several may have ---- */

static size_t count_of(const struct incident *in, const char *certificate, int64_t *ret_first,
	int64_t *ret_last, const char **ret_issued)
{
	size_t n = 0;
	*ret_issued = "";
	for (size_t i = 0; i < in->n_touches; i++) {
		const struct touch *t = &in->touches[i];
		if (strcmp(t->certificate, certificate) == 0) {
			*ret_issued = t->issued[0] && certificate[0] ? t->issued : *ret_issued;
			*ret_first = n == 0 || t->time_ms < *ret_first ? t->time_ms : *ret_first;
			*ret_last = n == 0 || t->end_ms > *ret_last ? t->end_ms : *ret_last;
			n++;
		}
	}
	return n;
}

/* More than so many certificates of one subject are not told one by one. */
#define CERTIFICATES_MOST 64

static bool is_among(const char *const *list, size_t n, const char *certificate)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], certificate) == 0) {
			return true;
		}
	}
	return false;
}

static size_t say_one(const struct incident *in, const char *certificate, FILE *to)
{
	int64_t first = 0, last = 0;
	char from[WHEN_ZONED_LEN], until[WHEN_ZONED_LEN];
	const char *issued;
	size_t n = count_of(in, certificate, &first, &last, &issued);
	when_zoned(first, from);
	when_zoned(last, until);
	fprintf(to, "- %s%s%s: %zu entr%s, from %s until %s\n",
		certificate[0] ? certificate : "without a fingerprint, of whichever certificate",
		issued[0] ? ", " : "", issued, n, n == 1 ? "y" : "ies", from, until);
	return n;
}

void incident_certificates(const struct incident *in, FILE *to)
{
	const struct search_criteria *c = &in->l.criteria;
	const char *told[CERTIFICATES_MOST];
	size_t n_told = 0, n = 0;
	if (c->fingerprint || in->n_touches == 0 ||
		(!c->certificate && !c->serial && !c->certificate_issuer)) {
		return;
	}
	fprintf(to, "\n%s there are in the list:\n",
		c->certificate ? "A subject is not one certificate. Of this one"
		: !c->certificate_issuer
			? "A serial number is one certificate's of its issuer alone. Of this one"
		: c->serial ? "Of that serial number and issuer"
			    : "Of that issuer");
	for (size_t i = 0; i < in->n_touches && n_told < CERTIFICATES_MOST; i++) {
		const char *certificate = in->touches[i].certificate;
		if (!is_among(told, n_told, certificate)) {
			told[n_told++] = certificate;
			n += say_one(in, certificate, to);
		}
	}
	if (n < in->n_touches) {
		fprintf(to, "- others: %zu entries\n", in->n_touches - n);
	}
}
