/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GATEWAY_KEY_HOLDER_H
#define GATEWAY_KEY_HOLDER_H

/*
 * The key holder's process: opens the keys that the site names, gives up every privilege, and signs for the
 * associations whose channels the gate passes to it. One serves one site: a reload starts another, and this one ends
 * when nobody is left that it serves.
 */
int role_keys_main(void);

/* Which key of a site its mistake is about, counted on from the site's identities. */
enum keys_at {
	KEYS_AT_NONE,
	KEYS_AT_RECORDS,
	KEYS_AT_LIST,
	KEYS_AT_PSEUDONYMS,
	KEYS_AT_SIGNATURES,
	KEYS_AT_COUNT
};

/* Its exit status when a key or a token refused it: starting again by itself would only spend a PIN's tries. */
#define KEYS_EXIT_DENIED 4

#endif
