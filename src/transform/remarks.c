/* SPDX-License-Identifier: Apache-2.0 */
#include "transform/remarks.h"

#include "dicom/encoding.h"
#include "dicom/uid.h"

enum {
	AT_START,    /* nothing that is known has begun */
	AT_UNKNOWN,  /* … and nothing will before another fragment: it stays as it is */
	AT_MARKER,   /* 0xFF stands here */
	AT_CODE,     /* the marker's other byte */
	AT_LENGTH,   /* of its segment */
	AT_SEGMENT,  /* its bytes */
	AT_SCAN,     /* what is coded, up to a marker */
	AT_SCAN_FF,  /* … in which 0xFF was the last */
	AT_DATA,     /* what is coded, of a length that is known */
	AT_BOX,      /* a box's length and type */
	AT_BOX_LONG, /* … 64 bits of length behind them */
	AT_BOX_BODY,
	AT_END
};

/* ---- Tables ---- */

/* Of transfer syntaxes, by their beginning: PS3.5 A.4.1, A.4.3, A.4.4, A.4.14, A.4.12. */
static const char *const syntaxes[] = {"1.2.840.10008.1.2.4.5", "1.2.840.10008.1.2.4.6",
	"1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.8", "1.2.840.10008.1.2.4.9", "1.2.840.10008.1.2.4.20",
	"1.2.840.10008.1.2.4.11"};

enum { SIGN_JPEG, SIGN_2000, SIGN_JP2, SIGN_JXL, SIGNS };

static const struct {
	uint8_t len;
	uint8_t bytes[8];
} signatures[SIGNS] = {
	[SIGN_JPEG] = {3, {0xFF, 0xD8, 0xFF}},
	[SIGN_2000] = {4, {0xFF, 0x4F, 0xFF, 0x51}},
	[SIGN_JP2] = {8, {0, 0, 0, 12, 'j', 'P', ' ', ' '}},
	[SIGN_JXL] = {8, {0, 0, 0, 12, 'J', 'X', 'L', ' '}},
};

#define ALL_SIGNS ((1u << SIGNS) - 1)
#define KEEP_ALL  UINT32_MAX

/* Application data that decoders go by, by its first bytes: so much of it stays. */
static const struct {
	uint8_t marker, len;
	uint8_t id[12];
	uint32_t keep;
} applications[] = {
	{0xE0, 5, "JFIF", 14}, /* ISO 10918-5: then comes a thumbnail */
	{0xE2, 12, "ICC_PROFILE", KEEP_ALL},
	{0xE8, 5, "SPIFF", 30},     /* ISO 10918-3 F.2.2 */
	{0xE8, 4, {0, 0, 0, 1}, 6}, /* the end of its directory; entries before it are texts */
	{0xE8, 4, {'m', 'r', 'f', 'x'}, 5},
	{0xEE, 5, {'A', 'd', 'o', 'b', 'e'}, 12},
};

#define ALL_IDS ((1u << ARRAY_LEN(applications)) - 1)

enum box { BOX_KEPT, BOX_ENTERED, BOX_CODESTREAM, BOX_BLANKED };

/* ISO 15444-1 I.5, ISO 18181-2 9. Others are metadata, or, as `jbrd`, what the JPEG had that this was made of. */
static const struct {
	char type[5];
	enum box is;
} boxes[] = {
	{"jP  ", BOX_KEPT},
	{"JXL ", BOX_KEPT},
	{"ftyp", BOX_KEPT},
	{"jp2h", BOX_ENTERED},
	{"ihdr", BOX_KEPT},
	{"bpcc", BOX_KEPT},
	{"colr", BOX_KEPT},
	{"pclr", BOX_KEPT},
	{"cmap", BOX_KEPT},
	{"cdef", BOX_KEPT},
	{"res ", BOX_KEPT},
	{"jxll", BOX_KEPT},
	{"jxli", BOX_KEPT},
	{"jxlc", BOX_KEPT},
	{"jxlp", BOX_KEPT},
	{"jp2c", BOX_CODESTREAM},
};

enum remarks_kind remarks_in(struct span transfer_syntax)
{
	struct span uid = uid_trim(transfer_syntax);
	if (span_eq(uid, span_str("1.2.840.10008.1.2.5"))) {
		return REMARKS_RLE;
	}
	for (size_t i = 0; i < ARRAY_LEN(syntaxes); i++) {
		size_t n = strlen(syntaxes[i]);
		if (uid.len >= n && memcmp(uid.ptr, syntaxes[i], n) == 0) {
			return REMARKS_STREAMS;
		}
	}
	return REMARKS_NONE;
}

/* ---- Where a stream begins and ends ---- */

