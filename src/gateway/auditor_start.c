/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The auditor with its first site, and with a new one. */

static void say_damage(struct auditor *a, const struct journal_recovered *r)
{
	struct audit_event ev = {.kind = AUDIT_ALERT,
		.alert = ALERT_SECURITY_CONFIGURATION,
		.outcome = AUDIT_MAJOR,
		.time_ms = clock_wall_ms()};
	if (r->cut_bytes > 0) {
		log_event(LOG_LEVEL_NOTICE, "audit.mended",
			"an append that was cut short was taken off the journal's end",
			LOG_NUMBER("bytes", (int64_t)r->cut_bytes));
	}
	if (r->damage == JOURNAL_UNDAMAGED) {
		return;
	}
	log_event(LOG_LEVEL_ERROR, "audit.damaged", journal_damage_text(r->damage),
		LOG_TEXT("file", r->damaged), LOG_TEXT("kept_as", r->kept),
		LOG_NUMBER("record", (int64_t)r->damaged_index),
		LOG_NUMBER("vouched_for", (int64_t)r->vouched));
	snprintf(ev.text, sizeof(ev.text), "The journal is damaged: %s, in %s from record %llu on.",
		journal_damage_text(r->damage), r->damaged, (unsigned long long)r->damaged_index);
	snprintf(ev.object, sizeof(ev.object), "%s", r->damaged);
	batch_add(a, &ev);
}

static int use_auditors(struct auditor *a, const struct site *s)
{
	struct hpke_public keys[ENVELOPE_PEOPLE];
	unsigned n = s->audit.n_auditors;
	struct seal *fresh = NULL;
	int e = n > ENVELOPE_PEOPLE ? ERR_LIMIT : 0;
	for (unsigned i = 0; e == 0 && i < n; i++) {
		e = hpke_public_read(s->audit.auditors[i].bytes, &keys[i]);
		if (e != 0) {
			log_event(LOG_LEVEL_ERROR, "audit.failed",
				"an auditor's key cannot be used: a public key or certificate, X25519 or P-256, in PEM is wanted",
				LOG_TEXT("file", s->audit.auditors[i].path), LOG_TEXT("why", err_str(e)));
		}
	}
	e = e == 0 ? seal_new(keys, n, &fresh) : e;
	if (e == 0) {
		seal_free(a->seal);
		a->seal = fresh;
		a->has_index_envelope = false;
	}
	return e;
}

static void use_source(struct auditor *a)
{
	const struct audit_config *c = &a->site->audit;
	a->source = (struct audit_source){.site = c->enterprise_site[0] ? c->enterprise_site : a->site->name,
		.id = c->source_id[0] ? c->source_id : c->origin,
		.type = c->source_type,
		.host = a->host,
		.process = (uint32_t)getpid()};
}

static int open_journal(struct auditor *a, uint64_t *ret_vouched)
{
	const struct audit_config *c = &a->site->audit;
	struct journal_recovered r;
	a->dir = open(c->journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int e = a->dir < 0 ? ERR_SYSTEM : journal_open(a->dir, c->origin, NULL, NULL, &a->journal, &r);
	if (e != 0) {
		log_event(LOG_LEVEL_ERROR, "audit.failed",
			e == ERR_VALUE
				? "the journal is another one's: `origin` in audit is not that of the journal"
			: e == ERR_EXISTS ? "the journal is in use by another process"
					  : "the journal cannot be opened",
			LOG_TEXT("journal", c->journal),
			LOG_TEXT("why", e == ERR_SYSTEM ? strerror(errno) : err_str(e)));
		return e;
	}
	log_event(LOG_LEVEL_INFO, "audit.opened", r.fresh ? "a new journal" : "the journal is open",
		LOG_TEXT("journal", c->journal), LOG_NUMBER("records", (int64_t)r.size),
		LOG_NUMBER("open_transfers", (int64_t)r.n_open));
	health_start(a, r.vouched);
	open_recovered(a, &r, clock_mono_ms());
	say_damage(a, &r);
	*ret_vouched = r.vouched;
	return 0;
}

int auditor_start(struct auditor *a)
{
	uint64_t vouched = 0;
	int e = use_auditors(a, a->site);
	use_source(a);
	e = e == 0 ? open_journal(a, &vouched) : e;
	if (e == 0) {
		auditor_drop_spool(a);
		auditor_use_spool(a);
		checkpoint_resume(a, vouched);
	}
	a->checkpoint_ms = clock_mono_ms() + 1000; /* what the last process left without one */
	return e;
}

int auditor_use_site(struct auditor *a, struct site *fresh)
{
	int e = use_auditors(a, fresh);
	if (e != 0) {
		site_free(fresh);
		return e;
	}
	site_free(a->site);
	a->site = fresh;
	use_source(a);
	auditor_drop_spool(a);
	auditor_use_spool(a);
	return 0;
}
