/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GANTRY_TESTS_TRANSFORM_LOOKED_H
#define GANTRY_TESTS_TRANSFORM_LOOKED_H

#include "dicom/dataset.h"
#include "transform/leftovers.h"

/* After cmocka.h. One element of explicit VR little endian is looked through for leftovers, fed in pieces of a size. */
static void look_through(struct leftovers *l, struct span element, size_t step)
{
	struct dataset d;
	int event = DATASET_MORE;
	assert_int_equal(dataset_begin(&d, ENCODING_EXPLICIT_LE, NULL), 0);
	for (size_t at = 0; at < element.len; at += step) {
		dataset_feed(
			&d, span_of(element.ptr + at, step < element.len - at ? step : element.len - at));
		while ((event = dataset_next(&d)) > 0) {
			leftovers_event(l, &d, event);
		}
		assert_int_equal(event, DATASET_MORE);
	}
}

#endif
