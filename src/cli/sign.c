/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/options.h"
#include "cli/audit.h"
#include "cli/boxed.h"
#include "cli/fresh_file.h"
#include "cli/object_edit.h"
#include "cli/object_job.h"
#include "cli/place.h"
#include "cli/passphrase.h"
#include "cli/token_pin.h"
#include "cli/verbs.h"
#include "dicom/sign_profile.h"
#include "dicom/tag.h"
#include "keys/cert.h"
#include "keys/object.h"
#include "keys/private.h"
#include "keys/token.h"
#include "policy/site.h"
#include "policy/vocabulary.h"
#include "priv/drop.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry sign [-c FILE] [--key FILE --cert FILE [--passphrase-file FILE]]\n"
	"                   [--profile base|creator|authorization]\n"
	"                   [--hash SHA256|SHA384|SHA512] [--tag TAG]...\n"
	"                   [--timestamp-query QUERY] [--force] IN OUT\n"
	"       gantry sign --timestamp-response RESPONSE [--force] IN OUT\n"
	"\n"
	"Put a digital signature into a DICOM file (PS3.15 C.1 to C.3), with the key of\n"
	"`signatures:` in gantry.yaml, or a person's own. A process that has that key,\n"
	"the file and nothing else reads the object, makes the MAC and signs it. The\n"
	"file stays as it is but for the signature. OUT may be IN; another file that is\n"
	"there is kept.\n"
	"\n"
	"  --key FILE   whose signature it is: an RSA key in PEM, or the pkcs11: URI of\n"
	"               one on a card; gantry.yaml is not asked then\n"
	"  --cert FILE  its certificate (PEM)\n"
	"  --passphrase-file FILE  its first line is the key's passphrase, or the card's\n"
	"                          PIN; it is asked for otherwise, if the key has one and\n"
	"                          the URI no pin-source\n"
	"  --tag TAG    sign this element, GGGG,EEEE or its keyword, and no others but\n"
	"               those of further --tag; otherwise everything that can be signed\n"
	"               is\n"
	"  --profile P  creator, authorization: refuse to sign less than PS3.15 C.2 or\n"
	"               C.3 asks for; default base\n"
	"  --hash H     default SHA256\n"
	"  --timestamp-query QUERY        also write what a timestamping authority (RFC\n"
	"                                 3161) is to be asked\n"
	"  --timestamp-response RESPONSE  put its answer to the signature that it is\n"
	"                                 over; no key is needed\n"
	"  --force      replace OUT and QUERY, if they are there\n"
	"  -c, --config FILE  default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"\n"
	"Exit status: 0 signed; 1 not signed, and OUT is as it was; 2 wrong usage.\n";

#define RESPONSE_MOST (64u * 1024)
#define PEM_MOST      (1u << 20)

struct job {
	const char *config, *in, *out, *query, *response;
	const char *key_file, *cert_file, *secret_file; /* a person's own */
	bool force;
	struct token_pin pin;
	uint8_t *cert;
	size_t cert_len;
	uint8_t *answer; /* the bytes of `response` */
	size_t answer_len;
	struct object_wish wish;
	struct site *site;
	struct object_key *key;
	struct drop drop;
};

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "gantry sign: %s: %s\n", what, why);
	return 1;
}

/* ---- Whose key: a person's, or that of the site, which is open then ---- */

static const char *where(const struct job *j)
{
	return j->key_file || !j->site ? j->pin.uri : j->site->signatures.key.path;
}

static struct span certificate(const struct job *j)
{
	return j->key_file || !j->site ? span_of(j->cert, j->cert_len)
	                               : j->site->signatures.certificate.bytes;
}

/* A person's: what it takes to open it, before anything else is read. */
static int take_own(struct job *j)
{
	const struct audit_input in = {.verb = "sign", .beside = true};
	char *whole = private_key_is_token(j->key_file) ? NULL : realpath(j->key_file, NULL);
	bool ok = audit_read_file(&in, j->cert_file, PEM_MOST, &j->cert, &j->cert_len) == AUDIT_GOOD &&
	          token_pin_take("gantry sign", whole ? whole : j->key_file, j->secret_file, &j->pin);
	free(whole);
	return ok ? 0 : 1;
}

