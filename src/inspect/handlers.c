/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

#include <stdlib.h>

/*
 * What runs when something happens to an element of a web page: the attribute may stand in any element, of any name, between whatever separates
 * attributes, and with space around its sign (HTML 13.1.2.3), so it is no mark. Its name must be one that browsers know, without "on".
 */
static const char *const events[] = {"abort", "afterprint", "animationend", "animationiteration",
	"animationstart", "auxclick", "beforecopy", "beforecut", "beforeinput", "beforepaste", "beforeprint",
	"beforetoggle", "beforeunload", "begin", "blur", "cancel", "canplay", "canplaythrough", "change",
	"click", "close", "contextmenu", "copy", "cuechange", "cut", "dblclick", "drag", "dragend",
	"dragenter", "dragleave", "dragover", "dragstart", "drop", "durationchange", "emptied", "end",
	"ended", "error", "finish", "focus", "focusin", "focusout", "formdata", "fullscreenchange",
	"gotpointercapture", "hashchange", "input", "invalid", "keydown", "keypress", "keyup", "load",
	"loadeddata", "loadedmetadata", "loadend", "loadstart", "lostpointercapture", "message", "mousedown",
	"mouseenter", "mouseleave", "mousemove", "mouseout", "mouseover", "mouseup", "mousewheel", "offline",
	"online", "pagehide", "pageshow", "paste", "pause", "play", "playing", "pointercancel", "pointerdown",
	"pointerenter", "pointerleave", "pointermove", "pointerout", "pointerover", "pointerrawupdate",
	"pointerup", "popstate", "progress", "propertychange", "ratechange", "readystatechange", "repeat",
	"reset", "resize", "scroll", "scrollend", "search", "securitypolicyviolation", "seeked", "seeking",
	"select", "selectionchange", "selectstart", "show", "slotchange", "stalled", "start", "storage",
	"submit", "suspend", "timeupdate", "toggle", "touchcancel", "touchend", "touchmove", "touchstart",
	"transitioncancel", "transitionend", "transitionrun", "transitionstart", "unhandledrejection",
	"unload", "volumechange", "waiting", "wheel"};

/* Bytes of the longest of them. */
#define EVENT 23

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int compare(const void *name, const void *row)
{
	return strcmp(name, *(const char *const *)row);
}

/* Where an attribute may begin. */
static bool is_handler(struct span s)
{
	char name[EVENT + 1];
	size_t n = 0, at = 2;
	if (s.len < 6 || (s.ptr[0] | 0x20) != 'o' || (s.ptr[1] | 0x20) != 'n') {
		return false;
	}
	while (at < s.len && is_letter(s.ptr[at]) && n < EVENT) {
		name[n++] = (char)(s.ptr[at++] | 0x20);
	}
	name[n] = '\0';
	while (at < s.len && is_space(s.ptr[at])) {
		at++;
	}
	return at < s.len && s.ptr[at] == '=' &&
	       bsearch(name, events, ARRAY_LEN(events), sizeof(events[0]), compare) != NULL;
}

/* The beginning of an element; s.len: there is none. */
static size_t element_at(struct span s)
{
	for (size_t k = 0; k + 1 < s.len; k++) {
		if (s.ptr[k] == '<' && is_letter(s.ptr[k + 1])) {
			return k;
		}
	}
	return s.len;
}

bool handlers_in(struct span s)
{
	for (size_t k = element_at(s) + 2; k < s.len; k++) {
		uint8_t before = s.ptr[k - 1];
		bool separates = is_space(before) || before == '/' || before == '"' || before == '\'';
		if (separates && is_handler(span_of(s.ptr + k, s.len - k))) {
			return true;
		}
	}
	return false;
}
