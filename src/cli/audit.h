/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_AUDIT_H
#define CLI_AUDIT_H

#include "audit/note.h"

/*
 * `gantry audit SUB-VERB`: one function each, argv[0] is "gantry audit SUB-VERB". Exit status: 0 good; 1 tampered with, damaged, or not
 * proved; 2 wrong usage; 3 could not be read; 4 what was given is good, and is a part.
 */
int audit_init(int argc, char **argv);
int audit_verify(int argc, char **argv);
int audit_prove(int argc, char **argv);
int audit_verify_proof(int argc, char **argv);
int audit_leaves(int argc, char **argv);
int audit_search(int argc, char **argv);

enum {
	AUDIT_GOOD = 0,
	AUDIT_BAD = 1,
	AUDIT_USAGE = 2,
	AUDIT_UNREADABLE = 3,
	AUDIT_PART = 4,
};

/* What several of them take. */

#define AUDIT_KEYS_MOST        64
#define AUDIT_FOLDERS_MOST     8
#define AUDIT_CHECKPOINTS_MOST 64

struct audit_input {
	const char *verb; /* for messages: "verify" */
	bool beside;      /* it is no verb of `gantry audit`, but one beside it */
	int folders[AUDIT_FOLDERS_MOST];
	size_t n_folders;
	struct note_key keys[AUDIT_KEYS_MOST];
	size_t n_keys;
};

/* They print what is wrong and return AUDIT_GOOD, AUDIT_USAGE or AUDIT_UNREADABLE. */

/* Open the journal (NULL: none), and folders with segments that were handed over. Where a segment lies in two, the journal's own counts. */
int audit_open_folders(struct audit_input *in, const char *journal, const char *const *cold, unsigned n_cold);

/* A vkey, or a file with one a line; lines with # are left out. */
int audit_add_keys(struct audit_input *in, const char *vkey_or_file);
int audit_add_all_keys(struct audit_input *in, const char *const *vkeys_or_files, unsigned n);

/* A whole file, malloc'd; "-" is standard input. */
int audit_read_file(
	const struct audit_input *in, const char *path, size_t most, uint8_t **ret_bytes, size_t *ret_len);

void audit_input_done(struct audit_input *in);

#endif
