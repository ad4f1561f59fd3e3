/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/service.h"

#include "base/attr.h"

struct service_entry {
	const char *uid;
	unsigned services;
};

#include "service_table.h"

static const char *const names[] = {
	[SERVICE_ECHO] = "echo",
	[SERVICE_STORE] = "store",
	[SERVICE_FIND] = "find",
	[SERVICE_MOVE] = "move",
	[SERVICE_GET] = "get",
	[SERVICE_WORKLIST] = "worklist",
	[SERVICE_MPPS] = "mpps",
	[SERVICE_COMMIT] = "commit",
	[SERVICE_N_SERVICES] = "n-services",
	[SERVICE_COUNT] = "",
};
static_assert(ARRAY_LEN(names) == SERVICE_COUNT + 1, "a name for each service");

const char *service_name(enum service s)
{
	return (unsigned)s < SERVICE_COUNT ? names[s] : "";
}

enum service service_by_name(const char *name)
{
	for (unsigned i = 0; i < SERVICE_COUNT; i++) {
		if (strcmp(names[i], name) == 0) {
			return (enum service)i;
		}
	}
	return SERVICE_COUNT;
}

unsigned service_of_sop_class(struct span uid)
{
	size_t low = 0, high = ARRAY_LEN(service_table);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct span other = span_str(service_table[middle].uid);
		size_t least = uid.len < other.len ? uid.len : other.len;
		int order = least ? memcmp(uid.ptr, other.ptr, least) : 0;
		if (order == 0 && uid.len == other.len) {
			return service_table[middle].services;
		}
		if (order < 0 || (order == 0 && uid.len < other.len)) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return 0;
}
