/* SPDX-License-Identifier: Apache-2.0 */
#include "image_fuzz.h"
#include "udf_sectors.h"

#include <stdio.h>

/* An image of UDF, without the sectors that are all zeros. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static FILE *nowhere; /* libudfread says on stderr what is wrong */
	nowhere = nowhere ? nowhere : fopen("/dev/null", "we");
	stderr = nowhere ? nowhere : stderr;
	size_t len = udf_size(bytes, size);
	uint8_t *image = calloc(1, len);
	if (!image) {
		abort();
	}
	udf_fill(bytes, size, image);
	struct fuzzed f = {.data = image, .size = len};
	read_it(image_read_udf, &f);
	free(image);
	return 0;
}
