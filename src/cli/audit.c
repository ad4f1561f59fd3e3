/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"
#include "cli/verbs.h"
#include "policy/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"init", audit_init, "make the keys of an audit trail"},
	{"search", audit_search, "find what the journal says of a patient, a device, a time"},
	{"verify", audit_verify, "prove that no record was changed, removed or reordered"},
	{"prove", audit_prove, "write a proof of a record, or that one tree continues another"},
	{"verify-proof", audit_verify_proof, "check such a proof, with the journal's key alone"},
	{"leaves", audit_leaves, "print the records' hashes: a good copy, to find changes by"},
};

static void usage(FILE *to)
{
	fputs("usage: gantry audit VERB [ARGUMENTS]\n"
	      "\n"
	      "The journal: what crossed the gateway, in records that nobody can change unseen.\n"
	      "\n",
		to);
	for (unsigned i = 0; i < ARRAY_LEN(verbs); i++) {
		fprintf(to, "  %-14s %s\n", verbs[i].name, verbs[i].help);
	}
	fputs("\n`gantry audit VERB --help` says more; so does `man gantry-audit`.\n", to);
}

int verb_audit(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return AUDIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return AUDIT_GOOD;
	}
	struct nearest nearest = nearest_to(argv[1]);
	for (unsigned i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0) {
			char name[48];
			snprintf(name, sizeof(name), "gantry audit %s", verbs[i].name);
			argv[1] = name;
			return verbs[i].run(argc - 1, argv + 1);
		}
		nearest_offer(&nearest, verbs[i].name);
	}
	fprintf(stderr, "gantry audit: there is no verb `%s`", argv[1]);
	if (nearest.best) {
		fprintf(stderr, ": is `%s` meant?", nearest.best);
	}
	fputs("\n\n", stderr);
	usage(stderr);
	return AUDIT_USAGE;
}

/* ---- What several take ---- */

int audit_add_folder(struct audit_input *in, const char *path)
{
	if (in->n_folders == AUDIT_FOLDERS_MOST) {
		fprintf(stderr, "gantry audit %s: %d folders at most\n", in->verb, AUDIT_FOLDERS_MOST);
		return AUDIT_USAGE;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "gantry audit %s: %s: %s\n", in->verb, path, strerror(errno));
		return AUDIT_UNREADABLE;
	}
	in->folders[in->n_folders++] = fd;
	return AUDIT_GOOD;
}

static int add_key(struct audit_input *in, struct span vkey, const char *from)
{
	int r = in->n_keys == AUDIT_KEYS_MOST ? ERR_LIMIT : note_key_read(vkey, &in->keys[in->n_keys]);
	if (r < 0) {
		fprintf(stderr, "gantry audit %s: %s: not a key of the form NAME+HASH+KEY: %s\n", in->verb,
			from, err_str(r));
		return AUDIT_USAGE;
	}
	in->n_keys++;
	return AUDIT_GOOD;
}

int audit_add_keys(struct audit_input *in, const char *vkey_or_file)
{
	uint8_t *bytes;
	size_t len;
	struct note_key key;
	if (note_key_read(span_str(vkey_or_file), &key) == 0) {
		return add_key(in, span_str(vkey_or_file), vkey_or_file);
	}
	int code = audit_read_file(in, vkey_or_file, 65536, &bytes, &len);
	if (code != AUDIT_GOOD) {
		return code;
	}
	for (size_t at = 0; code == AUDIT_GOOD && at < len;) {
		const uint8_t *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at;
		if (n > 0 && bytes[at] != '#') {
			code = add_key(in, span_of(bytes + at, n), vkey_or_file);
		}
		at += n + 1;
	}
	free(bytes);
	return code;
}

int audit_read_file(
	const struct audit_input *in, const char *path, size_t most, uint8_t **ret_bytes, size_t *ret_len)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	uint8_t *bytes = NULL;
	size_t len = 0, cap = 0;
	int code = AUDIT_GOOD;
	if (!file) {
		fprintf(stderr, "gantry %s%s: %s: %s\n", in->beside ? "" : "audit ", in->verb, path,
			strerror(errno));
		return AUDIT_UNREADABLE;
	}
	for (size_t got = 1; code == AUDIT_GOOD && got > 0; len += got) {
		if (len == cap) {
			cap = cap ? 2 * cap : 16384;
			uint8_t *more = realloc(bytes, cap);
			if (!more) {
				code = AUDIT_UNREADABLE;
				break;
			}
			bytes = more;
		}
		got = fread(bytes + len, 1, cap - len, file);
		if (len + got > most) {
			code = AUDIT_UNREADABLE;
		}
	}
	if (code != AUDIT_GOOD || ferror(file)) {
		fprintf(stderr, "gantry %s%s: %s: %s\n", in->beside ? "" : "audit ", in->verb, path,
			code ? "too long" : strerror(errno));
		free(bytes);
		code = AUDIT_UNREADABLE;
	} else {
		*ret_bytes = bytes;
		*ret_len = len;
	}
	if (file != stdin) {
		(void)fclose(file);
	}
	return code;
}

void audit_input_done(struct audit_input *in)
{
	while (in->n_folders > 0) {
		close(in->folders[--in->n_folders]);
	}
}
