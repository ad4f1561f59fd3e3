/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* Where each fragment begins in the stream that they are parts of (PS3.5 A.4.5 to A.4.10). */
struct clean_stream {
	const struct pixels_input *in;
	const struct survey *s;
	uint64_t *begins; /* of each fragment, and the end */
	struct video_source source;
	struct video *video;
	struct video_facts facts;
};

static size_t fragment_at(const struct clean_stream *t, uint64_t at)
{
	size_t low = 0, high = t->s->n_fragments;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (t->begins[middle] <= at) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return low;
}

static ptrdiff_t on_read(void *arg, uint64_t at, void *to, size_t n)
{
	const struct clean_stream *t = arg;
	if (at >= t->source.len) {
		return 0;
	}
	size_t i = fragment_at(t, at);
	uint64_t left = t->begins[i + 1] - at;
	ptrdiff_t got = t->in->read_at(
		t->in->arg, t->s->fragments[i].offset + (at - t->begins[i]), to, n < left ? n : (size_t)left);
	return got == 0 ? ERR_SYSTEM : got; /* it was there when it was surveyed */
}

static struct clean_stream *new_stream(const struct survey *s, const struct pixels_input *in)
{
	struct clean_stream *t = calloc(1, sizeof(*t));
	uint64_t *begins = calloc(s->n_fragments + 1, sizeof(*begins));
	if (!t || !begins) {
		free(t);
		free(begins);
		return NULL;
	}
	for (size_t i = 0; i < s->n_fragments; i++) {
		begins[i + 1] = begins[i] + s->fragments[i].len;
	}
	*t = (struct clean_stream){
		.in = in, .s = s, .begins = begins, .source = {t, on_read, begins[s->n_fragments]}};
	return t;
}

/* ---- Its frames ---- */

static int open_video(struct clean *c)
{
	static const enum video_kind kinds[CODING_N] = {
		[CODING_MPEG2] = VIDEO_MPEG2, [CODING_H264] = VIDEO_H264, [CODING_HEVC] = VIDEO_HEVC};
	const struct video_shape shape = {
		.rows = c->shape.rows, .columns = c->shape.columns, .bits = c->shape.stored};
	struct clean_stream *t = c->stream;
	c->codecs.video->close(t->video);
	t->video = NULL;
	return c->codecs.video->open(kinds[c->syntax->coding], &shape, &t->source, &t->video, &c->why);
}

static int count(struct clean *c)
{
	const uint64_t bytes = c->codecs.video_most ? c->codecs.video_most : CLEAN_VIDEO;
	const uint64_t most = bytes / c->frame_len;
	int e = open_video(c);
	e = e ? e : 1;
	while (e > 0) {
		if (c->frames > most) {
			return clean_refuse(c, ERR_LIMIT, "its video has more frames than are decoded here");
		}
		e = c->codecs.video->next(c->stream->video, NULL, &c->why);
		c->frames += e > 0;
	}
	return e;
}

int clean_video_next(struct clean *c)
{
	int e = c->codecs.video->next(c->stream->video, c->frame, &c->why);
	return e == 0  ? clean_refuse(c, ERR_VALUE, "its video was not the same when it was decoded again")
	       : e < 0 ? e
	               : 0;
}

/* ---- What is said of them ---- */

static bool is_said(const struct clean *c, enum pixels_place place)
{
	const struct survey_place *p = &c->s->places[place];
	return p->to - p->from > 8; /* its head alone */
}

/* A decimal string (PS3.5 6.2) of n / d. */
static void say_ratio(struct clean *c, enum pixels_place place, double n, double d)
{
	char text[24];
	snprintf(text, sizeof(text), "%.9g", n / d);
	clean_say(c, place, text);
}

/* What was lost stays lost, and of frames that each are whole nothing else would say so (PS3.3 C.7.6.1.1.5). */
static void say_lossy(struct clean *c)
{
	static const char *const methods[CODING_N] = {[CODING_MPEG2] = "ISO_13818_2",
		[CODING_H264] = "ISO_14496_10",
		[CODING_HEVC] = "ISO_23008_2"};
	clean_say(c, PLACE_LOSSY, "01");
	if (!is_said(c, PLACE_RATIO)) {
		say_ratio(c, PLACE_RATIO, (double)c->frame_len * c->frames, (double)c->stream->source.len);
	}
	if (!is_said(c, PLACE_METHOD)) {
		clean_say(c, PLACE_METHOD, methods[c->syntax->coding]);
	}
}

/* The stream said these, and is gone. */
static void say_facts(struct clean *c)
{
	static const uint8_t frame_time[4] = {0x18, 0, 0x63, 0x10};
	const struct video_facts *f = &c->stream->facts;
	char text[24];
	if (f->rate > 0 && !c->s->has_rate) {
		say_ratio(c, PLACE_FRAME_TIME, 1000.0 * f->rate_per, f->rate);
		if (!is_said(c, PLACE_POINTER)) {
			memcpy(c->news[PLACE_POINTER].value, frame_time, sizeof(frame_time));
			c->news[PLACE_POINTER].n = sizeof(frame_time);
		}
	}
	if (f->pixel_height != f->pixel_width && !is_said(c, PLACE_ASPECT)) {
		snprintf(text, sizeof(text), "%u\\%u", f->pixel_height, f->pixel_width);
		clean_say(c, PLACE_ASPECT, text);
	}
}

static int say(struct clean *c)
{
	uint32_t said = c->s->shape.frames;
	char text[24];
	if (c->frames != said && c->s->has_per_frame) {
		return clean_refuse(c, ERR_VALUE,
			"its video has another number of frames than it says, and it says something of each of them");
	}
	snprintf(text, sizeof(text), "%u", c->frames);
	clean_say(c, PLACE_FRAMES, text);
	say_lossy(c);
	say_facts(c);
	c->aside = (struct pixels_aside){.others = c->stream->facts.others,
		.said = c->frames != said ? said : 0,
		.frames = c->frames != said ? c->frames : 0};
	return 0;
}

/* ---- Begun and done ---- */

int clean_video_begin(struct clean *c, const struct pixels_input *in)
{
	c->stream = new_stream(c->s, in);
	if (!c->stream) {
		return ERR_NO_MEMORY;
	}
	int e = count(c);
	if (e == 0 && c->frames == 0) {
		e = clean_refuse(c, ERR_VALUE, "no picture of its video can be decoded");
	}
	if (e == 0) {
		c->codecs.video->facts(c->stream->video, &c->stream->facts);
		e = say(c);
	}
	return e ? e : open_video(c);
}

void clean_video_done(struct clean *c)
{
	if (c->stream) {
		c->codecs.video->close(c->stream->video);
		free(c->stream->begins);
		free(c->stream);
	}
}
