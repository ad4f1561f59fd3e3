/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/reader.h"
#include "gateway/lookup_state.h"
#include "priv/memfd.h"
#include "users/users.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Users are proved one at a time, each in a job that knows nothing of the one before. */

#define USER_MS        15000
#define JOBS_MOST_USER 8 /* Argon2id takes its 64 MiB each time */

/* Who guesses waits; who mistypes hardly notices. */
#define REFUSED_MS 500

static void fill(struct message *reply, int64_t id, const struct proof *p)
{
	*reply = (struct message){.type = MSG_USER, .fd = -1};
	reply->number = id;
	reply->user.proved = p->proved;
	memcpy(reply->user.name, p->name, sizeof(reply->user.name));
	memcpy(reply->user.groups, p->groups, sizeof(reply->user.groups));
	snprintf(reply->text, sizeof(reply->text), "%s", p->why);
}

static void answer_none(struct lookup *l, int64_t id, const char *why)
{
	static struct message reply;
	struct proof p;
	proof_refuse(&p, why);
	fill(&reply, id, &p);
	lookup_tell_gate(l, &reply);
}

/* ---- In the job ---- */

static int read_who(struct span bytes, uint8_t *ret_type, struct proof_request *ret)
{
	struct reader r = reader_of(bytes);
	struct span *parts[] = {&ret->primary, &ret->secondary};
	int e = reader_u8(&r, ret_type);
	for (unsigned i = 0; e == 0 && i < ARRAY_LEN(parts); i++) {
		uint16_t n;
		e = reader_u16be(&r, &n);
		e = e == 0 ? reader_bytes(&r, n, parts[i]) : e;
	}
	return e == 0 ? reader_end(&r) : e;
}

static struct span file_of(const struct lookup *l, enum user_file which)
{
	struct memfd_map map;
	bool configured = site_user_file(l->site, which)->path != NULL;
	return configured && l->files[which] > 0 && memfd_map(l->files[which], &map) == 0 ? map.bytes
	                                                                                  : span_of(NULL, 0);
}

static void job_user(const struct lookup *l, struct span bytes, struct message *reply)
{
	static const struct {
		uint8_t type;
		enum user_file file;
		prove_function *prove;
	} kinds[] = {{2, FILE_PASSWORDS, users_passwords}, {5, FILE_JWT_KEYS, users_jwt}};
	struct proof_request r = {.config = &l->site->users, .now_s = clock_wall_ms() / 1000};
	struct proof p;
	uint8_t type = 0;
	proof_refuse(&p, "nothing is configured in `users` that proves an identity of its kind");
	if (read_who(bytes, &type, &r) != 0) {
		proof_refuse(&p, "its identity could not be read");
	}
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		r.files[kinds[i].file] = file_of(l, kinds[i].file);
		if (kinds[i].type == type && r.files[kinds[i].file].len > 0) {
			kinds[i].prove(&r, &p);
		}
	}
	if (!p.proved) {
		const struct timespec while_guessing = {.tv_nsec = REFUSED_MS * 1000000L};
		(void)nanosleep(&while_guessing, NULL);
	}
	fill(reply, 0, &p);
}

/* ---- In the parent ---- */

void user_asked(struct lookup *l, const struct message *m)
{
	static struct message reply;
	struct job *j;
	bool child;
	if (!l->site || jobs_of(l, JOB_USER) >= JOBS_MOST_USER ||
		job_fork(l, JOB_USER, USER_MS, &j, &child) != 0) {
		answer_none(l, m->number, "too many users are being proved at once");
		return;
	}
	j->id = m->number;
	if (child) {
		job_user(l, m->bytes, &reply);
		(void)!message_send(j->fd, &reply);
		_exit(0);
	}
}

void user_answered(struct lookup *l, const struct job *j, const struct message *m)
{
	static struct message reply;
	if (!m || m->type != MSG_USER) {
		answer_none(l, j->id, "that could not be done in time");
		return;
	}
	reply = *m;
	reply.number = j->id;
	lookup_tell_gate(l, &reply);
}

void user_file(struct lookup *l, int64_t which, int fd)
{
	if (which < 0 || which >= USER_FILES) {
		close(fd);
		return;
	}
	if (l->files[which] > 0) {
		close(l->files[which]);
	}
	l->files[which] = fd;
}
