/* SPDX-License-Identifier: Apache-2.0 */
#include "users/saml_parts.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a signed assertion says (SAML core 2). */

#define VALUE_MOST 1024

static const char bearer[] = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/* ---- Times: xs:dateTime, of UTC (SAML core 1.3.3) ---- */

static bool digits(const char **text, unsigned n, int *ret)
{
	int v = 0;
	for (unsigned i = 0; i < n; i++) {
		char c = (*text)[i];
		if (c < '0' || c > '9') {
			return false;
		}
		v = v * 10 + (c - '0');
	}
	*text += n;
	*ret = v;
	return true;
}

static bool one(const char **text, char c)
{
	return *(*text)++ == c;
}

static bool read_time(const char *s, int64_t *ret_s)
{
	struct tm tm = {0};
	bool good = digits(&s, 4, &tm.tm_year) && one(&s, '-') && digits(&s, 2, &tm.tm_mon) && one(&s, '-') &&
	            digits(&s, 2, &tm.tm_mday) && one(&s, 'T') && digits(&s, 2, &tm.tm_hour) &&
	            one(&s, ':') && digits(&s, 2, &tm.tm_min) && one(&s, ':') && digits(&s, 2, &tm.tm_sec);
	if (!good || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
		tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60) {
		return false;
	}
	if (*s == '.') {
		size_t n = strspn(s + 1, "0123456789");
		s += 1 + n;
		good = n > 0;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_s = timegm(&tm);
	return good && strcmp(s, "Z") == 0;
}

enum when { ABSENT, READ, WRONG };

static enum when time_of(const xmlNode *n, const char *name, int64_t *ret_s)
{
	char text[64];
	if (!xmlHasNsProp((xmlNode *)(uintptr_t)n, (const xmlChar *)name, NULL)) {
		return ABSENT;
	}
	return saml_attribute(n, name, text, sizeof(text)) && read_time(text, ret_s) ? READ : WRONG;
}

/* An interval of attributes; *end is made smaller. */
static const char *in_time(
	const struct saml *s, const xmlNode *n, const char *from, const char *to, int64_t *end)
{
	int64_t now = s->r->now_s, skew = s->r->config->saml.skew_s, t = 0;
	enum when w = from ? time_of(n, from, &t) : ABSENT;
	if (w == WRONG || (w == READ && t > now + skew)) {
		return "its SAML assertion is not valid yet";
	}
	w = time_of(n, to, &t);
	if (w == WRONG || (w == READ && t <= now - skew)) {
		return "its SAML assertion has expired";
	}
	if (w == READ && t < *end) {
		*end = t;
	}
	return NULL;
}

/* ---- Who made it, for whom ---- */

static bool has_text(const xmlNode *n, const char *wanted)
{
	char text[VALUE_MOST];
	return n && saml_text(n, text, sizeof(text)) && strcmp(text, wanted) == 0;
}

static bool names_us(const struct saml *s, const xmlNode *restriction)
{
	bool found = false;
	for (xmlNode *n = saml_element(restriction->children); n; n = saml_element(n->next)) {
		found = found ||
		        (saml_is(n, saml_ns, "Audience") && has_text(n, s->r->config->saml.audience));
	}
	return found;
}

/* SAML core 2.5.1: every condition must hold, and one that is not known does not. */
static const char *conditions_fault(const struct saml *s, const xmlNode *conditions, bool *once)
{
	bool restricted = false;
	for (xmlNode *n = saml_element(conditions->children); n; n = saml_element(n->next)) {
		if (saml_is(n, saml_ns, "AudienceRestriction")) {
			restricted = true;
			if (!names_us(s, n)) {
				return "its SAML assertion is for another audience";
			}
		} else if (saml_is(n, saml_ns, "OneTimeUse")) {
			*once = true;
		} else if (!saml_is(n, saml_ns, "ProxyRestriction")) {
			return "its SAML assertion has a condition that is not known here";
		}
	}
	return restricted ? NULL : "its SAML assertion names no audience";
}

/* One confirmation is enough (SAML core 2.4.1.1): the fault of the last one, NULL if one holds. */
static const char *subject_fault(const struct saml *s, const xmlNode *subject, int64_t *end)
{
	const char *fault = "its SAML assertion is not for who bears it (SubjectConfirmation)";
	const char *recipient = s->r->config->saml.recipient;
	char text[VALUE_MOST];
	for (xmlNode *n = saml_element(subject->children); n; n = saml_element(n->next)) {
		if (!saml_is(n, saml_ns, "SubjectConfirmation") ||
			!saml_attribute(n, "Method", text, sizeof(text)) || strcmp(text, bearer) != 0) {
			continue;
		}
		const xmlNode *data = saml_only(n, saml_ns, "SubjectConfirmationData");
		int64_t until = *end;
		fault = data ? in_time(s, data, "NotBefore", "NotOnOrAfter", &until) : NULL;
		if (!fault && recipient[0] &&
			(!data || !saml_attribute(data, "Recipient", text, sizeof(text)) ||
				strcmp(text, recipient) != 0)) {
			fault = "its SAML assertion is for another recipient";
		}
		if (!fault) {
			*end = until;
			return NULL;
		}
	}
	return fault;
}

/* ---- Whose it is ---- */

typedef void take_value(struct proof *p, const char *text);

static void take_group(struct proof *p, const char *text)
{
	proof_add_group(p, text, strlen(text));
}

/* Its values, each given to `take`; how many there were. */
static unsigned each_value(
	const struct saml *s, const char *name, char *ret_last, take_value *take, struct proof *p)
{
	char text[VALUE_MOST];
	unsigned n_values = 0;
	for (xmlNode *st = saml_element(s->root->children); st; st = saml_element(st->next)) {
		xmlNode *a = saml_is(st, saml_ns, "AttributeStatement") ? saml_element(st->children) : NULL;
		for (; a; a = saml_element(a->next)) {
			if (!saml_is(a, saml_ns, "Attribute") ||
				!saml_attribute(a, "Name", text, sizeof(text)) || strcmp(text, name) != 0) {
				continue;
			}
			for (xmlNode *v = saml_element(a->children); v; v = saml_element(v->next)) {
				n_values++;
				if (saml_is(v, saml_ns, "AttributeValue") &&
					saml_text(v, text, sizeof(text))) {
					memcpy(ret_last, text, sizeof(text));
					if (take) {
						take(p, text);
					}
				}
			}
		}
	}
	return n_values;
}

static bool find_name(const struct saml *s, const xmlNode *subject, char name[VALUE_MOST])
{
	const struct user_saml *c = &s->r->config->saml;
	const xmlNode *id = saml_only(subject, saml_ns, "NameID");
	name[0] = 0;
	if (c->name[0]) {
		return each_value(s, c->name, name, NULL, NULL) == 1 && name[0];
	}
	return id && saml_text(id, name, VALUE_MOST);
}

static const char *session_fault(const struct saml *s, int64_t *end)
{
	const char *fault = NULL;
	for (xmlNode *n = saml_element(s->root->children); n && !fault; n = saml_element(n->next)) {
		if (saml_is(n, saml_ns, "AuthnStatement")) {
			fault = in_time(s, n, NULL, "SessionNotOnOrAfter", end);
		}
	}
	return fault;
}

static const char *claims_fault(const struct saml *s, const xmlNode *subject, int64_t *end, bool *once)
{
	const xmlNode *conditions = saml_only(s->root, saml_ns, "Conditions");
	int64_t t = 0;
	if (!has_text(saml_only(s->root, saml_ns, "Issuer"), s->r->config->saml.issuer)) {
		return "its SAML assertion is by another issuer";
	}
	if (!conditions || !subject) {
		return "its SAML assertion has no Conditions, or no Subject";
	}
	if (time_of(conditions, "NotOnOrAfter", &t) != READ) {
		return "its SAML assertion says no end (NotOnOrAfter)";
	}
	if (time_of(s->root, "IssueInstant", &t) != READ || t > s->r->now_s + s->r->config->saml.skew_s) {
		return "its SAML assertion is not valid yet: it says that it will be made, or not when it was";
	}
	*end = INT64_MAX;
	const char *fault = in_time(s, conditions, "NotBefore", "NotOnOrAfter", end);
	fault = fault ? fault : conditions_fault(s, conditions, once);
	fault = fault ? fault : subject_fault(s, subject, end);
	return fault ? fault : session_fault(s, end);
}

/* An identifier is its issuer's (SAML core 1.3.4), and there is one issuer. */
static const char *note_once(const struct saml *s, int64_t end, struct proof *ret)
{
	int64_t issued = 0;
	if (time_of(s->root, "IssueInstant", &issued) != READ || issued < s->r->since_s) {
		return "its SAML assertion is older than the gateway's record of those that were used: it must get a fresh one";
	}
	if (EVP_Digest(s->id, strlen(s->id), ret->once, NULL, EVP_sha256(), NULL) != 1) {
		return "the gateway could not note that its SAML assertion was used";
	}
	ret->once_until_s = end + s->r->config->saml.skew_s + 1;
	return NULL;
}

const char *saml_take(const struct saml *s, struct proof *ret)
{
	const xmlNode *subject = saml_only(s->root, saml_ns, "Subject");
	char name[VALUE_MOST], value[VALUE_MOST];
	int64_t end = 0;
	bool once = !s->r->config->saml.reuse;
	*ret = (struct proof){0};
	const char *fault = claims_fault(s, subject, &end, &once);
	fault = fault ? fault : once ? note_once(s, end, ret) : NULL;
	if (!fault && !find_name(s, subject, name)) {
		fault = "its SAML assertion names no user, or more than one";
	}
	if (fault) {
		return fault;
	}
	(void)each_value(s, s->r->config->saml.groups, value, take_group, ret);
	return proof_set_name(ret, name, strlen(name))
	               ? NULL
	               : "its user name is empty, too long, or has characters that are none of a name's";
}
