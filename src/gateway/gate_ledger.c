/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_ledger.h"
#include "base/clock.h"
#include "base/log.h"
#include "gateway/gate_slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
	struct refusal refusal;
	uint64_t said_count; /* the count last written */
	int64_t said_ms;
};

struct ledger {
	int fd; /* -1: none */
	bool opened;
	bool full_said, write_failed;
	int64_t size;
	uint64_t last;
	/* Most recently met first. Pointers move, entries do not. */
	struct entry *recent[LEDGER_RECENT];
	unsigned n;
	ledger_told *told; /* NULL: nobody */
	void *told_arg;
};

struct ledger *ledger_new(void)
{
	struct ledger *l = calloc(1, sizeof(*l));
	if (l) {
		l->fd = -1;
	}
	return l;
}

void ledger_free(struct ledger *l)
{
	if (!l) {
		return;
	}
	for (unsigned i = 0; i < l->n; i++) {
		slab_free(l->recent[i], sizeof(*l->recent[i]));
	}
	if (l->fd >= 0) {
		close(l->fd);
	}
	free(l);
}

/* ---- The file ---- */

static void put(struct ledger *l, char *line)
{
	size_t len = line ? strlen(line) : 0;
	if (l->fd < 0 || len == 0) {
		free(line);
		return;
	}
	ssize_t n = write(l->fd, line, len);
	if (n == (ssize_t)len) {
		l->size += n;
		l->write_failed = false;
	} else if (!l->write_failed) {
		/* Once, and not for every refusal while the disk is full. The log has them all. */
		l->write_failed = true;
		log_say(LOG_LEVEL_ERROR, "ledger.failed",
			"refusals.jsonl cannot be written (%s): `gantry explain` will miss some",
			n < 0 ? strerror(errno) : "no space left");
	}
	free(line);
}

static void put_refusal(struct ledger *l, const struct refusal *r)
{
	char *line = NULL;
	if (refusal_to_json(r, &line) == 0) {
		put(l, line);
	}
}

static void put_count(struct ledger *l, const struct refusal *r)
{
	char *line = NULL;
	if (refusal_count_to_json(r->number, r->count, r->last_ms, &line) == 0) {
		put(l, line);
	}
}

/* Numbers of one line. True: it is a whole record, and those before it are lower. */
static bool line_number(struct span line, uint64_t *last)
{
	struct refusal r;
	bool is_count;
	if (line.len == 0 || refusal_from_json(line, &r, &is_count) != 0) {
		return false;
	}
	*last = r.number > *last ? r.number : *last;
	return !is_count;
}

/* The lines of a block, last one first, until a whole record. *ret_start: the bytes before the first line's end. */
static bool scan_block(const uint8_t *buf, size_t len, size_t *ret_start, uint64_t *last)
{
	size_t end = len;
	while (end > 0) {
		size_t at = end;
		while (at > 0 && buf[at - 1] != '\n') {
			at--;
		}
		if (at == 0) {
			break;
		}
		if (line_number(span_of(buf + at, end - at), last)) {
			return true;
		}
		end = at - 1;
	}
	*ret_start = end;
	return false;
}

#define BLOCK ((size_t)256 * 1024)

/* From the end backwards, as far as it takes: a long run of counts may follow the last record. */
static int find_last(int fd, int64_t size, uint64_t *last)
{
	uint8_t *buf = malloc(BLOCK);
	if (!buf) {
		return ERR_NO_MEMORY;
	}
	int e = 0;
	for (int64_t end = size; end > 0;) {
		size_t len = end < (int64_t)BLOCK ? (size_t)end : BLOCK;
		ssize_t n = pread(fd, buf, len, end - (int64_t)len);
		if (n != (ssize_t)len) {
			e = ERR_SYSTEM;
			break;
		}
		size_t start = len;
		if (scan_block(buf, len, &start, last)) {
			break;
		}
		if (end == (int64_t)len) {
			(void)line_number(span_of(buf, start), last);
			break;
		}
		/* The line at the block's start is read whole with the block before; one that fills a block is no record. */
		end = end - (int64_t)len + (int64_t)(start < len / 2 ? start : 0);
	}
	free(buf);
	return e;
}

/* A line cut off by a crash must not swallow the next one. */
static void mend_end(struct ledger *l)
{
	char c = '\n';
	if (l->size > 0 && pread(l->fd, &c, 1, l->size - 1) == 1 && c != '\n' && write(l->fd, "\n", 1) == 1) {
		l->size++;
	}
}

