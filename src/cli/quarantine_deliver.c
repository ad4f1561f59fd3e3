/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/quarantine_deliver.h"
#include "cli/door.h"
#include "cli/place.h"
#include "cli/scu.h"
#include "policy/decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct delivery {
	const struct quarantine_item *item;
	const char *control, *note;
	unsigned makes; /* DOOR_… */
	char said[200]; /* why there is no way to the node */
	char *outcome;
	size_t cap;
	int result;
	uint64_t piece; /* that is in bytes; UINT64_MAX: none */
	size_t len;
	uint8_t bytes[QUARANTINE_PIECE];
};

/* ---- The object ---- */

static int load(struct delivery *d, uint64_t piece, bool *ret_last)
{
	d->piece = UINT64_MAX;
	int e = quarantine_file_read(&d->item->file, piece, d->bytes, &d->len, ret_last);
	if (e == 0) {
		d->piece = piece;
	}
	return e;
}

/* All of it opens, and is as long as it was: a part of an object is never sent. */
static int check_pieces(struct delivery *d)
{
	uint64_t size = 0;
	bool last = false;
	int e = 0;
	for (uint64_t i = 0; e == 0 && !last; i++) {
		e = load(d, i, &last);
		size += e == 0 ? d->len : 0;
	}
	return e == 0 && size != d->item->state.size ? ERR_DENIED : e;
}

static int read_some(void *arg, uint64_t at, void *buf, size_t n)
{
	struct delivery *d = arg;
	uint8_t *to = buf;
	bool last;
	while (n > 0) {
		uint64_t piece = at / QUARANTINE_PIECE;
		size_t skip = (size_t)(at % QUARANTINE_PIECE);
		int e = d->piece == piece ? 0 : load(d, piece, &last);
		if (e != 0 || skip >= d->len) {
			return e != 0 ? e : ERR_TRUNCATED;
		}
		size_t some = d->len - skip < n ? d->len - skip : n;
		memcpy(to, d->bytes + skip, some);
		to += some;
		at += some;
		n -= some;
	}
	return 0;
}

/* ---- The way ---- */

static int open_door(void *arg, int *ret_fd)
{
	struct delivery *d = arg;
	const struct facts *f = &d->item->facts;
	struct door wanted = {.why = DOOR_RELEASE, .makes = d->makes};
	snprintf(wanted.to, sizeof(wanted.to), "%s", f->to);
	snprintf(wanted.flow, sizeof(wanted.flow), "%s", f->flow);
	snprintf(wanted.note, sizeof(wanted.note), "%s", d->note);
	return door_open(d->control, &wanted, ret_fd, d->said, sizeof(d->said));
}

static void told(void *arg, size_t index, int status, const char *comment)
{
	struct delivery *d = arg;
	(void)index;
	if (status < 0) {
		d->result = status;
		snprintf(d->outcome, d->cap, "%s", d->said[0] ? d->said : comment);
		return;
	}
	d->result = scu_is_taken(status) ? 0 : ERR_DENIED;
	snprintf(d->outcome, d->cap, "%s answered status %04XH%s%s", d->item->facts.to, (unsigned)status,
		comment[0] ? ", " : "", comment);
}

static void send_object(struct delivery *d)
{
	const struct facts *f = &d->item->facts;
	const struct scu_object object = {.sop_class = f->sop_class,
		.sop_instance = f->sop_instance,
		.transfer_syntax = f->transfer_syntax,
		.fd = -1,
		.len = d->item->state.size,
		.read = read_some,
		.arg = d};
	(void)scu_store(open_door, d, f->calling, f->called, &object, 1, told);
}

bool quarantine_way(const struct quarantine_place *p, const struct quarantine_item *item,
	const char **ret_how, unsigned *ret_makes)
{
	static const char *const hows[] = {[0] = "as it is",
		[DOOR_DEIDENTIFIES] = "de-identified, as its flow has it",
		[DOOR_SIGNS] = "signed, as its flow has it",
		[DOOR_DEIDENTIFIES | DOOR_SIGNS] = "de-identified and signed, as its flow has it"};
	struct mistakes mistakes = {0};
	struct site *s = NULL;
	struct route route = {0};
	struct verdict v = {0};
	bool ok = site_load_settings(p->config, &s, &mistakes) == 0;
	if (!ok) {
		fprintf(stderr, "gantry quarantine: %s has mistakes; `gantry check` names them\n", p->config);
	} else if (decide_release(s, item->facts.to, item->facts.flow, &route, &v) != 0) {
		fprintf(stderr, "gantry quarantine: object %" PRIu64 " cannot be delivered: %s\n",
			item->object.number, v.sentence);
		ok = false;
	} else {
		const struct flow *f = &s->flows[route.flows[0]];
		*ret_makes = (f->deidentify ? DOOR_DEIDENTIFIES : 0) | (f->sign.yes ? DOOR_SIGNS : 0);
		*ret_how = hows[*ret_makes];
	}
	mistakes_done(&mistakes);
	site_free(s);
	return ok;
}

int quarantine_deliver(const struct quarantine_place *p, const struct quarantine_item *item, unsigned makes,
	const char *note, char *outcome, size_t cap)
{
	static struct delivery d;
	char *control = control_path(p->config);
	d = (struct delivery){.item = item,
		.control = control,
		.makes = makes,
		.note = note,
		.outcome = outcome,
		.cap = cap,
		.result = ERR_CLOSED};
	int e = control ? check_pieces(&d) : ERR_NO_MEMORY;
	if (e != 0) {
		snprintf(outcome, cap, "its file is damaged (%s)", err_str(e));
	} else {
		send_object(&d);
		e = d.result;
	}
	free(control);
	explicit_bzero(d.bytes, sizeof(d.bytes));
	return e;
}
