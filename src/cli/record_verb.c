/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include "cli/record_sign.h"
#include "cli/audit.h"
#include "cli/audit_keys.h"
#include "cli/place.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: gantry record sign WHAT FIELD=VALUE… [-c FILE]\n"
	"       gantry record verify [--vkey KEY] [-c FILE] RECORD…\n"
	"       gantry record init [-c FILE] FOLDER\n"
	"\n"
	"A signed record says what was done, by whom and when, in text that everybody can\n"
	"read, under a signature of the gateway's: a signed note (c2sp.org/signed-note),\n"
	"by a key that signs nothing else.\n"
	"\n"
	"  sign    have the running gateway sign one, and print it: for root and the user\n"
	"          that the gateway runs as. The gateway says the time and the user, WHAT\n"
	"          and its fields are of a fixed form: `sign WHAT` alone prints them\n"
	"  verify  check records (files, or - for standard input), with the public key\n"
	"          alone\n"
	"  init    make record.key and record.vkey in a folder, for a site whose audit\n"
	"          trail has none yet\n"
	"\n"
	"  --vkey KEY         the public key, or a file with it; default: beside the\n"
	"                     configured `record-key`\n"
	"  -c, --config FILE  default: ./gantry.yaml, then /etc/gantry/gantry.yaml\n"
	"  -h, --help         print this\n"
	"\n"
	"Exit status: 0 signed, or all are good; 1 one is not; 2 wrong usage; 3 could not\n"
	"be signed or read.\n";

/* ---- sign ---- */

static const char *const value_words[] = {
	[DEED_HASH] = "SHA-256 in hex", [DEED_NUMBER] = "number", [DEED_TEXT] = "text"};

static int tell_fields(enum deed_what what)
{
	unsigned n;
	const struct deed_field *f = deed_fields(what, &n);
	for (unsigned i = 0; i < n; i++) {
		fprintf(stderr, "  %-20s %s%s\n", f[i].name, value_words[f[i].value],
			f[i].may_be_absent ? ", may be left out" : "");
	}
	return AUDIT_USAGE;
}

static int no_such(const char *what)
{
	if (what[0]) {
		fprintf(stderr, "gantry record: no record of `%s` can be asked for; of these:\n", what);
	} else {
		fputs("gantry record: WHAT is missing, one of these:\n", stderr);
	}
	for (unsigned i = 0; i < DEED_WHAT_COUNT; i++) {
		if (!deed_is_auditors((enum deed_what)i)) {
			fprintf(stderr, "  %s\n", deed_name((enum deed_what)i));
		}
	}
	return AUDIT_USAGE;
}

