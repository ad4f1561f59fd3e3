/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/auditor_state.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

/* Lines to associations, the auditor's part: gateway/audit_line.h. A teller is one association's turn on a line. */

#define TABLE_BYTES (AUDIT_LINES * sizeof(struct audit_line))
#define SEALS       (F_SEAL_SHRINK | F_SEAL_GROW)

static struct audit_line *row_of(const struct auditor *a, const struct line *l)
{
	return &a->line_table[l - a->lines];
}

static void close_line(struct auditor *a, struct line *l)
{
	if (l->teller) {
		teller_end(a, l->teller);
	}
	if (l->channel.fd >= 0) {
		/* The gate and an association have the other end: nobody has a copy of this one. */
		close(l->channel.fd);
		l->channel.fd = -1;
	}
}

/* Those who tell on lines of the table before are not told apart by this one: they end, as on any channel that is closed. */
static void forget_lines(struct auditor *a)
{
	for (unsigned i = 0; i < ARRAY_LEN(a->lines); i++) {
		if (a->lines[i].channel.kind == TELLER_LINE) {
			close_line(a, &a->lines[i]);
		}
	}
	for (struct teller *t = a->gone; t; t = t->next) {
		t->line = NULL;
	}
	if (a->line_table) {
		(void)munmap(a->line_table, TABLE_BYTES);
		a->line_table = NULL;
	}
}

static void use_table(struct auditor *a, int fd)
{
	forget_lines(a);
	int seals = fcntl(fd, F_GET_SEALS);
	void *at = seals >= 0 && (seals & SEALS) == SEALS && lseek(fd, 0, SEEK_END) >= (off_t)TABLE_BYTES
	                   ? mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
	                   : MAP_FAILED;
	a->line_table = at == MAP_FAILED ? NULL : at;
}

void line_message(struct auditor *a, const struct message *m)
{
	if (m->number == MSG_LINE_TABLE) {
		use_table(a, m->fd);
		close(m->fd);
		return;
	}
	struct line *l = &a->lines[m->number];
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};
	if (!a->line_table) {
		close(m->fd);
		return;
	}
	if (l->channel.kind == TELLER_LINE) {
		close_line(a, l);
	}
	*l = (struct line){.channel = {.fd = m->fd, .kind = TELLER_LINE}};
	if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, m->fd, &ev) < 0) {
		log_say(LOG_LEVEL_ERROR, "audit.failed", "a line cannot be watched: %s", strerror(errno));
		close_line(a, l);
	}
}

/* ---- Turns ---- */

/* Before anything of it is read: the gate must not take for unused what is about to be heard. */
static void see_turn(struct auditor *a, struct line *l)
{
	struct audit_line *row = row_of(a, l);
	uint64_t turn = line_get(&row->turn);
	if (turn == l->turn) {
		return;
	}
	/* The gate gives the line away only when the turn before is over. */
	if (l->teller) {
		teller_end(a, l->teller);
	}
	l->turn = turn;
	l->told = l->gone = l->ended = false;
	line_set(&row->heard, turn);
}

static struct teller *teller_of(struct auditor *a, struct line *l)
{
	const struct audit_line *row = row_of(a, l);
	if (!l->teller) {
		struct teller *t = calloc(1, sizeof(*t));
		if (!t) {
			return NULL;
		}
		*t = (struct teller){.fd = l->channel.fd,
			.kind = TELLER_ASSOCIATION,
			.answers = true,
			.association = row->association,
			.gate = a->gates,
			.ip = row->ip,
			.line = l,
			.turn = l->turn};
		l->teller = t;
		teller_add(a, t);
	}
	return l->teller;
}

void line_gone(struct auditor *a, const struct teller *t)
{
	if (t->line && a->line_table) {
		line_set(&row_of(a, t->line)->over, t->turn);
	}
}

void line_failed(const struct teller *t)
{
	if (t->line) {
		t->line->told = false; /* it tells it again */
	}
}

/* After the batch: who has told all was answered. */
void line_settle(struct auditor *a)
{
	struct teller *next;
	for (struct teller *t = a->tellers; t; t = next) {
		next = t->next;
		if (t->line && (t->line->gone || t->line->told)) {
			teller_end(a, t);
		}
	}
}

static void told(struct auditor *a, struct line *l, int64_t number)
{
	l->told = l->told || number == MSG_TOLD_ALL;
	l->gone = l->gone || number == MSG_TOLD_GONE;
	if (!l->teller && !l->ended) {
		line_set(&row_of(a, l)->over, l->turn);
	}
}

void line_hear(struct auditor *a, struct line *l)
{
	static struct message m;
	int e = 0;
	line_set(&row_of(a, l)->reads, 1);
	see_turn(a, l);
	for (unsigned i = 0; i < TAKE_A_TURN && e == 0; i++) {
		e = message_recv(l->channel.fd, FROM_TELLER, &m);
		if (e == 0 && m.type == MSG_TOLD) {
			told(a, l, m.number);
		} else if (e == 0 && !l->gone && !l->told && !l->ended) {
			struct teller *t = teller_of(a, l);
			e = t ? 0 : ERR_NO_MEMORY;
			if (t) {
				batch_take(a, t, m.number, m.bytes);
			}
			if (t && m.type == MSG_LAST_EVENT) {
				told(a, l, MSG_TOLD_ALL);
				break;
			}
		}
	}
	line_set(&row_of(a, l)->reads, 0);
	if (e != 0 && e != ERR_AGAIN) {
		close_line(a, l);
	}
}
