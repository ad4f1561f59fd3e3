/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/hold_clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "dicom/encoding.h"
#include "dicom/part10.h"
#include "gateway/clean.h"
#include "gateway/exchange.h"
#include "gateway/hold_originals.h"
#include "gateway/hold_parts.h"
#include "gateway/hold_remake.h"
#include "gateway/hold_scan.h"
#include "gateway/spare.h"
#include "pixels/rules.h"
#include "policy/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>

/* Pieces at one go, so that the other direction is not forgotten. */
#define STEPS 32

/* One for each direction, made when first needed. */
struct hold_cleaning {
	bool features;
	bool strips; /* nothing is cleaned, but what a video has beside its pictures goes */
	bool keeps_videos;
	const char *native; /* what is encoded again leaves as this; NULL: as its kin without loss */
	uint8_t *rules;     /* the site's when the object began: a reload may take that away; NULL: none */
	size_t n_rules;
	bool running;      /* `clean` has begun */
	bool fed;          /* all of the object */
	bool more;         /* the last step ended for want of time */
	struct span piece; /* of what is fed now, still to go */
	struct clean clean;

	/* ---- What comes back ---- */
	bool has_head;
	bool nonsense; /* it is no answer to what was asked */
	int failed;    /* it could not be kept: of hold_room_store() */
	size_t n_head;
	char syntax[UID_MAX + 1];
	struct hold_room room;
	size_t len;
	uint8_t head[PART10_META_MAX]; /* of what is fed, then of what comes back */
	uint8_t memory[HOLD_MEMORY];
};

/* ---- It begins ---- */

static bool copy_rules(struct hold_cleaning *c, struct span rules)
{
	c->rules = rules.len > 0 ? malloc(rules.len) : NULL;
	c->n_rules = c->rules ? rules.len : 0;
	if (c->rules) {
		memcpy(c->rules, rules.ptr, rules.len);
	}
	return c->n_rules == rules.len;
}

static bool is_video(const struct association *as, const struct side *s)
{
	const struct encoding_coded *c = encoding_coded(uid_trim(as->context[s->msg.context].transfer));
	return c && encoding_is_video(c->coding);
}

bool hold_clean_begin(
	struct association *as, struct side *s, struct hold *h, const struct deidentify_flow *flow)
{
	hold_clean_drop(h);
	bool strips = flow && !flow->clean_pixels && !flow->rules.keep_videos && is_video(as, s);
	if (!flow || (!flow->clean_pixels && !strips)) {
		return true;
	}
	if (!h->cleaning) {
		h->cleaning = calloc(1, sizeof(*h->cleaning));
	}
	struct hold_cleaning *c = h->cleaning;
	h->cleans = c != NULL;
	if (!c || !copy_rules(c, strips ? span_of(NULL, 0) : flow->pixel_rules.bytes)) {
		hold_remake_fail(as, s, h, NULL, ERR_NO_MEMORY);
		return false;
	}
	c->strips = strips;
	c->keeps_videos = flow->rules.keep_videos;
	c->features = flow->clean_features && !strips;
	c->running = c->fed = c->more = c->has_head = c->nonsense = false;
	c->failed = 0;
	c->n_head = c->len = 0;
	return true;
}

bool hold_clean_give_up(struct association *as, struct side *s, struct hold *h, const char *why)
{
	if (!h->cleans) {
		return true;
	}
	hold_remake_refuse(as, s, h, RULE_UNJUDGED, why);
	return false;
}

void hold_clean_drop(struct hold *h)
{
	struct hold_cleaning *c = h->cleaning;
	if (h->cleans && c) {
		if (c->running) {
			clean_done(&c->clean);
		}
		free(c->rules);
		c->rules = NULL;
		c->running = false;
		hold_room_reset(&c->room);
	}
	h->cleans = false;
	h->syntax[0] = '\0';
	h->implicit = false;
}

/* ---- Its end ---- */

/* The message is complete: with its refusal it is over. */
static void refuse(
	struct association *as, struct side *s, const struct hold *h, enum rule rule, const char *why)
{
	char text[96 + CLEANER_TEXT];
	bool beside = h->cleaning->strips || strstr(why, CLEANER_BESIDE);
	snprintf(text, sizeof(text), "%s: %s",
		beside ? "its sound and the like could not be taken out, `deidentify: videos`"
		       : "its pixels could not be cleaned, `deidentify: clean-pixels`",
		why);
	hold_remake_refuse(as, s, h, rule, text);
	if (!as->over) {
		exchange_finish(as, s);
	}
}