/* ---- In the process that has the key ---- */

/* A passphrase is asked for here, and known to no other process. */
static int take_key(void *arg, void *shared)
{
	struct job *j = arg;
	struct object_signed *r = shared;
	const struct site *s = j->site;
	struct passphrase_way way = {.verb = "gantry sign", .file = j->secret_file};
	const struct private_key_asks asks = {.ask = passphrase_of_key,
		.arg = &way,
		.otherwise = way.file || passphrase_asks() ? "" : PASSPHRASE_UNASKED};
	int e = cert_signs(certificate(j), clock_wall_ms() / 1000, r->why, sizeof(r->why));
	e = e == 0 && s ? token_environment(s->token_environment.at, s->token_environment.n) : e;
	e = e < 0 ? e
	          : object_key_open_asking(where(j), certificate(j), j->key_file ? &asks : NULL, &j->key,
			    r->why, sizeof(r->why));
	if (e == 0 && s && (e = drop_now(&j->drop)) < 0) {
		snprintf(r->why, sizeof(r->why), "cannot become the user `%s`", j->site->key_user);
	}
	return e;
}

static void sign(void *arg, struct span file, void *shared)
{
	struct job *j = arg;
	struct object_signed *r = shared;
	if (object_sign(j->key, file, &j->wish, clock_wall_ms(), r) < 0) {
		r->n_edits = 0;
	}
}

static void put_stamp(void *arg, struct span file, void *shared)
{
	const struct job *j = arg;
	struct object_signed *r = shared;
	if (object_stamp(file, span_of(j->answer, j->answer_len), r) < 0) {
		r->n_edits = 0;
	}
}

static int say_how(const struct job *j, int e, struct object_signed *r)
{
	r->why[sizeof(r->why) - 1] = 0;
	for (char *c = r->why; *c; c++) {
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	}
	if (e != 0 || r->n_edits == 0) {
		return complain(j->in, r->why[0]         ? r->why
				       : e == ERR_LENGTH ? "it is empty"
				       : e == ERR_TYPE   ? "it is no plain file; files are signed one by one"
				       : e == 0          ? "it was not signed"
							 : "the process that signs has died");
	}
	return 0;
}

static int have_signed(struct job *j, int file, struct object_signed *r)
{
	const struct site *s = j->site;
	bool token = private_key_is_token(where(j));
	unsigned n = s && token ? s->n_token_folders : 0;
	struct sandbox_path *paths = calloc(n + 1, sizeof(*paths));
	for (unsigned i = 0; paths && i < n; i++) {
		paths[i] = (struct sandbox_path){s->token_folders[i].path, true};
	}
	const struct object_job job = {.prepare = take_key,
		.work = sign,
		.arg = j,
		.sandbox = token ? SANDBOX_TOKEN : SANDBOX_KEYS,
		.paths = paths,
		.n_paths = n};
	int e = paths ? object_job_run(&job, file, r) : ERR_NO_MEMORY;
	free(paths);
	return say_how(j, e, r);
}

/* ---- A timestamp ---- */

static int have_stamped(struct job *j, int file, struct object_signed *r)
{
	const struct audit_input in = {.verb = "sign", .beside = true};
	const struct object_job job = {.work = put_stamp, .arg = j, .sandbox = SANDBOX_KEYS};
	if (audit_read_file(&in, j->response, RESPONSE_MOST, &j->answer, &j->answer_len) != AUDIT_GOOD) {
		return 1;
	}
	return say_how(j, object_job_run(&job, file, r), r);
}

