/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/nearest.h"

#include <ctype.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned nearest_distance(const char *a, const char *b)
{
	/* Three rows of the table: two back (for a swap), the last, and this one. */
	unsigned rows[3][NEAREST_WORD + 1];
	size_t la = strlen(a), lb = strlen(b);
	if (la > NEAREST_WORD || lb > NEAREST_WORD) {
		return NEAREST_WORD + 1;
	}
	for (size_t j = 0; j <= lb; j++) {
		rows[0][j] = (unsigned)j;
	}
	for (size_t i = 1; i <= la; i++) {
		unsigned *now = rows[i % 3];
		const unsigned *last = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned cost = same(a[i - 1], b[j - 1]) ? 0 : 1;
			unsigned d = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1])) {
				d = least(d, two[j - 2] + 1);
			}
			now[j] = d;
		}
	}
	return rows[la % 3][lb];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	size_t a = strlen(n->word), b = strlen(candidate);
	size_t longer = a > b ? a : b;
	if (a == 0 || b == 0 || longer > NEAREST_WORD) {
		return;
	}
	unsigned d = nearest_distance(n->word, candidate);
	unsigned allowed = longer < 3 ? 1 : (unsigned)(longer / 3);
	if (d <= allowed && d < longer && d < n->distance) {
		n->best = candidate;
		n->distance = d;
	}
}
