/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gate_state.h"

#include "gateway/audit_line.h"
#include "priv/message.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Lines to the auditor, the gate's part: gateway/audit_line.h. */

#define TABLE_BYTES (AUDIT_LINES * sizeof(struct audit_line))

static void close_line(struct gate_line *l)
{
	if (l->fd >= 0) {
		close(l->fd);
		l->fd = -1;
	}
}

/* The auditor is gone, or another one. Associations find their ends closed, and ask for a channel. */
void lines_forget(struct gate *g)
{
	for (unsigned i = 0; i < g->n_lines; i++) {
		close_line(&g->lines[i]);
	}
	for (struct child *c = g->children; c; c = c->next) {
		c->line = NULL;
	}
	if (g->line_table) {
		(void)munmap(g->line_table, TABLE_BYTES);
	}
	g->line_table = NULL;
	g->n_lines = 0;
}

static int make_table(int fd, struct audit_line **ret_table)
{
	static const struct audit_line none[AUDIT_LINES];
	if (write(fd, none, sizeof(none)) != (ssize_t)sizeof(none) ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		return ERR_SYSTEM;
	}
	void *at = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		return ERR_SYSTEM;
	}
	if (madvise(at, TABLE_BYTES, MADV_DONTFORK) < 0) {
		(void)munmap(at, TABLE_BYTES);
		return ERR_SYSTEM;
	}
	*ret_table = at;
	return 0;
}

void lines_begin(struct gate *g)
{
	lines_forget(g);
	int fd = memfd_create("lines", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct message m = {.type = MSG_LINE, .fd = fd, .number = MSG_LINE_TABLE};
	struct audit_line *table = NULL;
	/* Without them each association asks for a channel. */
	if (fd >= 0 && make_table(fd, &table) == 0) {
		g->line_table = table;
		if (message_send(g->auditor.fd, &m) != 0) {
			lines_forget(g);
		}
	}
	if (fd >= 0) {
		close(fd);
	}
}

static int open_line(struct gate *g, struct gate_line *l)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		return ERR_SYSTEM;
	}
	struct message m = {.type = MSG_LINE, .fd = pair[1], .number = l - g->lines};
	int e = message_send(g->auditor.fd, &m);
	close(pair[1]);
	if (e != 0) {
		close(pair[0]);
		return e;
	}
	*l = (struct gate_line){.fd = pair[0]};
	return 0;
}

static bool is_unread(const struct gate_line *l)
{
	int n = 0;
	return ioctl(l->fd, SIOCOUTQ, &n) < 0 || n > 0;
}

/* Tell the auditor that the association is gone, behind all that it said. */
static void say_end(struct gate_line *l)
{
	int e = message_send(l->fd, &(struct message){.type = MSG_TOLD, .fd = -1, .number = MSG_TOLD_GONE});
	l->said = l->turn;
	l->owed = e == ERR_AGAIN; /* it said so much that there is no room: another time */
	if (e != 0 && e != ERR_AGAIN) {
		close_line(l);
	}
}

/* Answers that the one before did not wait for. */
static void drain(struct gate_line *l)
{
	uint8_t ignored;
	ssize_t n;
	while ((n = recv(l->fd, &ignored, 1, MSG_DONTWAIT | MSG_TRUNC)) > 0) {
	}
	if (n == 0) {
		close_line(l);
	}
}

static bool is_free(struct gate *g, struct gate_line *l)
{
	const struct audit_line *row = &g->line_table[l - g->lines];
	if (l->fd < 0 || l->busy) {
		return false;
	}
	if (l->owed) {
		say_end(l);
	}
	/* In this order: what is read was heard before. */
	if (l->fd < 0 || l->owed || is_unread(l)) {
		return false;
	}
	if (line_get(&row->heard) != l->turn) {
		return true;
	}
	if (line_get(&row->over) != l->turn) {
		if (l->said != l->turn) {
			say_end(l);
		}
		return false;
	}
	drain(l);
	return l->fd >= 0;
}

/* False: the auditor looks at the line just now, and may have seen the turn before. This one is nobody's then. */
static bool begin_turn(struct gate *g, struct gate_line *l, uint64_t association, const struct in6_addr *ip)
{
	struct audit_line *row = &g->line_table[l - g->lines];
	row->association = association;
	row->ip = *ip;
	line_set(&row->turn, ++l->turn);
	l->busy = line_get(&row->reads) == 0;
	return l->busy;
}

struct gate_line *line_give(struct gate *g, uint64_t association, const struct in6_addr *ip)
{
	if (!g->line_table || g->auditor.fd < 0) {
		return NULL;
	}
	for (unsigned i = 0; i < g->n_lines; i++) {
		struct gate_line *l = &g->lines[i];
		if (is_free(g, l) && begin_turn(g, l, association, ip)) {
			return l;
		}
	}
	if (g->n_lines == AUDIT_LINES || open_line(g, &g->lines[g->n_lines]) != 0) {
		return NULL;
	}
	struct gate_line *l = &g->lines[g->n_lines++];
	return begin_turn(g, l, association, ip) ? l : NULL;
}

void line_leave(struct gate *g, struct gate_line *l)
{
	if (!l) {
		return;
	}
	const struct audit_line *row = &g->line_table[l - g->lines];
	l->busy = false;
	if (l->fd >= 0 &&
		(is_unread(l) || (line_get(&row->heard) == l->turn && line_get(&row->over) != l->turn))) {
		say_end(l);
	}
}
