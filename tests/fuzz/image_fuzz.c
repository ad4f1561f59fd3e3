/* SPDX-License-Identifier: Apache-2.0 */
#include "image_fuzz.h"

#include <locale.h>

/* An image of a disc: ISO 9660 or ZIP. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static bool utf8;
	utf8 = utf8 || setlocale(LC_CTYPE, "C.UTF-8");
	struct fuzzed f = {.data = bytes, .size = size};
	read_it(image_read, &f);
	return 0;
}
