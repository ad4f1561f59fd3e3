/* SPDX-License-Identifier: Apache-2.0 */
#include "antivirus/probe.h"
#include "antivirus/trial.h"
#include "base/clock.h"
#include "cli/antivirus.h"
#include "cli/inspect_job.h"
#include "dicom/implementation.h"
#include "dicom/part10.h"
#include "priv/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A corpus of DICOM files, shown to a clamd with the new definitions and to one with those in use. Each file is read by a process
 * of its own in a sandbox, as by `gantry inspect`. What has to be found in bad/, and not in good/, is what the new ones are
 * judged by; time and memory are compared.
 */

#define FILE_S    120
#define ENOUGH_NS 300000000u /* of processor time: less cannot be compared */
#define ROUNDS    20
#define ROUNDS_MS 60000

/* Noise: so much more is not more. */
#define SLACK_NS    30000000u
#define SLACK_BYTES (8ull * 1024 * 1024)

struct sample {
	char *name; /* "good/ct.dcm", for people */
	int fd;     /* of the object made here; -1: a file of that path */
	char *path;
	bool bad;
};

struct replay {
	const struct antivirus *a;
	struct trial trial[SIDES];
	bool has[SIDES];
	uint64_t most[SIDES];
	struct sandbox *sandbox;
	struct sample *samples;
	size_t n_samples;
	struct replayed *r;
};

static void wrong(struct replay *v, const char *format, ...) PRINTF(2, 3);
static void wrong(struct replay *v, const char *format, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	for (char *c = text; *c; c++) {
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	}
	printf("  %s\n", text);
	if (!v->r->why[0]) {
		memcpy(v->r->why, text, sizeof(text));
	}
}

/* ---- The corpus ---- */

