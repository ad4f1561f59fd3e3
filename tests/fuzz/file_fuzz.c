/* SPDX-License-Identifier: Apache-2.0 */
#include "dataset_fuzz.h"

/* A DICOM file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz(data, size, NULL);
}
