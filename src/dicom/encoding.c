/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/encoding.h"

#include "dicom/uid.h"

int encoding_of(struct span transfer_syntax, enum encoding *ret_encoding)
{
	static const struct {
		const char *uid;
		enum encoding encoding;
	} odd[] = {
		{"1.2.840.10008.1.2", ENCODING_IMPLICIT_LE},
		{"1.2.840.10008.1.20", ENCODING_IMPLICIT_LE}, /* Papyrus 3, retired */
		{"1.2.840.10008.1.2.2", ENCODING_EXPLICIT_BE},
		{"1.2.840.10008.1.2.1.99", ENCODING_DEFLATED_LE},
		{"1.2.840.10008.1.2.4.95", ENCODING_DEFLATED_LE},  /* PS3.5 A.7 */
		{"1.2.840.10008.1.2.4.205", ENCODING_DEFLATED_LE}, /* PS3.5 A.12 */
	};
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		if (span_eq(transfer_syntax, span_str(odd[i].uid))) {
			*ret_encoding = odd[i].encoding;
			return 0;
		}
	}
	const struct uid_entry *e = uid_find(transfer_syntax);
	if (!e || e->kind != UID_TRANSFER_SYNTAX) {
		return ERR_NOT_FOUND;
	}
	*ret_encoding = ENCODING_EXPLICIT_LE; /* PS3.5 A.4: all the others */
	return 0;
}

const struct encoding_coded *encoding_coded(struct span transfer_syntax)
{
	static const struct encoding_coded rows[] = {
		{"1.2.840.10008.1.2.4.50", CODING_JPEG, "1.2.840.10008.1.2.4.70", CODING_JPEG_LOSSLESS, true},
		{"1.2.840.10008.1.2.4.51", CODING_JPEG, "1.2.840.10008.1.2.4.70", CODING_JPEG_LOSSLESS, true},
		/* Progressive, both retired. */
		{"1.2.840.10008.1.2.4.53", CODING_JPEG, "1.2.840.10008.1.2.4.70", CODING_JPEG_LOSSLESS, true},
		{"1.2.840.10008.1.2.4.55", CODING_JPEG, "1.2.840.10008.1.2.4.70", CODING_JPEG_LOSSLESS, true},
		{"1.2.840.10008.1.2.4.57", CODING_JPEG_LOSSLESS_14, "1.2.840.10008.1.2.4.57",
			CODING_JPEG_LOSSLESS_14},
		{"1.2.840.10008.1.2.4.70", CODING_JPEG_LOSSLESS, "1.2.840.10008.1.2.4.70",
			CODING_JPEG_LOSSLESS},
		{"1.2.840.10008.1.2.4.80", CODING_JPEG_LS, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS},
		{"1.2.840.10008.1.2.4.81", CODING_JPEG_LS, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.90", CODING_JPEG_2000, "1.2.840.10008.1.2.4.90", CODING_JPEG_2000},
		{"1.2.840.10008.1.2.4.91", CODING_JPEG_2000, "1.2.840.10008.1.2.4.90", CODING_JPEG_2000},
		/* High-Throughput: decoded as any JPEG 2000, and encoded as its older part. */
		{"1.2.840.10008.1.2.4.201", CODING_JPEG_2000, "1.2.840.10008.1.2.4.90", CODING_JPEG_2000},
		{"1.2.840.10008.1.2.4.202", CODING_JPEG_2000, "1.2.840.10008.1.2.4.90", CODING_JPEG_2000},
		{"1.2.840.10008.1.2.4.203", CODING_JPEG_2000, "1.2.840.10008.1.2.4.90", CODING_JPEG_2000},
		{"1.2.840.10008.1.2.4.110", CODING_JPEG_XL, "1.2.840.10008.1.2.4.110", CODING_JPEG_XL},
		{"1.2.840.10008.1.2.4.111", CODING_JPEG_XL, "1.2.840.10008.1.2.4.110", CODING_JPEG_XL},
		{"1.2.840.10008.1.2.4.112", CODING_JPEG_XL, "1.2.840.10008.1.2.4.110", CODING_JPEG_XL},
		/* Videos have no kin without loss; of those that frames can have each alone, this one is the smallest. */
		{"1.2.840.10008.1.2.4.100", CODING_MPEG2, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.100.1", CODING_MPEG2, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.101", CODING_MPEG2, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.101.1", CODING_MPEG2, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.102", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.102.1", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.103", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.103.1", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.104", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.104.1", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.105", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.105.1", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.106", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.106.1", CODING_H264, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.107", CODING_HEVC, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.4.108", CODING_HEVC, "1.2.840.10008.1.2.4.80", CODING_JPEG_LS, true},
		{"1.2.840.10008.1.2.5", CODING_RLE, "1.2.840.10008.1.2.5", CODING_RLE},
		{"1.2.840.10008.1.2.1.98", CODING_PLAIN, "1.2.840.10008.1.2.1.98", CODING_PLAIN},
		{"1.2.840.10008.1.2.8.1", CODING_DEFLATED, "1.2.840.10008.1.2.8.1", CODING_DEFLATED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (span_eq(transfer_syntax, span_str(rows[i].uid))) {
			return &rows[i];
		}
	}
	return NULL;
}

const char *encoding_lossless(struct span transfer_syntax)
{
	const struct encoding_coded *c = encoding_coded(transfer_syntax);
	return c ? c->lossless : NULL;
}
