/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "audit/event_parts.h"

#include "base/limits.h"
#include "base/reader.h"
#include "base/writer.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[AUDIT_KIND_COUNT] = {
	[AUDIT_START] = "start",
	[AUDIT_STOP] = "stop",
	[AUDIT_BEGIN] = "begin",
	[AUDIT_TRANSFERRED] = "transferred",
	[AUDIT_PROGRESS] = "progress",
	[AUDIT_INTERRUPTED] = "interrupted",
	[AUDIT_QUERY] = "query",
	[AUDIT_PATIENT_SHOWN] = "patient-shown",
	[AUDIT_ALERT] = "alert",
	[AUDIT_ATTACHED] = "attached",
	[AUDIT_DETACHED] = "detached",
	[AUDIT_LOGIN] = "login",
	[AUDIT_LOG_USED] = "log-used",
	[AUDIT_IMPORT] = "import",
	[AUDIT_EXPORT] = "export",
};

const char *audit_kind_name(enum audit_kind k)
{
	const char *name = (unsigned)k < AUDIT_KIND_COUNT ? kind_names[k] : NULL;
	return name ? name : "unknown";
}

/* ---- The texts of an event ---- */

struct place {
	size_t at, cap;
};

#define PLACE(field)                                                                                         \
	{                                                                                                    \
		offsetof(struct audit_event, field), sizeof(((struct audit_event *)0)->field)                \
	}
#define PARTY(member) PLACE(member.node), PLACE(member.ae), PLACE(member.address), PLACE(member.subject)

/* In the order of the wire form; the lists of accessions and classes come between the two. */
static const struct place before_lists[] = {PARTY(from), PARTY(to), PLACE(user), PLACE(patient_id),
	PLACE(patient_issuer), PLACE(patient_name), PLACE(study)};
static const struct place after_lists[] = {
	PLACE(query_class), PLACE(query_syntax), PLACE(text), PLACE(object)};
/* Of each end; behind the fingerprints. */
static const struct place of_from[] = {PLACE(from.serial), PLACE(from.issuer)};
static const struct place of_to[] = {PLACE(to.serial), PLACE(to.issuer)};

/* All of them, whatever comes between in the wire form. */
static const struct {
	const struct place *places;
	size_t n;
} all_texts[] = {{before_lists, ARRAY_LEN(before_lists)}, {after_lists, ARRAY_LEN(after_lists)},
	{of_from, ARRAY_LEN(of_from)}, {of_to, ARRAY_LEN(of_to)}};

static char *text_at(struct audit_event *ev, struct place p)
{
	return (char *)ev + p.at;
}

static const char *text_of(const struct audit_event *ev, struct place p)
{
	return (const char *)ev + p.at;
}

/* ---- What is used of an event ---- */

#define VALUES offsetof(struct audit_event, from) /* all before the texts */

static void clear_texts(struct audit_event *ev, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*text_at(ev, places[i]) = '\0';
	}
}

void audit_event_clear(struct audit_event *ev)
{
	memset(ev, 0, VALUES);
	for (unsigned i = 0; i < ARRAY_LEN(all_texts); i++) {
		clear_texts(ev, all_texts[i].places, all_texts[i].n);
	}
}

static void copy_text(char *to, const char *from, size_t cap)
{
	size_t n = strnlen(from, cap - 1);
	memcpy(to, from, n);
	to[n] = '\0';
}

static void copy_texts(
	struct audit_event *to, const struct audit_event *from, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		copy_text(text_at(to, places[i]), text_of(from, places[i]), places[i].cap);
	}
}

void audit_event_copy(struct audit_event *to, const struct audit_event *from)
{
	memcpy(to, from, VALUES);
	for (unsigned i = 0; i < ARRAY_LEN(all_texts); i++) {
		copy_texts(to, from, all_texts[i].places, all_texts[i].n);
	}
	for (unsigned i = 0; i < from->n_accession; i++) {
		copy_text(to->accession[i], from->accession[i], sizeof(to->accession[i]));
	}
	memcpy(to->sop, from->sop, from->n_sop * sizeof(from->sop[0]));
}

