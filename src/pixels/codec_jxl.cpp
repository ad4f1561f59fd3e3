/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/codec_jxl.h"

#include <jxl/decode_cxx.h>
#include <jxl/encode_cxx.h>

#include <cmath>

namespace
{

#define EFFORT 3 /* of 1 to 9: what is made is to be kept, not to be small at any price */

/* By its integers libjxl has neither negative samples nor such of more than 16 bits; by its floats it has, and those have 24 bits. */
bool by_floats(const codec_frame &frame)
{
	return frame.is_signed || frame.allocated > 16;
}

JxlPixelFormat format(const codec_frame &frame)
{
	JxlDataType type = by_floats(frame)       ? JXL_TYPE_FLOAT
	                   : frame.allocated == 8 ? JXL_TYPE_UINT8
	                                          : JXL_TYPE_UINT16;
	return JxlPixelFormat{frame.samples, type, JXL_NATIVE_ENDIAN, 0};
}

size_t count(const codec_frame &frame)
{
	return static_cast<size_t>(frame.rows) * frame.columns * frame.samples;
}

bool is_known(const codec_frame &frame, size_t len)
{
	return (frame.allocated == 8 || frame.allocated == 16 || frame.allocated == 24) && frame.stored > 0 &&
	       frame.stored <= frame.allocated &&
	       (frame.samples == 1 || (frame.samples == 3 && !frame.is_signed)) &&
	       len == count(frame) * (frame.allocated / 8);
}

/* Nothing is decoded that is another picture than the object says. */
bool is_as_said(const codec_frame &frame, const JxlBasicInfo &info)
{
	return info.xsize == frame.columns && info.ysize == frame.rows &&
	       info.num_color_channels == frame.samples && info.num_extra_channels == 0 &&
	       info.bits_per_sample <= frame.allocated && info.exponent_bits_per_sample == 0 &&
	       !info.have_animation && info.orientation == JXL_ORIENT_IDENTITY;
}

/* libjxl has samples as parts of the most that their type can be, here of `from`; ours are of `to`. Each of the smaller scale has one of its own in the larger. */
uint32_t scaled(uint32_t v, uint32_t from, uint32_t to)
{
	return static_cast<uint32_t>((static_cast<uint64_t>(v) * to + from / 2) / from);
}

void scale(uint8_t *samples, size_t len, unsigned bytes, uint32_t from, uint32_t to)
{
	for (size_t i = 0; i < len && from != to; i += bytes) {
		uint32_t v =
			bytes == 1 ? samples[i] : samples[i] | static_cast<uint32_t>(samples[i + 1]) << 8;
		v = scaled(v, from, to);
		samples[i] = static_cast<uint8_t>(v);
		if (bytes == 2) {
			samples[i + 1] = static_cast<uint8_t>(v >> 8);
		}
	}
}

uint32_t most(uint32_t bits)
{
	return (1u << bits) - 1;
}

/* ---- Samples as floats ---- */

/*
 * PS3.5 8.2.15 says that samples may be signed, and not how: some streams have negative numbers, others the bits of two's complement as a number
 * without sign, which is all that can be given to libjxl as integers. Which of them the object's last frame had that shows it.
 */
bool has_negatives;

void put_sample(uint8_t *to, int64_t v, unsigned bytes)
{
	for (unsigned k = 0; k < bytes; k++) {
		to[k] = static_cast<uint8_t>(static_cast<uint64_t>(v) >> 8 * k);
	}
}

int64_t sample_at(const uint8_t *from, const codec_frame &frame)
{
	uint32_t v = 0;
	for (unsigned k = 0; k < frame.allocated / 8; k++) {
		v |= static_cast<uint32_t>(from[k]) << 8 * k;
	}
	v &= most(frame.stored);
	bool negative = frame.is_signed && v >> (frame.stored - 1);
	return negative && has_negatives ? v - (int64_t{1} << frame.stored) : int64_t{v};
}

int from_floats(const codec_frame &frame, const std::vector<float> &in, uint32_t bits, uint8_t *ret)
{
	const int64_t all = most(bits), half = int64_t{1} << (bits - 1);
	bool low = false, high = false;
	for (size_t i = 0; i < in.size(); i++) {
		double v = std::nearbyint(static_cast<double>(in[i]) * static_cast<double>(all));
		if (!(v >= static_cast<double>(frame.is_signed ? -half : 0) &&
			    v <= static_cast<double>(all))) {
			return -1;
		}
		int64_t n = static_cast<int64_t>(v);
		low = low || n < 0;
		high = high || (frame.is_signed && n >= half);
		put_sample(ret + i * (frame.allocated / 8), frame.is_signed && n >= half ? n - all - 1 : n,
			frame.allocated / 8);
	}
	has_negatives = low || (has_negatives && !high);
	return low && high ? -1 : 0;
}

std::vector<float> to_floats(const codec_frame &frame, const uint8_t *samples)
{
	std::vector<float> to(count(frame));
	for (size_t i = 0; i < to.size(); i++) {
		to[i] = static_cast<float>(
			static_cast<double>(sample_at(samples + i * (frame.allocated / 8), frame)) /
			most(frame.stored));
	}
	return to;
}

bool drain(JxlEncoder *encoder, std::vector<uint8_t> &bytes)
{
	size_t n = 0;
	JxlEncoderStatus said = JXL_ENC_NEED_MORE_OUTPUT;
	for (bytes.resize(65536); said == JXL_ENC_NEED_MORE_OUTPUT; bytes.resize(2 * bytes.size())) {
		uint8_t *next = bytes.data() + n;
		size_t left = bytes.size() - n;
		said = JxlEncoderProcessOutput(encoder, &next, &left);
		n = static_cast<size_t>(next - bytes.data());
	}
	bytes.resize(n);
	return said == JXL_ENC_SUCCESS && n > 0;
}

} // namespace

