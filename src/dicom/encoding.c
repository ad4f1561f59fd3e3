/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/encoding.h"

#include "dicom/uid.h"
#include "pixel_coding_table.h"

int encoding_of(struct span transfer_syntax, enum encoding *ret_encoding)
{
	static const struct {
		const char *uid;
		enum encoding encoding;
	} odd[] = {
		{"1.2.840.10008.1.2.1", ENCODING_EXPLICIT_LE}, /* not odd, but asked for with each object */
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
	for (size_t i = 0; i < ARRAY_LEN(coded_table); i++) {
		if (span_eq(transfer_syntax, span_str(coded_table[i].uid))) {
			return &coded_table[i];
		}
	}
	return NULL;
}

const char *encoding_lossless(struct span transfer_syntax)
{
	const struct encoding_coded *c = encoding_coded(transfer_syntax);
	return c ? c->lossless : NULL;
}

const char *encoding_why_not(struct span transfer_syntax)
{
	for (size_t i = 0; i < ARRAY_LEN(uncoded_table); i++) {
		if (span_eq(transfer_syntax, span_str(uncoded_table[i].uid))) {
			return uncoded_table[i].why;
		}
	}
	return NULL;
}