static void wipe_texts(struct audit_event *ev, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		explicit_bzero(text_at(ev, places[i]), strnlen(text_of(ev, places[i]), places[i].cap));
	}
}

void audit_event_wipe(struct audit_event *ev)
{
	for (unsigned i = 0; i < ARRAY_LEN(all_texts); i++) {
		wipe_texts(ev, all_texts[i].places, all_texts[i].n);
	}
	explicit_bzero(ev->accession, ev->n_accession * sizeof(ev->accession[0]));
	explicit_bzero(ev->sop, ev->n_sop * sizeof(ev->sop[0]));
	explicit_bzero(ev, VALUES);
}

static int check_texts(const struct audit_event *ev, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (audit_text_check(text_of(ev, places[i]), places[i].cap) != 0) {
			return ERR_VALUE;
		}
	}
	return 0;
}

/* ---- Values ---- */

#define TIME_MOST INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z: xsd:dateTime of four digits */

static bool is_outcome(uint32_t v)
{
	return v == AUDIT_SUCCESS || v == AUDIT_MINOR || v == AUDIT_SERIOUS || v == AUDIT_MAJOR;
}

static bool is_alert(uint32_t kind, uint32_t v)
{
	static const enum audit_alert alerts[] = {ALERT_NODE_AUTHENTICATION, ALERT_NETWORK_CONFIGURATION,
		ALERT_SECURITY_CONFIGURATION, ALERT_SOFTWARE_CONFIGURATION, ALERT_RESTRICTED_FUNCTION,
		ALERT_RECORDING_STOPPED, ALERT_RECORDING_STARTED};
	for (unsigned i = 0; kind == AUDIT_ALERT && i < ARRAY_LEN(alerts); i++) {
		if (v == alerts[i]) {
			return true;
		}
	}
	return kind != AUDIT_ALERT && v == 0;
}

static int check_values(const struct audit_event *ev)
{
	bool known = ev->from_certificate.known || ev->to_certificate.known || ev->from.serial[0] ||
	             ev->to.serial[0];
	/* The wire form has an issuer where there is a serial number. */
	bool alone = (ev->from.issuer[0] && !ev->from.serial[0]) || (ev->to.issuer[0] && !ev->to.serial[0]);
	bool good = !(known && ev->no_fingerprints) && !alone && ev->kind >= AUDIT_START &&
	            ev->kind < AUDIT_KIND_COUNT && is_outcome(ev->outcome) && is_alert(ev->kind, ev->alert) &&
	            ev->time_ms >= 0 && ev->time_ms <= TIME_MOST && ev->n_accession <= AUDIT_ACCESSIONS &&
	            ev->n_sop <= AUDIT_CLASSES;
	if (!good) {
		return ERR_VALUE;
	}
	return ev->query.len > LIMIT_IDENTIFIER ? ERR_LENGTH : 0;
}

int audit_event_check(const struct audit_event *ev)
{
	int r = check_values(ev);
	for (unsigned i = 0; r == 0 && i < ARRAY_LEN(all_texts); i++) {
		r = check_texts(ev, all_texts[i].places, all_texts[i].n);
	}
	for (unsigned i = 0; r == 0 && i < ev->n_accession; i++) {
		r = audit_text_check(ev->accession[i], sizeof(ev->accession[i]));
	}
	for (unsigned i = 0; r == 0 && i < ev->n_sop; i++) {
		r = audit_text_check(ev->sop[i].uid, sizeof(ev->sop[i].uid));
	}
	return r;
}