void remarks_begin(struct remarks *r, enum remarks_kind kind, const struct remarks_about *about)
{
	*r = (struct remarks){.kind = kind, .state = AT_START, .frames = about->frames};
	remarks_rle_begin(&r->rle, about->rows, about->columns, about->samples, about->allocated);
}

static void expect(struct remarks *r, unsigned may)
{
	r->signs = true;
	r->may = (uint8_t)may;
	r->n_signs = 0;
}

void remarks_fragment(struct remarks *r, uint32_t length)
{
	remarks_rle_fragment(&r->rle, length);
	bool wanted = r->signs && r->state == AT_START && r->may == 1u << SIGN_2000; /* in a box */
	if (!wanted) {
		expect(r, ALL_SIGNS);
	}
}

static void begin_stream(struct remarks *r, unsigned sign)
{
	bool inside = r->boxed && r->state == AT_START && sign == SIGN_2000;
	r->signs = r->in_tile = false;
	r->boxed = inside;
	r->is_2000 = sign != SIGN_JPEG;
	r->streams += !inside && r->streams < UINT32_MAX;
	r->n_head = 0;
	switch (sign) {
	case SIGN_JPEG:
		r->state = AT_CODE; /* its 0xFF was seen */
		break;
	case SIGN_2000:
		r->marker = 0x51;
		r->state = AT_LENGTH;
		break;
	default: /* the first box has 12 bytes */
		r->coded = r->blanks = false;
		r->left = 4;
		r->state = AT_BOX_BODY;
		break;
	}
}

/* Some have all frames in one fragment. */
static void end_stream(struct remarks *r)
{
	r->in_tile = false;
	r->state = AT_END;
	if (!r->boxed && r->streams < r->frames) {
		expect(r, ALL_SIGNS);
	}
}

/* ---- Markers and their segments: ISO 10918-1 B.1, ISO 14495-1 C.1, ISO 15444-1 A.1 ---- */

static bool is_bare(const struct remarks *r, uint8_t marker)
{
	return r->is_2000 ? marker >= 0x30 && marker <= 0x3F
	                  : marker <= 0x01 || (marker >= 0xD0 && marker <= 0xD8);
}

/* SOD: to the end of the tile-part, or, of the last one, of all (A.4.2). */
static void begin_data(struct remarks *r)
{
	r->left = r->tile_left;
	r->state = !r->in_tile ? AT_SCAN : r->left > 0 ? AT_DATA : AT_MARKER;
	r->in_tile = false;
}

static void take_marker(struct remarks *r, uint8_t marker)
{
	r->marker = marker;
	r->n_head = 0;
	if (marker == 0xFF && !r->is_2000) { /* as many as one likes */
		r->state = AT_CODE;
	} else if (marker == 0xD9) {
		end_stream(r);
	} else if (r->is_2000 && marker == 0x93) {
		r->state = AT_DATA; /* once this byte is counted */
	} else if (is_bare(r, marker)) {
		r->state = AT_MARKER;
	} else {
		bool none = marker < 0x4F || marker == 0xFF || (marker == 0x90 && r->in_tile);
		r->state = r->is_2000 && none ? AT_UNKNOWN : AT_LENGTH;
	}
}

static bool is_remark(const struct remarks *r)
{
	return r->is_2000 ? r->marker == 0x64 : r->marker == 0xFE || (r->marker >= 0xE0 && r->marker <= 0xEF);
}

static void end_segment(struct remarks *r)
{
	r->state = AT_MARKER;
	if (!r->is_2000) {
		r->state = r->marker == 0xDA ? AT_SCAN : AT_MARKER;
	} else if (r->marker == 0x90 && r->at != 8) {
		r->state = AT_UNKNOWN;
	} else if (r->marker == 0x90) { /* A.4.2 */
		uint32_t n = (uint32_t)r->head[2] << 24 | (uint32_t)r->head[3] << 16 |
		             (uint32_t)r->head[4] << 8 | r->head[5];
		r->in_tile = n > 0; /* 0: to the end of all */
		r->tile_left = n > 12 ? n - 12 : 0;
	}
}

static void take_length(struct remarks *r, uint8_t byte)
{
	r->head[r->n_head++] = byte;
	if (r->n_head < 2) {
		return;
	}
	unsigned n = (unsigned)r->head[0] << 8 | r->head[1];
	r->left = n > 2 ? n - 2 : 0;
	r->at = 0;
	r->n_head = 0;
	memset(r->head, 0, sizeof(r->head));
	r->blanks = is_remark(r);
	r->ids = ALL_IDS;
	r->state = AT_SEGMENT;
	if (r->left == 0) {
		end_segment(r);
	}
}

/* Is this byte of application data one that decoders go by, or may it be? */
static bool is_application(struct remarks *r, uint8_t byte)
{
	bool kept = false;
	for (size_t i = 0; i < ARRAY_LEN(applications); i++) {
		bool fits = applications[i].marker == r->marker &&
		            (r->at < applications[i].len ? applications[i].id[r->at] == byte
							 : r->at < applications[i].keep);
		if (!fits) {
			r->ids &= (uint8_t) ~(1u << i);
		}
		kept = kept || r->ids & 1u << i;
	}
	return kept;
}

