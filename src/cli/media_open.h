/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MEDIA_OPEN_H
#define CLI_MEDIA_OPEN_H

#include "cli/key_desk.h"
#include "cli/media_record.h"
#include "cli/stage.h"
#include "keys/mail_open.h"

/* What `gantry media open` knows: a disc or a mail that is opened into a folder. */
#define MEDIA_OPEN_SECONDS 60
#define MEDIA_TRUST_MOST   64

struct media_opening {
	const char *source, *out, *trust[MEDIA_TRUST_MOST], *crl[MEDIA_TRUST_MOST];
	unsigned n_trust, n_crl;
	struct media_with with; /* its key opens */
	bool progress;
	bool is_mail;
	bool unwritten; /* a file could not be written where OUT is to be: no fault of the disc */
	char passphrase[MEDIA_PASSPHRASE];
	struct cms_opening *opening;
	struct media_record record;
	struct key_desk desk; /* if the key is on a token */
	struct stage stage;
	struct media
		m; /* names: what was opened; objects: the same, if they are recorded; refused, listed, missing */
	size_t n_unsigned, n_unchecked,
		n_untrusted; /* unchecked: nothing says that they are as they were sealed */
	char signer[256];
};

/* What the processes that open files leave; in memory that they share. */
struct media_outcome {
	int err;
	struct cms_found found;
};

/* All of j->source: the files that open are kept in j->stage, the others named in j->m.refused. ERR_DENIED: none would open. why has a sentence, or is "". */
MUST_USE int media_open_all(struct media_opening *j, struct media_outcome *o, char *why, size_t cap);

#endif