/* The count of the last refusal, as it stands, is the first line of a new file: numbers go on from there. */
static void carry_number(struct ledger *l)
{
	struct refusal last = {.number = l->last, .count = 1, .last_ms = clock_wall_ms()};
	for (unsigned i = 0; i < l->n; i++) {
		if (l->recent[i]->refusal.number == l->last) {
			last.count = l->recent[i]->refusal.count;
			last.last_ms = l->recent[i]->refusal.last_ms;
		}
	}
	put_count(l, &last);
}

int ledger_open(struct ledger *l, int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	bool first = !l->opened;
	if (l->fd >= 0) {
		close(l->fd);
	}
	l->fd = fd;
	l->opened = true;
	l->size = size > 0 ? size : 0;
	l->full_said = false;
	mend_end(l);
	if (first) {
		return size < 0 ? ERR_SYSTEM : find_last(fd, l->size, &l->last);
	}
	if (l->size == 0 && l->last > 0) {
		carry_number(l);
	}
	return 0;
}

bool ledger_full(struct ledger *l)
{
	if (l->full_said || l->size < LEDGER_MOST) {
		return false;
	}
	l->full_said = true;
	return true;
}

/* ---- Refusals ---- */

static void to_front(struct ledger *l, unsigned i)
{
	struct entry *e = l->recent[i];
	memmove(&l->recent[1], &l->recent[0], i * sizeof(l->recent[0]));
	l->recent[0] = e;
}

static void say_repeated(struct ledger *l, struct entry *e, int64_t now_ms)
{
	struct refusal *r = &e->refusal;
	put_count(l, r);
	log_event(LOG_LEVEL_NOTICE, "decision.repeated", "the same was refused again",
		LOG_NUMBER("number", (int64_t)r->number), LOG_NUMBER("count", (int64_t)r->count),
		LOG_TEXT("rule", rule_name((enum rule)r->rule)), LOG_TEXT("from", r->address),
		LOG_TEXT("calling", r->calling), LOG_TEXT("called", r->called));
	if (l->told) {
		l->told(r, r->count - e->said_count, l->told_arg);
	}
	e->said_count = r->count;
	e->said_ms = now_ms;
}

static struct entry *room_for_one(struct ledger *l, int64_t now_ms)
{
	if (l->n < LEDGER_RECENT) {
		struct entry *fresh = slab_alloc(sizeof(*fresh));
		if (fresh) {
			l->recent[l->n] = fresh;
			l->n++;
			return fresh;
		}
	}
	if (l->n == 0) {
		return NULL;
	}
	struct entry *oldest = l->recent[l->n - 1];
	if (oldest->refusal.count != oldest->said_count) {
		say_repeated(l, oldest, now_ms);
	}
	return oldest;
}

static void say_new(struct ledger *l, const struct refusal *r)
{
	struct log_field fields[REFUSAL_LOG_FIELDS];
	unsigned n = refusal_log_fields(r, fields);
	log_line(r->observed || r->alarm || r->minor ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "decision",
		r->sentence, fields, n);
	put_refusal(l, r);
	if (l->told) {
		l->told(r, 1, l->told_arg);
	}
}

void ledger_tell(struct ledger *l, ledger_told *told, void *arg)
{
	l->told = told;
	l->told_arg = arg;
}

uint64_t ledger_add(struct ledger *l, const struct refusal *r, int64_t now_ms)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct entry *e = l->recent[i];
		if (refusal_same(&e->refusal, r) && now_ms - e->refusal.last_ms < LEDGER_FORGET_MS) {
			e->refusal.count++;
			e->refusal.last_ms = now_ms;
			to_front(l, i);
			return e->refusal.number;
		}
	}
	struct refusal fresh = *r;
	fresh.number = ++l->last;
	fresh.count = 1;
	fresh.first_ms = fresh.last_ms = now_ms;
	say_new(l, &fresh);
	struct entry *e = room_for_one(l, now_ms);
	if (e) {
		*e = (struct entry){.refusal = fresh, .said_count = 1, .said_ms = now_ms};
		to_front(l, l->n - 1);
	}
	return fresh.number;
}

void ledger_check(struct ledger *l, int64_t now_ms, bool all)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct entry *e = l->recent[i];
		if (e->refusal.count != e->said_count && (all || now_ms - e->said_ms >= LEDGER_SAY_MS)) {
			say_repeated(l, e, now_ms);
		}
	}
}

const struct refusal *ledger_recent(const struct ledger *l, unsigned i)
{
	return i < l->n ? &l->recent[i]->refusal : NULL;
}

uint64_t ledger_last_number(const struct ledger *l)
{
	return l->last;
}
