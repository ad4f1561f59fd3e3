/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/codec_j2k.h"

#include <openjpeg.h>

#include <cstring>
#include <memory>

namespace
{

#define MOST_BITS    25 /* it takes up to 31, and loses the lowest of more than these (2.5.0) */
#define MOST_SAMPLES 3  /* in colour; the reversible transform of colours has a bit more (ISO 15444-1 G.2) */

struct memory {
	const uint8_t *from; /* what is read; nullptr: it is written */
	size_t n, at;
	std::vector<uint8_t> *to;
};

OPJ_SIZE_T on_read(void *buffer, OPJ_SIZE_T n, void *arg)
{
	memory *m = static_cast<memory *>(arg);
	size_t left = m->n - m->at;
	n = n < left ? n : left;
	if (n == 0) {
		return static_cast<OPJ_SIZE_T>(-1); /* the end, which it asks for so */
	}
	std::memcpy(buffer, m->from + m->at, n);
	m->at += n;
	return n;
}

OPJ_SIZE_T on_write(void *buffer, OPJ_SIZE_T n, void *arg)
{
	memory *m = static_cast<memory *>(arg);
	if (m->to->size() < m->at + n) {
		m->to->resize(m->at + n);
	}
	std::memcpy(m->to->data() + m->at, buffer, n);
	m->at += n;
	return n;
}

size_t size_of(const memory *m)
{
	return m->from ? m->n : m->to->size();
}

OPJ_OFF_T on_skip(OPJ_OFF_T n, void *arg)
{
	memory *m = static_cast<memory *>(arg);
	size_t left = size_of(m) - m->at;
	if (n < 0 || (m->from && left == 0)) {
		return -1;
	}
	OPJ_OFF_T most = static_cast<OPJ_OFF_T>(left);
	n = n < most ? n : most;
	m->at += static_cast<size_t>(n);
	return n;
}

OPJ_BOOL on_seek(OPJ_OFF_T to, void *arg)
{
	memory *m = static_cast<memory *>(arg);
	if (to < 0 || static_cast<size_t>(to) > size_of(m)) {
		return OPJ_FALSE;
	}
	m->at = static_cast<size_t>(to);
	return OPJ_TRUE;
}

using stream_ptr = std::unique_ptr<opj_stream_t, decltype(&opj_stream_destroy)>;
using codec_ptr = std::unique_ptr<opj_codec_t, decltype(&opj_destroy_codec)>;
using image_ptr = std::unique_ptr<opj_image_t, decltype(&opj_image_destroy)>;

stream_ptr stream_of(memory &m)
{
	stream_ptr s(opj_stream_default_create(m.from ? OPJ_TRUE : OPJ_FALSE), opj_stream_destroy);
	if (s) {
		opj_stream_set_user_data(s.get(), &m, nullptr);
		opj_stream_set_user_data_length(s.get(), m.n);
		opj_stream_set_read_function(s.get(), on_read);
		opj_stream_set_write_function(s.get(), on_write);
		opj_stream_set_skip_function(s.get(), on_skip);
		opj_stream_set_seek_function(s.get(), on_seek);
	}
	return s;
}

unsigned most_bits(const codec_frame &frame)
{
	return frame.samples == 1 ? MOST_BITS : MOST_BITS - 1;
}

bool is_known(const codec_frame &frame, size_t len)
{
	bool samples = frame.samples == 1 || (frame.samples == MOST_SAMPLES && !frame.is_signed);
	return samples && frame.allocated % 8 == 0 && frame.allocated <= 32 && frame.stored > 0 &&
	       frame.stored <= frame.allocated && frame.stored <= most_bits(frame) &&
	       len == static_cast<size_t>(frame.rows) * frame.columns * frame.samples * (frame.allocated / 8);
}

/* Nothing is decoded that is another picture than the object says. */
bool is_as_said(const codec_frame &frame, const opj_image_t &image)
{
	bool same = image.numcomps == frame.samples && image.comps;
	for (unsigned k = 0; k < frame.samples && same; k++) {
		const opj_image_comp_t *c = &image.comps[k];
		same = c->w == frame.columns && c->h == frame.rows && c->dx == 1 && c->dy == 1 &&
		       c->prec <= frame.allocated && c->prec <= most_bits(frame) &&
		       c->sgnd == (frame.is_signed != 0);
	}
	return same;
}

bool has_samples(const opj_image_t &image)
{
	bool has = true;
	for (unsigned k = 0; k < image.numcomps; k++) {
		has = has && image.comps[k].data;
	}
	return has;
}

image_ptr image_of(const codec_frame &frame)
{
	opj_image_cmptparm_t of[MOST_SAMPLES] = {};
	for (opj_image_cmptparm_t &c : of) {
		c.dx = c.dy = 1;
		c.w = frame.columns;
		c.h = frame.rows;
		c.prec = frame.stored;
		c.sgnd = frame.is_signed != 0;
	}
	image_ptr image(opj_image_create(frame.samples, of,
				frame.samples == 1 ? OPJ_CLRSPC_GRAY : OPJ_CLRSPC_UNSPECIFIED),
		opj_image_destroy);
	if (image) {
		image->x1 = frame.columns;
		image->y1 = frame.rows;
	}
	return image;
}

void fill(const codec_frame &frame, const uint8_t *samples, opj_image_t &image)
{
	const unsigned bytes = frame.allocated / 8;
	const size_t n = static_cast<size_t>(frame.rows) * frame.columns * frame.samples;
	for (size_t i = 0; i < n; i++) {
		int64_t v = 0;
		for (unsigned k = 0; k < bytes; k++) {
			v |= static_cast<int64_t>(samples[i * bytes + k]) << 8 * k;
		}
		v &= (int64_t{1} << frame.stored) - 1;
		bool negative = frame.is_signed && v >> (frame.stored - 1);
		image.comps[i % frame.samples].data[i / frame.samples] =
			static_cast<OPJ_INT32>(negative ? v - (int64_t{1} << frame.stored) : v);
	}
}

/* As many as opj_compress takes, but no more than the image has halves. */
int resolutions(const codec_frame &frame)
{
	uint32_t side = frame.rows < frame.columns ? frame.rows : frame.columns;
	int n = 1;
	while (n < 6 && side >> n > 0) {
		n++;
	}
	return n;
}

} // namespace