int jxl_decode(const codec_frame &frame, const uint8_t *in, size_t n_in, uint8_t *ret, size_t len)
{
	const JxlPixelFormat as = format(frame);
	JxlDecoderPtr decoder = JxlDecoderMake(nullptr);
	JxlBasicInfo info = {};
	std::vector<float> floats(by_floats(frame) ? count(frame) : 0);
	void *to = by_floats(frame) ? static_cast<void *>(floats.data()) : ret;
	const size_t room = by_floats(frame) ? floats.size() * sizeof(float) : len;
	size_t n = 0;
	if (!decoder || !is_known(frame, len) ||
		JxlDecoderSubscribeEvents(decoder.get(), JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE) !=
			JXL_DEC_SUCCESS ||
		JxlDecoderSetInput(decoder.get(), in, n_in) != JXL_DEC_SUCCESS) {
		return -1;
	}
	/* Where input ends too soon it wants more, and is refused; told before that it was all, libjxl would write that to stderr. */
	if (JxlDecoderProcessInput(decoder.get()) != JXL_DEC_BASIC_INFO ||
		JxlDecoderGetBasicInfo(decoder.get(), &info) != JXL_DEC_SUCCESS || !is_as_said(frame, info) ||
		JxlDecoderProcessInput(decoder.get()) != JXL_DEC_NEED_IMAGE_OUT_BUFFER ||
		JxlDecoderImageOutBufferSize(decoder.get(), &as, &n) != JXL_DEC_SUCCESS || n != room ||
		JxlDecoderSetImageOutBuffer(decoder.get(), &as, to, room) != JXL_DEC_SUCCESS ||
		JxlDecoderProcessInput(decoder.get()) != JXL_DEC_FULL_IMAGE) {
		return -1;
	}
	if (by_floats(frame)) {
		return from_floats(frame, floats, info.bits_per_sample, ret);
	}
	scale(ret, len, frame.allocated / 8, most(frame.allocated), most(info.bits_per_sample));
	return 0;
}

int jxl_encode(const codec_frame &frame, const uint8_t *samples, size_t len, std::vector<uint8_t> &ret)
{
	const JxlPixelFormat as = format(frame);
	JxlEncoderPtr encoder = JxlEncoderMake(nullptr);
	JxlBasicInfo info;
	JxlColorEncoding colour;
	if (!encoder || !is_known(frame, len)) {
		return -1;
	}
	std::vector<uint8_t> full(samples, samples + len);
	std::vector<float> floats;
	if (by_floats(frame)) {
		floats = to_floats(frame, samples);
	} else {
		scale(full.data(), len, frame.allocated / 8, most(frame.stored), most(frame.allocated));
	}
	const void *from = by_floats(frame) ? static_cast<const void *>(floats.data()) : full.data();
	const size_t n = by_floats(frame) ? floats.size() * sizeof(float) : full.size();
	JxlEncoderInitBasicInfo(&info);
	info.xsize = frame.columns;
	info.ysize = frame.rows;
	info.bits_per_sample = frame.stored;
	info.num_color_channels = frame.samples;
	info.uses_original_profile = JXL_TRUE; /* what is without loss has no colours of its own */
	JxlColorEncodingSetToSRGB(&colour, frame.samples == 1);
	JxlEncoderFrameSettings *settings = JxlEncoderFrameSettingsCreate(encoder.get(), nullptr);
	/* ISO 18181-1 M.2: more than 16 bits are for level 10 alone. */
	if (frame.stored > 16 && JxlEncoderSetCodestreamLevel(encoder.get(), 10) != JXL_ENC_SUCCESS) {
		return -1;
	}
	if (!settings || JxlEncoderSetBasicInfo(encoder.get(), &info) != JXL_ENC_SUCCESS ||
		JxlEncoderSetColorEncoding(encoder.get(), &colour) != JXL_ENC_SUCCESS ||
		JxlEncoderSetFrameLossless(settings, JXL_TRUE) != JXL_ENC_SUCCESS ||
		JxlEncoderFrameSettingsSetOption(settings, JXL_ENC_FRAME_SETTING_EFFORT, EFFORT) !=
			JXL_ENC_SUCCESS ||
		JxlEncoderAddImageFrame(settings, &as, from, n) != JXL_ENC_SUCCESS) {
		return -1;
	}
	JxlEncoderCloseInput(encoder.get());
	return drain(encoder.get(), ret) ? 0 : -1;
}
