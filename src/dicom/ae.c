/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/ae.h"

/* PS3.5 6.2, VR AE: the default repertoire without backslash and control characters. */
static bool is_ae_character(uint8_t c)
{
	return c >= 0x20 && c < 0x7F && c != '\\';
}

int ae_read(struct span raw, unsigned tolerate, char ret_title[AE_SIZE], unsigned *ret_tolerated)
{
	bool padded_with_nul = false;
	if (raw.len > AE_MAX) {
		return ERR_LENGTH;
	}
	while (raw.len > 0 && raw.ptr[raw.len - 1] == 0 && (tolerate & AE_TOLERATE_NUL)) {
		raw.len--;
		padded_with_nul = true;
	}
	while (raw.len > 0 && raw.ptr[raw.len - 1] == ' ') {
		raw.len--;
	}
	while (raw.len > 0 && raw.ptr[0] == ' ') {
		raw.ptr++;
		raw.len--;
	}
	if (raw.len == 0) {
		return ERR_MISSING;
	}
	for (size_t i = 0; i < raw.len; i++) {
		if (!is_ae_character(raw.ptr[i])) {
			return ERR_VALUE;
		}
	}
	memcpy(ret_title, raw.ptr, raw.len);
	ret_title[raw.len] = 0;
	if (padded_with_nul) {
		*ret_tolerated |= AE_TOLERATE_NUL;
	}
	return 0;
}

bool ae_valid(const char *title)
{
	size_t n = strnlen(title, AE_SIZE);
	if (n == 0 || n > AE_MAX || title[0] == ' ' || title[n - 1] == ' ') {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!is_ae_character((uint8_t)title[i])) {
			return false;
		}
	}
	return true;
}
