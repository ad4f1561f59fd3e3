/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/probe.h"
#include "base/clock.h"
#include "cli/antivirus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define AGAIN_MS 250

bool antivirus_serves(const struct clamd *clamd, const char *hash)
{
	uint8_t mark[DEFINITIONS_MARK];
	char name[DEFINITIONS_NAME];
	struct scan_answer answer;
	definitions_mark(hash, mark, name);
	clamd_scan(clamd, span_of(mark, sizeof(mark)), &answer);
	return answer.verdict == SCAN_FOUND && strncmp(answer.text, name, strlen(name)) == 0;
}

/* Have it load what `current` leads to, and see that it has, and that it still finds what every scanner must. */
static int reload(const struct antivirus *a, const char *hash)
{
	char text[256];
	struct probe p;
	int64_t until = clock_mono_ms() + (int64_t)a->c->load_s * 1000;
	if (clamd_ask(&a->clamd, "RELOAD", text, sizeof(text)) != 0 || strcmp(text, "RELOADING") != 0) {
		antivirus_say("clamd at %s does not load its definitions anew", a->c->socket);
		return ERR_PEER;
	}
	while (!antivirus_serves(&a->clamd, hash)) {
		if (clamd_ask(&a->clamd, "PING", text, sizeof(text)) == ERR_SYSTEM) {
			antivirus_say("clamd has ended while it loaded them");
			return ERR_CLOSED;
		}
		if (clock_mono_ms() >= until) {
			antivirus_say("clamd has not loaded them within %u s", a->c->load_s);
			return ERR_TIMEOUT;
		}
		(void)poll(NULL, 0, AGAIN_MS);
	}
	probe_short(&a->clamd, &p);
	if (!p.good) {
		antivirus_say("%s", p.why);
	}
	return p.good ? 0 : ERR_VALUE;
}

/* What `current` leads to from now on, and whether clamd has it. */
static int use(const struct antivirus *a, const char *hash)
{
	if (definitions_link(antivirus_store(a), "current", hash) != 0) {
		antivirus_say("%s/current: %s", a->c->definitions, strerror(errno));
		return ERR_SYSTEM;
	}
	return reload(a, hash);
}

/* ---- What must hold before ---- */

static int may_promote(const struct antivirus *a, const char *staged, const char *current)
{
	struct deed d;
	struct definitions now;
	const char *why = NULL;
	char text[512];
	int e = antivirus_record_read(a, staged, &d, &why);
	if (e == 0 && (strncmp(deed_get(&d, "note"), "passed", 6) != 0 ||
			      strcmp(deed_get(&d, "failed"), "0") != 0)) {
		snprintf(text, sizeof(text), "they did not pass: %.300s", deed_get(&d, "note"));
		why = text;
	} else if (e == 0 && strcmp(deed_get(&d, "definitions-before"), current ? current : "") != 0) {
		why = "they were validated beside others than those that are in use now: validate them again";
	}
	if (!why && definitions_read(antivirus_set(a, staged), &now, text, sizeof(text)) != 0) {
		why = text;
	} else if (!why && strcmp(now.hash, staged) != 0) {
		why = "their files are not those that were validated";
	}
	if (why) {
		antivirus_say("%s cannot be put to use: %s", staged, why);
		return ANTIVIRUS_BAD;
	}
	return ANTIVIRUS_GOOD;
}

/* Where clamd cannot be seen to have loaded what is in use now, it would not be seen to load what comes. */
static int is_listening(const struct antivirus *a, const char *current)
{
	char text[64];
	if (clamd_ask(&a->clamd, "PING", text, sizeof(text)) != 0 || strcmp(text, "PONG") != 0) {
		antivirus_say("clamd at %s does not answer: nothing was changed", a->c->socket);
		return ANTIVIRUS_FAILED;
	}
	if (!antivirus_serves(&a->clamd, current)) {
		antivirus_say(
			"clamd at %s does not use %s/current, which must be its DatabaseDirectory: nothing was changed",
			a->c->socket, a->c->definitions);
		return ANTIVIRUS_FAILED;
	}
	return ANTIVIRUS_GOOD;
}

/* ---- Promote, roll back ---- */

/*
 * What is in use is about to be replaced: noted until `previous` leads to it, so that whoever is killed between leaves a way back, and
 * its files are not removed.
 */
static bool note_replaced(const struct antivirus *a, const char *hash)
{
	if (definitions_link(antivirus_store(a), "replaced", hash) == 0) {
		return true;
	}
	antivirus_say("%s: %s; nothing was changed", a->c->definitions, strerror(errno));
	return false;
}