static int add_sample(struct replay *v, const char *name, const char *path, int fd, bool bad)
{
	if ((v->n_samples & (v->n_samples - 1)) == 0) {
		struct sample *more =
			realloc(v->samples, (v->n_samples ? 2 * v->n_samples : 1) * sizeof(*more));
		if (!more) {
			return ERR_NO_MEMORY;
		}
		v->samples = more;
	}
	v->samples[v->n_samples++] = (struct sample){
		.name = strdup(name), .path = path ? strdup(path) : NULL, .fd = fd, .bad = bad};
	return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int walk(struct replay *v, const char *kind, bool bad)
{
	char folder[4200];
	snprintf(folder, sizeof(folder), "%s/%s", v->a->c->corpus, kind);
	char *roots[] = {folder, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	const FTSENT *f;
	size_t before = v->n_samples, skip = strlen(v->a->c->corpus) + 1;
	int e = fts ? 0 : ERR_SYSTEM;
	while (e == 0 && (f = fts_read(fts))) {
		if (f->fts_info == FTS_F) {
			e = add_sample(v, f->fts_path + skip, f->fts_path, -1, bad);
		} else if (f->fts_info == FTS_DNR || f->fts_info == FTS_ERR || f->fts_info == FTS_NS) {
			e = f->fts_level == FTS_ROOTLEVEL ? 0 : ERR_SYSTEM;
			antivirus_say("%s: %s", f->fts_path, strerror(f->fts_errno));
		} else if (f->fts_info != FTS_D && f->fts_info != FTS_DP) {
			printf("  %s: left out, as it is no plain file\n", f->fts_path + skip);
		}
	}
	if (fts) {
		fts_close(fts);
	}
	if (e == 0 && v->n_samples == before) {
		antivirus_say("%s has no files: put DICOM files of the site's own there", folder);
		return ERR_NOT_FOUND;
	}
	return e;
}

/* The test string as an encapsulated document (PS3.3 A.45.1): where it is not found nothing in a DICOM object is. */
static int make_object(int *ret_fd)
{
	uint8_t bytes[1024];
	char text[PROBE_STRING + 1];
	struct writer w = writer_of(bytes, sizeof(bytes));
	const struct part10_meta meta = {.sop_class = span_str("1.2.840.10008.5.1.4.1.1.104.1"),
		.sop_instance = span_str("2.25.4711"),
		.transfer_syntax = span_str("1.2.840.10008.1.2.1"),
		.implementation_class = span_str(GANTRY_IMPLEMENTATION_CLASS)};
	static const uint8_t head[] = {0x42, 0x00, 0x11, 0x00, 'O', 'B', 0, 0, PROBE_STRING, 0, 0, 0};
	static_assert(PROBE_STRING % 2 == 0, "PS3.5 7.1.1");
	probe_string(text);
	int e = part10_write(&meta, &w);
	writer_bytes(&w, head, sizeof(head));
	writer_bytes(&w, text, PROBE_STRING);
	e = e == 0 ? writer_end(&w) : e;
	return e == 0 ? memfd_of("sample", writer_span_of(&w), ret_fd) : e;
}

static int find_samples(struct replay *v)
{
	int fd = -1;
	int e = make_object(&fd);
	e = e == 0 ? add_sample(v, "the test string (EICAR) in a DICOM object", NULL, fd, true) : e;
	e = e == 0 ? walk(v, "good", false) : e;
	return e == 0 ? walk(v, "bad", true) : e;
}

static int open_sample(const struct sample *s)
{
	if (s->fd >= 0) {
		return lseek(s->fd, 0, SEEK_SET) == 0 ? dup(s->fd) : -1;
	}
	return open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* SHA-256 of a list as sha256sum prints it, without what is made here. */
static int hash_corpus(struct replay *v)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int e = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 ? 0 : ERR_NO_MEMORY;
	for (size_t i = 0; e == 0 && i < v->n_samples; i++) {
		const struct sample *s = &v->samples[i];
		char hash[DEFINITIONS_HASH + 1], line[4400];
		int fd = s->path ? open_sample(s) : -1;
		e = s->path ? (fd >= 0 ? definitions_hash(fd, hash) : ERR_SYSTEM) : 0;
		if (e == 0 && s->path) {
			int n = snprintf(line, sizeof(line), "%s  %s\n", hash, s->name);
			(void)EVP_DigestUpdate(ctx, line, (size_t)n);
		} else if (e != 0) {
			antivirus_say("%s: %s", s->path, strerror(errno));
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	(void)EVP_DigestFinal_ex(ctx, digest, NULL);
	EVP_MD_CTX_free(ctx);
	for (unsigned i = 0; i < DEFINITIONS_HASH / 2; i++) {
		snprintf(v->r->corpus + 2 * (size_t)i, 3, "%02x", digest[i]);
	}
	return e;
}

/* ---- One file, one clamd ---- */

struct said {
	enum scan_verdict verdict;
	char text[INSPECT_EXCERPT];
	uint64_t bytes;
};

static const struct {
	enum inspect_check check;
	enum scan_verdict verdict;
} checks[] = {{CHECK_INSPECTION_FAILED, SCAN_NOT_SCANNED}, {CHECK_ANTIVIRUS_NOT_SCANNED, SCAN_NOT_SCANNED},
	{CHECK_ANTIVIRUS_PARTLY, SCAN_PARTLY}, {CHECK_ANTIVIRUS_FOUND, SCAN_FOUND}};

static void take_said(const struct inspect *i, struct said *ret)
{
	*ret = (struct said){.verdict = SCAN_CLEAN, .bytes = i->facts.bytes};
	for (unsigned c = 0; c < ARRAY_LEN(checks); c++) {
		for (unsigned k = 0; k < i->n_findings; k++) {
			if (i->findings[k].check == checks[c].check) {
				ret->verdict = checks[c].verdict;
				memcpy(ret->text, i->findings[k].excerpt, sizeof(ret->text));
			}
		}
	}
}

static int show(struct replay *v, const struct sample *s, unsigned side, struct said *ret)
{
	static struct inspect_job job;
	const struct inspect_how how = {.sandbox = v->sandbox,
		.seconds = FILE_S,
		.clamd = &v->trial[side].clamd,
		.most = v->most[side]};
	int fd = open_sample(s);
	int e = fd >= 0 ? inspect_job_start(&job, &how, fd) : ERR_SYSTEM;
	if (fd >= 0) {
		close(fd);
	}
	if (e != 0) {
		antivirus_say("%s: %s", s->name, strerror(errno));
		return e;
	}
	do {
		int64_t left = job.deadline_ms - clock_mono_ms();
		struct pollfd p = {.fd = job.fd, .events = POLLIN};
		(void)poll(&p, 1, left > 0 ? (int)left : 0);
	} while (!inspect_job_go_on(&job, clock_mono_ms()));
	take_said(&job.said, ret);
	return 0;
}

/* ---- All of them ---- */

static int start(struct replay *v, unsigned side, const char *hash)
{
	struct probe p;
	char why[400];
	struct trial_how how = {.program = v->a->c->program,
		.config = v->a->c->config,
		.definitions = antivirus_set(v->a, hash),
		.timeout_ms = v->a->clamd.timeout_ms};
	int e = trial_start(&v->trial[side], &how, why, sizeof(why));
	e = e == 0 ? trial_ready(&v->trial[side], (int64_t)v->a->c->load_s * 1000, why, sizeof(why)) : e;
	if (e == 0) {
		probe_long(&v->trial[side].clamd, v->a->c->max_size, &p);
		e = p.good ? 0 : ERR_NOT_FOUND;
		snprintf(why, sizeof(why), "%s", p.why);
		v->most[side] = p.most;
	}
	v->has[side] = e == 0;
	if (e == 0 && side == STAGED) {
		snprintf(v->r->engine, sizeof(v->r->engine), "%s", p.version);
	}
	if (e != 0 && side == STAGED) {
		wrong(v, "%.200s", why);
	} else if (e != 0) {
		for (char *c = why; *c; c++) {
			*c = *c < ' ' || *c > '~' ? '?' : *c;
		}
		printf("  those in use cannot be compared: %s\n", why);
		snprintf(v->r->uncompared, sizeof(v->r->uncompared), "%.120s", why);
	}
	return e;
}

static void judge(struct replay *v, const struct sample *s, const struct said said[SIDES])
{
	const struct said *now = &said[STAGED];
	struct replayed *r = v->r;
	enum scan_verdict wanted = s->bad ? SCAN_FOUND : SCAN_CLEAN;
	r->files++;
	r->clean += now->verdict == SCAN_CLEAN;
	r->found += now->verdict == SCAN_FOUND;
	if (now->verdict != wanted) {
		r->failed++;
		wrong(v, "%.120s: %s%s%.60s", s->name,
			now->verdict == SCAN_CLEAN   ? "not found"
			: now->verdict == SCAN_FOUND ? "found in a good file"
						     : "not scanned",
			now->text[0] ? ": " : "", now->text);
	}
	if (v->has[CURRENT] && said[CURRENT].verdict != now->verdict) {
		r->differ++;
		printf("  %.120s: was %s, is %s\n", s->name, scan_verdict_name(said[CURRENT].verdict),
			scan_verdict_name(now->verdict));
	}
}

/* One pass over all; judged in the first. */
static int round_of(struct replay *v, bool judged)
{
	int e = 0;
	for (size_t i = 0; e == 0 && i < v->n_samples; i++) {
		struct said said[SIDES] = {{0}};
		for (unsigned side = 0; e == 0 && side < SIDES; side++) {
			if (!v->has[side]) {
				continue;
			}
			uint64_t before = trial_cpu_ns(&v->trial[side]);
			e = show(v, &v->samples[i], side, &said[side]);
			v->r->cpu_ns[side] += trial_cpu_ns(&v->trial[side]) - before;
		}
		v->r->bytes += said[STAGED].bytes;
		if (e == 0 && judged) {
			judge(v, &v->samples[i], said);
		}
	}
	return e;
}

static bool is_more(uint64_t now, uint64_t before, uint32_t per_cent, uint64_t slack)
{
	return (double)now > (double)before * (100.0 + per_cent) / 100.0 + (double)slack;
}

static void compare(struct replay *v)
{
	struct replayed *r = v->r;
	const struct antivirus_config *c = v->a->c;
	for (unsigned side = 0; side < SIDES; side++) {
		r->memory[side] = trial_memory(&v->trial[side]);
		if (v->has[side]) {
			printf("  %s: %.0f ms of processor time, %.1f MiB of memory\n",
				side == STAGED ? "new" : "in use", (double)r->cpu_ns[side] / 1e6,
				(double)r->memory[side] / 1048576.0);
		}
	}
	if (!v->has[CURRENT]) {
		return;
	}
	if (is_more(r->cpu_ns[STAGED], r->cpu_ns[CURRENT], c->slower_most, SLACK_NS)) {
		wrong(v, "slower by more than %u %%", c->slower_most);
	}
	if (is_more(r->memory[STAGED], r->memory[CURRENT], c->larger_most, SLACK_BYTES)) {
		wrong(v, "larger in memory by more than %u %%", c->larger_most);
	}
}

static int play(struct replay *v, const char *staged, const char *current)
{
	int64_t until = clock_mono_ms() + ROUNDS_MS;
	if (current) {
		(void)start(v, CURRENT, current);
	}
	if (start(v, STAGED, staged) != 0) {
		v->r->failed++;
		return 0;
	}
	int e = round_of(v, true);
	/* What is measured is measured anew, without what the first look took from the disk. */
	v->r->bytes = v->r->cpu_ns[STAGED] = v->r->cpu_ns[CURRENT] = 0;
	for (unsigned i = 0; e == 0 && !v->r->why[0] && i < ROUNDS && v->r->cpu_ns[STAGED] < ENOUGH_NS &&
			     clock_mono_ms() < until;
		i++) {
		e = round_of(v, false);
	}
	if (e == 0 && !v->r->why[0]) {
		compare(v);
	}
	return e;
}

static void done(struct replay *v)
{
	for (unsigned side = 0; side < SIDES; side++) {
		trial_stop(&v->trial[side]);
	}
	for (size_t i = 0; i < v->n_samples; i++) {
		free(v->samples[i].name);
		free(v->samples[i].path);
		if (v->samples[i].fd >= 0) {
			close(v->samples[i].fd);
		}
	}
	free(v->samples);
	sandbox_free(v->sandbox);
}

int antivirus_replay(const struct antivirus *a, const char *staged, const char *current, struct replayed *ret)
{
	struct replay v = {.a = a, .r = ret};
	int e = sandbox_new(SANDBOX_SCAN, NULL, 0, &v.sandbox);
	e = e == 0 ? find_samples(&v) : e;
	e = e == 0 ? hash_corpus(&v) : e;
	e = e == 0 ? play(&v, staged, current) : e;
	done(&v);
	return e == 0 ? ANTIVIRUS_GOOD : ANTIVIRUS_FAILED;
}
