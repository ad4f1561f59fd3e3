/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/hosts.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct host {
	struct host *next;
	char *name;
	unsigned n;
	struct in6_addr ips[HOSTS_ADDRESSES];
};

struct hosts {
	struct host *first;
};

struct hosts *hosts_new(void)
{
	return calloc(1, sizeof(struct hosts));
}

void hosts_free(struct hosts *h)
{
	if (!h) {
		return;
	}
	while (h->first) {
		struct host *next = h->first->next;
		free(h->first->name);
		free(h->first);
		h->first = next;
	}
	free(h);
}

static struct host *find(const struct hosts *h, const char *name)
{
	for (struct host *i = h ? h->first : NULL; i; i = i->next) {
		if (strcasecmp(i->name, name) == 0) {
			return i;
		}
	}
	return NULL;
}

int hosts_set(struct hosts *h, const char *name, const struct in6_addr *ips, unsigned n)
{
	struct host *host = find(h, name);
	if (!host) {
		host = calloc(1, sizeof(*host));
		char *copy = strdup(name);
		if (!host || !copy) {
			free(host);
			free(copy);
			return ERR_NO_MEMORY;
		}
		host->name = copy;
		host->next = h->first;
		h->first = host;
	}
	host->n = n < HOSTS_ADDRESSES ? n : HOSTS_ADDRESSES;
	if (host->n) {
		memcpy(host->ips, ips, host->n * sizeof(*ips));
	}
	return 0;
}

unsigned hosts_get(const struct hosts *h, const char *name, const struct in6_addr **ret_ips)
{
	const struct host *host = find(h, name);
	if (!host) {
		return 0;
	}
	*ret_ips = host->ips;
	return host->n;
}

bool hosts_has(const struct hosts *h, const char *name, const struct in6_addr *ip)
{
	const struct host *host = find(h, name);
	for (unsigned i = 0; host && i < host->n; i++) {
		if (memcmp(&host->ips[i], ip, sizeof(*ip)) == 0) {
			return true;
		}
	}
	return false;
}
