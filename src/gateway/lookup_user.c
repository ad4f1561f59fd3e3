/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/reader.h"
#include "gateway/lookup_state.h"
#include "priv/memfd.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Users are proved one at a time, each in a job that knows nothing of the one before. */

#define USER_MS        15000
#define JOBS_MOST_USER 8 /* Argon2id takes its 64 MiB each time */

/* Over the time that the site gives a server: its library has no say where it forgets to look at the clock. */
#define OVER_MS 1500

/* Who guesses waits; who mistypes hardly notices. */
#define REFUSED_MS 500

/* Tried in this order: a name that the file of passcodes does not have is LDAP's. */
#define NEEDS(field) offsetof(struct users, field)
#define BIT(file)    (1u << (file))
static const struct proof_kind kinds[] = {
	{2, NEEDS(passwords.path), BIT(FILE_PASSWORDS), false, users_passwords, NULL, NULL},
	{2, NEEDS(ldap.url), BIT(FILE_LDAP_TRUST) | BIT(FILE_LDAP_PASSCODE), true, NULL, "users/gantry-ldap",
		"users_ldap"},
	{3, NEEDS(kerberos.principal), BIT(FILE_KEYTAB), false, NULL, "users/gantry-kerberos",
		"users_kerberos"},
	{4, NEEDS(saml.certificates.path), BIT(FILE_SAML_CERTIFICATES), false, NULL, "users/gantry-saml",
		"users_saml"},
	{5, NEEDS(jwt_keys.path), BIT(FILE_JWT_KEYS), false, users_jwt, NULL, NULL},
};

/* The next kind for this type after `last` (NULL: the first); NULL: there is none. */
static const struct proof_kind *kind_after(
	const struct lookup *l, uint8_t type, const struct proof_kind *last)
{
	for (const struct proof_kind *k = last ? last + 1 : kinds; k < kinds + ARRAY_LEN(kinds); k++) {
		const char *needs;
		memcpy(&needs, (const uint8_t *)&l->site->users + k->needs, sizeof(needs));
		if (k->type == type && needs && needs[0]) {
			return k;
		}
	}
	return NULL;
}

static void fill(struct message *reply, int64_t id, const struct proof *p)
{
	*reply = (struct message){.type = MSG_USER, .fd = -1};
	reply->number = id;
	reply->user.proved = p->proved;
	reply->user.next = p->unknown;
	memcpy(reply->user.name, p->name, sizeof(reply->user.name));
	memcpy(reply->user.groups, p->groups, sizeof(reply->user.groups));
	memcpy(reply->user.once, p->once, sizeof(reply->user.once));
	reply->user.once_until_s = p->once_until_s;
	reply->bytes = span_of(p->response, p->response_len);
	snprintf(reply->text, sizeof(reply->text), "%s", p->why);
}

static void answer_none(struct lookup *l, int64_t id, const char *why)
{
	static struct message reply;
	static struct proof p;
	proof_refuse(&p, why);
	fill(&reply, id, &p);
	lookup_tell_gate(l, &reply);
}

/* ---- In the job ---- */

/* Of the job's own kind, and why there is none. */
static prove_function *prove;
static char no_module[256];

void user_before_sandbox(const struct proof_kind *proof)
{
	module_function *f = NULL;
	prove = proof->prove;
	if (!prove && module_open(proof->module, proof->function, &f, no_module, sizeof(no_module)) == 0) {
		prove = (prove_function *)f;
	}
}

