/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/body.h"
#include "audit/event.h"
#include "audit/journal.h"
#include "audit/seal.h"

#include <fcntl.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

/*
 * usage: audit_records JOURNAL KEY
 * Every record of a journal, which may be written to meanwhile, as a line of JSON, with what its body says. For tests:
 * it verifies nothing. Exit 1: the journal is damaged, or a body cannot be opened.
 */

struct reading {
	struct hpke_opener opener;
	struct seal_epoch *epoch;
	int failed;
};

static void text(json_t *o, const char *name, const char *value)
{
	if (value[0]) {
		json_object_set_new(o, name, json_string(value));
	}
}

static void number(json_t *o, const char *name, uint64_t value)
{
	if (value != 0) {
		json_object_set_new(o, name, json_integer((json_int_t)value));
	}
}

static json_t *party(const struct audit_party *p)
{
	json_t *o = json_object();
	text(o, "node", p->node);
	text(o, "ae", p->ae);
	text(o, "address", p->address);
	text(o, "subject", p->subject);
	text(o, "serial", p->serial);
	text(o, "issuer", p->issuer);
	return o;
}

static json_t *event(const struct audit_event *ev)
{
	json_t *o = json_object(), *sop = json_object(), *accession = json_array();
	char fingerprint[AUDIT_FINGERPRINT_TEXT];
	json_object_set_new(o, "from", party(&ev->from));
	json_object_set_new(o, "to", party(&ev->to));
	json_object_set_new(o, "to_caller", json_boolean(ev->to_caller));
	json_object_set_new(o, "by_to", json_boolean(ev->by_to));
	json_object_set_new(o, "user_proved", json_boolean(ev->user_proved));
	number(o, "alert", ev->alert);
	number(o, "refusal", ev->refusal);
	number(o, "times", ev->times);
	number(o, "failed", ev->failed);
	number(o, "query_bytes", ev->query.len);
	audit_fingerprint_text(&ev->from_certificate, fingerprint);
	text(o, "from_certificate", fingerprint);
	audit_fingerprint_text(&ev->to_certificate, fingerprint);
	text(o, "to_certificate", fingerprint);
	text(o, "user", ev->user);
	text(o, "patient", ev->patient_id);
	text(o, "issuer", ev->patient_issuer);
	text(o, "name", ev->patient_name);
	text(o, "study", ev->study);
	text(o, "query_class", ev->query_class);
	text(o, "text", ev->text);
	text(o, "object", ev->object);
	for (unsigned i = 0; i < ev->n_sop; i++) {
		json_object_set_new(sop, ev->sop[i].uid, json_integer(ev->sop[i].instances));
	}
	for (unsigned i = 0; i < ev->n_accession; i++) {
		json_array_append_new(accession, json_string(ev->accession[i]));
	}
	json_object_set_new(o, "sop", sop);
	json_object_set_new(o, "accession", accession);
	return o;
}

static int open_body(struct reading *r, const struct journal_record *record, json_t *o)
{
	static uint8_t head[FRAME_CLEAR_MOST], body[BODY_MOST], xml[BODY_XML_MOST];
	static struct audit_event ev;
	size_t head_len, len, xml_len;
	struct span wire;
	int e = r->epoch ? record_write_clear(record, head, sizeof(head), &head_len) : ERR_MISSING;
	e = e == 0 ? seal_open(r->epoch, record->turn, span_of(head, head_len), record->body, body,
			     sizeof(body), &len)
	           : e;
	e = e == 0 ? body_read(span_of(body, len), &wire, xml, sizeof(xml), &xml_len) : e;
	e = e == 0 ? audit_event_read(wire, &ev) : e;
	if (e == 0) {
		json_object_set_new(o, "event", event(&ev));
		json_object_set_new(o, "xml", json_stringn((const char *)xml, xml_len));
	}
	return e;
}

static json_t *tokens(const struct journal_record *record)
{
	json_t *all = json_array();
	for (unsigned i = 0; i < record->n_tokens; i++) {
		char hex[2 * sizeof(record->tokens[i].value) + 1];
		for (unsigned k = 0; k < sizeof(record->tokens[i].value); k++) {
			snprintf(hex + 2 * k, 3, "%02x", record->tokens[i].value[k]);
		}
		json_array_append_new(all, json_pack("[is]", record->tokens[i].kind, hex));
	}
	return all;
}

static void say(struct reading *r, const struct journal_entry *e)
{
	const struct journal_record *record = &e->record;
	json_t *o = json_pack("{sIsssisIsisI}", "index", (json_int_t)e->index, "kind",
		journal_kind_name(record->kind), "outcome", record->outcome, "association",
		(json_int_t)record->association, "count", (int)record->count, "time_ms",
		(json_int_t)record->time_ms);
	if (record->about != JOURNAL_NONE) {
		json_object_set_new(o, "about", json_integer((json_int_t)record->about));
	}
	json_object_set_new(o, "tokens", tokens(record));
	int err = 0;
	if (record->kind == JOURNAL_KEY) {
		seal_epoch_free(r->epoch);
		r->epoch = NULL;
		err = seal_epoch_open(record->body, &r->opener, &r->epoch);
	} else if (record->epoch != JOURNAL_NONE && record->body.len > 0) {
		err = open_body(r, record, o);
	}
	if (err != 0) {
		text(o, "unreadable", err_str(err));
		r->failed = 1;
	}
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

int main(int argc, char **argv)
{
	static struct reading r;
	struct journal_reader *reader = NULL;
	struct journal_entry e;
	int got = 0, dir = argc == 3 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	FILE *file = dir >= 0 ? fopen(argv[2], "re") : NULL;
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
	if (!key || hpke_opener_of(key, &r.opener) != 0) {
		fprintf(stderr, "usage: audit_records JOURNAL KEY\n");
		return 2;
	}
	if (journal_reader_open(&dir, 1, &reader) == 0) {
		while ((got = journal_reader_next(reader, &e)) == 1) {
			say(&r, &e);
		}
	}
	journal_reader_free(reader);
	seal_epoch_free(r.epoch);
	EVP_PKEY_free(key);
	fclose(file);
	if (got < 0) {
		fprintf(stderr, "the journal is damaged: %s\n", err_str(got));
	}
	return got < 0 || r.failed;
}
