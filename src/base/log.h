/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * One structured line an event, in one write(), to one descriptor. Only processes log (gateway/, priv/, archive/'s
 * role, cli/); library folders return errors. Secrets are never given to this function.
 */
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
	const char *key;
	const char *text; /* NULL: number is the value. A field with text "" is left out. */
	int64_t number;
};

static inline const char *log_or_empty(const char *s)
{
	return s ? s : "";
}

#define LOG_TEXT(k, v)   ((struct log_field){.key = (k), .text = log_or_empty(v)})
#define LOG_NUMBER(k, v) ((struct log_field){.key = (k), .number = (v)})

/* Where lines go from now on. The descriptor stays the caller's. Before the first call: text to descriptor 2. */
void log_to(int fd, enum log_format format);

/* The role's name, shown in every line ("gate", "association"); static storage. */
void log_role(const char *role);

/* Lines below this level are dropped. Default LOG_LEVEL_INFO. */
void log_least(enum log_level level);

/*
 * event: a dotted name that scripts can rely on ("association.accepted"). sentence: for people.
 * JSON: {"time","level","role","event",<fields>,"message"}. Values are cut when the line would be over
 * LIMIT_LOG_LINE; bytes that are not printable ASCII are escaped in text, and in JSON where JSON asks.
 */
void log_line(enum log_level level, const char *event, const char *sentence, const struct log_field *fields,
	size_t n);

#define log_event(level, event, sentence, ...)                                                               \
	log_line((level), (event), (sentence), (const struct log_field[]){__VA_ARGS__},                      \
		sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* A sentence alone. */
void log_say(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);

/* The same line's text without writing it, for records that are kept elsewhere. Returns its length, newline included. */
size_t log_format_line(enum log_format format, char *buf, size_t cap, enum log_level level, const char *event,
	const char *sentence, const struct log_field *fields, size_t n);

#endif