static size_t take_segment(struct remarks *r, struct span bytes, bool *ret_blank)
{
	size_t n = 1;
	if (r->blanks && !r->is_2000) {
		*ret_blank = !is_application(r, bytes.ptr[0]);
	} else if (r->blanks) {
		*ret_blank = r->at >= 2; /* A.9.2: what is said of the comment stays */
	} else if (r->is_2000 && r->marker == 0x90 && r->at < sizeof(r->head)) {
		r->head[r->at] = bytes.ptr[0];
	} else {
		n = bytes.len < r->left ? bytes.len : (size_t)r->left;
	}
	r->at += n;
	r->left -= n;
	if (r->left == 0) {
		end_segment(r);
	}
	return n;
}

/* ---- What is coded ---- */

/* ISO 10918-1 B.1.1.5: 0xFF is followed by 0, or a restart; ISO 14495-1 C.1, ISO 15444-1 B.10.1, C.3: by less than 0x80, 0x90. */
static size_t take_scan(struct remarks *r, struct span bytes)
{
	const uint8_t *ff = memchr(bytes.ptr, 0xFF, bytes.len);
	if (!ff) {
		return bytes.len;
	}
	r->state = AT_SCAN_FF;
	return (size_t)(ff - bytes.ptr) + 1;
}

static void take_after_ff(struct remarks *r, uint8_t byte)
{
	if (byte == 0xFF) {
		return;
	}
	bool coded = r->is_2000 ? byte != 0xD9 : byte < 0x80 || (byte >= 0xD0 && byte <= 0xD7);
	if (coded) {
		r->state = AT_SCAN;
	} else {
		take_marker(r, byte);
	}
}

static size_t take_data(struct remarks *r, size_t len)
{
	size_t n = len < r->left ? len : (size_t)r->left;
	r->left -= n;
	r->state = r->left > 0 ? AT_DATA : AT_MARKER;
	return n;
}

/* What stands between segments: decoders of JPEG look for the next marker; of JPEG 2000 none. */
static size_t take_between(struct remarks *r, struct span bytes, bool *ret_blank)
{
	const uint8_t *ff = memchr(bytes.ptr, 0xFF, bytes.len);
	if (ff == bytes.ptr) {
		r->state = AT_CODE;
		return 1;
	}
	if (r->is_2000) {
		r->state = AT_UNKNOWN;
		return 1;
	}
	*ret_blank = true;
	return ff ? (size_t)(ff - bytes.ptr) : bytes.len;
}

/* ---- Boxes: ISO 15444-1 I.4 ---- */

static enum box box_of(const uint8_t type[4])
{
	for (size_t i = 0; i < ARRAY_LEN(boxes); i++) {
		if (memcmp(boxes[i].type, type, 4) == 0) {
			return boxes[i].is;
		}
	}
	return BOX_BLANKED;
}

/* The type's last byte so far: as that of a box that stays, or that anybody needs. */
static bool is_type(const struct remarks *r)
{
	for (size_t i = 0; i < ARRAY_LEN(boxes); i++) {
		if (memcmp(boxes[i].type, r->head + 4, r->n_head - 4u) == 0) {
			return true;
		}
	}
	return false;
}

static void begin_body(struct remarks *r, uint64_t left)
{
	enum box is = box_of(r->head + 4);
	r->blanks = is == BOX_BLANKED;
	r->coded = r->coded || is == BOX_CODESTREAM || memcmp(r->head + 4, "jxl", 3) == 0;
	r->n_head = 0;
	r->left = left;
	r->state = left == 0 || is == BOX_ENTERED ? AT_BOX : AT_BOX_BODY;
	if (is == BOX_CODESTREAM && left > 0) {
		r->state = AT_START;
		r->boxed = left != UINT64_MAX;
		r->box_left = left;
		expect(r, 1u << SIGN_2000);
	}
}

static void take_box(struct remarks *r, uint8_t byte, bool *ret_blank)
{
	r->head[r->n_head++] = byte;
	*ret_blank = r->n_head > 4 && !is_type(r);
	if (r->n_head < 8) {
		return;
	}
	uint32_t n = (uint32_t)r->head[0] << 24 | (uint32_t)r->head[1] << 16 | (uint32_t)r->head[2] << 8 |
	             r->head[3];
	if (n == 1) {
		r->state = AT_BOX_LONG;
	} else if (n == 0 || n >= 8) {
		begin_body(r, n == 0 ? UINT64_MAX : n - 8);
	} else {
		r->state = r->coded ? AT_END : AT_UNKNOWN;
	}
}

