/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "net/dimse.h"

#include <stdlib.h>
#include <string.h>

/*
 * A command set, and the same bytes as an identifier in each encoding. What can be read must be writable, and what we
 * write must be read back strictly and be written the same again.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void round_trip(const struct command *c)
{
	uint8_t first[LIMIT_COMMAND_SET + 64], second[LIMIT_COMMAND_SET + 64];
	struct writer w = writer_of(first, sizeof(first));
	struct command again;
	struct parse_fail fail;
	must(command_write(c, &w) == 0);
	if (w.len > LIMIT_COMMAND_SET) {
		return;
	}
	must(command_read(writer_span_of(&w), 0, &again, &fail) == 0);
	must(again.tolerated == 0 && again.field == c->field &&
		command_has_data_set(&again) == command_has_data_set(c));
	struct writer v = writer_of(second, sizeof(second));
	must(command_write(&again, &v) == 0 && v.len == w.len && memcmp(first, second, v.len) == 0);
}

static void answer(const struct command *c)
{
	uint8_t buf[1024];
	struct writer w = writer_of(buf, sizeof(buf));
	struct command rsp, again;
	struct parse_fail fail;
	if (command_is_response(c->field) || c->field == C_CANCEL_RQ) {
		return;
	}
	command_make_response(c, command_refusal_status(c->field), "Gantry 1: destination", &rsp);
	must(command_write(&rsp, &w) == 0);
	must(command_read(writer_span_of(&w), 0, &again, &fail) == 0);
	must(again.message_id_responded == c->message_id && status_is_failure(again.status));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy) {
		return 0;
	}
	memcpy(copy, data, size);
	struct span bytes = span_of(copy, size);
	for (unsigned tolerate = 0; tolerate <= AE_TOLERATE_NUL; tolerate++) {
		struct command c = {.field = 0x7777};
		struct parse_fail fail = {0};
		int err = command_read(bytes, tolerate, &c, &fail);
		if (err == 0) {
			round_trip(&c);
			answer(&c);
		} else {
			must(fail.code == err && fail.spec && fail.offset <= size && c.field == 0x7777);
		}
	}
	free(copy);
	return 0;
}
