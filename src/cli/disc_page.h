/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DISC_PAGE_H
#define CLI_DISC_PAGE_H

#include <stdbool.h>
#include <stdio.h>

/* The page for the recipient of a sealed disc, plain text: how it is opened, and nothing of whom it is about, or who made it. */
struct disc_page {
	bool by_key, by_passphrase, is_signed; /* how the files are sealed */
};

void disc_page_write(const struct disc_page *p, FILE *to);

/* What stands in a sealed mail beside the files. */
extern const char disc_page_mail[];

#endif