static void take_box_long(struct remarks *r, uint8_t byte)
{
	r->head[r->n_head++] = byte;
	if (r->n_head < 16) {
		return;
	}
	uint64_t n = 0;
	for (unsigned i = 8; i < 16; i++) {
		n = n << 8 | r->head[i];
	}
	if (n >= 16) {
		begin_body(r, n - 16);
	} else {
		r->state = r->coded ? AT_END : AT_UNKNOWN;
	}
}

static size_t take_body(struct remarks *r, size_t len, bool *ret_blank)
{
	size_t n = len < r->left ? len : (size_t)r->left;
	*ret_blank = r->blanks;
	if (r->left != UINT64_MAX) {
		r->left -= n;
	}
	r->state = r->left > 0 ? AT_BOX_BODY : AT_BOX;
	return n;
}

/* ---- All ---- */

static size_t take(struct remarks *r, struct span bytes, bool *ret_blank)
{
	*ret_blank = false;
	switch (r->state) {
	case AT_MARKER:
		return take_between(r, bytes, ret_blank);
	case AT_CODE:
		take_marker(r, bytes.ptr[0]);
		return 1;
	case AT_LENGTH:
		take_length(r, bytes.ptr[0]);
		return 1;
	case AT_SEGMENT:
		return take_segment(r, bytes, ret_blank);
	case AT_SCAN:
		return take_scan(r, bytes);
	case AT_SCAN_FF:
		take_after_ff(r, bytes.ptr[0]);
		return 1;
	case AT_DATA:
		return take_data(r, bytes.len);
	case AT_BOX:
		take_box(r, bytes.ptr[0], ret_blank);
		return 1;
	case AT_BOX_LONG:
		take_box_long(r, bytes.ptr[0]);
		return 1;
	case AT_BOX_BODY:
		return take_body(r, bytes.len, ret_blank);
	case AT_END:
		*ret_blank = true;
		return bytes.len;
	default:
		return bytes.len;
	}
}

/* Within the box around the codestream, and the tile-part, which say where they end. */
static size_t take_within(struct remarks *r, struct span bytes, bool *ret_blank)
{
	bool boxed = r->boxed, tile = r->in_tile;
	size_t most = boxed && r->box_left < bytes.len ? (size_t)r->box_left : bytes.len;
	size_t n = take(r, span_of(bytes.ptr, most), ret_blank);
	if (tile && r->in_tile) {
		r->state = n > r->tile_left ? AT_UNKNOWN : r->state;
		r->tile_left -= n > r->tile_left ? r->tile_left : n;
	}
	if (r->state == AT_DATA && r->left == 0) {
		begin_data(r);
	}
	if (boxed) {
		r->box_left -= n;
		r->boxed = r->box_left > 0;
		if (!r->boxed) {
			r->state = AT_BOX;
			r->n_head = 0;
			r->signs = r->in_tile = false;
		}
	}
	return n;
}

/* What may be a signature is looked at as what it is otherwise too, and stays as long as it may be one. */
static size_t take_sign(struct remarks *r, struct span bytes, bool *ret_blank)
{
	unsigned may = 0, whole = SIGNS;
	for (unsigned i = 0; i < SIGNS; i++) {
		if (r->may & 1u << i && signatures[i].bytes[r->n_signs] == bytes.ptr[0]) {
			may |= 1u << i;
			whole = signatures[i].len == r->n_signs + 1 ? i : whole;
		}
	}
	r->may = (uint8_t)may;
	r->n_signs++;
	r->signs = may != 0;
	if (may == 0 && r->state == AT_START) {
		r->state = AT_UNKNOWN;
	}
	size_t n = take_within(r, span_of(bytes.ptr, 1), ret_blank);
	if (may != 0) {
		*ret_blank = false;
	}
	if (whole < SIGNS) {
		begin_stream(r, whole);
	}
	return n;
}

static size_t step(struct remarks *r, struct span bytes, bool *ret_blank)
{
	if (r->kind != REMARKS_STREAMS) {
		return remarks_rle_take(&r->rle, bytes, ret_blank);
	}
	return r->signs ? take_sign(r, bytes, ret_blank) : take_within(r, bytes, ret_blank);
}

size_t remarks_run(struct remarks *r, struct span bytes, bool *ret_blank)
{
	size_t n = 0;
	bool way = false;
	while (n < bytes.len) {
		struct remarks before = *r;
		bool blank = false;
		size_t more = step(r, span_of(bytes.ptr + n, bytes.len - n), &blank);
		if (n > 0 && blank != way) {
			*r = before;
			break;
		}
		way = blank;
		n += more;
	}
	for (size_t i = 0; i < n && way && !r->any; i++) {
		r->any = bytes.ptr[i] != 0;
	}
	*ret_blank = way;
	return n;
}
