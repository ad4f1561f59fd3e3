/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/video.h"

#include "base/module.h"
#include "pixels/video_colour.h"
#include "pixels/video_units.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

#include <stdlib.h>
#include <string.h>

#define BUFFER     (64 * 1024)
#define PROBE      (8 << 20) /* bytes that are looked at for what streams there are */
#define ANALYZE    (10 * AV_TIME_BASE)
#define ALLOC_MOST ((size_t)1 << 30) /* of one piece of memory */
#define EDGE       1024u /* coded pictures, and what decoders work in, are larger than what is shown */

#define DEMUXERS   "mpegts,mpeg,mpegvideo,h264,hevc,mov,mp4"
#define DECODERS   "mpeg2video,mpeg1video,h264,hevc"

struct video {
	const struct video_source *source;
	uint64_t at;
	struct video_shape shape;
	bool unread; /* the source failed */
	AVIOContext *io;
	AVFormatContext *format;
	AVCodecContext *decoder;
	AVPacket *packet;
	AVFrame *frame;
	enum video_kind kind;
	int stream;
	unsigned unit_size; /* of video_units.h */
	bool flushed, begun;
	struct video_facts facts;
	struct colours colours;
};

static const char damaged[] = "its video is damaged",
		  other_size[] = "a picture of its video is not of the size that it says";

static int refuse(const char **ret_why, int e, const char *why)
{
	*ret_why = why;
	return e;
}

static int failed(const struct video *v, int averror, const char **ret_why, const char *why)
{
	if (averror == AVERROR(ENOMEM)) {
		return refuse(ret_why, ERR_NO_MEMORY, "there is no memory to decode its video");
	}
	return v->unread ? refuse(ret_why, ERR_SYSTEM, "its video could not be read")
	                 : refuse(ret_why, ERR_VALUE, why);
}

/* ---- What is read ---- */

static int on_read(void *arg, uint8_t *to, int n)
{
	struct video *v = arg;
	ptrdiff_t got = v->source->read(v->source->arg, v->at, to, (size_t)n);
	v->unread = v->unread || got < 0;
	if (got <= 0) {
		return got < 0 ? AVERROR(EIO) : AVERROR_EOF;
	}
	v->at += (uint64_t)got;
	return (int)got;
}

static int64_t on_seek(void *arg, int64_t offset, int whence)
{
	struct video *v = arg;
	int64_t len = (int64_t)v->source->len, from = 0;
	switch (whence & ~AVSEEK_FORCE) {
	case AVSEEK_SIZE:
		return len;
	case SEEK_CUR:
		from = (int64_t)v->at;
		break;
	case SEEK_END:
		from = len;
		break;
	default:
		break;
	}
	if (offset < -from || offset > len - from) {
		return AVERROR(EINVAL);
	}
	v->at = (uint64_t)(from + offset);
	return from + offset;
}

/* A container may name other files. */
static int on_open(
	AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
	(void)format;
	(void)io;
	(void)url;
	(void)flags;
	(void)options;
	return AVERROR(EPERM);
}

static int open_format(struct video *v)
{
	uint8_t *buffer = av_malloc(BUFFER);
	v->io = buffer ? avio_alloc_context(buffer, BUFFER, 0, v, on_read, NULL, on_seek) : NULL;
	if (!v->io) {
		av_free(buffer);
		return AVERROR(ENOMEM);
	}
	v->format = avformat_alloc_context();
	if (!v->format) {
		return AVERROR(ENOMEM);
	}
	v->format->pb = v->io;
	v->format->io_open = on_open;
	v->format->probesize = PROBE;
	v->format->max_analyze_duration = ANALYZE;
	v->format->format_whitelist = av_strdup(DEMUXERS);
	v->format->codec_whitelist = av_strdup(DECODERS);
	v->format->protocol_whitelist = av_strdup("none");
	if (!v->format->format_whitelist || !v->format->codec_whitelist || !v->format->protocol_whitelist) {
		return AVERROR(ENOMEM);
	}
	int e = avformat_open_input(&v->format, NULL, NULL, NULL); /* which frees it where that fails */
	return e < 0 ? e : avformat_find_stream_info(v->format, NULL);
}