void hold_clean_end(struct association *as, struct side *s, struct hold *h, const char *why)
{
	refuse(as, s, h, RULE_UNJUDGED, why);
}

/* The new object takes the old one's place. */
static void replace(struct hold *h)
{
	struct hold_cleaning *c = h->cleaning;
	struct hold_room old = h->room;
	h->room = c->room;
	c->room = old;
	hold_room_reset(&c->room);
	memcpy(h->memory, c->memory, c->len);
	h->len = c->len;
	memcpy(h->syntax, c->syntax, sizeof(h->syntax));
}

/* By which context it leaves, where it has another transfer syntax now. */
static bool find_way(struct association *as, struct side *s, struct hold *h)
{
	char why[300];
	if (spare_find(as, s, s->msg.context, hold_out_syntax(as, s), &h->out_context)) {
		return true;
	}
	snprintf(why, sizeof(why), "without another loss they have the transfer syntax %s, %s",
		word_of_uid(h->syntax), spare_why_not(as, s, s->msg.context, hold_out_syntax(as, s)));
	refuse(as, s, h, RULE_DEIDENTIFY, why);
	return false;
}

/* It is what is to leave: from here on as if it had come so. */
static void go_on(struct association *as, struct side *s, struct hold *h, enum cleaner_outcome outcome)
{
	struct hold_cleaning *c = h->cleaning;
	struct deidentify_rules *rules = &h->remake.rules;
	static const char *const names[CLEANER_OUTCOMES] = {[CLEANER_NO_IMAGE] = "no image",
		[CLEANER_PASS] = "nothing to clean",
		[CLEANER_UNKNOWN] = "nobody says that there is anything",
		[CLEANER_CLEANED] = "cleaned",
		[CLEANER_TRIMMED] = "what lay beside its pixels is gone"};
	/* What its receivers may not expect is told without being asked for. */
	bool aside = strstr(c->clean.answer.text, CLEANER_ASIDE) != NULL;
	log_event(aside ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "object.cleaned",
		"an object's pixels were looked at, and cleaned if need be",
		LOG_NUMBER("association", (int64_t)as->start->id), LOG_TEXT("outcome", names[outcome]),
		LOG_TEXT("rule", c->clean.answer.text));
	if (cleaner_has_file(outcome)) {
		replace(h);
		h->implicit = h->syntax[0] && c->native && strcmp(c->native, SYNTAX_IMPLICIT_LE) == 0;
	}
	hold_read_again(h);
	if (h->syntax[0] && !find_way(as, s, h)) {
		return;
	}
	rules->pixels_cleaned = outcome == CLEANER_CLEANED || outcome == CLEANER_PASS;
	rules->features_cleaned = rules->pixels_cleaned && c->features;
	rules->videos_stripped = !c->keeps_videos;
	rules->implicit = h->implicit;
	int e = h->encrypts ? hold_originals_again(as, s, h)
	                    : remake_again(&h->remake, span_of(NULL, 0), span_of(NULL, 0), NULL,
				      hold_syntax(as, s));
	if (e < 0) {
		hold_remake_fail(as, s, h, NULL, e);
	}
	if ((e < 0 || !hold_go_on(as, s)) && !as->over) {
		exchange_finish(as, s);
	}
}

static void finish(struct association *as, struct side *s, struct hold *h)
{
	struct hold_cleaning *c = h->cleaning;
	char text[CLEANER_TEXT];
	enum cleaner_outcome outcome = c->clean.answer.outcome;
	memcpy(text, c->clean.answer.text, sizeof(text));
	if (c->failed < 0) {
		char why[200];
		snprintf(why, sizeof(why), "the result is larger than what is held in memory, and %s",
			hold_room_why(c->failed));
		refuse(as, s, h, RULE_UNJUDGED, why);
	} else if (outcome == CLEANER_REFUSED || outcome == CLEANER_BROKEN) {
		refuse(as, s, h, RULE_DEIDENTIFY, text);
	} else if (c->nonsense || (cleaner_has_file(outcome) && !c->has_head)) {
		refuse(as, s, h, RULE_UNJUDGED, "what came back is not that object");
	} else if (outcome == CLEANER_LOST || outcome >= CLEANER_OUTCOMES) {
		refuse(as, s, h, RULE_UNJUDGED, text);
	} else {
		go_on(as, s, h, outcome);
	}
}

/* ---- It goes to the job ---- */