static int read_who(struct span bytes, struct proof_request *ret)
{
	struct reader r = reader_of(bytes);
	struct span *parts[] = {&ret->primary, &ret->secondary};
	uint8_t type;
	int e = reader_u8(&r, &type);
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

static void job_user(
	const struct lookup *l, const struct proof_kind *kind, struct span bytes, struct message *reply)
{
	static struct proof p;
	struct proof_request r = {.config = &l->site->users,
		.trust = l->site->trust,
		.n_trust = l->site->n_trust,
		.since_s = l->since_s,
		.now_s = clock_wall_ms() / 1000};
	for (unsigned f = 0; f < USER_FILES; f++) {
		if (kind->files & BIT(f)) {
			r.files[f] = file_of(l, (enum user_file)f);
		}
	}
	if (read_who(bytes, &r) != 0) {
		proof_refuse(&p, "its identity could not be read");
	} else if (!prove) {
		proof_refuse(&p, no_module);
	} else {
		prove(&r, &p);
	}
	if (!p.proved && !(p.unknown && kind_after(l, kind->type, kind))) {
		const struct timespec while_guessing = {.tv_nsec = REFUSED_MS * 1000000L};
		(void)nanosleep(&while_guessing, NULL);
	}
	fill(reply, 0, &p);
}

/* ---- In the parent ---- */

static const char too_many[] = "too many users are being proved at once";

/* What a kind after this one would need. */
static int keep_who(struct job *j, struct span bytes)
{
	j->who = malloc(bytes.len);
	if (!j->who) {
		return ERR_NO_MEMORY;
	}
	memcpy(j->who, bytes.ptr, bytes.len);
	j->who_len = bytes.len;
	return 0;
}

void user_forget(struct job *j)
{
	if (j->who) {
		OPENSSL_cleanse(j->who, j->who_len);
		free(j->who);
		j->who = NULL;
	}
}

static int64_t patience(const struct lookup *l, const struct proof_kind *kind, int64_t most_ms)
{
	int64_t ms = kind->network ? (int64_t)l->site->users.ldap.timeout_s * 1000 + OVER_MS : most_ms;
	return ms < most_ms ? ms : most_ms;
}

/* A job that said nothing. */
static void answer_silence(struct lookup *l, const struct job *j)
{
	char why[256] = "that could not be done in time";
	if (j->proof->network && l->site && j->site == l->number) {
		snprintf(why, sizeof(why), "the LDAP server (%.100s) did not answer in time",
			l->site->users.ldap.url);
	}
	answer_none(l, j->id, why);
}

static void start(
	struct lookup *l, const struct proof_kind *kind, int64_t id, struct span bytes, int64_t wait_ms)
{
	static struct message reply;
	struct job *j;
	bool child;
	if (wait_ms <= 0 || jobs_of(l, JOB_USER) >= JOBS_MOST_USER ||
		job_fork(l, JOB_USER, kind, patience(l, kind, wait_ms), &j, &child) != 0) {
		answer_none(l, id, too_many);
		return;
	}
	if (child) {
		job_user(l, kind, bytes, &reply);
		(void)!message_send(j->fd, &reply);
		_exit(0);
	}
	j->id = id;
	/* Without the copy the next kind is not asked, which refuses. */
	(void)!(kind_after(l, kind->type, kind) ? keep_who(j, bytes) : 0);
}

void user_asked(struct lookup *l, const struct message *m)
{
	const struct proof_kind *kind = l->site ? kind_after(l, m->bytes.ptr[0], NULL) : NULL;
	if (kind) {
		start(l, kind, m->number, m->bytes, USER_MS);
	} else {
		answer_none(
			l, m->number, "nothing is configured in `users` that proves an identity of its kind");
	}
}

/* NULL: it may be used; noted, if it is good once. */
static const char *used_before(struct lookup *l, const struct msg_user *u)
{
	if (!u->proved || u->once_until_s == 0) {
		return NULL;
	}
	int e = l->once ? once_note(l->once, u->once, u->once_until_s, clock_wall_ms() / 1000) : ERR_SYSTEM;
	if (e == ERR_EXISTS) {
		return "what it sent has been used before, and is good once";
	}
	return e == 0 ? NULL : "the gateway's record of what was used before is full or missing";
}

void user_answered(struct lookup *l, const struct job *j, const struct message *m)
{
	static struct message reply;
	const struct proof_kind *next = NULL;
	if (!m || m->type != MSG_USER) {
		answer_silence(l, j);
		return;
	}
	/* Its kinds may be others since a reload. */
	if (m->user.next && !m->user.proved && j->who && l->site && j->site == l->number) {
		next = kind_after(l, j->proof->type, j->proof);
	}
	if (next) {
		start(l, next, j->id, span_of(j->who, j->who_len), j->deadline_ms - clock_mono_ms());
		return;
	}
	const char *used = used_before(l, &m->user);
	if (used) {
		answer_none(l, j->id, used);
		return;
	}
	reply = *m;
	reply.number = j->id;
	reply.user.next = false;
	reply.user.once_until_s = 0;
	lookup_tell_gate(l, &reply);
}

static void use_record(struct lookup *l, int fd)
{
	struct once *o;
	if (!l->once && once_map(fd, &o) == 0) {
		l->once = o;
		l->since_s = once_since(o);
	}
	close(fd);
}

void user_file(struct lookup *l, int64_t which, int fd)
{
	if (which == USER_FILES) {
		use_record(l, fd);
		return;
	}
	if (which < 0 || which > USER_FILES) {
		close(fd);
		return;
	}
	if (l->files[which] > 0) {
		close(l->files[which]);
	}
	l->files[which] = fd;
}
