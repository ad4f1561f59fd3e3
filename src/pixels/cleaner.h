/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PIXELS_CLEANER_H
#define PIXELS_CLEANER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"

#include <stdbool.h>

/*
 * One file's pixels, cleaned by a process of its own: decoders of others run in it on bytes that nobody trusts. Here is what it
 * says of the file, and how both sides of a stream say what they say: in frames,
 *
 *	u8 enum cleaner_kind, u8 code, u16 zero, u32 length, then so many bytes (at most CLEANER_PIECE)
 *
 *	to it:   CLEANER_RULES* CLEANER_OPTIONS CLEANER_DATA* CLEANER_END
 *	from it: CLEANER_DATA* CLEANER_END
 *
 * Neither side trusts the other. Nothing here reads or writes a descriptor.
 */

/* What became of a file. CLEANER_CLEANED and CLEANER_TRIMMED have bytes before them, the whole new file; no other has. */
enum cleaner_outcome {
	CLEANER_PENDING,  /* not known yet; never said */
	CLEANER_NO_IMAGE, /* there are no pixels */
	CLEANER_PASS,     /* nothing is burned in: a rule or the object says so; nothing was written */
	CLEANER_UNKNOWN,  /* … as of its kind, but nobody says so */
	CLEANER_CLEANED,
	CLEANER_REFUSED, /* it is not known what is burned in, or it cannot be cleaned */
	CLEANER_BROKEN,  /* no DICOM file, or not one that can be read */
	CLEANER_LOST, /* nobody looked at it to the end: the process died, was silent, had no room, or there was none */
	CLEANER_TRIMMED, /* as CLEANER_UNKNOWN; what lay beside its pixels is gone (pixels/trim.h, strip.h) */
	CLEANER_OUTCOMES
};

enum cleaner_kind {
	/* The site's rules, as pixels_rules_read() takes them; all frames together LIMIT_PIXEL_RULES. */
	CLEANER_RULES = 'R',
	/* code: of CLEANER_FEATURES and those below; no bytes. */
	CLEANER_OPTIONS = 'O',
	/* Of the file; all frames together LIMIT_CLEANED. */
	CLEANER_DATA = 'D',
	/* u64 offset, then bytes over what was said before: of a process with a pipe alone. */
	CLEANER_PATCH = 'P',
	/* To it: it was all; from it: code is an enum cleaner_outcome, bytes why, CLEANER_TEXT - 1 at most. */
	CLEANER_END = 'E',
};

/* Refuse what no rule says of that nobody can be recognized in it (PS3.15 E.3.2). */
#define CLEANER_FEATURES 1u

/* What has to be encoded again becomes native. */
#define CLEANER_NATIVE 2u

/* Nothing of pixels goes; what videos have beside their pictures does (pixels/strip.h). Rules are not asked. */
#define CLEANER_STRIP 4u

/* Videos that need no cleaning stay as they are, with all that they have. */
#define CLEANER_VIDEOS   8u

#define CLEANER_ALL      15u

#define CLEANER_HEAD     8u
#define CLEANER_PIECE    (64u * 1024)
#define CLEANER_TEXT     561 /* a sentence or a rule's name, with a NUL */
#define CLEANER_END_MOST (CLEANER_HEAD + CLEANER_TEXT - 1)

/* Has it bytes before it? */
static inline bool cleaner_has_file(enum cleaner_outcome outcome)
{
	return outcome == CLEANER_CLEANED || outcome == CLEANER_TRIMMED;
}

/* Behind the rule where a video was cleaned and something of it is gone or is not as it was said. */
#define CLEANER_ASIDE "; of its video "

/* Before why: of a video that needs no cleaning, and of which what is beside its pictures cannot be taken out. */
#define CLEANER_BESIDE "what it has beside its pictures cannot be taken out: "

struct cleaner_head {
	enum cleaner_kind kind;
	uint8_t code;
	uint32_t len;
};

/* Who may say what. */
enum cleaner_way {
	CLEANER_TO_JOB,
	CLEANER_FROM_JOB, /* over a socket */
	CLEANER_FROM_BOX, /* over a pipe: CLEANER_PATCH too */
};

void cleaner_put_head(const struct cleaner_head *h, uint8_t ret_bytes[CLEANER_HEAD]);

/* CLEANER_END from it, in these bytes. why is cut where there is no room. */
struct span cleaner_put_end(
	enum cleaner_outcome outcome, const char *why, uint8_t ret_bytes[CLEANER_END_MOST]);

/* ERR_TRUNCATED: fewer than CLEANER_HEAD bytes; ERR_PEER: this way nobody may say that. */
MUST_USE int cleaner_read_head(enum cleaner_way way, struct span bytes, struct cleaner_head *ret_head);

/* The bytes of CLEANER_END, printable whatever they are, and cut where there is no room. */
void cleaner_read_text(struct span bytes, char *ret_text, size_t cap);

/* ---- What a job is given ---- */

struct cleaner_order {
	/* Where the file goes. An error ends the order. */
	void *arg;
	int (*data)(void *arg, struct span bytes);
	bool features, native, strips, keeps_videos;
	size_t n_rules; /* 0: the site has none */
	uint8_t rules[LIMIT_PIXEL_RULES];
	/* ---- Its own ---- */
	uint64_t n_data;
	uint32_t left; /* of the frame that bytes are of now */
	enum cleaner_kind last;
};

void cleaner_order_begin(struct cleaner_order *o, int (*data)(void *arg, struct span bytes), void *arg);

/*
 * Take what there is; *ret_used: how much of it, the rest being a head that is not whole, to be given again with what follows it.
 * 0: there is more to come; ERR_CLOSED: it was all; ERR_LIMIT: more than LIMIT_CLEANED; ERR_PEER: nonsense; what data() says. After an
 * error nothing is said of *ret_used.
 */
MUST_USE int cleaner_order_take(struct cleaner_order *o, struct span bytes, size_t *ret_used);

/* ---- What it answers ---- */

struct cleaner_reply {
	enum cleaner_outcome outcome; /* when it is not CLEANER_PENDING it is over */
	char text[CLEANER_TEXT];
	/* ---- Its own ---- */
	uint64_t n_data;
	uint32_t left;
};

void cleaner_reply_begin(struct cleaner_reply *r);

/*
 * The next of the new file's bytes among these, borrowed of them; *ret_used: how many bytes to drop, they included. 0: with bytes, or with
 * none and an outcome; ERR_AGAIN: neither is there yet, *ret_used may be 0; ERR_PEER: nonsense, such as bytes of a file that
 * was not cleaned, or more than LIMIT_CLEANED of them.
 */
MUST_USE int cleaner_reply_next(
	struct cleaner_reply *r, struct span bytes, size_t *ret_used, struct span *ret_data);

#endif
