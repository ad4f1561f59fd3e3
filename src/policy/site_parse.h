/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_SITE_PARSE_H
#define POLICY_SITE_PARSE_H

#include "policy/mistakes.h"
#include "policy/site.h"

/* For the policy wing's own files, `check`, `learn` and `explain`. */

struct site_text {
	struct span yaml;
	struct span
		overlay; /* empty, or YAML laid over it (policy/tree.h): what a suggestion would make of the site */
	const char *file; /* absolute path */
	bool read_files;  /* also read what it names: certificates, trust, revocation lists */
	/* May be NULL. Called with what was read, also where there are mistakes, to find more: one pass reports all. */
	void (*look)(void *arg, const struct site *s, struct mistake_list *m);
	void *look_arg;
};

MUST_USE int site_parse_text(
	const struct site_text *text, struct site **ret_site, struct mistakes *ret_mistakes);

/* The same into a list that more mistakes will join. Untouched *ret_site on failure. */
MUST_USE int site_parse_list(const struct site_text *text, struct mistake_list *m, struct site **ret_site);

/* As site_load(), with text->look and look_arg; the rest of *text is filled here. */
MUST_USE int site_load_look(
	const char *path, struct site_text *text, struct site **ret_site, struct mistakes *ret_mistakes);

/* Read the files that the site names into its blobs. What cannot be read is a mistake. */
void site_read_files(struct site *s, struct mistake_list *m);

/* Warn of folders to keep objects in that are none, or are not there and cannot be made by the site's user. */
void site_check_folders(const struct site *s, struct mistake_list *m);

/* A whole file of at most LIMIT_CONFIG_FILE bytes into the region. ERR_SYSTEM (errno), ERR_LIMIT, ERR_TYPE (no regular file). */
MUST_USE int file_read(struct region *r, const char *path, struct span *ret_bytes, unsigned *ret_mode);

#endif