bool audit_event_split(struct audit_event *ev, struct audit_event *ret_failed)
{
	uint64_t passed = 0;
	for (unsigned i = 0; i < ev->n_sop; i++) {
		passed += ev->sop[i].instances;
	}
	if (ev->kind != AUDIT_TRANSFERRED || ev->failed == 0 || passed == 0) {
		return false;
	}
	*ret_failed = *ev;
	memset(ret_failed->sop, 0, sizeof(ret_failed->sop));
	ret_failed->n_sop = 0;
	if (ev->outcome == AUDIT_SUCCESS) {
		ret_failed->outcome = AUDIT_MINOR;
	}
	ev->failed = 0;
	ev->outcome = AUDIT_SUCCESS;
	ev->refusal = 0;
	memset(ev->text, 0, sizeof(ev->text)); /* not only hidden: audit_event_wipe() would not see it */
	return true;
}

/* ---- Wire form ---- */

enum flag {
	FLAG_TO_CALLER = 1,
	FLAG_BY_TO = 2,
	FLAG_USER_PROVED = 4,
	FLAG_ANONYMIZED = 8,
	FLAG_ENCRYPTED = 16,
	FLAG_ALL = 31,
};

enum certificates {
	OF_FROM = 1,
	OF_TO = 2,
	SERIAL_OF_FROM = 4,
	SERIAL_OF_TO = 8,
	OF_ALL = 15,
};

void audit_fingerprint_text(const struct audit_fingerprint *f, char ret_text[AUDIT_FINGERPRINT_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;
	if (f->known) {
		memcpy(ret_text, "sha256:", n = 7);
		for (unsigned i = 0; i < AUDIT_FINGERPRINT; i++) {
			ret_text[n++] = digits[f->at[i] >> 4];
			ret_text[n++] = digits[f->at[i] & 15];
		}
	}
	ret_text[n] = '\0';
}

static void put_text(struct writer *w, const char *s)
{
	size_t n = strlen(s);
	writer_u16be(w, (uint16_t)n);
	writer_bytes(w, s, n);
}

static void put_texts(struct writer *w, const struct audit_event *ev, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put_text(w, text_of(ev, places[i]));
	}
}

bool audit_serial_set(const char *text, char ret_serial[AUDIT_SERIAL])
{
	char digits[160] = "";
	size_t n = 0;
	for (; *text; text++) {
		bool between = *text == ':' || *text == ' ';
		if ((!between && !isxdigit((unsigned char)*text)) || n == sizeof(digits) - 1) {
			return false;
		}
		/* Leading zeros say nothing. */
		if (!between && (n > 0 || *text != '0' || !strpbrk(text + 1, "0123456789abcdefABCDEF"))) {
			digits[n++] = (char)tolower((unsigned char)*text);
		}
	}
	if (n == 0) {
		return false;
	}
	digits[n] = '\0';
	/* Whole bytes; longer ones were cut when they were recorded. */
	(void)snprintf(ret_serial, AUDIT_SERIAL - 1, "%s%s", n % 2 ? "0" : "", digits);
	return true;
}

static void put_certificates(struct writer *w, const struct audit_event *ev)
{
	const struct audit_fingerprint *from = &ev->from_certificate, *to = &ev->to_certificate;
	unsigned which = (from->known ? OF_FROM : 0) | (to->known ? OF_TO : 0) |
	                 (ev->from.serial[0] ? SERIAL_OF_FROM : 0) | (ev->to.serial[0] ? SERIAL_OF_TO : 0);
	if (ev->no_fingerprints) {
		return;
	}
	writer_u8(w, (uint8_t)which);
	writer_bytes(w, from->at, from->known ? AUDIT_FINGERPRINT : 0);
	writer_bytes(w, to->at, to->known ? AUDIT_FINGERPRINT : 0);
	put_texts(w, ev, of_from, which & SERIAL_OF_FROM ? ARRAY_LEN(of_from) : 0);
	put_texts(w, ev, of_to, which & SERIAL_OF_TO ? ARRAY_LEN(of_to) : 0);
}

static void put_lists(struct writer *w, const struct audit_event *ev)
{
	writer_u8(w, (uint8_t)ev->n_accession);
	for (unsigned i = 0; i < ev->n_accession; i++) {
		put_text(w, ev->accession[i]);
	}
	writer_u8(w, (uint8_t)ev->n_sop);
	for (unsigned i = 0; i < ev->n_sop; i++) {
		put_text(w, ev->sop[i].uid);
		writer_u32be(w, ev->sop[i].instances);
	}
}