static int sign(const char *config, int n, char **args)
{
	struct record_item items[DEED_FIELDS_MOST];
	enum deed_what what;
	char *note;
	const char *why, *name = n > 0 ? args[0] : "";
	if (deed_what_of(span_str(name), &what) < 0 || deed_is_auditors(what)) {
		return no_such(name);
	}
	if (n - 1 > DEED_FIELDS_MOST || n == 1) {
		fprintf(stderr, "gantry record: the fields of %s, in this order:\n", name);
		return tell_fields(what);
	}
	for (int i = 1; i < n; i++) {
		char *equals = strchr(args[i], '=');
		if (!equals) {
			fprintf(stderr, "gantry record: `%s` is not of the form FIELD=VALUE\n", args[i]);
			return AUDIT_USAGE;
		}
		*equals = 0;
		items[i - 1] = (struct record_item){args[i], equals + 1};
	}
	config = place_file("record", config);
	if (!config) {
		return AUDIT_UNREADABLE;
	}
	if (record_sign(config, what, items, (unsigned)n - 1, &note, &why) < 0) {
		fprintf(stderr, "gantry record: not signed: %s\n", why);
		return AUDIT_UNREADABLE;
	}
	fputs(note, stdout);
	free(note);
	return fflush(stdout) == 0 ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

/* ---- verify ---- */

static int read_file(const char *path, char buf[NOTE_MOST], size_t *ret_len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t len = f ? fread(buf, 1, NOTE_MOST, f) : 0;
	bool ok = f && !ferror(f);
	if (!ok || len == NOTE_MOST) {
		fprintf(stderr, "gantry record: %s: %s\n", path,
			ok ? "too long for a record" : strerror(errno));
	}
	if (f && f != stdin) {
		(void)fclose(f);
	}
	*ret_len = len;
	return ok && len < NOTE_MOST ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

/* A key, or a file whose first line is one. */
static int read_key(const char *text, struct note_key *ret_key)
{
	static char buf[NOTE_MOST];
	size_t len;
	if (note_key_read(span_str(text), ret_key) == 0) {
		return AUDIT_GOOD;
	}
	int code = read_file(text, buf, &len);
	if (code != AUDIT_GOOD) {
		return code;
	}
	const char *end = memchr(buf, '\n', len);
	if (note_key_read(span_of(buf, end ? (size_t)(end - buf) : len), ret_key) < 0) {
		fprintf(stderr, "gantry record: %s: not a key of the form NAME+HASH+KEY\n", text);
		return AUDIT_USAGE;
	}
	return AUDIT_GOOD;
}

/* `gantry audit init` puts it beside the private key. */
static int find_key(const char *config, struct note_key *ret_key)
{
	static const char private[] = ".key";
	struct place_audit place = {0};
	char path[4200] = "";
	config = place_file("record", config);
	if (!config || !place_audit("record", config, &place)) {
		return AUDIT_UNREADABLE;
	}
	size_t n = strlen(place.record_key), cut = sizeof(private) - 1;
	if (n > cut && n < 4096 && strcmp(place.record_key + n - cut, private) == 0) {
		snprintf(path, sizeof(path), "%.*s.vkey", (int)(n - cut), place.record_key);
	}
	place_audit_done(&place);
	if (!path[0] || access(path, R_OK) != 0) {
		fputs("gantry record: --vkey is wanted: the public key of the gateway's records\n", stderr);
		return AUDIT_USAGE;
	}
	return read_key(path, ret_key);
}

static int verify_one(const char *path, const struct note_key *key)
{
	static char buf[NOTE_MOST];
	size_t len;
	struct deed r;
	int code = read_file(path, buf, &len);
	if (code != AUDIT_GOOD) {
		return code;
	}
	int e = record_check(span_of(buf, len), key, &r);
	if (e < 0) {
		fprintf(stderr, "gantry record: %s: %s\n", path,
			e == ERR_VALUE ? "this is no signed record"
			: e == ERR_NOT_FOUND
				? "not signed by this key"
				: "FALSE: the signature is not over this text, or the key is of another origin");
		return AUDIT_BAD;
	}
	printf("%s: good: %s, signed by %s\n", path, deed_name(r.what), key->name);
	return AUDIT_GOOD;
}

static int verify(const char *config, const char *vkey, int n, char **paths)
{
	struct note_key key;
	int code = vkey ? read_key(vkey, &key) : find_key(config, &key);
	for (int i = 0, one; i < n && (code == AUDIT_GOOD || code == AUDIT_BAD); i++) {
		one = verify_one(paths[i], &key);
		code = one != AUDIT_GOOD ? one : code;
	}
	return code;
}

/* ---- init ---- */

static int write_file(const char *folder, const char *name, const struct audit_key_text *text)
{
	char path[4200];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = n > 0 && (size_t)n < sizeof(path)
	                 ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, text->mode)
	                 : -1;
	bool ok = fd >= 0 && fchmod(fd, text->mode) == 0 &&
	          write(fd, text->bytes, text->len) == (ssize_t)text->len && fsync(fd) == 0;
	if (!ok) {
		fprintf(stderr, "gantry record: %s cannot be made: %s\n", path, strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
		if (!ok) {
			(void)unlink(path);
		}
	}
	return ok ? AUDIT_GOOD : AUDIT_UNREADABLE;
}

static int init(const char *config, char **args)
{
	static struct audit_keys keys;
	struct place_audit place = {0};
	config = place_file("record", config);
	if (!config || !place_audit("record", config, &place)) {
		return AUDIT_UNREADABLE;
	}
	int e = audit_keys_make_record(place.origin, &keys);
	place_audit_done(&place);
	if (e < 0) {
		fputs("gantry record: OpenSSL cannot make the key\n", stderr);
		return AUDIT_UNREADABLE;
	}
	int code = write_file(args[0], "record.key", &keys.file[AUDIT_RECORD_KEY]);
	code = code == AUDIT_GOOD ? write_file(args[0], "record.vkey", &keys.file[AUDIT_RECORD_VKEY]) : code;
	OPENSSL_cleanse(&keys, sizeof(keys));
	if (code == AUDIT_GOOD) {
		printf("# For `audit:` in gantry.yaml; then `gantry reload`:\n  record-key: %s/record.key\n",
			args[0]);
	}
	return code;
}

int verb_record(int argc, char **argv)
{
	static const struct options_what whats[] = {
		{"sign", "[WHAT] [FIELD=VALUE]..."}, {"verify", "RECORD..."}, {"init", "FOLDER"}, {0}};
	static const char *config, *vkey;
	static const struct option_row rows[] = {{"vkey", "KEY", .text = &vkey, .only = "verify"},
		{"config", "FILE", 'c', .text = &config}, {0}};
	struct options o = {.usage = usage, .rows = rows, .whats = whats};
	int code;
	if (!options_read(&o, argc, argv, &code)) {
		return code;
	}
	return o.what == 0   ? sign(config, (int)o.n, o.at)
	       : o.what == 1 ? verify(config, vkey, (int)o.n, o.at)
	                     : init(config, o.at);
}
