#include "csimdjson.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace ondemand = simdjson::ondemand;

static_assert(simdjson::SIMDJSON_PADDING <= CSIMDJSON_PADDING, "the caller pads for the simdjson that is linked");

namespace {

/// Finds keys in a table of few: open addressing over four bytes that most keys differ in.
class KeyTable {
public:
    explicit KeyTable(const char *lines) : names(lines) {
        std::memset(slots, none, sizeof slots);
        const char *name = names.c_str();
        while (const char *end = std::strchr(name, '\n')) {
            if (count == CSIMDJSON_KEY_LIMIT) { break; }
            entries[count] = {reinterpret_cast<const uint8_t *>(name), size_t(end - name)};
            size_t slot = home(entries[count].start, entries[count].length);
            while (slots[slot] != none) { slot = (slot + 1) % slotCount; }
            slots[slot] = uint8_t(count);
            count++;
            name = end + 1;
        }
    }

    KeyTable(const KeyTable &) = delete;

    static constexpr uint8_t none = 0xFF;

    uint8_t find(const uint8_t *bytes, size_t length) const {
        // At most half of the slots are taken, so an empty one ends the search.
        for (size_t slot = home(bytes, length);; slot = (slot + 1) % slotCount) {
            const uint8_t key = slots[slot];
            if (key == none) { return none; }
            if (entries[key].length == length && std::memcmp(entries[key].start, bytes, length) == 0) { return key; }
        }
    }

private:
    static constexpr size_t slotCount = 2 * CSIMDJSON_KEY_LIMIT;

    static size_t home(const uint8_t *bytes, size_t length) {
        if (length == 0) { return 0; }
        return (length * 5 + bytes[0] * 3 + bytes[length / 2] * 7 + bytes[length - 1] * 11) % slotCount;
    }

