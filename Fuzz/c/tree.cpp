// Fuzzes the reader of whole objects (Sources/CSimdjson/tree.cpp) against simdjson's own DOM.

#include "csimdjson_tree.h"
#include "fuzz.h"
#include "json.hpp"

#include <algorithm>
#include <string>

namespace {

/// Compares a value and all within it; returns the place behind them.
size_t compare(const csimdjson_node *nodes, size_t place, size_t end, const simdjson::dom::element &second)
{
    HOLDS(place < end, "node %zu of %zu", place, end);
    const csimdjson_node &node = nodes[place];
    HOLDS(json::agree(node.value, second), "node %zu", place);
    const size_t stop = place + 1 + node.count;
    HOLDS(stop <= end, "node %zu has %zu within", place, node.count);
    size_t next = place + 1;
    simdjson::dom::object members;
    simdjson::dom::array elements;
    if (!second.get_object().get(members)) {
        for (const auto &[key, value] : members) {
            HOLDS(next < stop, "too few members");
            const std::string_view name(reinterpret_cast<const char *>(nodes[next].key.start), nodes[next].key.length);
            HOLDS(name == key, "%s", std::string(key).c_str());
            next = compare(nodes, next, stop, value);
        }
    } else if (!second.get_array().get(elements)) {
        for (simdjson::dom::element value : elements) {
            HOLDS(next < stop, "too few elements");
            HOLDS(nodes[next].key.length == 0, "an element with a key");
            next = compare(nodes, next, stop, value);
        }
    }
    HOLDS(next == stop, "node %zu", place);
    return stop;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    // Exactly as long as the text: the tree copies it.
    const std::string text(reinterpret_cast<const char *>(bytes), length);
    const size_t lines = 1 + size_t(std::count(text.begin(), text.end(), '\n'));
    static simdjson::dom::parser dom;
    simdjson::dom::element element;
    const simdjson::error_code error = json::parse(dom, bytes, length).get(element);

    csimdjson_tree *tree = csimdjson_tree_create(bytes, length);
    bool isObject = false;
    csimdjson_status status = csimdjson_tree_open(tree, &isObject);
    if (status == csimdjson_status_found && !isObject) {
        HOLDS(error || !element.is_object(), "an object that is none");
    } else if (status == csimdjson_status_found) {
        simdjson::dom::object object;
        simdjson::dom::object::iterator next, end;
        if (!error) {
            HOLDS(!element.get_object().get(object), "an object");
            next = object.begin();
            end = object.end();
        }
        size_t line = 0;
        for (;;) {
            const csimdjson_node *nodes = nullptr;
            size_t count = 0;
            status = csimdjson_tree_next(tree, &nodes, &count);
            if (status != csimdjson_status_found) break;
            HOLDS(count > 0 && nodes[0].count == count - 1, "a member of %zu nodes", count);
            for (size_t index = 0; index < count; index++) {
                HOLDS(nodes[index].line >= line && nodes[index].line <= lines, "line %zu of %zu", line, lines);
                line = nodes[index].line;
            }
            if (error) continue;
            HOLDS(next != end, "members beyond the end");
            HOLDS(
                std::string_view(reinterpret_cast<const char *>(nodes[0].key.start), nodes[0].key.length) == next.key(),
                "a key");
            compare(nodes, 0, count, next.value());
            ++next;
        }
        if (status == csimdjson_status_end && !error) HOLDS(!(next != end), "members are missing");
        if (status == csimdjson_status_end)
            HOLDS(
                !error || error == simdjson::NUMBER_ERROR || error == simdjson::DEPTH_ERROR,
                "taken, but the DOM says: %s", simdjson::error_message(error));
        else HOLDS(error || status == csimdjson_status_depth, "refused with %d, but the DOM takes it", status);
    } else {
        HOLDS(error, "refused with %d, but the DOM takes it", status);
    }
    HOLDS(csimdjson_tree_line(tree) <= lines, "line %zu of %zu", csimdjson_tree_line(tree), lines);
    csimdjson_tree_destroy(tree);
    return 0;
}
