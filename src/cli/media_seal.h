/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MEDIA_SEAL_H
#define CLI_MEDIA_SEAL_H

#include "cli/media_convert.h"
#include "cli/media_record.h"
#include "cli/stage.h"
#include "keys/cms_seal.h"

/* What `gantry media seal` knows: objects that become a disc, or a mail. */
enum media_form { MEDIA_FOLDER, MEDIA_IMAGE, MEDIA_MAIL };

struct media_sealing {
	const char *to[CMS_RECIPIENTS_MOST], *out;
	unsigned n_to;
	struct media_with with;          /* its key signs */
	const char *key_passphrase_file; /* of that key; NULL: it is asked for, if the key has one */
	bool ask, udf;                   /* ask: for a passphrase, though there are recipients */
	enum media_form form;
	struct media m;
	struct media_conversion conversion;
	struct media_record record;
	struct stage stage;
	struct cms_sealing *sealing;
	struct private_key *key; /* NULL: nobody signs */
	uint8_t *directory;      /* the DICOMDIR */
	size_t directory_len;
};

/* All of it, recorded and in its place. An error: nothing is there, and why has a sentence. */
MUST_USE int media_seal_write(struct media_sealing *j, char *why, size_t cap);

#endif
