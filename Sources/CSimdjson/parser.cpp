// Reads objects by a table of keys. See csimdjson.h.

#include "csimdjson.h"
#include "document.hpp"
#include "keys.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace ondemand = simdjson::ondemand;

using csimdjson::isSpace;
using csimdjson::KeyTable;
using csimdjson::status;

struct csimdjson_parser : csimdjson::Document {
    csimdjson_parser(const char *keys, bool skipsUnread) : keys(keys), skipsUnread(skipsUnread) {}

    csimdjson_status open(const uint8_t *bytes, size_t length, csimdjson_type &type)
    {
        isAtFirstElement = true;
        TRY(begin(bytes, length));
        ondemand::json_type found;
        if (auto error = document.type().get(found)) return status(error);
        switch (found) {
        case ondemand::json_type::object: type = csimdjson_type_object; return csimdjson_status_found;
        case ondemand::json_type::array: type = csimdjson_type_array; return csimdjson_status_found;
        default: return readRootScalar(found, type);
        }
    }

    csimdjson_status readRootObject(csimdjson_object &result)
    {
        ondemand::object object;
        if (auto error = document.get_object().get(object)) return status(error);
        TRY(readObject(object, result));
        return finish();
    }

    csimdjson_status nextElement(csimdjson_value &scalar, csimdjson_object &result)
    {
        if (isAtFirstElement) {
            isAtFirstElement = false;
            if (auto error = document.get_array().get(array)) return status(error);
            if (auto error = array.begin().get(element)) return status(error);
        } else {
            ++element;
        }
        if (!(element != element)) {
            TRY(finish());
            return csimdjson_status_end;
        }
        ondemand::value value;
        if (auto error = (*element).get(value)) return status(error);
        elementStart = reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
        ondemand::json_type found;
        if (auto error = value.type().get(found)) return skipped(status(error), scalar);
        if (found == ondemand::json_type::object) {
            scalar = {nullptr, 0, csimdjson_type_object, false};
            ondemand::object object;
            here = reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
            if (auto error = value.get_object().get(object)) return status(error);
            return readObject(object, result);
        }
        return skipsUnread ? leaf<true>(value, scalar) : leaf<false>(value, scalar);
    }

    size_t elementOffset() const { return size_t(elementStart - start); }

private:
    KeyTable keys;
    const bool skipsUnread;
    ondemand::array array;
    ondemand::array_iterator element;
    bool isAtFirstElement = true;
    const uint8_t *elementStart = nullptr;
    csimdjson_value values[CSIMDJSON_KEY_LIMIT];
    std::vector<csimdjson_key> unknownKeys;

    csimdjson_status readObject(ondemand::object &object, csimdjson_object &result)
    {
        std::memset(values, 0, keys.count * sizeof(csimdjson_value));
        unknownKeys.clear();
        TRY(skipsUnread ? members<true>(object, KeyTable::root) : members<false>(object, KeyTable::root));
        result = {values, unknownKeys.data(), unknownKeys.size()};
        return csimdjson_status_found;
    }

    /// Reads the members of an object.
    ///
    /// - parent: the key that the object is the value of.
    template <bool skips>
    csimdjson_status members(ondemand::object &object, uint8_t parent)
    {
        for (auto member : object) {
            ondemand::field field;
            if (auto error = std::move(member).get(field)) return status(error);
            csimdjson_key name;
            const csimdjson_status named = text(field.key(), name);
            // A key with a lone surrogate is none of the table's.
            if (!skips && named != csimdjson_status_surrogate) TRY(named);
            const bool isReadable = named == csimdjson_status_found;
            const uint8_t key = isReadable ? keys.find(parent, name.start, name.length) : uint8_t(KeyTable::none);
            if (key == KeyTable::none) {
                // On-demand steps over unread values.
                if (skips) continue;
                if (parent == KeyTable::root) unknownKeys.push_back(name);
                TRY(skip(field.value()));
                continue;
            }
            const uint8_t place = keys.place(key);
            if (place == KeyTable::none) {
                TRY(inner<skips>(field.value(), key));
            } else if (values[place].type != csimdjson_type_absent) {
                values[place].is_repeated = true;
                if (!skips) TRY(skip(field.value()));
            } else {
                TRY(leaf<skips>(field.value(), values[place]));
            }
        }
        return csimdjson_status_found;
    }

