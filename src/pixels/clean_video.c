/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/clean_parts.h"

#include <stdio.h>
#include <stdlib.h>

struct clean_stream {
	struct clean_fragments *fragments;
	struct video *video;
	struct video_facts facts;
};

/* ---- Its frames ---- */

enum video_kind clean_video_kind(enum coding coding)
{
	return coding == CODING_MPEG2 ? VIDEO_MPEG2 : coding == CODING_H264 ? VIDEO_H264 : VIDEO_HEVC;
}

static int open_video(struct clean *c)
{
	const struct video_shape shape = {
		.rows = c->shape.rows, .columns = c->shape.columns, .bits = c->shape.stored};
	struct clean_stream *t = c->stream;
	c->codecs.video->close(t->video);
	t->video = NULL;
	return c->codecs.video->open(clean_video_kind(c->syntax->coding), &shape,
		clean_fragments_source(t->fragments), &t->video, &c->why);
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
		say_ratio(c, PLACE_RATIO, (double)c->frame_len * c->frames,
			(double)clean_fragments_source(c->stream->fragments)->len);
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
	c->stream = calloc(1, sizeof(*c->stream));
	if (!c->stream) {
		return ERR_NO_MEMORY;
	}
	c->stream->fragments = clean_fragments_new(c->s, in);
	int e = c->stream->fragments ? count(c) : ERR_NO_MEMORY;
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
		clean_fragments_free(c->stream->fragments);
		free(c->stream);
	}
}
