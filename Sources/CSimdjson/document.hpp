// One JSON document that simdjson walks on demand: the base of csimdjson_parser and csimdjson_tree.

#ifndef CSIMDJSON_DOCUMENT_HPP
#define CSIMDJSON_DOCUMENT_HPP

#include "csimdjson.h"
#include "grammar.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace csimdjson {

namespace ondemand = simdjson::ondemand;

static_assert(simdjson::SIMDJSON_PADDING <= CSIMDJSON_PADDING, "texts are padded for the simdjson that is linked");

/// Unescaping turns a lone low surrogate into these bytes, which UTF-8 forbids.
inline bool hasSurrogate(const uint8_t *bytes, size_t length)
{
    for (size_t index = 0; index + 1 < length; index++) {
        if (bytes[index] == 0xED && bytes[index + 1] >= 0xA0) return true;
    }
    return false;
}

inline csimdjson_status status(simdjson::error_code error)
{
    switch (error) {
    case simdjson::SUCCESS: return csimdjson_status_found;
    case simdjson::UNCLOSED_STRING: return csimdjson_status_unclosed_string;
    case simdjson::UNESCAPED_CHARS: return csimdjson_status_control_character;
    case simdjson::STRING_ERROR: return csimdjson_status_escape;
    case simdjson::UTF8_ERROR: return csimdjson_status_encoding;
    case simdjson::NUMBER_ERROR: return csimdjson_status_number;
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT: return csimdjson_status_incomplete;
    case simdjson::TRAILING_CONTENT: return csimdjson_status_trailing;
    case simdjson::DEPTH_ERROR: return csimdjson_status_depth;
    case simdjson::CAPACITY: return csimdjson_status_too_long;
    default: return csimdjson_status_syntax;
    }
}

class Document {
public:
    size_t offset() const { return size_t(here - start); }

protected:
    ondemand::parser parser;
    ondemand::document document;
    const uint8_t *start = nullptr;
    const uint8_t *end = nullptr;
    /// The last token looked at.
    const uint8_t *here = nullptr;

    csimdjson_status begin(const uint8_t *bytes, size_t length)
    {
        start = bytes;
        end = bytes + length;
        here = bytes;
        unescaped = unescapedBuffer.get();
        // At least doubled: the lines of a body differ in length, and simdjson would allocate again for each longer
        // one.
        if (parser.capacity() < length || parser.capacity() == 0) {
            const size_t doubled = std::min(2 * parser.capacity(), parser.max_capacity());
            const size_t capacity = std::max({length, doubled, smallestCapacity});
            if (auto error = parser.allocate(capacity, simdjsonDepth)) return status(error);
        }
        auto error = parser.iterate(bytes, length, length + CSIMDJSON_PADDING).get(document);
        return error ? status(error) : csimdjson_status_found;
    }

    /// Begins the same document again.
    void rewind()
    {
        document.rewind();
        here = start;
        unescaped = unescapedBuffer.get();
    }

    csimdjson_status finish()
    {
        // On-demand does not look at what follows the last bracket.
        return document.current_location().error() == simdjson::OUT_OF_BOUNDS ? csimdjson_status_found
                                                                              : csimdjson_status_trailing;
    }

    /// Checks that nothing but white space follows a value that was skipped.
    csimdjson_status finishSkipped()
    {
        const uint8_t *byte = grammar.stop();
        while (byte != end && isSpace(*byte)) byte++;
        if (byte == end) return csimdjson_status_found;
        here = byte;
        return csimdjson_status_trailing;
    }

    /// Checks a value to its end, and steps over it.
    csimdjson_status skip(ondemand::value &value)
    {
        const uint8_t *first = reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
        const csimdjson_status checked = grammar.walk(first, end);
        here = grammar.here;
        TRY(checked);
        // The iterator steps over the rest, but takes an unread string before a colon for a key, and all behind it for
        // that key's value.
        ondemand::raw_json_string ignored;
        return *first == '"' ? status(value.get_raw_json_string().get(ignored)) : csimdjson_status_found;
    }