void antivirus_mend(struct antivirus *a)
{
	char before[DEFINITIONS_HASH + 1], now[DEFINITIONS_HASH + 1], previous[DEFINITIONS_HASH + 1] = "";
	const char *store = antivirus_store(a);
	if (definitions_linked(store, "replaced", before) != 0 ||
		definitions_linked(store, "current", now) != 0) {
		return;
	}
	(void)!definitions_linked(store, "previous", previous);
	/* Where `previous` leads to it already, all was done but to forget it. */
	if (strcmp(before, now) != 0 && strcmp(before, previous) != 0) {
		a->undone = use(a, before) == 0 ? UNDONE : UNDONE_NOT_LOADED;
		antivirus_say(
			"who promoted or rolled back last was cut off, which is undone: %s is in use again%s",
			before,
			a->undone == UNDONE ? ""
					    : ", AND CLAMD HAS NOT LOADED IT: look at clamd and its log");
	}
	if (definitions_link(store, "replaced", NULL) != 0) {
		antivirus_say("%s: %s", a->c->definitions, strerror(errno));
	}
}

static int back_to(const struct antivirus *a, const char *failed, const char *before)
{
	bool good = use(a, before) == 0;
	(void)!definitions_link(antivirus_store(a), "replaced", NULL); /* else the next verb does */
	antivirus_told(a, "promoted", failed, false);
	antivirus_say(
		good ? "%s was not put to use: clamd has those before again"
		     : "%s was not put to use, AND CLAMD HAS NOT LOADED THOSE BEFORE: look at clamd and its log",
		failed);
	return ANTIVIRUS_BAD;
}

/* Nothing of ours is in use yet, so there is nothing to go back to; clamd has yet to be told where they are. */
static int promote_first(const struct antivirus *a, const char *staged)
{
	if (definitions_link(antivirus_store(a), "current", staged) != 0 ||
		definitions_link(antivirus_store(a), "staged", NULL) != 0) {
		antivirus_say("%s: %s", a->c->definitions, strerror(errno));
		return ANTIVIRUS_FAILED;
	}
	antivirus_told(a, "promoted", staged, true);
	printf("the first: %s/current leads to %s. Now write into %s\n\n    DatabaseDirectory %s/current\n\nstart clamd "
	       "anew, and see `gantry antivirus status`.\n",
		a->c->definitions, staged, a->c->config, a->c->definitions);
	return ANTIVIRUS_GOOD;
}

int antivirus_promote(struct antivirus *a)
{
	char staged[DEFINITIONS_HASH + 1], was[DEFINITIONS_HASH + 1];
	if (definitions_linked(antivirus_store(a), "staged", staged) != 0) {
		antivirus_say("nothing is staged in %s", a->c->definitions);
		return ANTIVIRUS_FAILED;
	}
	const char *before = definitions_linked(antivirus_store(a), "current", was) == 0 ? was : NULL;
	bool in_use = before && strcmp(before, staged) == 0;
	int code = in_use ? ANTIVIRUS_GOOD : may_promote(a, staged, before);
	if (code == ANTIVIRUS_GOOD && !before) {
		return promote_first(a, staged);
	}
	code = code == ANTIVIRUS_GOOD ? is_listening(a, before) : code;
	if (code != ANTIVIRUS_GOOD) {
		return code;
	}
	if (in_use) {
		printf("%s is in use already\n", staged);
		return ANTIVIRUS_GOOD;
	}
	if (!note_replaced(a, before)) {
		return ANTIVIRUS_FAILED;
	}
	if (use(a, staged) != 0) {
		return back_to(a, staged, before);
	}
	/* Only now: what failed is not what one would roll back to, and what it took the place of is. */
	if (definitions_link(antivirus_store(a), "previous", before) != 0 ||
		definitions_link(antivirus_store(a), "replaced", NULL) != 0 ||
		definitions_link(antivirus_store(a), "staged", NULL) != 0) {
		antivirus_say("%s: %s", a->c->definitions, strerror(errno));
		return ANTIVIRUS_FAILED;
	}
	(void)definitions_tidy(antivirus_store(a));
	antivirus_told(a, "promoted", staged, true);
	printf("in use: %s\n", staged);
	return ANTIVIRUS_GOOD;
}

int antivirus_rollback(struct antivirus *a)
{
	char before[DEFINITIONS_HASH + 1], now[DEFINITIONS_HASH + 1];
	if (a->undone != UNDONE_NOTHING) {
		return a->undone == UNDONE ? ANTIVIRUS_GOOD : ANTIVIRUS_BAD; /* not back by two */
	}
	if (definitions_linked(antivirus_store(a), "previous", before) != 0 ||
		definitions_linked(antivirus_store(a), "current", now) != 0) {
		antivirus_say("there is nothing to go back to in %s", a->c->definitions);
		return ANTIVIRUS_FAILED;
	}
	if (!note_replaced(a, now)) {
		return ANTIVIRUS_FAILED;
	}
	/* Whether or not clamd answers: it loads them when it starts. */
	bool loaded = use(a, before) == 0;
	if (definitions_link(antivirus_store(a), "previous", now) != 0 ||
		definitions_link(antivirus_store(a), "replaced", NULL) != 0) {
		antivirus_say("%s: %s", a->c->definitions, strerror(errno));
		return ANTIVIRUS_FAILED;
	}
	antivirus_told(a, "rolled-back", before, loaded);
	if (!loaded) {
		antivirus_say("%s is what clamd will load, and has not loaded", before);
		return ANTIVIRUS_BAD;
	}
	printf("in use: %s\n", before);
	return ANTIVIRUS_GOOD;
}
