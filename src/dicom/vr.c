/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/vr.h"

#include "base/attr.h"

#include <string.h>

#define LETTERS  26
#define AT(a, b) [((a) - 'A') * LETTERS + (b) - 'A']
#define BOTH     (VR_TRIM_LEADING | VR_TRIM_TRAILING)

/* PS3.5 Table 6.2-1 and 7.1.2, by the two letters. */
static const uint8_t table[LETTERS * LETTERS] = {
	AT('A', 'E') = VR_STANDARD | VR_SHORT | BOTH,
	AT('A', 'S') = VR_STANDARD | VR_SHORT | VR_TRIM_TRAILING,
	AT('A', 'T') = VR_STANDARD | VR_SHORT,
	AT('C', 'S') = VR_STANDARD | VR_SHORT | BOTH,
	AT('D', 'A') = VR_STANDARD | VR_SHORT | VR_TRIM_TRAILING,
	AT('D', 'S') = VR_STANDARD | VR_SHORT | BOTH,
	AT('D', 'T') = VR_STANDARD | VR_SHORT | VR_TRIM_TRAILING,
	AT('F', 'D') = VR_STANDARD | VR_SHORT,
	AT('F', 'L') = VR_STANDARD | VR_SHORT,
	AT('I', 'S') = VR_STANDARD | VR_SHORT | BOTH,
	AT('L', 'O') = VR_STANDARD | VR_SHORT | BOTH,
	AT('L', 'T') = VR_STANDARD | VR_SHORT | VR_TRIM_TRAILING,
	AT('O', 'B') = VR_STANDARD | VR_FRAGMENTS,
	AT('O', 'D') = VR_STANDARD,
	AT('O', 'F') = VR_STANDARD,
	AT('O', 'L') = VR_STANDARD,
	AT('O', 'V') = VR_STANDARD,
	AT('O', 'W') = VR_STANDARD | VR_FRAGMENTS, /* the standard has OB alone; OW is met */
	AT('P', 'N') = VR_STANDARD | VR_SHORT | VR_TRIM_TRAILING,
	AT('S', 'H') = VR_STANDARD | VR_SHORT | BOTH,
	AT('S', 'L') = VR_STANDARD | VR_SHORT,
	AT('S', 'Q') = VR_STANDARD,
	AT('S', 'S') = VR_STANDARD | VR_SHORT,
	AT('S', 'T') = VR_STANDARD | VR_SHORT | VR_TRIM_TRAILING,
	AT('S', 'V') = VR_STANDARD,
	AT('T', 'M') = VR_STANDARD | VR_SHORT | VR_TRIM_TRAILING,
	AT('U', 'C') = VR_STANDARD | VR_TRIM_TRAILING,
	AT('U', 'I') = VR_STANDARD | VR_SHORT | VR_TRIM_NUL,
	AT('U', 'L') = VR_STANDARD | VR_SHORT,
	AT('U', 'N') = VR_STANDARD,
	AT('U', 'R') = VR_STANDARD | VR_TRIM_TRAILING,
	AT('U', 'S') = VR_STANDARD | VR_SHORT,
	AT('U', 'T') = VR_STANDARD | VR_TRIM_TRAILING,
	AT('U', 'V') = VR_STANDARD,
};

unsigned vr_flags(const char vr[2])
{
	unsigned a = (uint8_t)vr[0] - 'A', b = (uint8_t)vr[1] - 'A';
	return a < LETTERS && b < LETTERS ? table[a * LETTERS + b] : 0;
}

unsigned vr_unit(const char vr[2])
{
	static const struct {
		char vr[3];
		uint8_t unit;
	} units[] = {{"US", 2}, {"SS", 2}, {"OW", 2}, {"AT", 2}, {"UL", 4}, {"SL", 4}, {"FL", 4}, {"OF", 4},
		{"OL", 4}, {"FD", 8}, {"OD", 8}, {"OV", 8}, {"SV", 8}, {"UV", 8}};
	for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
		if (memcmp(units[i].vr, vr, 2) == 0) {
			return units[i].unit;
		}
	}
	return 1;
}

struct span vr_trim(const char vr[2], struct span value)
{
	unsigned flags = vr_flags(vr);
	if (flags & (VR_TRIM_TRAILING | VR_TRIM_NUL)) {
		while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == 0)) {
			value.len--;
		}
	}
	while ((flags & VR_TRIM_LEADING) && value.len > 0 && value.ptr[0] == ' ') {
		value.ptr++;
		value.len--;
	}
	return value;
}