bool j2k_is_ours(const codec_frame &frame)
{
	return (frame.samples == 1 && frame.stored == 1) || frame.allocated > 16;
}

int j2k_decode(const codec_frame &frame, const uint8_t *in, size_t n_in, uint8_t *ret, size_t len)
{
	memory m = {in, n_in, 0, nullptr};
	opj_dparameters_t parameters;
	opj_image_t *made = nullptr;
	stream_ptr stream = stream_of(m);
	codec_ptr codec(opj_create_decompress(OPJ_CODEC_J2K), opj_destroy_codec);
	opj_set_default_decoder_parameters(&parameters);
	if (!stream || !codec || !is_known(frame, len) || !opj_setup_decoder(codec.get(), &parameters) ||
		!opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE) ||
		!opj_read_header(stream.get(), codec.get(), &made)) {
		return -1;
	}
	image_ptr image(made, opj_image_destroy);
	if (!is_as_said(frame, *image) || !opj_decode(codec.get(), stream.get(), image.get()) ||
		!opj_end_decompress(codec.get(), stream.get()) || !is_as_said(frame, *image) ||
		!has_samples(*image)) {
		return -1;
	}
	const unsigned bytes = frame.allocated / 8;
	for (size_t i = 0; i < len / bytes; i++) {
		uint32_t v = static_cast<uint32_t>(image->comps[i % frame.samples].data[i / frame.samples]);
		for (unsigned k = 0; k < bytes; k++) {
			ret[i * bytes + k] = static_cast<uint8_t>(v >> 8 * k);
		}
	}
	return 0;
}

int j2k_encode(const codec_frame &frame, const uint8_t *samples, size_t len, std::vector<uint8_t> &ret)
{
	memory m = {nullptr, 0, 0, &ret};
	opj_cparameters_t parameters;
	codec_ptr codec(opj_create_compress(OPJ_CODEC_J2K), opj_destroy_codec);
	opj_set_default_encoder_parameters(&parameters);
	parameters.tcp_numlayers = 1;
	parameters.cp_disto_alloc = 1; /* one layer of all that there is: without loss */
	parameters.numresolution = resolutions(frame);
	parameters.tcp_mct = 0; /* colours stay what they are called */
	ret.clear();
	if (!codec || !is_known(frame, len)) {
		return -1;
	}
	image_ptr image = image_of(frame);
	stream_ptr stream = stream_of(m);
	if (!image || !stream) {
		return -1;
	}
	fill(frame, samples, *image);
	if (!opj_setup_encoder(codec.get(), &parameters, image.get()) ||
		!opj_start_compress(codec.get(), image.get(), stream.get()) ||
		!opj_encode(codec.get(), stream.get()) || !opj_end_compress(codec.get(), stream.get())) {
		return -1;
	}
	stream.reset(); /* what it has in its buffer */
	return ret.empty() ? -1 : 0;
}
