/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIV_MESSAGE_REPORTS_H
#define PRIV_MESSAGE_REPORTS_H

#include "base/reader.h"
#include "base/writer.h"
#include "priv/message.h"

/*
 * Shapes of messages, for message.c's table: struct refusal, struct msg_courier, struct msg_journal, and the
 * quarantine's. Errors as message_read().
 */

void message_write_refusal(struct writer *w, const struct message *m);
MUST_USE int message_read_refusal(struct reader *r, struct message *m);
void message_write_courier(struct writer *w, const struct message *m);
MUST_USE int message_read_courier(struct reader *r, struct message *m);
void message_write_journal(struct writer *w, const struct message *m);
MUST_USE int message_read_journal(struct reader *r, struct message *m);
void message_write_keeping(struct writer *w, const struct message *m);
MUST_USE int message_read_keeping(struct reader *r, struct message *m);
void message_write_quarantined(struct writer *w, const struct message *m);
MUST_USE int message_read_quarantined(struct reader *r, struct message *m);

/* MSG_ANTIVIRUS */
void message_write_antivirus(struct writer *w, const struct message *m);
MUST_USE int message_read_antivirus(struct reader *r, struct message *m);

#endif
