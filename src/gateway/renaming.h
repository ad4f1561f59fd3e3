/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_RENAMING_H
#define GATEWAY_RENAMING_H

#include "gateway/state.h"

/*
 * Messages about objects that a flow has made anew for its target (gateway/remake.h): the target knows them by other names. What the
 * caller asks of them (queries, retrievals, storage commitment) is put in the target's words, and what the target answers
 * or reports in the caller's, as far as the association has met the names, or the book (gateway/book.h) has them. Reports that
 * a node makes on an association of its own, to who has stored at it, are put back too.
 *
 * A question says nothing of a patient that the target must not know: what the flow removes or replaces in objects is refused in it.
 *
 * Only where the target has what the caller stores: flows with `store`. From a flow with `get` alone the caller has the new names.
 */
#define RENAMING_MET 2048 /* names that an association remembers; then the oldest goes */

struct book_name;

struct renaming {
	unsigned n;
	struct renaming_met {
		char new[65], old[65];
	} met[RENAMING_MET];
	struct book_name *recalled; /* of the message that is put back, sorted; owned */
	unsigned n_recalled, cap_recalled;
};

/*
 * The flow that makes what the request brings or names anew, if it has one of the services (1 << SERVICE_…); NULL: none does. In observe
 * mode a request may pass that no flow allows. Then it is any flow of the route that does so: a patient's name that has left does not come back.
 */
const struct flow *renaming_flow(const struct association *as, const struct operation *o, unsigned services);

/* Is the data set of this message, a request's or a response's, to be renamed? o: the request that it is, or answers. */
bool renaming_wants(const struct association *as, const struct side *s, const struct operation *o);

/*
 * Do it: *ret_bytes is valid until the next call. from: whose message it is. Errors of rename_data_set(), and of the key holder; why:
 * a sentence for people.
 */
MUST_USE int renaming_do(struct association *as, const struct side *from, const struct operation *o,
	struct span data, struct span *ret_bytes, char *why, size_t cap);

/*
 * The instance that a request of an N- service names in its command: o->renamed is set where the other side knows it by another UID. Errors
 * of the key holder, the book, and ERR_VALUE: it is no UID; why: a sentence for people.
 */
MUST_USE int renaming_instance(
	struct association *as, const struct side *s, struct operation *o, char *why, size_t cap);

/* A response of the side that has the originals to the one that must not see them: its data set does not pass. */
bool renaming_hides(const struct association *as, const struct side *s, const struct operation *o);

/* What s sends, in the other's words: UIDs that are borrowed from s, its operation and what is held, until these go. No words of people to who must not see them. */
void renaming_command(const struct association *as, const struct side *s, struct command *c);

/* Are names that are made from now on entered in the book? Only of what is stored by who calls, or will be reported on. */
void renaming_enter(struct association *as, bool stores);

/*
 * Is the object under way from s one that was made anew for it, and is fetched by who has stored it, or one of its flow? It is what it is to be:
 * made anew once more, it would have a third name, which nobody knows. Errors of book_recall().
 */
MUST_USE int renaming_comes_back(struct association *as, const struct side *s, bool *ret_back);

/* An object has gone to the target by another name. */
void renaming_note(struct association *as, const char *new, struct span old);

#endif
