/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_SIGN_PROFILE_H
#define DICOM_SIGN_PROFILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What the digital signature profiles of PS3.15 C.2 to C.4 ask a signature of a whole data set to be over, from
 * data/signature_profiles.tsv. The Base profile (C.1) asks for nothing.
 */
enum signed_profile {
	SIGNED_CREATOR = 1u << 0,
	SIGNED_AUTHORIZATION = 1u << 1,
	SIGNED_REPORT = 1u << 2,
	SIGNED_VERIFIED_REPORT = 1u << 3, /* beside it, of a report whose Verification Flag is VERIFIED */
};

/*
 * present: what can be signed of the data set, signed_tags: what is; both ascending. A mask of enum signed_profile of those whose
 * attributes are all signed. *ret_lacking: of the asked one the first that is not; 0: none.
 */
unsigned sign_profiles(const uint32_t *present, size_t n_present, const uint32_t *signed_tags,
	size_t n_signed, unsigned asked, uint32_t *ret_lacking);

#endif
