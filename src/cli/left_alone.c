/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/left_alone.h"
#include "base/attr.h"

#include <string.h>
#include <strings.h>

/* What systems start when a disc is put in, or a folder is looked at. */
static const char *const starting[] = {"autorun", "autoplay", "autoopen", "desktop.ini", ".autorun",
	".autostart", ".autoopen", ".ds_store", ".directory"};

static const char *const programs[] = {
	/* Windows: programs, libraries, installers, controls */
	"exe", "dll", "com", "scr", "pif", "cpl", "ocx", "sys", "drv", "msi", "msp", "msix", "appx", "cab",
	/* … scripts, links, what runs when it is opened */
	"bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "ps1", "psm1", "psd1", "hta", "inf", "reg",
	"lnk", "url", "chm", "msc", "scf", "gadget", "application",
	/* macOS */
	"app", "dmg", "pkg", "command", "dylib", "scpt", "workflow",
	/* Linux, and all of them */
	"so", "run", "desktop", "deb", "rpm", "appimage", "sh", "bash", "py", "pyc", "pl", "rb", "jar",
	"class", "jnlp", "swf", "apk"};

static bool is_one(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(word, words[i]) == 0) {
			return true;
		}
	}
	return false;
}

bool left_alone(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');
	size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
	for (size_t i = 0; i < ARRAY_LEN(starting); i++) {
		if (strcasecmp(name, starting[i]) == 0 ||
			(strlen(starting[i]) == stem && strncasecmp(name, starting[i], stem) == 0)) {
			return true;
		}
	}
	return dot && is_one(dot + 1, programs, ARRAY_LEN(programs));
}
