/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/codec_jxl.h"

#include <jxl/decode_cxx.h>
#include <jxl/encode_cxx.h>

namespace
{

#define EFFORT 3 /* of 1 to 9: what is made is to be kept, not to be small at any price */

JxlPixelFormat format(const codec_frame &frame)
{
	return JxlPixelFormat{
		frame.samples, frame.allocated == 8 ? JXL_TYPE_UINT8 : JXL_TYPE_UINT16, JXL_LITTLE_ENDIAN, 0};
}

bool is_known(const codec_frame &frame, size_t len)
{
	return (frame.allocated == 8 || frame.allocated == 16) && frame.stored > 0 &&
	       frame.stored <= frame.allocated && !frame.is_signed &&
	       (frame.samples == 1 || frame.samples == 3) &&
	       len == static_cast<size_t>(frame.rows) * frame.columns * frame.samples * (frame.allocated / 8);
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
		JxlDecoderImageOutBufferSize(decoder.get(), &as, &n) != JXL_DEC_SUCCESS || n != len ||
		JxlDecoderSetImageOutBuffer(decoder.get(), &as, ret, len) != JXL_DEC_SUCCESS ||
		JxlDecoderProcessInput(decoder.get()) != JXL_DEC_FULL_IMAGE) {
		return -1;
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
	scale(full.data(), len, frame.allocated / 8, most(frame.stored), most(frame.allocated));
	JxlEncoderInitBasicInfo(&info);
	info.xsize = frame.columns;
	info.ysize = frame.rows;
	info.bits_per_sample = frame.stored;
	info.num_color_channels = frame.samples;
	info.uses_original_profile = JXL_TRUE; /* what is without loss has no colours of its own */
	JxlColorEncodingSetToSRGB(&colour, frame.samples == 1);
	JxlEncoderFrameSettings *settings = JxlEncoderFrameSettingsCreate(encoder.get(), nullptr);
	if (!settings || JxlEncoderSetBasicInfo(encoder.get(), &info) != JXL_ENC_SUCCESS ||
		JxlEncoderSetColorEncoding(encoder.get(), &colour) != JXL_ENC_SUCCESS ||
		JxlEncoderSetFrameLossless(settings, JXL_TRUE) != JXL_ENC_SUCCESS ||
		JxlEncoderFrameSettingsSetOption(settings, JXL_ENC_FRAME_SETTING_EFFORT, EFFORT) !=
			JXL_ENC_SUCCESS ||
		JxlEncoderAddImageFrame(settings, &as, full.data(), full.size()) != JXL_ENC_SUCCESS) {
		return -1;
	}
	JxlEncoderCloseInput(encoder.get());
	return drain(encoder.get(), ret) ? 0 : -1;
}