/* Native pixels, RLE and deflated frames are our own code's: a job without others' decoders has nothing to load, and begins at once. */
static int64_t needs_codecs(struct span transfer_syntax)
{
	const struct encoding_coded *c = encoding_coded(transfer_syntax);
	if (!c || encoding_is_ours(c->coding)) {
		return 0;
	}
	return encoding_is_video(c->coding) ? MSG_CLEAN_CODEC | MSG_CLEAN_VIDEO : MSG_CLEAN_CODEC;
}

/* Where it would leave by no context as its kin without loss, but uncompressed it would: as that. NULL: as its kin. */
static const char *way_without_kin(const struct association *as, const struct side *s)
{
	static const char *const native[] = {SYNTAX_EXPLICIT_LE, SYNTAX_IMPLICIT_LE};
	uint8_t context = s->msg.context, by;
	const char *kin = encoding_lossless(uid_trim(as->context[context].transfer));
	if (!kin || spare_find(as, s, context, span_str(kin), &by)) {
		return NULL;
	}
	for (unsigned i = 0; i < ARRAY_LEN(native); i++) {
		if (spare_find(as, s, context, span_str(native[i]), &by)) {
			return native[i];
		}
	}
	return NULL;
}

/* codecs: those that are wanted. */
static int open_stream(struct association *as, int64_t codecs)
{
	struct message *m = &as->ask, *reply = &as->reply;
	*m = (struct message){.type = MSG_CLEAN, .fd = -1, .number = codecs};
	int e = gate_ask(as, m, MSG_CLEANER, reply, GATE_WAIT_MS);
	return e == 0 && reply->number == 0 ? reply->fd : -1;
}

bool hold_clean_start(struct association *as, struct side *s, struct hold *h)
{
	struct hold_cleaning *c = h->cleaning;
	c->piece = hold_file_head(as, s, c->head, sizeof(c->head));
	if (c->piece.len == 0) {
		hold_remake_refuse(as, s, h, RULE_DEIDENTIFY,
			"it could not be looked into, `deidentify`: a UID of its command is none");
		return false;
	}
	c->native = c->strips ? NULL : way_without_kin(as, s);
	int fd =
		open_stream(as, c->strips ? 0 : needs_codecs(uid_trim(as->context[s->msg.context].transfer)));
	c->running = true;
	if (fd >= 0) {
		clean_begin(&c->clean, fd,
			&(struct clean_about){.rules = span_of(c->rules, c->n_rules),
				.features = c->features,
				.native = c->native != NULL,
				.keeps_videos = c->keeps_videos,
				.strips = c->strips,
				.timeout_ms = CLEAN_TIMEOUT_MS});
	} else {
		clean_none(&c->clean, "the gateway's lookup, which has processes for it, is away");
	}
	h->left = false;
	h->state = HOLD_CLEANING;
	c->more = true;
	return true;
}

/* As much as there is room for. True: something went. */
static bool feed(struct hold *h, int *ret_e)
{
	struct hold_cleaning *c = h->cleaning;
	if (c->fed) {
		return false;
	}
	if (c->piece.len == 0) {
		*ret_e = hold_read_next(h, &c->piece);
		if (*ret_e < 0) {
			return false;
		}
		c->fed = c->piece.len == 0;
		if (c->fed) {
			clean_last(&c->clean, clock_mono_ms());
			return true;
		}
	}
	size_t n = clean_feed(&c->clean, c->piece);
	c->piece = span_of(c->piece.ptr + n, c->piece.len - n);
	return n > 0;
}

/* ---- What comes back ---- */

/* The one that it was, or the one that its pixels are encoded in again. */
static bool is_syntax_of(struct span now, struct span before, bool native)
{
	const char *lossless = native ? SYNTAX_EXPLICIT_LE : encoding_lossless(before);
	return span_eq(now, before) || (lossless && span_eq(now, span_str(lossless)));
}

/* What the job says is as little to be trusted as what it has read. ERR_AGAIN: more is needed. */
static int take_head(struct association *as, const struct side *s, struct hold_cleaning *c)
{
	struct part10_meta meta;
	struct parse_fail fail;
	size_t data = 0;
	struct span before = uid_trim(as->context[s->msg.context].transfer);
	int e = part10_read(span_of(c->head, c->n_head), &meta, &data, &fail);
	if (e == ERR_TRUNCATED && c->n_head < sizeof(c->head)) {
		return ERR_AGAIN;
	}
	if (e < 0 || !is_syntax_of(meta.transfer_syntax, before, c->native != NULL) ||
		!span_eq(meta.sop_instance, uid_trim(s->msg.command.affected_sop_instance))) {
		return ERR_PEER;
	}
	bool other = !span_eq(meta.transfer_syntax, before);
	snprintf(c->syntax, sizeof(c->syntax), "%.*s", other ? (int)meta.transfer_syntax.len : 0,
		(const char *)meta.transfer_syntax.ptr);
	c->has_head = true;
	c->len = c->n_head - data;
	memcpy(c->memory, c->head + data, c->len);
	return 0;
}

