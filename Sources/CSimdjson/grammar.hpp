// The grammar of JSON for unread values: they may be nested as deep as a text allows, and their strings may
// hold lone surrogates.

#ifndef CSIMDJSON_GRAMMAR_HPP
#define CSIMDJSON_GRAMMAR_HPP

#include "csimdjson.h"

#include <cstring>
#include <string_view>
#include <vector>

namespace csimdjson {

#define TRY(EXPRESSION)                                    \
    do {                                                   \
        const csimdjson_status tried = (EXPRESSION);       \
        if (tried != csimdjson_status_found) return tried; \
    } while (0)

inline bool isSpace(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

inline bool isDigit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

inline bool isHexadecimalDigit(uint8_t byte)
{
    const uint8_t letter = byte | 0x20;
    return isDigit(byte) || (letter >= 'a' && letter <= 'f');
}

/// RFC 8259, section 6. simdjson checks numbers only while converting them, and then refuses 1e999.
inline bool isNumber(const uint8_t *byte, const uint8_t *end)
{
    if (byte != end && *byte == '-') byte++;
    if (byte == end || !isDigit(*byte)) return false;
    if (*byte++ != '0') {
        while (byte != end && isDigit(*byte)) byte++;
    }
    if (byte != end && *byte == '.') {
        byte++;
        if (byte == end || !isDigit(*byte)) return false;
        while (byte != end && isDigit(*byte)) byte++;
    }
    if (byte != end && (*byte == 'e' || *byte == 'E')) {
        byte++;
        if (byte != end && (*byte == '+' || *byte == '-')) byte++;
        if (byte == end || !isDigit(*byte)) return false;
        while (byte != end && isDigit(*byte)) byte++;
    }
    return byte == end;
}

/// The first quote or backslash, eight bytes at a time. Reads at most seven bytes beyond it, which the padding allows.
inline const uint8_t *stringStop(const uint8_t *byte)
{
    constexpr uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    for (;; byte += 8) {
        uint64_t word;
        std::memcpy(&word, byte, 8);
        const uint64_t quotes = word ^ (ones * '"');
        const uint64_t backslashes = word ^ (ones * '\\');
        // A top bit marks a byte that is 0; above the lowest such byte there may be more.
        const uint64_t zeros = (((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes)) & tops;
        if (zeros != 0) break;
    }
    while (*byte != '"' && *byte != '\\') byte++;
    return byte;
}

/// Steps over one value, however deep it is, and checks it by the grammar of RFC 8259. It needs a bit for each level.
///
/// simdjson has checked the whole text before: its UTF-8, that each string is closed, and that none holds a bare
/// control character.
class Grammar {
public:
    /// The last token looked at.
    const uint8_t *here = nullptr;

    /// Behind the last value.
    const uint8_t *stop() const { return next; }

    /// - byte: the first byte of a value.
    csimdjson_status walk(const uint8_t *byte, const uint8_t *end)
    {
        isObject.clear();
        next = byte;
        this->end = end;
        for (;;) {
            bool isOpened = false;
            TRY(value(isOpened));
            if (isOpened) continue;
            for (;;) {
                if (isObject.empty()) return csimdjson_status_found;
                space();
                if (next == end) return csimdjson_status_incomplete;
                if (*next == ',') {
                    next++;
                    if (isObject.back()) TRY(key());
                    break;
                }
                if (*next != (isObject.back() ? '}' : ']')) return csimdjson_status_syntax;
                next++;
                isObject.pop_back();
            }
        }
    }

    /// Checks the escapes of a string.
    ///
    /// - byte: the string's first byte, behind its quote.
    csimdjson_status walkString(const uint8_t *byte)
    {
        for (;;) {
            byte = stringStop(byte);
            if (*byte == '"') break;
            const uint8_t letter = byte[1];
            byte += 2;
            if (letter == 'u') {
                for (int count = 0; count < 4; count++, byte++) {
                    if (!isHexadecimalDigit(*byte)) return csimdjson_status_escape;
                }
            } else if (std::string_view("\"\\/bfnrt").find(char(letter)) == std::string_view::npos) {
                return csimdjson_status_escape;
            }
        }
        next = byte + 1;
        return csimdjson_status_found;
    }

private:
    const uint8_t *next = nullptr;
    const uint8_t *end = nullptr;
    /// Whether each open level is an object; else it is an array.
    std::vector<bool> isObject;

    void space()
    {
        while (next != end && isSpace(*next)) next++;
    }

    /// Reads a scalar or an empty container, or opens one that has something in it.
    csimdjson_status value(bool &isOpened)
    {
        space();
        if (next == end) return csimdjson_status_incomplete;
        here = next;
        const uint8_t first = *next;
        if (first == '"') return walkString(next + 1);
        if (first != '{' && first != '[') return scalar();
        next++;
        space();
        if (next != end && *next == (first == '{' ? '}' : ']')) {
            next++;
            return csimdjson_status_found;
        }
        isOpened = true;
        isObject.push_back(first == '{');
        return first == '{' ? key() : csimdjson_status_found;
    }

    csimdjson_status key()
    {
        space();
        if (next == end) return csimdjson_status_incomplete;
        if (*next != '"') return csimdjson_status_syntax;
        here = next;
        TRY(walkString(next + 1));
        space();
        if (next == end) return csimdjson_status_incomplete;
        if (*next != ':') return csimdjson_status_syntax;
        next++;
        return csimdjson_status_found;
    }

    csimdjson_status scalar()
    {
        const uint8_t *first = next;
        while (next != end && !isSpace(*next) && *next != ',' && *next != ']' && *next != '}') next++;
        if (*first == '-' || isDigit(*first))
            return isNumber(first, next) ? csimdjson_status_found : csimdjson_status_number;
        const std::string_view literal(reinterpret_cast<const char *>(first), size_t(next - first));
        return literal == "true" || literal == "false" || literal == "null" ? csimdjson_status_found
                                                                            : csimdjson_status_syntax;
    }
};

}  // namespace csimdjson

#endif