    const std::string names;
    csimdjson_key entries[CSIMDJSON_KEY_LIMIT];
    uint8_t slots[slotCount];

public:
    size_t count = 0;
};

bool isSpace(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

bool isDigit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

/// RFC 8259, section 6. simdjson checks numbers only while converting them, and then refuses 1e999.
bool isNumber(const uint8_t *byte, const uint8_t *end) {
    if (byte != end && *byte == '-') { byte++; }
    if (byte == end || !isDigit(*byte)) { return false; }
    if (*byte++ != '0') {
        while (byte != end && isDigit(*byte)) { byte++; }
    }
    if (byte != end && *byte == '.') {
        byte++;
        if (byte == end || !isDigit(*byte)) { return false; }
        while (byte != end && isDigit(*byte)) { byte++; }
    }
    if (byte != end && (*byte == 'e' || *byte == 'E')) {
        byte++;
        if (byte != end && (*byte == '+' || *byte == '-')) { byte++; }
        if (byte == end || !isDigit(*byte)) { return false; }
        while (byte != end && isDigit(*byte)) { byte++; }
    }
    return byte == end;
}

/// The first quote or backslash, eight bytes at a time. Reads at most seven bytes beyond it, which the padding allows.
const uint8_t *stringStop(const uint8_t *byte) {
    constexpr uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    for (;; byte += 8) {
        uint64_t word;
        std::memcpy(&word, byte, 8);
        const uint64_t quotes = word ^ (ones * '"');
        const uint64_t backslashes = word ^ (ones * '\\');
        // A top bit stands where a byte is 0; above the lowest such byte there may be more.
        const uint64_t zeros = (((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes)) & tops;
        if (zeros != 0) { break; }
    }
    while (*byte != '"' && *byte != '\\') { byte++; }
    return byte;
}

/// Unescaping turns a lone low surrogate into these bytes, which UTF-8 forbids.
bool hasSurrogate(const uint8_t *bytes, size_t length) {
    for (size_t index = 0; index + 1 < length; index++) {
        if (bytes[index] == 0xED && bytes[index + 1] >= 0xA0) { return true; }
    }
    return false;
}

csimdjson_status status(simdjson::error_code error) {
    switch (error) {
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

} // namespace

#define TRY(EXPRESSION)                                                                                                \
    do {                                                                                                               \
        const csimdjson_status tried = (EXPRESSION);                                                                   \
        if (tried != csimdjson_status_found) { return tried; }                                                         \
    } while (0)

struct csimdjson_parser {
    explicit csimdjson_parser(const char *keys) : keys(keys) {}

    csimdjson_status open(const uint8_t *bytes, size_t length, csimdjson_type &type) {
        start = bytes;
        end = bytes + length;
        here = bytes;
        unescaped = unescapedBuffer.get();
        isAtFirstElement = true;
        // At least doubled: the lines of a body differ in length, and simdjson would allocate anew for each longer one.
        if (parser.capacity() < length || parser.capacity() == 0) {
            const size_t doubled = std::min(2 * parser.capacity(), parser.max_capacity());
            const size_t capacity = std::max({length, doubled, smallestCapacity});
            if (auto error = parser.allocate(capacity, simdjsonDepth)) { return status(error); }
        }
        if (auto error = parser.iterate(bytes, length, length + CSIMDJSON_PADDING).get(document)) {
            return status(error);
        }
        ondemand::json_type found;
        if (auto error = document.type().get(found)) { return status(error); }
        switch (found) {
        case ondemand::json_type::object: type = csimdjson_type_object; return csimdjson_status_found;
        case ondemand::json_type::array: type = csimdjson_type_array; return csimdjson_status_found;
        default: return readRootScalar(found, type);
        }
    }

    csimdjson_status readRootObject(csimdjson_object &result) {
        ondemand::object object;
        if (auto error = document.get_object().get(object)) { return status(error); }
        TRY(read(object, result));
        return finish();
    }

    csimdjson_status nextElement(csimdjson_type &type, csimdjson_object &result) {
        if (isAtFirstElement) {
            isAtFirstElement = false;
            if (auto error = document.get_array().get(array)) { return status(error); }
            if (auto error = array.begin().get(element)) { return status(error); }
        } else {
            ++element;
        }
        if (!(element != element)) {
            TRY(finish());
            return csimdjson_status_end;
        }
        ondemand::value value;
        if (auto error = (*element).get(value)) { return status(error); }
        ondemand::json_type found;
        if (auto error = value.type().get(found)) { return status(error); }
        if (found == ondemand::json_type::object) {
            type = csimdjson_type_object;
            ondemand::object object;
            here = reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
            if (auto error = value.get_object().get(object)) { return status(error); }
            return read(object, result);
        }
        csimdjson_value scalar;
        TRY(read(value, 2, scalar));
        type = scalar.type;
        return csimdjson_status_found;
    }

    csimdjson_status readTree(const csimdjson_node *&result, size_t &count) {
        nodes.clear();
        ondemand::value root;
        if (document.is_scalar()) { return csimdjson_status_found; }
        if (auto error = document.get_value().get(root)) { return status(error); }
        TRY(collect(root, 1, {nullptr, 0}));
        result = nodes.data();
        count = nodes.size();
        return finish();
    }

    size_t offset() const { return size_t(here - start); }

private:
    static constexpr size_t smallestCapacity = 1024;
    /// What simdjson allocates for, well above what is walked.
    static constexpr size_t simdjsonDepth = 2 * CSIMDJSON_DEPTH_LIMIT;

    KeyTable keys;
    ondemand::parser parser;
    ondemand::document document;
    ondemand::array array;
    ondemand::array_iterator element;
    bool isAtFirstElement = true;
    const uint8_t *start = nullptr;
    const uint8_t *end = nullptr;
    const uint8_t *here = nullptr;
    /// Strings with escapes, one behind the other. Each is unescaped once, so they take no more room than the document.
    std::unique_ptr<uint8_t[]> unescapedBuffer;
    size_t unescapedCapacity = 0;
    uint8_t *unescaped = nullptr;
    csimdjson_value values[CSIMDJSON_KEY_LIMIT];
    std::vector<csimdjson_key> unknownKeys;
    std::vector<csimdjson_node> nodes;

    csimdjson_status finish() {
        // On-demand does not look at what follows the last bracket.
        return document.current_location().error() == simdjson::OUT_OF_BOUNDS ? csimdjson_status_found
                                                                              : csimdjson_status_trailing;
    }

    csimdjson_status read(ondemand::object &object, csimdjson_object &result) {
        std::memset(values, 0, keys.count * sizeof(csimdjson_value));
        unknownKeys.clear();
        for (auto member : object) {
            ondemand::field field;
            if (auto error = std::move(member).get(field)) { return status(error); }
            csimdjson_key key;
            TRY(text(field.key(), key));
            const uint8_t place = keys.find(key.start, key.length);
            if (place == KeyTable::none || values[place].type != csimdjson_type_absent) {
                if (place == KeyTable::none) {
                    unknownKeys.push_back(key);
                } else {
                    values[place].is_repeated = true;
                }
                csimdjson_value ignored;
                TRY(read(field.value(), 2, ignored));
            } else {
                TRY(read(field.value(), 2, values[place]));
            }
        }
        result = {values, unknownKeys.data(), unknownKeys.size()};
        return csimdjson_status_found;
    }

    /// Reads a value to its end, `depth` levels below the document's outermost one, itself included.
    csimdjson_status read(ondemand::value &value, int depth, csimdjson_value &result) {
        const std::string_view token = value.raw_json_token();
        here = reinterpret_cast<const uint8_t *>(token.data());
        ondemand::json_type found;
        if (auto error = value.type().get(found)) { return status(error); }
        result = {nullptr, 0, csimdjson_type_absent, false};
        switch (found) {
        case ondemand::json_type::string: {
            result.type = csimdjson_type_string;
            ondemand::raw_json_string raw;
            if (auto error = value.get_raw_json_string().get(raw)) { return status(error); }
            csimdjson_key string;
            TRY(text(raw, string));
            result.start = string.start;
            result.length = uint32_t(string.length);
            return csimdjson_status_found;
        }
        case ondemand::json_type::array: {
            result.type = csimdjson_type_array;
            if (depth > CSIMDJSON_DEPTH_LIMIT) { return csimdjson_status_depth; }
            ondemand::array elements;
            if (auto error = value.get_array().get(elements)) { return status(error); }
            for (auto each : elements) {
                ondemand::value inner;
                if (auto error = std::move(each).get(inner)) { return status(error); }
                csimdjson_value ignored;
                TRY(read(inner, depth + 1, ignored));
            }
            return csimdjson_status_found;
        }
        case ondemand::json_type::object: {
            result.type = csimdjson_type_object;
            if (depth > CSIMDJSON_DEPTH_LIMIT) { return csimdjson_status_depth; }
            ondemand::object members;
            if (auto error = value.get_object().get(members)) { return status(error); }
            for (auto each : members) {
                ondemand::field field;
                if (auto error = std::move(each).get(field)) { return status(error); }
                csimdjson_key key;
                TRY(text(field.key(), key));
                csimdjson_value ignored;
                TRY(read(field.value(), depth + 1, ignored));
            }
            return csimdjson_status_found;
        }
        default:
            // The iterator steps over the one token of an unread scalar.
            return scalar(token, found, result);
        }
    }

    /// Reads a value to its end, and keeps it and all that is in it.
    csimdjson_status collect(ondemand::value &value, int depth, csimdjson_key key) {
        const size_t place = nodes.size();
        const size_t offset = size_t(reinterpret_cast<const uint8_t *>(value.raw_json_token().data()) - start);
        nodes.push_back({key, {nullptr, 0, csimdjson_type_absent, false}, offset, 0});
        ondemand::json_type found;
        if (auto error = value.type().get(found)) { return status(error); }
        if (found == ondemand::json_type::object || found == ondemand::json_type::array) {
            here = start + offset;
            if (depth > CSIMDJSON_DEPTH_LIMIT) { return csimdjson_status_depth; }
        }
        if (found == ondemand::json_type::object) {
            nodes[place].value.type = csimdjson_type_object;
            ondemand::object members;
            if (auto error = value.get_object().get(members)) { return status(error); }
            for (auto each : members) {
                ondemand::field field;
                if (auto error = std::move(each).get(field)) { return status(error); }
                csimdjson_key name;
                TRY(text(field.key(), name));
                TRY(collect(field.value(), depth + 1, name));
            }
        } else if (found == ondemand::json_type::array) {
            nodes[place].value.type = csimdjson_type_array;
            ondemand::array elements;
            if (auto error = value.get_array().get(elements)) { return status(error); }
            for (auto each : elements) {
                ondemand::value inner;
                if (auto error = std::move(each).get(inner)) { return status(error); }
                TRY(collect(inner, depth + 1, {nullptr, 0}));
            }
        } else {
            csimdjson_value scalar;
            TRY(read(value, depth, scalar));
            nodes[place].value = scalar;
        }
        nodes[place].count = nodes.size() - place - 1;
        return csimdjson_status_found;
    }

    /// Checks a number, boolean or null. A token reaches to the next one, white space included.
    csimdjson_status scalar(std::string_view token, ondemand::json_type found, csimdjson_value &result) {
        const uint8_t *first = reinterpret_cast<const uint8_t *>(token.data());
        const uint8_t *last = first + token.size();
        while (last != first && isSpace(last[-1])) { last--; }
        const std::string_view literal(token.data(), size_t(last - first));
        switch (found) {
        case ondemand::json_type::number:
            if (!isNumber(first, last)) { return csimdjson_status_number; }
            result = {first, uint32_t(last - first), csimdjson_type_number, false};
            return csimdjson_status_found;
        case ondemand::json_type::boolean:
            if (literal != "true" && literal != "false") { return csimdjson_status_syntax; }
            result = {first, uint32_t(last - first), csimdjson_type_boolean, false};
            return csimdjson_status_found;
        default:
            if (literal != "null") { return csimdjson_status_syntax; }
            result = {nullptr, 0, csimdjson_type_null, false};
            return csimdjson_status_found;
        }
    }

    csimdjson_status readRootScalar(ondemand::json_type found, csimdjson_type &type) {
        std::string_view token;
        if (auto error = document.raw_json_token().get(token)) { return status(error); }
        // One token must fill the document.
        const uint8_t *last = end;
        while (isSpace(last[-1])) { last--; }
        const uint8_t *first = reinterpret_cast<const uint8_t *>(token.data());
        if (first + token.size() < last) { return csimdjson_status_trailing; }
        csimdjson_value value;
        if (found == ondemand::json_type::string) {
            csimdjson_key string;
            ondemand::raw_json_string raw;
            if (auto error = document.get_raw_json_string().get(raw)) { return status(error); }
            TRY(text(raw, string));
            type = csimdjson_type_string;
        } else {
            TRY(scalar(token, found, value));
            type = value.type;
        }
        return csimdjson_status_found;
    }

    /// The text of a string or key, in place if it has no escapes.
    csimdjson_status text(const ondemand::raw_json_string &raw, csimdjson_key &result) {
        const uint8_t *first = reinterpret_cast<const uint8_t *>(raw.raw());
        // simdjson has seen to it that the string is closed within the document.
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
        if (auto error = parser.unescape(raw, unescaped).get(string)) { return status(error); }
        result = {reinterpret_cast<const uint8_t *>(string.data()), string.size()};
        return hasSurrogate(result.start, result.length) ? csimdjson_status_escape : csimdjson_status_found;
    }
};

extern "C" {

csimdjson_parser *csimdjson_parser_create(const char *keys) { return new csimdjson_parser(keys); }

void csimdjson_parser_destroy(csimdjson_parser *parser) { delete parser; }

csimdjson_status csimdjson_open(csimdjson_parser *parser, const uint8_t *bytes, size_t length, csimdjson_type *type) {
    return parser->open(bytes, length, *type);
}

csimdjson_status csimdjson_read_object(csimdjson_parser *parser, csimdjson_object *object) {
    return parser->readRootObject(*object);
}

csimdjson_status csimdjson_next_element(csimdjson_parser *parser, csimdjson_type *type, csimdjson_object *object) {
    return parser->nextElement(*type, *object);
}

csimdjson_status csimdjson_read_tree(csimdjson_parser *parser, const csimdjson_node **nodes, size_t *count) {
    return parser->readTree(*nodes, *count);
}

size_t csimdjson_offset(const csimdjson_parser *parser) { return parser->offset(); }

double csimdjson_double(const uint8_t *token, size_t length) {
    // Correctly rounded, without a locale, and bounded by the token's end.
    const char *first = reinterpret_cast<const char *>(token);
    double value = 0;
    if (std::from_chars(first, first + length, value).ec == std::errc()) { return value; }
    // from_chars does not say whether a number is too large or too small.
    return std::strtod(std::string(first, length).c_str(), nullptr);
}

} // extern "C"
