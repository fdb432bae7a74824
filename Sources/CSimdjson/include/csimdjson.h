#ifndef CSIMDJSON_H
#define CSIMDJSON_H

// simdjson's on-demand parser for Swift, which cannot call its C++ templates.
//
// One document is read at a time: an object, or an array whose elements are read one by one. The members with known
// keys are given out, by their place in a key table. All others are walked and checked: a text is accepted only if it
// is JSON (RFC 8259) to its last byte, and valid UTF-8. Unread values may be nested to any depth and hold lone
// surrogates. A parser that skips unread values checks their quotes and UTF-8, and
// brackets only as far as it needs to step over the value.
//
// csimdjson_tree.h reads objects whose keys are not known beforehand.
//
// Nothing here throws or keeps state outside `csimdjson_parser`. Running out of memory ends the process, as in Swift.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Readable bytes that simdjson needs behind the end of a text.
enum { CSIMDJSON_PADDING = 64 };

/// Most arrays and objects within one another that csimdjson_tree.h reads, the outermost included.
enum { CSIMDJSON_DEPTH_LIMIT = 64 };

/// Most keys of a table, those that only lead to others included.
enum { CSIMDJSON_KEY_LIMIT = 128 };

/// The JSON type of a value.
typedef enum csimdjson_type : uint8_t {
    csimdjson_type_absent = 0,
    csimdjson_type_null,
    csimdjson_type_boolean,
    csimdjson_type_number,
    csimdjson_type_string,
    csimdjson_type_array,
    csimdjson_type_object,
    /// A string with half of a surrogate pair, such as `"\ud83d"`: JSON, and yet no text (RFC 8259, section 8.2).
    csimdjson_type_lone_surrogate,
    /// None of these; found only if unread values are skipped.
    csimdjson_type_malformed,
} csimdjson_type;

/// What a call found.
typedef enum csimdjson_status : uint8_t {
    /// A document or an element, with its type.
    csimdjson_status_found = 0,
    /// The end of the array or object, and of the document behind it.
    csimdjson_status_end,
    // Not JSON:
    csimdjson_status_syntax,
    csimdjson_status_unclosed_string,
    csimdjson_status_control_character,
    csimdjson_status_escape,
    /// Only within CSimdjson: values that hold one have a type of their own.
    csimdjson_status_surrogate,
    csimdjson_status_encoding,
    csimdjson_status_number,
    csimdjson_status_incomplete,
    csimdjson_status_trailing,
    csimdjson_status_depth,
    /// Longer than simdjson reads (4 GiB).
    csimdjson_status_too_long,
} csimdjson_status;

/// The value of a member.
typedef struct csimdjson_value {
    /// A string's bytes, unescaped; the token of a number or boolean as it was written; if unread values are skipped,
    /// an array or object as it was written. Else `NULL`. Owned by the document or the parser, valid until the next
    /// call of `csimdjson_open`.
    const uint8_t *start;
    /// In bytes.
    uint32_t length;
    csimdjson_type type;
    /// The object has this key more than once; the value is the first.
    bool is_repeated;
} csimdjson_value;

/// A key, unescaped.
typedef struct csimdjson_key {
    const uint8_t *start;
    size_t length;
} csimdjson_key;

/// An object's members. The pointers are the parser's, valid until its next call.
typedef struct csimdjson_object {
    /// By place in the key table; absent if the object lacks the key.
    const csimdjson_value *values;
    /// Keys that the table does not hold, each as often as it occurs.
    const csimdjson_key *unknown_keys;
    size_t unknown_count;
} csimdjson_object;

/// For one thread at a time.
typedef struct csimdjson_parser csimdjson_parser;

/// Makes a parser, which the caller destroys.
///
/// - keys: the key table: different texts, each ended by a line feed; copied. `a.b` is the member `b` of the object
///   that is the member `a`. No path continues another.
csimdjson_parser *csimdjson_parser_create(const char *keys);
/// The same, for large texts of which little is read: keys that the table does not name are stepped over unchecked.
csimdjson_parser *csimdjson_skipping_parser_create(const char *keys);
void csimdjson_parser_destroy(csimdjson_parser *parser);

/// Begins a document.
///
/// - bytes: `length` bytes and CSIMDJSON_PADDING readable ones of any content behind them, which the caller keeps
///   unchanged until the last value of the document is read.
/// - type: the document's. A scalar has been checked to its end; an object or an array has not been read yet.
csimdjson_status csimdjson_open(csimdjson_parser *parser, const uint8_t *bytes, size_t length, csimdjson_type *type);

/// Reads a document that is an object, and checks that nothing follows it.
csimdjson_status csimdjson_read_object(csimdjson_parser *parser, csimdjson_object *object);

/// Reads the next element of a document that is an array; at the end it checks that nothing follows.
///
/// - value: the element; if it is an object, its type only.
/// - object: filled in if the element is an object.
csimdjson_status csimdjson_next_element(csimdjson_parser *parser, csimdjson_value *value, csimdjson_object *object);

/// The offset of the first byte of the element that csimdjson_next_element has found, in bytes from the document's
/// start.
size_t csimdjson_element_offset(const csimdjson_parser *parser);

/// The offset of the last token looked at, in bytes from the document's start.
size_t csimdjson_offset(const csimdjson_parser *parser);

/// Whether a text is UTF-8, from its first byte to its last.
bool csimdjson_is_utf8(const uint8_t *bytes, size_t length);

/// The `double` nearest to a number token; infinite if it is past all of them.
double csimdjson_double(const uint8_t *token, size_t length);

#ifdef __cplusplus
}
#endif

#endif
