// The keys whose values csimdjson_parser gives out.

#ifndef CSIMDJSON_KEYS_HPP
#define CSIMDJSON_KEYS_HPP

#include "csimdjson.h"

#include <cstring>
#include <string>

namespace csimdjson {

/// Finds keys in a small table: open addressing, hashed by four bytes in which most keys differ.
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
                while (*stop != '.' && *stop != '\n') stop++;
                key = add(key, reinterpret_cast<const uint8_t *>(path), size_t(stop - path));
                if (key == none) return;
                path = stop + 1;
            }
            places[key] = uint8_t(count);
            count++;
        }
    }

    KeyTable(const KeyTable &) = delete;

    static constexpr uint8_t none = 0xFF;
    /// The parent of the object's own members.
    static constexpr uint8_t root = 0xFE;

    /// The key of that name below another.
    uint8_t find(uint8_t parent, const uint8_t *bytes, size_t length) const
    {
        // At most half of the slots are taken, so an empty one ends the search.
        for (size_t slot = home(bytes, length);; slot = (slot + 1) % slotCount) {
            const uint8_t key = slots[slot];
            if (key == none) return none;
            if (parents[key] == parent && entries[key].length == length
                && std::memcmp(entries[key].start, bytes, length) == 0)
                return key;
        }
    }

    /// The place of the path that ends with this key; `none` if the key only leads to others.
    uint8_t place(uint8_t key) const { return places[key]; }

private:
    static constexpr size_t slotCount = 2 * CSIMDJSON_KEY_LIMIT;

    static size_t home(const uint8_t *bytes, size_t length)
    {
        if (length == 0) return 0;
        return (length * 5 + bytes[0] * 3 + bytes[length / 2] * 7 + bytes[length - 1] * 11) % slotCount;
    }

    uint8_t add(uint8_t parent, const uint8_t *bytes, size_t length)
    {
        const uint8_t known = find(parent, bytes, length);
        if (known != none || keyCount == CSIMDJSON_KEY_LIMIT) return known;
        entries[keyCount] = {bytes, length};
        parents[keyCount] = parent;
        places[keyCount] = none;
        size_t slot = home(bytes, length);
        while (slots[slot] != none) slot = (slot + 1) % slotCount;
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

}  // namespace csimdjson

#endif
