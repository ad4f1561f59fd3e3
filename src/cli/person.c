/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/person.h"
#include "base/span.h"
#include "audit/event.h"
#include "policy/values.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NO_USER UINT32_MAX

static bool read_uid(const char *text, uint32_t *ret_uid)
{
	uint64_t n;
	if (!text || value_number(text, UINT32_MAX, &n) != 0 || n == NO_USER) {
		return false;
	}
	*ret_uid = (uint32_t)n;
	return true;
}

static bool login_uid(uint32_t *ret_uid)
{
	char text[16] = "";
	FILE *f = fopen("/proc/self/loginuid", "re");
	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = 0;
		(void)fclose(f);
	}
	return read_uid(text, ret_uid);
}

void person_find(struct person *ret_person)
{
	struct person p = {.uid = getuid()};
	if (!login_uid(&p.uid) && p.uid == 0) {
		(void)!read_uid(getenv("SUDO_UID"), &p.uid);
	}
	p.known = p.uid != 0;
	const struct passwd *pw = getpwuid(p.uid);
	if (pw && pw->pw_name[0]) {
		audit_text_set(p.name, sizeof(p.name), span_str(pw->pw_name));
	} else {
		snprintf(p.name, sizeof(p.name), "user %u", (unsigned)p.uid);
	}
	*ret_person = p;
}
