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
///
/// A path is a chain of keys, each below the one before it.
class KeyTable {
public:
    explicit KeyTable(const char *lines) : names(lines)
    {
        std::memset(slots, none, sizeof slots);
        const char *path = names.c_str();
        while (const char *end = std::strchr(path, '\n')) {
            uint8_t key = root;
            while (path <= end) {
                const char *stop = path;
                while (*stop != '.' && *stop != '\n') { stop++; }
                key = add(key, reinterpret_cast<const uint8_t *>(path), size_t(stop - path));
                if (key == none) { return; }
                path = stop + 1;
            }
            places[key] = uint8_t(count);
            count++;
        }
    }

    KeyTable(const KeyTable &) = delete;

    static constexpr uint8_t none = 0xFF;
    /// What the members of the object itself are below.
    static constexpr uint8_t root = 0xFE;

    /// The key of that name below another.
    uint8_t find(uint8_t parent, const uint8_t *bytes, size_t length) const
    {
        // At most half of the slots are taken, so an empty one ends the search.
        for (size_t slot = home(bytes, length);; slot = (slot + 1) % slotCount) {
            const uint8_t key = slots[slot];
            if (key == none) { return none; }
            if (parents[key] == parent && entries[key].length == length
                && std::memcmp(entries[key].start, bytes, length) == 0) {
                return key;
            }
        }
    }

    /// The path that ends with this key; `none` where it only leads to others.
    uint8_t place(uint8_t key) const { return places[key]; }

private:
    static constexpr size_t slotCount = 2 * CSIMDJSON_KEY_LIMIT;

    static size_t home(const uint8_t *bytes, size_t length)
    {
        if (length == 0) { return 0; }
        return (length * 5 + bytes[0] * 3 + bytes[length / 2] * 7 + bytes[length - 1] * 11) % slotCount;
    }

    uint8_t add(uint8_t parent, const uint8_t *bytes, size_t length)
    {
        const uint8_t known = find(parent, bytes, length);
        if (known != none || keyCount == CSIMDJSON_KEY_LIMIT) { return known; }
        entries[keyCount] = {bytes, length};
        parents[keyCount] = parent;
        places[keyCount] = none;
        size_t slot = home(bytes, length);
        while (slots[slot] != none) { slot = (slot + 1) % slotCount; }
        slots[slot] = uint8_t(keyCount);
        return uint8_t(keyCount++);
    }

    const std::string names;
    csimdjson_key entries[CSIMDJSON_KEY_LIMIT];
    uint8_t parents[CSIMDJSON_KEY_LIMIT];
    uint8_t places[CSIMDJSON_KEY_LIMIT];
    uint8_t slots[slotCount];
    size_t keyCount = 0;

public:
    /// Paths.
    size_t count = 0;
};