    /// Reads a value whose key only leads to others; a value that is no object is only checked.
    template <bool skips>
    csimdjson_status inner(ondemand::value &value, uint8_t key)
    {
        ondemand::json_type found;
        csimdjson_value ignored;
        if (auto error = value.type().get(found)) return skipped(status(error), ignored);
        if (found != ondemand::json_type::object) return leaf<skips>(value, ignored);
        ondemand::object object;
        if (auto error = value.get_object().get(object)) return status(error);
        return members<skips>(object, key);
    }

    /// Reads a value that is given out.
    template <bool skips>
    csimdjson_status leaf(ondemand::value &value, csimdjson_value &result)
    {
        if (!skips) return read(value, result);
        ondemand::json_type found;
        if (auto error = value.type().get(found)) return skipped(status(error), result);
        if (found != ondemand::json_type::array && found != ondemand::json_type::object)
            return skipped(read(value, result), result);
        std::string_view raw;
        csimdjson_type type = csimdjson_type_array;
        if (found == ondemand::json_type::array) {
            ondemand::array elements;
            if (auto error = value.get_array().get(elements)) return status(error);
            if (auto error = elements.raw_json().get(raw)) return status(error);
        } else {
            type = csimdjson_type_object;
            ondemand::object object;
            if (auto error = value.get_object().get(object)) return status(error);
            if (auto error = object.raw_json().get(raw)) return status(error);
        }
        result = {reinterpret_cast<const uint8_t *>(raw.data()), uint32_t(raw.size()), type, false};
        return csimdjson_status_found;
    }

    /// If unread values are skipped, a scalar that is not JSON is skipped as well.
    csimdjson_status skipped(csimdjson_status status, csimdjson_value &result)
    {
        if (status == csimdjson_status_found || !skipsUnread) return status;
        result = {nullptr, 0, csimdjson_type_malformed, false};
        return csimdjson_status_found;
    }

    csimdjson_status readRootScalar(ondemand::json_type found, csimdjson_type &type)
    {
        std::string_view token;
        if (auto error = document.raw_json_token().get(token)) return status(error);
        // One token must fill the document.
        const uint8_t *last = end;
        while (isSpace(last[-1])) last--;
        const uint8_t *first = reinterpret_cast<const uint8_t *>(token.data());
        if (first + token.size() < last) return csimdjson_status_trailing;
        csimdjson_value value;
        if (found == ondemand::json_type::string) {
            csimdjson_key string;
            ondemand::raw_json_string raw;
            if (auto error = document.get_raw_json_string().get(raw)) return csimdjson::status(error);
            const csimdjson_status status = text(raw, string);
            if (status != csimdjson_status_surrogate) TRY(status);
            type = csimdjson_type_string;
        } else {
            TRY(scalar(token, found, value));
            type = value.type;
        }
        return csimdjson_status_found;
    }
};

extern "C" {

csimdjson_parser *csimdjson_parser_create(const char *keys)
{
    return new csimdjson_parser(keys, false);
}

csimdjson_parser *csimdjson_skipping_parser_create(const char *keys)
{
    return new csimdjson_parser(keys, true);
}

void csimdjson_parser_destroy(csimdjson_parser *parser)
{
    delete parser;
}

csimdjson_status csimdjson_open(csimdjson_parser *parser, const uint8_t *bytes, size_t length, csimdjson_type *type)
{
    return parser->open(bytes, length, *type);
}

csimdjson_status csimdjson_read_object(csimdjson_parser *parser, csimdjson_object *object)
{
    return parser->readRootObject(*object);
}

csimdjson_status csimdjson_next_element(csimdjson_parser *parser, csimdjson_value *value, csimdjson_object *object)
{
    return parser->nextElement(*value, *object);
}

size_t csimdjson_element_offset(const csimdjson_parser *parser)
{
    return parser->elementOffset();
}

size_t csimdjson_offset(const csimdjson_parser *parser)
{
    return parser->offset();
}

bool csimdjson_is_utf8(const uint8_t *bytes, size_t length)
{
    return simdjson::validate_utf8(reinterpret_cast<const char *>(bytes), length);
}

double csimdjson_double(const uint8_t *token, size_t length)
{
    // Correctly rounded, without a locale, and bounded by the token's end.
    const char *first = reinterpret_cast<const char *>(token);
    double value = 0;
    if (std::from_chars(first, first + length, value).ec == std::errc()) return value;
    // from_chars does not say whether a number is too large or too small.
    return std::strtod(std::string(first, length).c_str(), nullptr);
}

}  // extern "C"
