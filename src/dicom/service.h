/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DICOM_SERVICE_H
#define DICOM_SERVICE_H

#include "base/span.h"

/* The services that a flow can allow, and which of them a SOP class belongs to: data/services.tsv. */
enum service {
	SERVICE_ECHO,
	SERVICE_STORE,
	SERVICE_FIND,
	SERVICE_MOVE,
	SERVICE_GET,
	SERVICE_WORKLIST,
	SERVICE_MPPS,
	SERVICE_COMMIT,
	SERVICE_N_SERVICES, /* every other SOP class of the DIMSE-N services, and UPS */
	SERVICE_COUNT,
};

#define SERVICE_BIT(s) (1u << (s))

/* "store", as gantry.yaml writes it; "" for SERVICE_COUNT. Static storage. */
const char *service_name(enum service s);

/* SERVICE_COUNT: no such name. */
enum service service_by_name(const char *name);

/*
 * The services that a standard SOP class or meta SOP class belongs to, as a mask of SERVICE_BIT(). 0 for a private
 * or unknown one, and for one that is not used on the network (Media Storage Directory).
 */
unsigned service_of_sop_class(struct span uid);

#endif
