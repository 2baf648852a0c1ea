/*
 * Copyright the weir authors.
 * SPDX-License-Identifier: Apache-2.0
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER weirkinds

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./kinds.h"

#if !defined(KINDS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define KINDS_H

#include <lttng/tracepoint.h>
#include <stdint.h>

/* Every kind of field that a user-space tracepoint can have. */

LTTNG_UST_TRACEPOINT_ENUM(weirkinds, level,
	LTTNG_UST_TP_ENUM_VALUES(
		lttng_ust_field_enum_value("none", 0)
		lttng_ust_field_enum_value("LOW", 1)
		lttng_ust_field_enum_range("some \"quoted\"", 2, 5)
		lttng_ust_field_enum_range("more", 4, 9)
		lttng_ust_field_enum_value("below", -3)
		lttng_ust_field_enum_auto("after")))

LTTNG_UST_TRACEPOINT_EVENT(weirkinds, integers,
	LTTNG_UST_TP_ARGS(int64_t, n),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(int8_t, i8, (int8_t) n)
		lttng_ust_field_integer(uint8_t, u8, (uint8_t) n)
		lttng_ust_field_integer(int16_t, i16, (int16_t) n)
		lttng_ust_field_integer(uint16_t, u16, (uint16_t) n)
		lttng_ust_field_integer(int32_t, i32, (int32_t) n)
		lttng_ust_field_integer(uint32_t, u32, (uint32_t) n)
		lttng_ust_field_integer(int64_t, i64, n)
		lttng_ust_field_integer(uint64_t, u64, (uint64_t) n)
		lttng_ust_field_integer_hex(int16_t, x16, (int16_t) n)
		lttng_ust_field_integer_hex(uint64_t, x64, (uint64_t) n)
		lttng_ust_field_integer_network(uint16_t, port, (uint16_t) n)
		lttng_ust_field_integer_network_hex(uint32_t, address, (uint32_t) n)))

LTTNG_UST_TRACEPOINT_LOGLEVEL(weirkinds, integers, LTTNG_UST_TRACEPOINT_LOGLEVEL_WARNING)
LTTNG_UST_TRACEPOINT_MODEL_EMF_URI(weirkinds, integers, "http://example.org/model?integers")

LTTNG_UST_TRACEPOINT_EVENT(weirkinds, floats,
	LTTNG_UST_TP_ARGS(double, d),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_float(float, single, (float) d)
		lttng_ust_field_float(double, twofold, d)))

LTTNG_UST_TRACEPOINT_EVENT(weirkinds, texts,
	LTTNG_UST_TP_ARGS(const char *, text, size_t, len),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_string(string, text)
		lttng_ust_field_array_text(char, fixed, text, 7)
		lttng_ust_field_sequence_text(char, varying, text, size_t, len)))

LTTNG_UST_TRACEPOINT_LOGLEVEL(weirkinds, texts, LTTNG_UST_TRACEPOINT_LOGLEVEL_DEBUG_LINE)

LTTNG_UST_TRACEPOINT_EVENT(weirkinds, arrays,
	LTTNG_UST_TP_ARGS(const int32_t *, values, uint8_t, len),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_array(int32_t, fixed, values, 3)
		lttng_ust_field_array_hex(int32_t, hex, values, 2)
		lttng_ust_field_array_network(int32_t, network, values, 2)
		lttng_ust_field_sequence(int32_t, varying, values, uint8_t, len)
		lttng_ust_field_sequence_hex(int32_t, varying_hex, values, uint16_t, len)
		lttng_ust_field_sequence_network_hex(int32_t, varying_network, values, size_t, len)))

LTTNG_UST_TRACEPOINT_EVENT(weirkinds, enums,
	LTTNG_UST_TP_ARGS(int, value),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_enum(weirkinds, level, int, as_int, value)
		lttng_ust_field_enum(weirkinds, level, int8_t, as_byte, (int8_t) value)))

LTTNG_UST_TRACEPOINT_ENUM(weirkinds, wide,
	LTTNG_UST_TP_ENUM_VALUES(
		lttng_ust_field_enum_value("zero", 0)
		lttng_ust_field_enum_range("most", 1, 0x7fffffffffffffffLL)
		lttng_ust_field_enum_range("negative", -0x7fffffffffffffffLL, -1)))

LTTNG_UST_TRACEPOINT_ENUM(weirkinds, counted,
	LTTNG_UST_TP_ENUM_VALUES(
		lttng_ust_field_enum_auto("first")
		lttng_ust_field_enum_auto("second")
		lttng_ust_field_enum_value("tenth", 10)
		lttng_ust_field_enum_auto("eleventh")
		lttng_ust_field_enum_range("many", 20, 200)))

/* Fields that are not written are there for filters alone. */
LTTNG_UST_TRACEPOINT_EVENT(weirkinds, more,
	LTTNG_UST_TP_ARGS(const int32_t *, values, uint8_t, len, const char *, text),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer_nowrite(int32_t, hidden, values[0])
		lttng_ust_field_float_nowrite(double, hidden_float, values[1] / 2.0)
		lttng_ust_field_string_nowrite(hidden_text, text)
		lttng_ust_field_enum_nowrite(weirkinds, level, int, hidden_level, len)
		lttng_ust_field_array_nowrite(int32_t, hidden_array, values, 2)
		lttng_ust_field_sequence_nowrite(int32_t, hidden_sequence, values, uint8_t, len)
		lttng_ust_field_sequence_text_nowrite(char, hidden_varying, text, uint8_t, len)
		lttng_ust_field_array(uint8_t, bytes, (const uint8_t *) values, 5)
		lttng_ust_field_array(int64_t, wide_array, (const int64_t *) values, 2)
		lttng_ust_field_array_network_hex(uint16_t, ports, (const uint16_t *) values, 3)
		lttng_ust_field_sequence(uint16_t, shorts, (const uint16_t *) values, unsigned long, len)
		lttng_ust_field_sequence(int64_t, wide_sequence, (const int64_t *) values, uint16_t, len / 2)
		lttng_ust_field_sequence_network(uint32_t, addresses, (const uint32_t *) values, unsigned int, len)
		lttng_ust_field_enum(weirkinds, wide, long, as_long, values[0])
		lttng_ust_field_enum(weirkinds, wide, int64_t, as_wide, (int64_t) values[1] * 1000003)
		lttng_ust_field_enum(weirkinds, counted, unsigned char, as_counted, (unsigned char) values[2])
		lttng_ust_field_enum(weirkinds, counted, uint64_t, as_unsigned, (uint64_t) len)
		lttng_ust_field_enum(weirkinds, counted, short, as_short, (short) len)))

LTTNG_UST_TRACEPOINT_EVENT(weirkinds, nothing, LTTNG_UST_TP_ARGS(), LTTNG_UST_TP_FIELDS())

#endif

#include <lttng/tracepoint-event.h>