    /// Reads a value. Of an array or an object it gives out the type alone.
    csimdjson_status read(ondemand::value &value, csimdjson_value &result)
    {
        const std::string_view token = value.raw_json_token();
        here = reinterpret_cast<const uint8_t *>(token.data());
        ondemand::json_type found;
        if (auto error = value.type().get(found)) return status(error);
        result = {nullptr, 0, csimdjson_type_absent, false};
        switch (found) {
        case ondemand::json_type::string: {
            ondemand::raw_json_string raw;
            if (auto error = value.get_raw_json_string().get(raw)) return csimdjson::status(error);
            csimdjson_key string;
            const csimdjson_status status = text(raw, string);
            if (status == csimdjson_status_surrogate) {
                result.type = csimdjson_type_lone_surrogate;
                return csimdjson_status_found;
            }
            TRY(status);
            result = {string.start, uint32_t(string.length), csimdjson_type_string, false};
            return csimdjson_status_found;
        }
        case ondemand::json_type::array: result.type = csimdjson_type_array; return skip(value);
        case ondemand::json_type::object: result.type = csimdjson_type_object; return skip(value);
        default:
            // The iterator steps over the one token of an unread scalar.
            return scalar(token, found, result);
        }
    }

    /// Checks a number, boolean or null. A token reaches to the next one, white space included.
    csimdjson_status scalar(std::string_view token, ondemand::json_type found, csimdjson_value &result)
    {
        const uint8_t *first = reinterpret_cast<const uint8_t *>(token.data());
        const uint8_t *last = first + token.size();
        while (last != first && isSpace(last[-1])) last--;
        const std::string_view literal(token.data(), size_t(last - first));
        switch (found) {
        case ondemand::json_type::number:
            if (!isNumber(first, last)) return csimdjson_status_number;
            result = {first, uint32_t(last - first), csimdjson_type_number, false};
            return csimdjson_status_found;
        case ondemand::json_type::boolean:
            if (literal != "true" && literal != "false") return csimdjson_status_syntax;
            result = {first, uint32_t(last - first), csimdjson_type_boolean, false};
            return csimdjson_status_found;
        default:
            if (literal != "null") return csimdjson_status_syntax;
            result = {nullptr, 0, csimdjson_type_null, false};
            return csimdjson_status_found;
        }
    }

    /// The text of a string or key, in place if it has no escapes.
    ///
    /// - Returns: `surrogate` for a text that is JSON and yet cannot be UTF-8; `result` is then as it was written.
    csimdjson_status text(const ondemand::raw_json_string &raw, csimdjson_key &result)
    {
        const uint8_t *first = reinterpret_cast<const uint8_t *>(raw.raw());
        // simdjson has checked that the string is closed within the document.
        const uint8_t *byte = stringStop(first);
        if (*byte == '"') {
            result = {first, size_t(byte - first)};
            return csimdjson_status_found;
        }
        here = first - 1;
        const size_t capacity = size_t(end - start) + 2 * CSIMDJSON_PADDING;
        if (unescaped == nullptr || unescapedCapacity < capacity) {
            // The first escape of this document: nothing points into the old buffer.
            unescapedBuffer.reset(new uint8_t[capacity]);
            unescapedCapacity = capacity;
            unescaped = unescapedBuffer.get();
        }
        std::string_view string;
        const bool isText = parser.unescape(raw, unescaped).get(string) == simdjson::SUCCESS;
        result = {reinterpret_cast<const uint8_t *>(string.data()), string.size()};
        if (isText && !hasSurrogate(result.start, result.length)) return csimdjson_status_found;
        TRY(grammar.walkString(first));
        while (*byte != '"') byte = stringStop(byte + 2);
        result = {first, size_t(byte - first)};
        return csimdjson_status_surrogate;
    }

private:
    Grammar grammar;
    static constexpr size_t smallestCapacity = 1024;
    /// The depth that simdjson allocates for, well above what is walked with its iterators.
    static constexpr size_t simdjsonDepth = 2 * CSIMDJSON_DEPTH_LIMIT;

    /// Strings with escapes, one behind the other. Each is unescaped once, so they take no more room than the document.
    std::unique_ptr<uint8_t[]> unescapedBuffer;
    size_t unescapedCapacity = 0;
    uint8_t *unescaped = nullptr;
};

}  // namespace csimdjson

#endif
