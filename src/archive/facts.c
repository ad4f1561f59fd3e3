/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/facts.h"
#include "audit/event.h"
#include "inspect/check.h"
#include "priv/message_values.h"

#include <stddef.h>
#include <stdlib.h>

#define VERSION         2
#define VERSION_SUBJECT 1 /* nothing of the certificate but its subject */

struct place {
	size_t at, cap;
	bool needed;
};

#define PLACE(type, field)                                                                                   \
	{                                                                                                    \
		offsetof(type, field), sizeof(((type *)0)->field), false                                     \
	}
#define NEEDED(type, field)                                                                                  \
	{                                                                                                    \
		offsetof(type, field), sizeof(((type *)0)->field), true                                      \
	}

/* clang-format off */
static const struct place texts[] = {
	PLACE(struct facts, why), PLACE(struct facts, flow), PLACE(struct facts, from), PLACE(struct facts, to),
	PLACE(struct facts, calling), PLACE(struct facts, called), PLACE(struct facts, address),
	PLACE(struct facts, subject), PLACE(struct facts, user), NEEDED(struct facts, sop_class),
	NEEDED(struct facts, sop_instance), NEEDED(struct facts, transfer_syntax), PLACE(struct facts, patient_id),
	PLACE(struct facts, patient_name), PLACE(struct facts, study)};
static const struct place certificate_texts[] = {
	PLACE(struct facts, certificate), PLACE(struct facts, serial), PLACE(struct facts, issuer)};
static const struct place finding_texts[] = {
	NEEDED(struct facts_finding, check), PLACE(struct facts_finding, sentence),
	PLACE(struct facts_finding, path), PLACE(struct facts_finding, excerpt)};
/* clang-format on */

static int check_texts(const void *base, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *text = (const char *)base + places[i].at;
		if (audit_text_check(text, places[i].cap) != 0 || (places[i].needed && !text[0])) {
			return ERR_VALUE;
		}
	}
	return 0;
}

static int check(const struct facts *f)
{
	if (f->n_findings > FACTS_FINDINGS) {
		return ERR_LIMIT;
	}
	int e = check_texts(f, texts, ARRAY_LEN(texts));
	e = e == 0 ? check_texts(f, certificate_texts, ARRAY_LEN(certificate_texts)) : e;
	for (unsigned i = 0; e == 0 && i < f->n_findings; i++) {
		e = f->finding[i].severity < INSPECT_SEVERITIES
		            ? check_texts(&f->finding[i], finding_texts, ARRAY_LEN(finding_texts))
		            : ERR_VALUE;
	}
	return e;
}

static void put_texts(struct writer *w, const void *base, const struct place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put_text(w, (const char *)base + places[i].at, places[i].cap);
	}
}

static int get_texts(struct reader *r, void *base, const struct place *places, size_t n)
{
	int e = 0;
	for (size_t i = 0; e == 0 && i < n; i++) {
		e = get_text(r, (char *)base + places[i].at, places[i].cap);
	}
	return e;
}

int facts_write(const struct facts *f, uint8_t *buf, size_t cap, size_t *ret_len)
{
	struct writer w = writer_of(buf, cap);
	int e = check(f);
	if (e != 0) {
		return e;
	}
	writer_u8(&w, VERSION);
	writer_u64be(&w, (uint64_t)f->time_ms);
	writer_u64be(&w, f->refusal);
	writer_u64be(&w, f->association);
	put_texts(&w, f, texts, ARRAY_LEN(texts));
	put_texts(&w, f, certificate_texts, ARRAY_LEN(certificate_texts));
	writer_u8(&w, f->user_proved);
	writer_u8(&w, (uint8_t)f->n_findings);
	for (unsigned i = 0; i < f->n_findings; i++) {
		writer_u8(&w, f->finding[i].severity);
		writer_u64be(&w, f->finding[i].offset);
		put_texts(&w, &f->finding[i], finding_texts, ARRAY_LEN(finding_texts));
	}
	e = writer_end(&w);
	if (e == 0) {
		*ret_len = w.len;
	}
	return e;
}

static int read_head(struct reader *r, struct facts *f)
{
	uint8_t version, n;
	int e = reader_u8(r, &version);
	if (e == 0 && version != VERSION && version != VERSION_SUBJECT) {
		return ERR_VALUE;
	}
	e = GET(e, get_i64, r, &f->time_ms);
	e = GET(e, reader_u64be, r, &f->refusal);
	e = GET(e, reader_u64be, r, &f->association);
	e = e == 0 ? get_texts(r, f, texts, ARRAY_LEN(texts)) : e;
	e = e == 0 && version != VERSION_SUBJECT
	            ? get_texts(r, f, certificate_texts, ARRAY_LEN(certificate_texts))
	            : e;
	e = GET(e, get_bool, r, &f->user_proved);
	e = GET(e, reader_u8, r, &n);
	if (e == 0) {
		f->n_findings = n;
	}
	return e == 0 && n > FACTS_FINDINGS ? ERR_LIMIT : e;
}

static int read_all(struct reader *r, struct facts *f)
{
	int e = read_head(r, f);
	for (unsigned i = 0; e == 0 && i < f->n_findings; i++) {
		struct facts_finding *one = &f->finding[i];
		e = reader_u8(r, &one->severity);
		e = GET(e, reader_u64be, r, &one->offset);
		e = e == 0 ? get_texts(r, one, finding_texts, ARRAY_LEN(finding_texts)) : e;
	}
	e = e == 0 ? reader_end(r) : e;
	return e == 0 ? check(f) : e;
}

int facts_read(struct span bytes, struct facts *ret_facts)
{
	struct reader r = reader_of(bytes);
	struct facts *f = calloc(1, sizeof(*f));
	if (!f) {
		return ERR_NO_MEMORY;
	}
	int e = read_all(&r, f);
	if (e == 0) {
		*ret_facts = *f;
	}
	free(f);
	return e;
}
