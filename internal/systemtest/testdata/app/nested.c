/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 *
 * nested COUNT: a traced program whose provider is written by hand, for fields that the
 * macros of LTTng-UST cannot make: structs in structs, and variants.
 */
#define LTTNG_UST_TRACEPOINT_DEFINE
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include <lttng/tracepoint.h>
#include <lttng/ust-events.h>
#include <lttng/ust-ringbuffer-context.h>

/* The places that events come from; what is recorded of them is said below. */
LTTNG_UST_TRACEPOINT_EVENT(weirnested, structs, LTTNG_UST_TP_ARGS(int, n), LTTNG_UST_TP_FIELDS())
LTTNG_UST_TRACEPOINT_EVENT(weirnested, variants, LTTNG_UST_TP_ARGS(int, n), LTTNG_UST_TP_FIELDS())
int lttng_ust_tracepoint_provider_weirnested;
extern const struct lttng_ust_probe_desc provider;

#define INT(t) lttng_ust_type_integer_define(t, LTTNG_UST_BYTE_ORDER, 10)
#define FIELD(v, called, of) static const struct lttng_ust_event_field v = {.struct_size = sizeof v, .name = called, .type = of}
#define FIELDS(v, ...) static const struct lttng_ust_event_field *const v[] = {__VA_ARGS__}
#define STRUCT(v, list) static const struct lttng_ust_type_struct v = { \
	.parent = {.type = lttng_ust_type_struct}, .struct_size = sizeof v, .nr_fields = sizeof list / sizeof *list, .fields = list}

static const struct lttng_ust_type_string text = {
	.parent = {.type = lttng_ust_type_string}, .struct_size = sizeof text, .encoding = lttng_ust_string_encoding_UTF8};
static const struct lttng_ust_type_common variant = {.type = lttng_ust_type_dynamic};

FIELD(a, "a", INT(int16_t));
FIELD(s, "s", &text.parent);
FIELDS(inner_fields, &a, &s);
STRUCT(inner_struct, inner_fields);
FIELD(x, "x", INT(int32_t));
FIELD(inner, "inner", &inner_struct.parent);
FIELD(y, "y", INT(uint8_t));
FIELDS(outer_fields, &x, &inner, &y);
STRUCT(outer_struct, outer_fields);
FIELD(outer, "outer", &outer_struct.parent);
FIELD(last, "last", INT(int32_t));
FIELD(any, "any", &variant);
FIELDS(structs_fields, &outer, &last);
FIELDS(variants_fields, &any, &last);

/* reserve makes room for an event, if it is recorded. */
static int reserve(struct lttng_ust_event_common *e, struct lttng_ust_ring_buffer_ctx *ctx, struct lttng_ust_probe_ctx *probe, size_t size)
{
	struct lttng_ust_event_recorder *r = e->child;
	struct lttng_ust_channel_common *c = r->chan->parent;

	if (e->type != LTTNG_UST_EVENT_TYPE_RECORDER || !e->enabled || !c->session->active || !c->enabled)
		return -1;
	probe->struct_size = sizeof *probe;
	probe->ip = __builtin_return_address(0);
	lttng_ust_ring_buffer_ctx_init(ctx, r, size, 1, probe);
	return r->chan->ops->event_reserve(ctx);
}

static struct lttng_ust_channel_buffer_ops *ops(struct lttng_ust_event_common *e)
{
	return ((struct lttng_ust_event_recorder *)e->child)->chan->ops;
}

static void put(struct lttng_ust_event_common *e, struct lttng_ust_ring_buffer_ctx *ctx, const void *p, size_t n)
{
	ops(e)->event_write(ctx, p, n, 1);
}

static void structs(void *data, int n)
{
	struct lttng_ust_ring_buffer_ctx ctx;
	struct lttng_ust_probe_ctx probe;
	int32_t first = n, end = -n;
	int16_t twice = 2 * n;
	uint8_t byte = n + 1;

	if (reserve(data, &ctx, &probe, sizeof first + sizeof twice + sizeof "abc" + sizeof byte + sizeof end) < 0)
		return;
	put(data, &ctx, &first, sizeof first);
	put(data, &ctx, &twice, sizeof twice);
	put(data, &ctx, "abc", sizeof "abc");
	put(data, &ctx, &byte, sizeof byte);
	put(data, &ctx, &end, sizeof end);
	ops(data)->event_commit(&ctx);
}

static void variants(void *data, int n)
{
	static const int8_t small = -7;
	static const int64_t large = 1LL << 40;
	static const uint64_t most = ~0ULL;
	/* The numbers are those that the library gives the choices. */
	static const struct { uint8_t tag; const void *value; size_t size; } choices[] = {
		{0, "", 0}, {1, &small, sizeof small}, {4, &large, sizeof large}, {8, &most, sizeof most}, {11, "text", sizeof "text"},
	};
	struct lttng_ust_ring_buffer_ctx ctx;
	struct lttng_ust_probe_ctx probe;
	int i = n % (sizeof choices / sizeof *choices);
	int32_t end = -n;

	if (reserve(data, &ctx, &probe, 1 + choices[i].size + sizeof end) < 0)
		return;
	put(data, &ctx, &choices[i].tag, 1);
	if (choices[i].size)
		put(data, &ctx, choices[i].value, choices[i].size);
	put(data, &ctx, &end, sizeof end);
	ops(data)->event_commit(&ctx);
}

static const int line = 13, *level = &line;
static const char *uri;
#define EVENT(called) \
	static const struct lttng_ust_tracepoint_class called##_class = { \
		.struct_size = sizeof called##_class, .fields = called##_fields, .nr_fields = 2, \
		.probe_callback = (void (*)(void))called, .signature = "int, n", .probe_desc = &provider}; \
	static const struct lttng_ust_event_desc called##_event = { \
		.struct_size = sizeof called##_event, .event_name = #called, .probe_desc = &provider, \
		.tp_class = &called##_class, .loglevel = &level, .model_emf_uri = &uri}
EVENT(structs);
EVENT(variants);
static const struct lttng_ust_event_desc *const events[] = {&structs_event, &variants_event};
const struct lttng_ust_probe_desc provider = {
	.struct_size = sizeof provider, .provider_name = "weirnested", .event_desc = events, .nr_events = 2,
	.major = LTTNG_UST_PROVIDER_MAJOR, .minor = LTTNG_UST_PROVIDER_MINOR};

__attribute__((constructor)) static void declare(void)
{
	if (!lttng_ust_probe_register(&provider))
		abort();
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0;

	for (int n = 0; n < count; n++) {
		lttng_ust_tracepoint(weirnested, structs, n);
		lttng_ust_tracepoint(weirnested, variants, n);
	}
	return 0;
}
