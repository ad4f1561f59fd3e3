/* SPDX-License-Identifier: Apache-2.0 */
#include "pixels/codec.h"
#include "pixels/codec_arithmetic.h"
#include "pixels/codec_j2k.h"
#include "pixels/codec_jxl.h"

#include <gdcmByteValue.h>
#include <gdcmFragment.h>
#include <gdcmImage.h>
#include <gdcmImageChangeTransferSyntax.h>
#include <gdcmJPEG2000Codec.h>
#include <gdcmSequenceOfFragments.h>
#include <gdcmTrace.h>

#include <cstring>
#include <exception>
#include <string>
#include <vector>

namespace
{

const gdcm::TransferSyntax::TSType syntaxes[] = {gdcm::TransferSyntax::JPEGBaselineProcess1,
	gdcm::TransferSyntax::JPEGLosslessProcess14, gdcm::TransferSyntax::JPEGLosslessProcess14_1,
	gdcm::TransferSyntax::JPEGLSLossless, gdcm::TransferSyntax::JPEG2000Lossless};

std::vector<uint8_t> kept;

void shape(gdcm::Image &image, const codec_frame &frame)
{
	image.SetNumberOfDimensions(2);
	image.SetDimension(0, frame.columns);
	image.SetDimension(1, frame.rows);
	image.SetPixelFormat(gdcm::PixelFormat(static_cast<unsigned short>(frame.samples),
		static_cast<unsigned short>(frame.allocated), static_cast<unsigned short>(frame.stored),
		static_cast<unsigned short>(frame.stored - 1), static_cast<unsigned short>(frame.is_signed)));
	image.SetPhotometricInterpretation(gdcm::PhotometricInterpretation::GetPIType(frame.photometric));
	image.SetPlanarConfiguration(0);
}

bool name(const gdcm::Image &image, codec_frame &frame)
{
	const char *text = image.GetPhotometricInterpretation().GetString();
	if (!text || std::strlen(text) >= sizeof(frame.photometric)) {
		return false;
	}
	std::string trimmed(text);
	while (!trimmed.empty() && trimmed.back() == ' ') {
		trimmed.pop_back();
	}
	std::memset(frame.photometric, 0, sizeof(frame.photometric));
	std::memcpy(frame.photometric, trimmed.data(), trimmed.size());
	return true;
}

/* GDCM's image would let OpenJPEG start threads, which the sandbox forbids. */
int decode_2000(const gdcm::Image &image, const gdcm::DataElement &pixels, codec_frame &frame, uint8_t *ret,
	size_t len)
{
	gdcm::JPEG2000Codec codec;
	gdcm::DataElement out;
	codec.SetNumberOfThreadsForDecompression(0);
	codec.SetNumberOfDimensions(2);
	codec.SetDimensions(image.GetDimensions());
	codec.SetPixelFormat(image.GetPixelFormat());
	codec.SetPlanarConfiguration(0);
	codec.SetPhotometricInterpretation(image.GetPhotometricInterpretation());
	const gdcm::ByteValue *bytes = codec.Decode(pixels, out) ? out.GetByteValue() : nullptr;
	/* A byte of padding may follow. */
	if (!bytes || bytes->GetLength() < len || bytes->GetLength() - len > 1 ||
		codec.GetPixelFormat().GetSamplesPerPixel() != frame.samples ||
		codec.GetPixelFormat().GetBitsAllocated() != frame.allocated) {
		return -1;
	}
	std::memcpy(ret, bytes->GetPointer(), len);
	return 0;
}

int do_decode(codec_kind kind, codec_frame &frame, const uint8_t *in, size_t n_in, uint8_t *ret, size_t len)
{
	gdcm::Image image;
	gdcm::Fragment fragment;
	gdcm::DataElement pixels(gdcm::Tag(0x7fe0, 0x0010));
	gdcm::SmartPointer<gdcm::SequenceOfFragments> list = new gdcm::SequenceOfFragments;
	shape(image, frame);
	image.SetTransferSyntax(syntaxes[kind]);
	fragment.SetByteValue(reinterpret_cast<const char *>(in), static_cast<uint32_t>(n_in));
	list->AddFragment(fragment);
	pixels.SetValue(*list);
	image.SetDataElement(pixels);
	if (image.GetBufferLength() != len) {
		return -1;
	}
	if (kind == CODEC_JPEG_2000) {
		return decode_2000(image, pixels, frame, ret, len);
	}
	if (!image.GetBuffer(reinterpret_cast<char *>(ret)) || image.GetBufferLength() != len ||
		image.GetPlanarConfiguration() != 0 ||
		image.GetPixelFormat().GetSamplesPerPixel() != frame.samples ||
		image.GetPixelFormat().GetBitsAllocated() != frame.allocated) {
		return -1;
	}
	return name(image, frame) ? 0 : -1;
}

int do_encode(codec_kind kind, codec_frame &frame, const uint8_t *samples, size_t len, const uint8_t **ret,
	size_t *ret_n)
{
	gdcm::SmartPointer<gdcm::Image> image = new gdcm::Image;
	gdcm::DataElement pixels(gdcm::Tag(0x7fe0, 0x0010));
	gdcm::ImageChangeTransferSyntax change;
	shape(*image, frame);
	image->SetTransferSyntax(gdcm::TransferSyntax::ExplicitVRLittleEndian);
	pixels.SetByteValue(reinterpret_cast<const char *>(samples), static_cast<uint32_t>(len));
	image->SetDataElement(pixels);
	change.SetTransferSyntax(syntaxes[kind]);
	change.SetInput(*image);
	if (!change.Change()) {
		return -1;
	}
	const gdcm::SequenceOfFragments *list = change.GetOutput().GetDataElement().GetSequenceOfFragments();
	if (!list || list->GetNumberOfFragments() == 0 || !name(change.GetOutput(), frame)) {
		return -1;
	}
	kept.resize(list->ComputeByteLength());
	if (kept.empty() || !list->GetBuffer(reinterpret_cast<char *>(kept.data()), kept.size())) {
		return -1;
	}
	*ret = kept.data();
	*ret_n = kept.size();
	return 0;
}

using encoder = int(const codec_frame &frame, const uint8_t *samples, size_t len, std::vector<uint8_t> &ret);

int encode_by(encoder *by, const codec_frame &frame, const uint8_t *samples, size_t len, const uint8_t **ret,
	size_t *ret_n)
{
	if (by(frame, samples, len, kept) < 0) {
		return -1;
	}
	*ret = kept.data();
	*ret_n = kept.size();
	return 0;
}

/* No exception goes out into C. */
int decode(codec_kind kind, codec_frame *frame, const uint8_t *in, size_t n_in, uint8_t *ret, size_t len)
{
	try {
		if (kind == CODEC_JPEG_XL) {
			return jxl_decode(*frame, in, n_in, ret, len);
		}
		if (kind == CODEC_JPEG_2000 && j2k_is_ours(*frame)) {
			return j2k_decode(*frame, in, n_in, ret, len);
		}
		if (kind == CODEC_JPEG && jpeg_is_arithmetic(in, n_in)) {
			static std::vector<uint8_t> plain;
			if (jpeg_to_huffman(in, n_in, plain) < 0) {
				return -1;
			}
			in = plain.data();
			n_in = plain.size();
		}
		return n_in > 0 && n_in <= UINT32_MAX - 1 ? do_decode(kind, *frame, in, n_in, ret, len) : -1;
	} catch (...) {
		return -1;
	}
}

int encode(codec_kind kind, codec_frame *frame, const uint8_t *samples, size_t len, const uint8_t **ret,
	size_t *ret_n)
{
	try {
		if (kind == CODEC_JPEG_XL) {
			return encode_by(jxl_encode, *frame, samples, len, ret, ret_n);
		}
		if (kind == CODEC_JPEG_2000 && j2k_is_ours(*frame)) {
			return encode_by(j2k_encode, *frame, samples, len, ret, ret_n);
		}
		return len > 0 && len <= UINT32_MAX - 1 ? do_encode(kind, *frame, samples, len, ret, ret_n)
		                                        : -1;
	} catch (...) {
		return -1;
	}
}

const codec table = {decode, encode};

} // namespace

extern "C" __attribute__((visibility("default"))) const codec *pixels_codec(void);

const codec *pixels_codec(void)
{
	gdcm::Trace::SetDebug(false);
	gdcm::Trace::SetWarning(false);
	gdcm::Trace::SetError(false);
	return &table;
}
