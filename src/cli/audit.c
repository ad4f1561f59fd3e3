/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit.h"
#include "cli/options.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct options_verb verbs[] = {
	{"init", audit_init, "make the keys of an audit trail"},
	{"search", audit_search, "find what the journal says of a patient, a device, a time"},
	{"verify", audit_verify, "prove that no record was changed, removed or reordered"},
	{"prove", audit_prove, "write a proof of a record, or that one tree continues another"},
	{"verify-proof", audit_verify_proof, "check such a proof, with the journal's key alone"},
	{"leaves", audit_leaves, "print the records' hashes: a good copy, to find changes by"},
};

int verb_audit(int argc, char **argv)
{
	static const struct options_verbs all = {.name = "gantry audit",
		.about = "The journal: what crossed the gateway, in records that nobody can change unseen.\n",
		.more = "`gantry audit VERB --help` says more; so does `man gantry-audit`.\n",
		.verbs = verbs,
		.n = ARRAY_LEN(verbs)};
	return options_run(&all, argc, argv);
}

/* ---- What several take ---- */

static int add_folder(struct audit_input *in, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "gantry audit %s: %s: %s\n", in->verb, path, strerror(errno));
		return AUDIT_UNREADABLE;
	}
	in->folders[in->n_folders++] = fd;
	return AUDIT_GOOD;
}

int audit_open_folders(struct audit_input *in, const char *journal, const char *const *cold, unsigned n_cold)
{
	int code = journal ? add_folder(in, journal) : AUDIT_GOOD;
	for (unsigned i = 0; code == AUDIT_GOOD && i < n_cold && in->n_folders < AUDIT_FOLDERS_MOST; i++) {
		code = add_folder(in, cold[i]);
	}
	return code;
}

static int add_key(struct audit_input *in, struct span vkey, const char *from)
{
	int r = in->n_keys == AUDIT_KEYS_MOST ? ERR_LIMIT : note_key_read(vkey, &in->keys[in->n_keys]);
	if (r < 0) {
		fprintf(stderr, "gantry %s%s: %s: %s\n", in->beside ? "" : "audit ", in->verb, from,
			r == ERR_LIMIT ? "there are too many keys"
			: memmem(vkey.ptr, vkey.len, "PRIVATE", 7)
				? "this is the private key: the public one has the same name, and ends in .vkey"
				: "this is no public key of the form NAME+HASH+KEY, as those are that end in .vkey");
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

int audit_add_all_keys(struct audit_input *in, const char *const *vkeys_or_files, unsigned n)
{
	int code = AUDIT_GOOD;
	for (unsigned i = 0; code == AUDIT_GOOD && i < n; i++) {
		code = audit_add_keys(in, vkeys_or_files[i]);
	}
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
