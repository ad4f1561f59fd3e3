/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/parts.h"

/*
 * What runs when something happens to an element of a web page: the attribute may stand in any element, of any name, between whatever separates
 * attributes, and with space around its sign (HTML 13.1.2.3), so it is no mark. Its name must be one that browsers know, without "on".
 * What is known is carried from piece to piece, so that it does not matter how long the text is, nor how it is cut.
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

static_assert(ARRAY_LEN(events) <= UINT8_MAX, "struct inspect_handlers has a row in a byte");

enum { OUTSIDE, LESS_THAN, INSIDE, SEPARATED, ON, NAME, BEHIND_NAME };

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* c is none of a handler's name: may an attribute begin behind it? */
static uint8_t inside(uint8_t c)
{
	return is_space(c) || c == '/' || c == '"' || c == '\'' ? SEPARATED : INSIDE;
}

/* Of the rows that begin as the name does so far, those that go on with this letter. */
static void narrow(struct inspect_handlers *h, uint8_t c)
{
	while (h->first < h->end && (uint8_t)events[h->first][h->n] < c) {
		h->first++;
	}
	while (h->first < h->end && (uint8_t)events[h->end - 1][h->n] > c) {
		h->end--;
	}
	h->n++;
}

static uint8_t sign(struct inspect_handlers *h)
{
	h->met |= events[h->first][h->n] == '\0'; /* the shortest is the first of its rows */
	return INSIDE;
}

static uint8_t in_name(struct inspect_handlers *h, uint8_t c)
{
	if (is_letter(c)) {
		narrow(h, c | 0x20);
		return h->first < h->end ? NAME : INSIDE;
	}
	return c == '=' ? sign(h) : is_space(c) ? BEHIND_NAME : inside(c);
}

/* Behind what separates attributes. */
static uint8_t separated(uint8_t c)
{
	return (c | 0x20) == 'o' ? ON : inside(c);
}

static uint8_t next(struct inspect_handlers *h, uint8_t c)
{
	switch (h->state) {
	case LESS_THAN:
		return is_letter(c) ? INSIDE : c == '<' ? LESS_THAN : OUTSIDE;
	case ON:
		h->first = h->n = 0;
		h->end = ARRAY_LEN(events);
		return (c | 0x20) == 'n' ? NAME : inside(c);
	case NAME:
		return in_name(h, c);
	case BEHIND_NAME:
		return c == '=' ? sign(h) : is_space(c) ? BEHIND_NAME : separated(c);
	case SEPARATED:
		return separated(c);
	default:
		return inside(c);
	}
}

void handlers_look(struct inspect_handlers *h, struct span s)
{
	for (size_t k = 0; k < s.len && !h->met; k++) {
		if (h->state == OUTSIDE) {
			/* Most texts have none. */
			const uint8_t *less = memchr(s.ptr + k, '<', s.len - k);
			if (!less) {
				return;
			}
			k = (size_t)(less - s.ptr);
			h->state = LESS_THAN;
			continue;
		}
		h->state = next(h, s.ptr[k]);
	}
}