/* ---- Which of its streams ---- */

static bool is_of_kind(enum video_kind kind, enum AVCodecID id)
{
	static const struct {
		enum video_kind kind;
		enum AVCodecID id;
	} rows[] = {
		{VIDEO_MPEG2, AV_CODEC_ID_MPEG2VIDEO},
		{VIDEO_MPEG2, AV_CODEC_ID_MPEG1VIDEO},
		{VIDEO_H264, AV_CODEC_ID_H264},
		{VIDEO_HEVC, AV_CODEC_ID_HEVC},
	};
	bool found = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		found = found || (rows[i].kind == kind && rows[i].id == id);
	}
	return found;
}

/* Of two nobody knows which is meant; the second eye's may be one of its own. */
static int choose(struct video *v, const char **ret_why)
{
	v->stream = -1;
	for (unsigned i = 0; i < v->format->nb_streams; i++) {
		const AVStream *s = v->format->streams[i];
		bool cover = (s->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0; /* as of music */
		if (s->codecpar->codec_type != AVMEDIA_TYPE_VIDEO || cover) {
			v->facts.others = true;
			continue;
		}
		if (v->stream >= 0) {
			return refuse(
				ret_why, ERR_UNSUPPORTED, "it has more than one video in its pixel data");
		}
		v->stream = (int)i;
	}
	if (v->stream < 0) {
		return refuse(ret_why, ERR_VALUE, "there is no video in its pixel data that can be decoded");
	}
	if (!is_of_kind(v->kind, v->format->streams[v->stream]->codecpar->codec_id)) {
		return refuse(
			ret_why, ERR_VALUE, "its video is not of the kind that its transfer syntax says");
	}
	return 0;
}

/* No decoder has room for pictures that are much larger than is said. */
static const char *fault(const struct video *v, const char *otherwise)
{
	const AVCodecParameters *p = v->format->streams[v->stream]->codecpar;
	bool other = p->width > 0 && p->height > 0 &&
	             (p->width != (int)v->shape.columns || p->height != (int)v->shape.rows);
	return other ? other_size : otherwise;
}

static int open_decoder(struct video *v, const char **ret_why)
{
	const AVCodecParameters *p = v->format->streams[v->stream]->codecpar;
	const AVCodec *codec = avcodec_find_decoder(p->codec_id);
	if (!codec) {
		return refuse(
			ret_why, ERR_UNSUPPORTED, "the library that decodes videos has no decoder for it");
	}
	v->decoder = avcodec_alloc_context3(codec);
	v->packet = av_packet_alloc();
	v->frame = av_frame_alloc();
	int e = v->decoder && v->packet && v->frame ? avcodec_parameters_to_context(v->decoder, p)
	                                            : AVERROR(ENOMEM);
	if (e >= 0) {
		v->unit_size = units_size(v->kind, span_of(p->extradata, (size_t)p->extradata_size));
		v->decoder->thread_count = 1;
		v->decoder->flags |=
			AV_CODEC_FLAG_UNALIGNED; /* what is not shown at the left is cut off to the pixel */
		v->decoder->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
		v->decoder->pkt_timebase = v->format->streams[v->stream]->time_base;
		v->decoder->max_pixels = (int64_t)(v->shape.rows + EDGE) * (v->shape.columns + EDGE);
		e = avcodec_open2(v->decoder, codec, NULL);
	}
	return e < 0 ? failed(v, e, ret_why, fault(v, "its video could not be decoded")) : 0;
}

/* ---- Open and closed ---- */

static void video_close(struct video *v)
{
	if (!v) {
		return;
	}
	av_frame_free(&v->frame);
	av_packet_free(&v->packet);
	avcodec_free_context(&v->decoder);
	avformat_close_input(&v->format);
	if (v->io) {
		av_freep(&v->io->buffer);
		avio_context_free(&v->io);
	}
	free(v);
}

static int do_open(struct video *v, const char **ret_why)
{
	int e = open_format(v);
	if (e < 0) {
		return failed(v, e, ret_why, "there is no video in its pixel data that can be decoded");
	}
	e = choose(v, ret_why);
	return e ? e : open_decoder(v, ret_why);
}

static int video_open(enum video_kind kind, const struct video_shape *shape,
	const struct video_source *source, struct video **ret_video, const char **ret_why)
{
	struct video *v = calloc(1, sizeof(*v));
	if (!v) {
		return refuse(ret_why, ERR_NO_MEMORY, "there is no memory to decode its video");
	}
	v->source = source;
	v->kind = kind;
	v->shape = *shape;
	int e = do_open(v, ret_why);
	if (e < 0) {
		video_close(v);
		return e;
	}
	*ret_video = v;
	return 0;
}

/* ---- One picture ---- */

/* A matrix that shows it as it is (ISO 14496-12 8.3.2.3). */
static bool is_upright(const uint8_t *bytes, size_t n)
{
	static const int32_t upright[9] = {1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30};
	return n < sizeof(upright) || memcmp(bytes, upright, sizeof(upright)) == 0;
}

static bool is_turned(const struct video *v)
{
	size_t n = 0;
	const uint8_t *of_all =
		av_stream_get_side_data(v->format->streams[v->stream], AV_PKT_DATA_DISPLAYMATRIX, &n);
	const AVFrameSideData *of_one = av_frame_get_side_data(v->frame, AV_FRAME_DATA_DISPLAYMATRIX);
	return (of_all && !is_upright(of_all, n)) || (of_one && !is_upright(of_one->data, of_one->size));
}

/* Planes of luminance and colour, or of luminance alone, of little endian samples in their lowest bits. */
static bool is_known_kind(const AVPixFmtDescriptor *d)
{
	bool planar = d->nb_components == 3 && (d->flags & AV_PIX_FMT_FLAG_PLANAR);
	return (planar || d->nb_components == 1) && d->comp[0].shift == 0 &&
	       !(d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_BE |
				    AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM |
				    AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_FLOAT));
}

