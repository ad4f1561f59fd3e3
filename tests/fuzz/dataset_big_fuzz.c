/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset_fuzz.h"

/* A data set in explicit VR big endian. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz(data, size, "1.2.840.10008.1.2.2");
}