int audit_event_write(const struct audit_event *ev, uint8_t *buf, size_t cap, size_t *ret_len)
{
	int r = audit_event_check(ev);
	if (r != 0) {
		return r;
	}
	struct writer w = writer_of(buf, cap);
	writer_u8(&w, (uint8_t)ev->kind);
	writer_u8(&w, (uint8_t)ev->outcome);
	writer_u8(
		&w, (uint8_t)((ev->to_caller ? FLAG_TO_CALLER : 0) | (ev->by_to ? FLAG_BY_TO : 0) |
			      (ev->user_proved ? FLAG_USER_PROVED : 0) |
			      (ev->anonymized ? FLAG_ANONYMIZED : 0) | (ev->encrypted ? FLAG_ENCRYPTED : 0)));
	writer_u32be(&w, ev->alert);
	writer_u64be(&w, (uint64_t)ev->time_ms);
	writer_u64be(&w, ev->association);
	writer_u64be(&w, ev->refusal);
	writer_u64be(&w, ev->times);
	writer_u64be(&w, ev->failed);
	put_texts(&w, ev, before_lists, ARRAY_LEN(before_lists));
	put_lists(&w, ev);
	put_texts(&w, ev, after_lists, ARRAY_LEN(after_lists));
	writer_u32be(&w, (uint32_t)ev->query.len);
	writer_span(&w, ev->query);
	put_certificates(&w, ev);
	r = writer_end(&w);
	if (r == 0) {
		*ret_len = w.len;
	}
	return r;
}

static int get_text(struct reader *r, char *to, size_t cap)
{
	uint16_t n;
	struct span s;
	int e = reader_u16be(r, &n);
	if (e == 0 && n >= cap) {
		return ERR_LENGTH;
	}
	if (e == 0) {
		e = reader_bytes(r, n, &s);
	}
	if (e == 0 && !event_is_text(s)) {
		e = ERR_VALUE;
	}
	if (e == 0 && n > 0) {
		memcpy(to, s.ptr, n);
	}
	if (e == 0) {
		to[n] = '\0';
	}
	return e;
}

static int get_texts(struct reader *r, struct audit_event *ev, const struct place *places, size_t n)
{
	int e = 0;
	for (size_t i = 0; e == 0 && i < n; i++) {
		e = get_text(r, text_at(ev, places[i]), places[i].cap);
	}
	return e;
}

static int get_count(struct reader *r, unsigned most, unsigned *ret_n)
{
	uint8_t n;
	int e = reader_u8(r, &n);
	if (e == 0 && n > most) {
		return ERR_VALUE;
	}
	if (e == 0) {
		*ret_n = n;
	}
	return e;
}

static int get_lists(struct reader *r, struct audit_event *ev)
{
	int e = get_count(r, AUDIT_ACCESSIONS, &ev->n_accession);
	for (unsigned i = 0; e == 0 && i < ev->n_accession; i++) {
		e = get_text(r, ev->accession[i], sizeof(ev->accession[i]));
	}
	if (e == 0) {
		e = get_count(r, AUDIT_CLASSES, &ev->n_sop);
	}
	for (unsigned i = 0; e == 0 && i < ev->n_sop; i++) {
		e = get_text(r, ev->sop[i].uid, sizeof(ev->sop[i].uid));
		if (e == 0) {
			e = reader_u32be(r, &ev->sop[i].instances);
		}
	}
	return e;
}