/* Into memory, and from there into the room. */
static int keep(struct association *as, struct hold_cleaning *c, struct span bytes)
{
	int e = 0;
	while (e == 0 && bytes.len > 0) {
		size_t cap = c->room.stored > 0 ? HOLD_BLOCK : HOLD_MEMORY, n = cap - c->len;
		n = n < bytes.len ? n : bytes.len;
		memcpy(c->memory + c->len, bytes.ptr, n);
		c->len += n;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		if (c->len == cap) {
			e = hold_room_store(as, &c->room, c->memory, cap);
			c->len = 0;
		}
	}
	return e;
}

static void take_piece(
	struct association *as, const struct side *s, struct hold_cleaning *c, struct span bytes)
{
	int e = 0;
	if (!c->has_head) {
		size_t n = sizeof(c->head) - c->n_head;
		n = n < bytes.len ? n : bytes.len;
		memcpy(c->head + c->n_head, bytes.ptr, n);
		c->n_head += n;
		bytes = span_of(bytes.ptr + n, bytes.len - n);
		e = take_head(as, s, c);
	}
	c->nonsense = e < 0 && e != ERR_AGAIN;
	c->failed = e == 0 ? keep(as, c, bytes) : 0;
}

/* True: something came. */
static bool take(struct association *as, const struct side *s, struct hold_cleaning *c)
{
	struct span bytes = {0};
	if (clean_take(&c->clean, &bytes) < 0) {
		return false;
	}
	take_piece(as, s, c, bytes);
	return true;
}

/* ---- The loop ---- */

struct pollfd hold_clean_poll(const struct hold *h)
{
	const struct clean *c = h->state == HOLD_CLEANING ? &h->cleaning->clean : NULL;
	bool on = c && c->events != 0;
	return (struct pollfd){.fd = on ? c->fd : -1, .events = on ? c->events : 0};
}

bool hold_clean_is_ready(const struct hold *h)
{
	const struct hold_cleaning *c = h->cleaning;
	return c->more || c->clean.events == 0 || c->clean.answer.outcome != CLEANER_PENDING;
}

void hold_clean_step(struct association *as, struct side *s, struct hold *h)
{
	struct hold_cleaning *c = h->cleaning;
	bool moved = true;
	int unread = 0;
	bool wrong = false;
	for (unsigned i = 0; i < STEPS && moved && !wrong; i++) {
		clean_ready(&c->clean);
		moved = c->clean.answer.outcome == CLEANER_PENDING && feed(h, &unread);
		moved |= take(as, s, c);
		wrong = c->failed < 0 || c->nonsense || unread < 0;
	}
	c->more = moved;
	if (unread < 0) {
		refuse(as, s, h, RULE_UNJUDGED, "what was held of it cannot be read back");
	} else if (wrong || (!moved && c->clean.answer.outcome != CLEANER_PENDING)) {
		finish(as, s, h);
	}
}

int64_t hold_clean_clock(struct association *as, struct side *s, struct hold *h, int64_t now_ms)
{
	if (h->state != HOLD_CLEANING) {
		return h->cleaning ? hold_room_rest(&h->cleaning->room, now_ms) : INT64_MAX;
	}
	clean_check(&h->cleaning->clean, now_ms);
	if (h->cleaning->clean.answer.outcome == CLEANER_LOST) {
		finish(as, s, h);
		return INT64_MAX;
	}
	return clean_due(&h->cleaning->clean);
}

/* ---- Before anything comes ---- */

int hold_clean_check(const struct site *s, const struct blob **ret_at, char *why, size_t cap)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct deidentify_flow *d = s->flows[i].deidentify;
		const struct blob *b = d ? &d->pixel_rules : NULL;
		struct pixels_rules *rules = NULL;
		char reason[160] = "";
		if (!b || !b->path) {
			continue;
		}
		int e = b->bytes.len > LIMIT_PIXEL_RULES
		                ? ERR_LIMIT
		                : pixels_rules_read(b->bytes, &rules, reason, sizeof(reason));
		pixels_rules_free(rules);
		if (e < 0) {
			*ret_at = b;
			snprintf(why, cap, "`pixel-rules`: %s: %s", b->path,
				e == ERR_LIMIT   ? "it is larger than 256 KiB"
				: reason[0] != 0 ? reason
						 : err_str(e));
			return e;
		}
	}
	return 0;
}
