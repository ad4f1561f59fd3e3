/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/uid_make.h"

#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>

int uid_make(char ret_uid[65])
{
	uint8_t bytes[16];
	if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
		return ERR_SYSTEM;
	}
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* RFC 4122 4.4: version 4, variant 1 */
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	unsigned __int128 number = 0;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		number = number << 8 | bytes[i];
	}
	char digits[40];
	size_t at = sizeof(digits) - 1;
	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + (int)(number % 10));
		number /= 10;
	} while (number > 0);
	snprintf(ret_uid, 65, "2.25.%s", digits + at);
	return 0;
}
