/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/event.h"
#include "base/clock.h"
#include "cli/quarantine.h"
#include "cli/quarantine_deliver.h"
#include "cli/when.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry quarantine release N [--yes] [--reason TEXT] [-c FILE]\n"
	"       gantry quarantine release N --withdraw [-c FILE]\n"
	"\n"
	"Release an object, in two steps by two persons. Who does this first asks for it;\n"
	"when somebody else does it too, the object is delivered to where it was bound,\n"
	"by the gateway that runs, without inspection; with the AE titles of the flow by\n"
	"which it came, and de-identified if that flow de-identifies. The audit trail\n"
	"records both. What could not be delivered stays in quarantine.\n"
	"\n"
	"Each comes with a login of their own, by sudo: root is nobody.\n"
	"\n"
	"  --yes          do not ask\n"
	"  --reason TEXT  why, for the record\n"
	"  --withdraw     take back that it be released; anybody may\n";

struct releasing {
	const struct quarantine_place *p;
	const struct quarantine_options *o;
	struct quarantine_item *item;
	struct person who;
	const char *how; /* "as it is" */
	unsigned makes;  /* the same, as DOOR_… */
};

static void copy_person(const struct person *who, struct quarantine_person *to)
{
	*to = (struct quarantine_person){.has = true, .uid = who->uid, .at_ms = clock_wall_ms()};
	snprintf(to->name, sizeof(to->name), "%s", who->name);
}

/* Members of the request that each step has. */
static json_t *more_of(const struct releasing *r, const char *text)
{
	const struct quarantine_person *other = &r->item->state.asked;
	json_t *o = json_object();
	(void)json_object_set_new(o, "other", json_string(other->name));
	(void)json_object_set_new(o, "other_uid", json_integer(other->uid));
	if (text) {
		(void)json_object_set_new(o, "text", json_string(text));
	}
	return o;
}

static int say_changed(uint64_t number, int e)
{
	if (e == 0) {
		return QUARANTINE_DONE;
	}
	fprintf(stderr, "gantry quarantine: object %" PRIu64 ": %s\n", number,
		e == ERR_EXISTS   ? "somebody else was quicker: look at it again"
		: e == ERR_SYSTEM ? strerror(errno)
				  : err_str(e));
	return QUARANTINE_FAILED;
}

/* ---- The first person ---- */

static int set_asked(struct quarantine_state *s, void *arg)
{
	if (s->asked.has || s->released) {
		return ERR_EXISTS;
	}
	copy_person(arg, &s->asked);
	return 0;
}

static int ask(struct releasing *r)
{
	char question[300];
	uint64_t number = r->item->object.number;
	snprintf(question, sizeof(question), "Ask that object %" PRIu64 " be delivered to %s, %s?", number,
		r->item->facts.to, r->how);
	if (!quarantine_agreed(r->o->yes, question) ||
		!quarantine_record(r->p, false, "ask", &r->who, r->item, more_of(r, r->o->reason))) {
		return QUARANTINE_FAILED;
	}
	int e = quarantine_change(&r->p->q, &r->item->file, set_asked, &r->who, NULL);
	if (e == 0) {
		printf("%s asked for the release of object %" PRIu64
		       ". It is delivered when somebody else releases it too:\n  gantry quarantine release %" PRIu64
		       "\n",
			r->who.name, number, number);
	}
	return say_changed(number, e);
}

static int set_withdrawn(struct quarantine_state *s, void *arg)
{
	(void)arg;
	if (!s->asked.has || s->released) {
		return ERR_EXISTS;
	}
	s->asked = (struct quarantine_person){0};
	return 0;
}

static int withdraw(struct releasing *r)
{
	uint64_t number = r->item->object.number;
	if (!r->item->state.asked.has || r->item->state.released) {
		fprintf(stderr, "gantry quarantine: nobody has asked for the release of object %" PRIu64 "\n",
			number);
		return QUARANTINE_FAILED;
	}
	if (!quarantine_take(r->item) ||
		!quarantine_record(r->p, false, "withdraw", &r->who, r->item, more_of(r, r->o->reason))) {
		return QUARANTINE_FAILED;
	}
	int e = quarantine_change(&r->p->q, &r->item->file, set_withdrawn, NULL, NULL);
	if (e == 0) {
		printf("object %" PRIu64 " stays in quarantine\n", number);
	}
	return say_changed(number, e);
}

/* ---- The second ---- */

struct ended {
	const struct person *who;
	bool released;
	const char *outcome;
};

static int set_ended(struct quarantine_state *s, void *arg)
{
	const struct ended *d = arg;
	if (!s->asked.has || s->released) {
		return ERR_EXISTS;
	}
	copy_person(d->who, &s->approved);
	s->released = d->released;
	s->ended_ms = clock_wall_ms();
	audit_text_set(s->outcome, sizeof(s->outcome), span_str(d->outcome));
	return 0;
}