/* The fixed fields at the beginning. Values are judged at the end, all at once. */
static int get_head(struct reader *r, struct audit_event *ev)
{
	struct span fixed;
	uint8_t kind = 0, outcome = 0, flags = 0;
	uint32_t alert = 0;
	uint64_t time = 0;
	int e = reader_bytes(r, 3 + 4 + 5 * 8, &fixed);
	if (e != 0) {
		return e;
	}
	struct reader f = reader_of(fixed);
	bool all = reader_u8(&f, &kind) == 0 && reader_u8(&f, &outcome) == 0 && reader_u8(&f, &flags) == 0 &&
	           reader_u32be(&f, &alert) == 0 && reader_u64be(&f, &time) == 0 &&
	           reader_u64be(&f, &ev->association) == 0 && reader_u64be(&f, &ev->refusal) == 0 &&
	           reader_u64be(&f, &ev->times) == 0 && reader_u64be(&f, &ev->failed) == 0;
	if (!all || flags > FLAG_ALL || time > TIME_MOST || !is_alert(kind, alert)) {
		return ERR_VALUE;
	}
	ev->kind = (enum audit_kind)kind;
	ev->outcome = (enum audit_outcome)outcome;
	ev->alert = (enum audit_alert)alert;
	ev->time_ms = (int64_t)time;
	ev->to_caller = flags & FLAG_TO_CALLER;
	ev->by_to = flags & FLAG_BY_TO;
	ev->user_proved = flags & FLAG_USER_PROVED;
	ev->anonymized = flags & FLAG_ANONYMIZED;
	ev->encrypted = flags & FLAG_ENCRYPTED;
	return 0;
}

static int get_query(struct reader *r, struct audit_event *ev)
{
	uint32_t n;
	int e = reader_u32be(r, &n);
	if (e == 0 && n > LIMIT_IDENTIFIER) {
		return ERR_LENGTH;
	}
	return e == 0 ? reader_bytes(r, n, &ev->query) : e;
}

static int get_fingerprint(struct reader *r, struct audit_fingerprint *f)
{
	struct span bytes;
	int e = reader_bytes(r, AUDIT_FINGERPRINT, &bytes);
	if (e == 0) {
		memcpy(f->at, bytes.ptr, AUDIT_FINGERPRINT);
		f->known = true;
	}
	return e;
}

/* Only an end that has a serial number is marked as one. */
static int get_issued(struct reader *r, struct audit_event *ev, const struct place places[2])
{
	int e = get_texts(r, ev, places, 2);
	return e == 0 && !text_at(ev, places[0])[0] ? ERR_VALUE : e;
}

static int get_certificates(struct reader *r, struct audit_event *ev)
{
	uint8_t which = 0;
	ev->no_fingerprints = reader_left(r) == 0;
	int e = ev->no_fingerprints ? 0 : reader_u8(r, &which);
	if (e == 0 && which > OF_ALL) {
		return ERR_VALUE;
	}
	e = e == 0 && which & OF_FROM ? get_fingerprint(r, &ev->from_certificate) : e;
	e = e == 0 && which & OF_TO ? get_fingerprint(r, &ev->to_certificate) : e;
	e = e == 0 && which & SERIAL_OF_FROM ? get_issued(r, ev, of_from) : e;
	return e == 0 && which & SERIAL_OF_TO ? get_issued(r, ev, of_to) : e;
}

int audit_event_read_into(struct span bytes, struct audit_event *ev)
{
	struct reader r = reader_of(bytes);
	audit_event_clear(ev);
	int e = get_head(&r, ev);
	if (e == 0) {
		e = get_texts(&r, ev, before_lists, ARRAY_LEN(before_lists));
	}
	if (e == 0) {
		e = get_lists(&r, ev);
	}
	if (e == 0) {
		e = get_texts(&r, ev, after_lists, ARRAY_LEN(after_lists));
	}
	if (e == 0) {
		e = get_query(&r, ev);
	}
	e = e == 0 ? get_certificates(&r, ev) : e;
	if (e == 0) {
		e = reader_end(&r);
	}
	return e == 0 ? check_values(ev) : e;
}

int audit_event_read(struct span bytes, struct audit_event *ret_event)
{
	struct audit_event ev = {0};
	int e = audit_event_read_into(bytes, &ev);
	if (e == 0) {
		*ret_event = ev;
	}
	return e;
}