static bool is_file(const char *path, const struct stat *file)
{
	struct stat st;
	return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

static int make_query(const struct job *j, struct fresh_file *f, const struct object_signed *r)
{
	uint8_t bytes[512];
	size_t len = 0;
	int e = object_stamp_query(r->value_sha256, bytes, sizeof(bytes), &len);
	bool ok = e == 0 && fresh_begin(f, j->query, 0666) && boxed_write(f->fd, bytes, len);
	return ok ? 0 : complain(j->query, e < 0 ? err_str(e) : strerror(errno));
}

static int make_object(const struct job *j, struct fresh_file *f, int in, const struct object_signed *r)
{
	return fresh_begin(f, j->out, 0640) && object_edit_write(in, f->fd, r)
	               ? 0
	               : complain(j->out, strerror(errno));
}

static void take_back(const struct job *j, bool replaced)
{
	if (j->query && !replaced) {
		(void)unlink(j->query);
	}
}

/* OUT may be the same by another name, which is seen only now that it is there. */
static int commit_query(const struct job *j, struct fresh_file *f, bool replace)
{
	struct stat st;
	if (!fresh_commit(f, replace)) {
		return complain(j->query, strerror(errno));
	}
	if (fstat(f->fd, &st) < 0 || is_file(j->out, &st)) {
		take_back(j, replace);
		return complain(j->query, "it cannot be OUT and the query");
	}
	return 0;
}

/* replace: it was there before, and is to be replaced. Not so what has come since, as OUT by another name. The query first: it is nothing without OUT. */
static int write_both(
	const struct job *j, int in, bool replace, bool replace_query, const struct object_signed *r)
{
	struct fresh_file out = FRESH_NONE, query = FRESH_NONE;
	int code = make_object(j, &out, in, r);
	code = code == 0 && j->query ? make_query(j, &query, r) : code;
	code = code == 0 && j->query ? commit_query(j, &query, replace_query) : code;
	if (code == 0 && !fresh_commit(&out, replace)) {
		code = complain(j->out, strerror(errno));
		take_back(j, replace_query);
	}
	fresh_done(&query);
	fresh_done(&out);
	return code;
}

/* ---- All ---- */

static int open_site(struct job *j)
{
	struct mistakes mistakes = {0};
	int e = site_load(j->config, &j->site, &mistakes);
	mistakes_done(&mistakes);
	if (e < 0) {
		return complain(j->config, "it has mistakes; `gantry check` names them");
	}
	if (!j->key_file && (!j->site->signatures.certificate.path || !j->site->signatures.key.path)) {
		return complain(j->config,
			"it has no `key` and `certificate` in `signatures` (--key and --cert name a person's own)");
	}
	e = drop_prepare(j->site->key_user, false, &j->drop);
	return e < 0 ? complain(j->site->key_user, "there is no such user for the process that signs") : 0;
}

static void tell(const struct job *j, struct object_signed *r)
{
	r->uid[UID_MAX] = 0;
	for (char *c = r->uid; *c; c++) {
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	}
	if (j->response) {
		printf("%s: the signature %s has its timestamp; `gantry verify` tells whose it is\n", j->out,
			r->uid);
	} else {
		printf("%s: signed, %u elements, as %s\n", j->out, r->n_signed, r->uid);
	}
}

/* What is there stays, unless it is IN that is signed, or that was said. */
static int may_write(const struct job *j, int in, const char *path, bool *ret_replace)
{
	struct stat st, own;
	bool there = stat(path, &st) == 0;
	bool same = there && in >= 0 && fstat(in, &own) == 0 && st.st_dev == own.st_dev &&
	            st.st_ino == own.st_ino;
	*ret_replace = same || j->force;
	return there && !*ret_replace
	               ? complain(path, "it is there already, and stays as it is (--force replaces it)")
	               : 0;
}

/* The query goes into neither of the objects, whatever is to be replaced. */
static int may_write_query(const struct job *j, bool *ret_replace)
{
	struct stat st;
	bool there = stat(j->query, &st) == 0;
	if (strcmp(j->query, j->out) == 0 || (there && is_file(j->out, &st))) {
		return complain(j->query, "it cannot be OUT and the query");
	}
	if (there && is_file(j->in, &st)) {
		return complain(j->query, "it cannot be IN and the query");
	}
	int code = may_write(j, -1, j->query, ret_replace);
	*ret_replace = *ret_replace && there;
	return code;
}

static int run(struct job *j)
{
	bool replace = j->force, replace_query = false;
	struct object_signed *r = object_job_memory(sizeof(*r));
	int code = !r ? 1 : j->response || !j->config ? 0 : open_site(j);
	code = code == 0 && j->key_file ? take_own(j) : code;
	int in = code == 0 ? open(j->in, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (code == 0 && in < 0) {
		code = complain(j->in, strerror(errno));
	}
	code = code != 0 ? code : may_write(j, in, j->out, &replace);
	code = code == 0 && j->query ? may_write_query(j, &replace_query) : code;
	code = code != 0 ? code : j->response ? have_stamped(j, in, r) : have_signed(j, in, r);
	code = code == 0 ? write_both(j, in, replace, replace_query, r) : code;
	if (code == 0) {
		tell(j, r);
	}
	if (in >= 0) {
		close(in);
	}
	site_free(j->site);
	free(j->answer);
	free(j->cert);
	token_pin_done(&j->pin);
	object_job_free(r, sizeof(*r));
	return code;
}

/* ---- The command line ---- */

/* GGGG,EEEE, or a keyword. */
static bool read_tag(const char *text, uint32_t *ret_tag)
{
	uint32_t tag = 0;
	if (strlen(text) != 9 || text[4] != ',') {
		return tag_by_keyword(text, ret_tag) == 0;
	}
	for (unsigned i = 0; i < 9; i++) {
		char c = (char)tolower((unsigned char)text[i]);
		if (i == 4) {
			continue;
		}
		if (!isxdigit((unsigned char)c)) {
			return false;
		}
		tag = tag << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret_tag = tag;
	return true;
}

/* Kept in order, each once. */
static bool add_tag(struct object_wish *w, const char *text)
{
	uint32_t tag, at = 0;
	if (!read_tag(text, &tag) || w->n_tags == MAC_TAGS_MOST) {
		return false;
	}
	while (at < w->n_tags && w->tags[at] < tag) {
		at++;
	}
	if (at < w->n_tags && w->tags[at] == tag) {
		return true;
	}
	memmove(w->tags + at + 1, w->tags + at, (w->n_tags - at) * sizeof(w->tags[0]));
	w->tags[at] = tag;
	w->n_tags++;
	return true;
}

static bool take_tag(void *arg, const char *value)
{
	struct job *j = arg;
	return add_tag(&j->wish, value);
}

int verb_sign(int argc, char **argv)
{
	static const struct word profiles[] = {
		{"base", 0}, {"creator", SIGNED_CREATOR}, {"authorization", SIGNED_AUTHORIZATION}, {0}};
	static const struct word hashes[] = {
		{"SHA256", OBJECT_SHA256}, {"SHA384", OBJECT_SHA384}, {"SHA512", OBJECT_SHA512}, {0}};
	static struct job j = {.pin.fd = -1};
	static const struct option_row rows[] = {{"config", "FILE", 'c', .text = &j.config},
		{"profile", "PROFILE", .bits = &j.wish.profile, .words = profiles},
		{"hash", "HASH", .bits = &j.wish.hash, .words = hashes},
		{"tag", "TAG", .take = take_tag, .wants = "GGGG,EEEE of hexadecimal digits, or a keyword",
			.offer = word_nearest_tag},
		{"timestamp-query", "QUERY", .text = &j.query},
		{"timestamp-response", "RESPONSE", .text = &j.response}, {"force", .flag = &j.force},
		{"key", "FILE", .text = &j.key_file}, {"cert", "FILE", .text = &j.cert_file},
		{"passphrase-file", "FILE", .text = &j.secret_file}, {0}};
	struct options o = {.usage = usage, .rows = rows, .arguments = "IN OUT", .arg = &j};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	if (j.query && j.response) {
		return options_misuse(&o, "--timestamp-query and --timestamp-response are two steps");
	}
	if (!j.key_file != !j.cert_file || (j.secret_file && !j.key_file)) {
		return options_misuse(
			&o, "--key and --cert go together: who signs; --passphrase-file goes with them");
	}
	j.in = o.at[0];
	j.out = o.at[1];
	bool asks_site = !j.response && !j.key_file;
	j.config = j.response ? NULL : asks_site ? place_file("sign", j.config) : j.config;
	return j.config || !asks_site ? run(&j) : 1;
}
