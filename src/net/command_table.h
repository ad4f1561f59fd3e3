/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_COMMAND_TABLE_H
#define NET_COMMAND_TABLE_H

#include "net/dimse.h"

/* The two tables that reading and writing of command sets share. */

enum command_vr { COMMAND_UI, COMMAND_US, COMMAND_AE, COMMAND_AT, COMMAND_LO };

/* A command element, PS3.7 Table E.1-1: where its value stands in struct command. */
struct command_element {
	uint16_t element; /* (0000,eeee) */
	uint8_t vr;       /* an enum command_vr */
	uint32_t has;     /* its bit, HAS_…; 0 for Command Field */
	size_t offset;
};

#define COMMAND_ELEMENTS      23
#define COMMAND_FIELD_ELEMENT 0x0100
extern const struct command_element command_elements[COMMAND_ELEMENTS]; /* in the order of their tags */

enum command_data { DATA_NEVER, DATA_ALWAYS, DATA_MAYBE };

/* A command field, PS3.7 9.3 and 10.3: the elements that it must have and may have, and whether a data set follows. */
struct command_kind {
	uint16_t field;
	const char *name, *spec;
	uint32_t must, may; /* HAS_… */
	uint8_t data;       /* an enum command_data */
};

/* NULL: PS3.7 E.1 has no such command field. */
const struct command_kind *command_kind_of(uint16_t field);

#endif