bool isSpace(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

bool isDigit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/// RFC 8259, section 6. simdjson checks numbers only while converting them, and then refuses 1e999.
bool isNumber(const uint8_t *byte, const uint8_t *end)
{
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
const uint8_t *stringStop(const uint8_t *byte)
{
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
bool hasSurrogate(const uint8_t *bytes, size_t length)
{
    for (size_t index = 0; index + 1 < length; index++) {
        if (bytes[index] == 0xED && bytes[index + 1] >= 0xA0) { return true; }
    }
    return false;
}

csimdjson_status status(simdjson::error_code error)
{
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

}  // namespace

#define TRY(EXPRESSION)                                        \
    do {                                                       \
        const csimdjson_status tried = (EXPRESSION);           \
        if (tried != csimdjson_status_found) { return tried; } \
    } while (0)

struct csimdjson_parser {
    csimdjson_parser(const char *keys, bool skipsUnread) : keys(keys), skipsUnread(skipsUnread) {}

    csimdjson_status open(const uint8_t *bytes, size_t length, csimdjson_type &type)
    {
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

    csimdjson_status readRootObject(csimdjson_object &result)
    {
        ondemand::object object;
        if (auto error = document.get_object().get(object)) { return status(error); }
        TRY(read(object, result));
        return finish();
    }

    csimdjson_status nextElement(csimdjson_value &scalar, csimdjson_object &result)
    {
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
        if (auto error = value.type().get(found)) { return skipped(status(error), scalar); }
        if (found == ondemand::json_type::object) {
            scalar = {nullptr, 0, csimdjson_type_object, false};
            ondemand::object object;
            here = reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
            if (auto error = value.get_object().get(object)) { return status(error); }
            return read(object, result);
        }
        return skipsUnread ? leaf<true>(value, 2, scalar) : leaf<false>(value, 2, scalar);
    }

    csimdjson_status readTree(const csimdjson_node *&result, size_t &count)
    {
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
    const bool skipsUnread;
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

    csimdjson_status finish()
    {
        // On-demand does not look at what follows the last bracket.
        return document.current_location().error() == simdjson::OUT_OF_BOUNDS ? csimdjson_status_found
                                                                              : csimdjson_status_trailing;
    }

    csimdjson_status read(ondemand::object &object, csimdjson_object &result)
    {
        std::memset(values, 0, keys.count * sizeof(csimdjson_value));
        unknownKeys.clear();
        TRY(skipsUnread ? members<true>(object, KeyTable::root, 2) : members<false>(object, KeyTable::root, 2));
        result = {values, unknownKeys.data(), unknownKeys.size()};
        return csimdjson_status_found;
    }

    /// Reads the members of an object, whose values are `depth` levels below the document's outermost one.
    ///
    /// - parent: the key that the object is the value of.
    template <bool skips>
    csimdjson_status members(ondemand::object &object, uint8_t parent, int depth)
    {
        for (auto member : object) {
            ondemand::field field;
            if (auto error = std::move(member).get(field)) { return status(error); }
            csimdjson_key name;
            const csimdjson_status named = text(field.key(), name);
            if (!skips && named != csimdjson_status_found) { return named; }
            const bool isUnreadable = skips && named != csimdjson_status_found;
            const uint8_t key = isUnreadable ? KeyTable::none : keys.find(parent, name.start, name.length);
            if (key == KeyTable::none) {
                // On-demand steps over what is not read.
                if (skips) { continue; }
                if (parent == KeyTable::root) { unknownKeys.push_back(name); }
                csimdjson_value ignored;
                TRY(read(field.value(), depth, ignored));
                continue;
            }
            const uint8_t place = keys.place(key);
            if (place == KeyTable::none) {
                TRY(inner<skips>(field.value(), key, depth));
            } else if (values[place].type != csimdjson_type_absent) {
                values[place].is_repeated = true;
                csimdjson_value ignored;
                TRY(leaf<skips>(field.value(), depth, ignored));
            } else {
                TRY(leaf<skips>(field.value(), depth, values[place]));
            }
        }
        return csimdjson_status_found;
    }

    /// Reads what only leads to others: of anything but an object nothing.
    template <bool skips>
    csimdjson_status inner(ondemand::value &value, uint8_t key, int depth)
    {
        ondemand::json_type found;
        csimdjson_value ignored;
        if (auto error = value.type().get(found)) { return skipped(status(error), ignored); }
        if (found != ondemand::json_type::object) { return leaf<skips>(value, depth, ignored); }
        if (depth > CSIMDJSON_DEPTH_LIMIT) { return csimdjson_status_depth; }
        ondemand::object object;
        if (auto error = value.get_object().get(object)) { return status(error); }
        return members<skips>(object, key, depth + 1);
    }

    /// Reads a value that is given out.
    template <bool skips>
    csimdjson_status leaf(ondemand::value &value, int depth, csimdjson_value &result)
    {
        if (!skips) { return read(value, depth, result); }
        ondemand::json_type found;
        if (auto error = value.type().get(found)) { return skipped(status(error), result); }
        if (found != ondemand::json_type::array && found != ondemand::json_type::object) {
            return skipped(read(value, depth, result), result);
        }
        std::string_view raw;
        csimdjson_type type = csimdjson_type_array;
        if (found == ondemand::json_type::array) {
            ondemand::array elements;
            if (auto error = value.get_array().get(elements)) { return status(error); }
            if (auto error = elements.raw_json().get(raw)) { return status(error); }
        } else {
            type = csimdjson_type_object;
            ondemand::object object;
            if (auto error = value.get_object().get(object)) { return status(error); }
            if (auto error = object.raw_json().get(raw)) { return status(error); }
        }
        result = {reinterpret_cast<const uint8_t *>(raw.data()), uint32_t(raw.size()), type, false};
        return csimdjson_status_found;
    }

    /// Where unread values are skipped, a scalar that is not JSON is one of them.
    csimdjson_status skipped(csimdjson_status status, csimdjson_value &result)
    {
        if (status == csimdjson_status_found || !skipsUnread) { return status; }
        result = {nullptr, 0, csimdjson_type_malformed, false};
        return csimdjson_status_found;
    }

    /// Reads a value to its end, `depth` levels below the document's outermost one, itself included.
    csimdjson_status read(ondemand::value &value, int depth, csimdjson_value &result)
    {
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
    csimdjson_status collect(ondemand::value &value, int depth, csimdjson_key key)
    {
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
    csimdjson_status scalar(std::string_view token, ondemand::json_type found, csimdjson_value &result)
    {
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

    csimdjson_status readRootScalar(ondemand::json_type found, csimdjson_type &type)
    {
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
    csimdjson_status text(const ondemand::raw_json_string &raw, csimdjson_key &result)
    {
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

csimdjson_status csimdjson_read_tree(csimdjson_parser *parser, const csimdjson_node **nodes, size_t *count)
{
    return parser->readTree(*nodes, *count);
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
    if (std::from_chars(first, first + length, value).ec == std::errc()) { return value; }
    // from_chars does not say whether a number is too large or too small.
    return std::strtod(std::string(first, length).c_str(), nullptr);
}

}  // extern "C"