static int deliver(struct releasing *r)
{
	char outcome[200], note[257];
	uint64_t number = r->item->object.number;
	const struct quarantine_person *asked = &r->item->state.asked;
	/* Who is killed on the way has had it delivered, or has not: nobody is to take it for untouched. */
	struct ended d = {
		.who = &r->who, .outcome = "it began, and how it ended was not noted: look at the node"};
	int e = quarantine_change(&r->p->q, &r->item->file, set_ended, &d, NULL);
	if (e != 0) {
		return say_changed(number, e);
	}
	snprintf(note, sizeof(note),
		"Object %" PRIu64 " of the quarantine, released by %.80s, as %.80s had asked", number,
		r->who.name, asked->name);
	bool ok = quarantine_deliver(r->p, r->item, r->makes, note, outcome, sizeof(outcome)) == 0;
	d = (struct ended){.who = &r->who, .released = ok, .outcome = outcome};
	/* It has happened: that the journal cannot take it any more changes nothing. */
	(void)quarantine_record(
		r->p, true, ok ? "delivered" : "not-delivered", &r->who, r->item, more_of(r, outcome));
	e = quarantine_change(&r->p->q, &r->item->file, set_ended, &d, NULL);
	if (!ok) {
		fprintf(stderr,
			"gantry quarantine: object %" PRIu64
			" stays in quarantine, as %s did not say that it has it: %s\n",
			number, r->item->facts.to, outcome);
		return QUARANTINE_FAILED;
	}
	printf("object %" PRIu64 " was delivered to %s: %s\n", number, r->item->facts.to, outcome);
	e = e == 0 ? quarantine_let_go(&r->p->q, &r->item->object, &r->item->file) : e;
	return say_changed(number, e);
}

static int approve(struct releasing *r)
{
	char question[600], when[WHEN_LEN];
	const struct quarantine_person *asked = &r->item->state.asked;
	uint64_t number = r->item->object.number;
	if (asked->uid == r->who.uid) {
		fprintf(stderr,
			"gantry quarantine: %s has asked for the release of object %" PRIu64
			" already; a second person must agree\n",
			r->who.name, number);
		return QUARANTINE_FAILED;
	}
	when_text(asked->at_ms, when);
	snprintf(question, sizeof(question),
		"%s asked at %s that object %" PRIu64 " be released.\nDeliver it to %s, %s?", asked->name,
		when, number, r->item->facts.to, r->how);
	if (!quarantine_agreed(r->o->yes, question)) {
		return QUARANTINE_FAILED;
	}
	if (!quarantine_take(r->item)) {
		return QUARANTINE_FAILED;
	}
	/* What it was before the question and the lock may have changed. */
	int e = quarantine_file_again(&r->item->file, &r->item->state);
	if (e != 0 || !asked->has || r->item->state.released || asked->uid == r->who.uid) {
		return say_changed(number, e != 0 ? e : ERR_EXISTS);
	}
	if (!quarantine_record(r->p, false, "approve", &r->who, r->item, more_of(r, r->o->reason))) {
		return QUARANTINE_FAILED;
	}
	return deliver(r);
}

/* ---- The verb ---- */

/* Who was killed after the delivery has left its data, which go now. */
static int say_released(const struct releasing *r)
{
	bool left = !r->item->object.released && quarantine_take(r->item);
	int e = left ? quarantine_let_go(&r->p->q, &r->item->object, &r->item->file) : 0;
	fprintf(stderr, "gantry quarantine: object %" PRIu64 " was released already%s\n",
		r->item->object.number,
		!left    ? ""
		: e == 0 ? "; its data were left, and are gone now"
			 : "; its data are still there, and could not be removed");
	return QUARANTINE_FAILED;
}

static int release(struct releasing *r)
{
	person_find(&r->who);
	if (!r->who.known) {
		fputs("gantry quarantine: who you are cannot be told, as root may be anybody: log in as yourself, and use sudo\n",
			stderr);
		return QUARANTINE_FAILED;
	}
	if (r->o->withdraw) {
		return withdraw(r);
	}
	if (r->item->object.released || r->item->state.released) {
		return say_released(r);
	}
	if (!r->item->facts.to[0]) {
		fputs("gantry quarantine: it is not known where the object was bound\n", stderr);
		return QUARANTINE_FAILED;
	}
	if (!quarantine_way(r->p, r->item, &r->how, &r->makes)) {
		return QUARANTINE_FAILED;
	}
	return r->item->state.asked.has ? approve(r) : ask(r);
}

int quarantine_release_verb(int argc, char **argv)
{
	static struct quarantine_item item;
	static struct quarantine_options o;
	static const struct option_row rows[] = {{"yes", .flag = &o.yes},
		{"reason", "TEXT", .text = &o.reason, .may_be_empty = true},
		{"withdraw", .flag = &o.withdraw}, {"config", "FILE", 'c', .text = &o.config}, {0}};
	struct options line = {.usage = usage, .rows = rows, .arguments = "N"};
	struct quarantine_place p;
	bool damaged;
	uint64_t number;
	int code;
	if (!options_read(&line, argc, argv, &code) || !options_number(&line, "N", line.at[0], &number)) {
		return code;
	}
	code = QUARANTINE_FAILED;
	if (quarantine_place(o.config, &p)) {
		struct releasing r = {.p = &p, .o = &o, .item = &item};
		if (quarantine_item(&p, number, &item, &damaged)) {
			code = release(&r);
			quarantine_file_done(&item.file);
		}
		quarantine_place_done(&p);
	}
	return code;
}