static int check(struct video *v, const char **ret_why)
{
	const AVFrame *f = v->frame;
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
	if (f->width != (int)v->shape.columns || f->height != (int)v->shape.rows) {
		return refuse(ret_why, ERR_VALUE, other_size);
	}
	if (f->decode_error_flags || (f->flags & AV_FRAME_FLAG_CORRUPT)) {
		return refuse(ret_why, ERR_VALUE, damaged);
	}
	if (is_turned(v)) {
		return refuse(
			ret_why, ERR_UNSUPPORTED, "its video is shown turned, and rules are for what is not");
	}
	if (!d || !is_known_kind(d)) {
		return refuse(ret_why, ERR_UNSUPPORTED,
			"the pixels of its video are of a kind that is not known here");
	}
	if (d->comp[0].depth != (int)v->shape.bits) {
		return refuse(ret_why, ERR_VALUE, "its video has another number of bits than it says");
	}
	return 0;
}

static int convert(struct video *v, uint8_t *to, const char **ret_why)
{
	const AVFrame *f = v->frame;
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
	bool full = f->color_range == AVCOL_RANGE_JPEG || f->format == AV_PIX_FMT_YUVJ420P ||
	            f->format == AV_PIX_FMT_YUVJ422P || f->format == AV_PIX_FMT_YUVJ444P;
	const struct colours_picture p = {.planes = {f->data[0], f->data[1], f->data[2]},
		.strides = {f->linesize[0], f->linesize[1], f->linesize[2]},
		.rows = v->shape.rows,
		.columns = v->shape.columns,
		.shift_x = d->log2_chroma_w,
		.shift_y = d->log2_chroma_h,
		.grey = d->nb_components == 1,
		.fields = f->interlaced_frame != 0};
	if (!colours_begin(&v->colours, (unsigned)f->colorspace, v->shape.rows, v->shape.bits, full)) {
		return refuse(ret_why, ERR_UNSUPPORTED,
			"the colours of its video are of a kind that is not known here");
	}
	colours_convert(&v->colours, &p, to);
	return 0;
}

