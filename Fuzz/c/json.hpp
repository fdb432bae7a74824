// What the fuzz targets of Sources/CSimdjson share: the second reader, and how its values compare.

#ifndef FUZZ_JSON_HPP
#define FUZZ_JSON_HPP

#include "csimdjson.h"

#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace json {

/// A text and its padding, in a block without a byte more.
class Padded {
public:
    Padded(const uint8_t *text, size_t length, uint8_t padding)
        : block(static_cast<uint8_t *>(malloc(length + CSIMDJSON_PADDING)))
    {
        if (length > 0) std::memcpy(block, text, length);
        std::memset(block + length, padding, CSIMDJSON_PADDING);
    }
    ~Padded() { free(block); }
    Padded(const Padded &) = delete;

    const uint8_t *bytes() const { return block; }

private:
    uint8_t *const block;
};

/// Reads a text whole, as the DOM does.
inline simdjson::simdjson_result<simdjson::dom::element> parse(
    simdjson::dom::parser &parser, const uint8_t *text, size_t length)
{
    return parser.parse(text, length, true);
}

/// Whether a value is what the DOM has.
inline bool agree(const csimdjson_value &value, const simdjson::dom::element &second)
{
    const std::string_view token(reinterpret_cast<const char *>(value.start), value.length);
    switch (second.type()) {
    case simdjson::dom::element_type::STRING:
        return value.type == csimdjson_type_string && token == std::string_view(second);
    case simdjson::dom::element_type::NULL_VALUE: return value.type == csimdjson_type_null;
    case simdjson::dom::element_type::BOOL:
        return value.type == csimdjson_type_boolean && token == (bool(second) ? "true" : "false");
    case simdjson::dom::element_type::ARRAY: return value.type == csimdjson_type_array;
    case simdjson::dom::element_type::OBJECT: return value.type == csimdjson_type_object;
    case simdjson::dom::element_type::INT64:
        return value.type == csimdjson_type_number
            && csimdjson_double(value.start, value.length) == double(int64_t(second));
    case simdjson::dom::element_type::UINT64:
        return value.type == csimdjson_type_number
            && csimdjson_double(value.start, value.length) == double(uint64_t(second));
    case simdjson::dom::element_type::DOUBLE:
        return value.type == csimdjson_type_number && csimdjson_double(value.start, value.length) == double(second);
    default: return false;
    }
}

/// Finds the value at a path; false unless each name on it occurs once.
inline bool findOnce(simdjson::dom::object object, std::string_view path, simdjson::dom::element &result)
{
    const size_t dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    size_t count = 0;
    for (const auto &[key, value] : object) {
        if (key != name) continue;
        count++;
        result = value;
    }
    if (count != 1 || dot == std::string_view::npos) return count == 1;
    simdjson::dom::object inner;
    return !result.get_object().get(inner) && findOnce(inner, path.substr(dot + 1), result);
}

}  // namespace json

#endif