static void note(struct video *v)
{
	AVStream *s = v->format->streams[v->stream];
	AVRational rate = av_guess_frame_rate(v->format, s, v->frame);
	AVRational pixel = av_guess_sample_aspect_ratio(v->format, s, v->frame);
	if (rate.num > 0 && rate.den > 0) {
		v->facts.rate = (uint32_t)rate.num;
		v->facts.rate_per = (uint32_t)rate.den;
	}
	if (pixel.num > 0 && pixel.den > 0) {
		v->facts.pixel_width = (uint32_t)pixel.num;
		v->facts.pixel_height = (uint32_t)pixel.den;
	}
}

/* The next packet of the stream, or none. */
static int read_packet(struct video *v, const char **ret_why)
{
	int e;
	do {
		av_packet_unref(v->packet);
		e = av_read_frame(v->format, v->packet);
	} while (e >= 0 && v->packet->stream_index != v->stream);
	if (e == AVERROR_EOF && !v->unread) {
		v->flushed = true;
		return 0;
	}
	if (e < 0 || ((v->packet->flags & AV_PKT_FLAG_CORRUPT) && v->begun)) {
		return failed(v, e, ret_why, damaged);
	}
	struct span bytes = span_of(v->packet->data, (size_t)v->packet->size);
	return units_have_layers(v->kind, v->unit_size, bytes)
	               ? refuse(ret_why, ERR_UNSUPPORTED,
				 "its video has a second view, for the other eye, of which FFmpeg decodes no pictures: what is burned into them would stay. Have both views beside one another in one picture (1.2.840.10008.1.2.4.105), or cut one out; if a rule says that nothing is burned in (`pass: yes`), it stays as it is")
	               : 0;
}

/*
 * The decoder is given what it needs for one. 1; 0: there are no more. What cannot be decoded before there was any picture is passed over, as it is wherever it is shown: a
 * recording may begin between two pictures that others build on.
 */
static int decode(struct video *v, const char **ret_why)
{
	for (;;) {
		int got = avcodec_receive_frame(v->decoder, v->frame);
		if (got >= 0 || got == AVERROR_EOF) {
			return got >= 0;
		}
		if (got != AVERROR(EAGAIN) && (v->begun || v->flushed)) {
			return failed(v, got, ret_why, fault(v, damaged));
		}
		int e = read_packet(v, ret_why);
		if (e < 0) {
			return e;
		}
		got = avcodec_send_packet(v->decoder, v->flushed ? NULL : v->packet);
		if (got < 0 && (v->begun || v->flushed || got == AVERROR(ENOMEM))) {
			return failed(v, got, ret_why, fault(v, damaged));
		}
	}
}

static int video_next(struct video *v, uint8_t *to, const char **ret_why)
{
	int e = decode(v, ret_why);
	if (e == 0 && !v->begun) {
		return refuse(ret_why, ERR_VALUE, fault(v, "no picture of its video can be decoded"));
	}
	if (e <= 0) {
		return e;
	}
	v->begun = true;
	e = check(v, ret_why);
	note(v);
	e = e == 0 && to ? convert(v, to, ret_why) : e;
	av_frame_unref(v->frame);
	return e < 0 ? e : 1;
}

/* A container may show only later that it has sound. */
static void video_facts(const struct video *v, struct video_facts *ret_facts)
{
	*ret_facts = v->facts;
	ret_facts->others = v->facts.others || v->format->nb_streams > 1;
}

/* ---- The module ---- */

static const struct video_codec table = {video_open, video_next, video_facts, video_close};

static void say_nothing(void *arg, int level, const char *format, va_list list)
{
	(void)arg;
	(void)level;
	(void)format;
	(void)list;
}

MODULE_FUNCTION const struct video_codec *pixels_video(void);

const struct video_codec *pixels_video(void)
{
	av_log_set_callback(say_nothing);
	av_max_alloc(ALLOC_MOST);
	return &table;
}
